import { spawn } from "node:child_process";
import { root } from "./root.mjs";

/**
 * How one child ended.
 *
 * @typedef {object} Ending
 * @property {number | null} code exit code, or null when a signal ended it
 * @property {string} output everything it wrote to stdout and stderr, in the order it came
 * @property {number} elapsedMs how long it ran
 */

/** A grandchild may hold the pipes open after the child is gone; then nobody waits longer. */
const PIPE_GRACE_MS = 2_000;

/** How to end each child that is running now. */
const running = /** @type {Set<() => void>} */ (new Set());

let stopping = false;

/**
 * Ends a process group that this program started; one that is gone already is no error.
 *
 * @param {number} leader process id of the group's leader
 */
function killGroup(leader) {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // Nothing of the group is left.
  }
}

/** Ends every child that is still running, with all its own children; none is started any more. */
export function killChildren() {
  stopping = true;
  for (const kill of running) {
    kill();
  }
}

/** Makes sure that no child outlives this program when it is interrupted. */
export function killChildrenOnExit() {
  process.once("exit", killChildren);
  for (const [signal, number] of /** @type {const} */ ([
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ])) {
    process.once(signal, () => process.exit(128 + number));
  }
}

/**
 * Runs a command in a process group of its own, without standard input, and keeps what it says.
 * Whatever it leaves running in its group is ended when it ends.
 *
 * @param {string} command program to run
 * @param {readonly string[]} args its arguments
 * @param {{ env?: NodeJS.ProcessEnv, limitMs?: number }} [options] environment on top of this
 *   process's own; the longest it may run, in milliseconds
 * @returns {Promise<Ending>} never rejects: a command that cannot be started ends with code 127
 */
export function run(command, args, options = {}) {
  if (stopping) {
    return Promise.resolve({ code: null, output: "Not run: the time is over.", elapsedMs: 0 });
  }
  const startedMs = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      detached: true,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const leader = child.pid;
    const chunks = /** @type {Buffer[]} */ ([]);
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    const kill = () => {
      if (leader !== undefined) {
        killGroup(leader);
      }
    };
    running.add(kill);
    const limit =
      options.limitMs === undefined
        ? undefined
        : setTimeout(() => {
            chunks.push(Buffer.from(`\nEnded after its limit of ${options.limitMs} ms.\n`));
            kill();
          }, options.limitMs);
    let grace = /** @type {NodeJS.Timeout | undefined} */ (undefined);
    /** @param {number | null} code exit code */
    const finish = (code) => {
      clearTimeout(limit);
      clearTimeout(grace);
      kill();
      running.delete(kill);
      child.stdout.destroy();
      child.stderr.destroy();
      const output = Buffer.concat(chunks).toString("utf8");
      resolve({ code, output, elapsedMs: performance.now() - startedMs });
    };
    child.once("error", (error) => {
      chunks.push(Buffer.from(`${error.message}\n`));
      finish(127);
    });
    child.once("close", finish);
    child.once("exit", (code) => {
      grace = setTimeout(() => finish(code), PIPE_GRACE_MS);
    });
  });
}

/**
 * Runs a command on this terminal and waits for it. An interrupt reaches the child too, and it
 * decides how to stop.
 *
 * @param {string} command program to run
 * @param {readonly string[]} args its arguments
 * @param {NodeJS.ProcessEnv} [env] environment on top of this process's own
 * @returns {Promise<number>} its exit code, 130 when a signal ended it
 */
export function runOnTerminal(command, args, env = {}) {
  if (stopping) {
    return Promise.resolve(130);
  }
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: "inherit",
    });
    // A terminal sends its interrupt to both processes; only other signals need passing on.
    const keepWaiting = () => {};
    const passOn = () => {
      child.kill("SIGTERM");
    };
    running.add(passOn);
    process.on("SIGINT", keepWaiting);
    process.on("SIGTERM", passOn);
    /** @param {number} code exit code */
    const finish = (code) => {
      process.off("SIGINT", keepWaiting);
      process.off("SIGTERM", passOn);
      running.delete(passOn);
      resolve(code);
    };
    child.once("error", (error) => {
      process.stderr.write(`Cannot run ${command}: ${error.message}\n`);
      finish(127);
    });
    child.once("exit", (code) => finish(code ?? 130));
  });
}
