import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { type Patience, within } from "./deadline.ts";
import { ProcessError } from "./error.ts";

/** How a child ended: by itself with a code, or by a signal. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What to run. */
export interface ChildOptions {
  /** How messages call it, such as "tor (relay 2)". */
  readonly name: string;
  /** Absolute path of the program. */
  readonly program: string;
  /** Its arguments, without its own name. */
  readonly arguments: readonly string[];
  /** Its working and home directory. */
  readonly directory: string;
  /** Folder in which it leaves a file named after its process id before it starts. */
  readonly registry: string;
}

/** Lines of output kept: enough to hold a daemon's whole start. */
const OUTPUT_LINES_MAX = 1_000;
/** Longest line kept; the rest of a longer one is cut into further lines. */
const LINE_CHARACTERS_MAX = 4_096;
/** Lines quoted when a child ends on its own. */
const QUOTED_LINES_MAX = 4;

/**
 * Writes the process id where the janitor looks, then becomes the program. Where the registry is
 * gone, because its network is being taken down, nothing is started.
 */
const REGISTERED_START = 'printf "" > "$1/$$" && shift && exec "$@"';

interface LineWaiter {
  readonly pattern: RegExp;
  readonly found: (match: RegExpMatchArray) => void;
}

/**
 * A program that runs beside us: its output in a bounded buffer, its end observed.
 *
 * Made by `Scratch.spawn`, whose janitor ends it when this process is gone.
 */
export class Child {
  /** How messages call it. */
  readonly name: string;
  /** Resolves when it has ended; never rejects. */
  readonly exited: Promise<ChildExit>;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiters = new Set<LineWaiter>();
  #exit: ChildExit | undefined;

  private constructor(name: string, process: ChildProcess) {
    this.name = name;
    this.#process = process;
    const { promise, resolve } = Promise.withResolvers<ChildExit>();
    this.exited = promise;
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (this.#exit !== undefined) return;
      this.#exit = { code, signal };
      resolve(this.#exit);
    };
    process.once("exit", end);
    process.once("error", () => end(null, null));
    for (const stream of [process.stdout, process.stderr]) {
      if (stream !== null) this.#read(stream);
    }
  }

  /**
   * Starts a program in a session of its own, so that a terminal's Ctrl-C reaches only us.
   *
   * @param options what to run
   * @throws ProcessError `program-exited` when the shell could not be started
   */
  static start(options: ChildOptions): Child {
    const { name, program, directory, registry } = options;
    const shell = ["-c", REGISTERED_START, "sh", registry, program, ...options.arguments];
    const process_ = spawn("/bin/sh", shell, {
      cwd: directory,
      detached: true,
      env: { PATH: process.env["PATH"] ?? "", HOME: directory, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (process_.pid === undefined) {
      process_.once("error", () => undefined);
      throw new ProcessError("program-exited", `${name} could not be started with /bin/sh.`);
    }
    return new Child(name, process_);
  }

  /** Its process id; stays known after its end. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** How it ended, or undefined while it runs. */
  get exit(): ChildExit | undefined {
    return this.#exit;
  }

  /** The last lines of its output, standard output and error mixed, oldest first. */
  get output(): readonly string[] {
    return this.#lines;
  }

  /**
   * Waits for a line of output; lines that came before the call count too.
   *
   * @param pattern what the line holds; without the `g` flag
   * @param patience how long to wait
   * @returns the match
   * @throws ProcessError `timed-out`, `aborted`, or `program-exited` with its last lines
   */
  async line(pattern: RegExp, patience: Patience): Promise<RegExpMatchArray> {
    for (const line of this.#lines) {
      const match = line.match(pattern);
      if (match !== null) return match;
    }
    return await this.nextLine(pattern, patience);
  }

  /**
   * Waits for a line of output that comes after the call.
   *
   * @param pattern what the line holds; without the `g` flag
   * @param patience how long to wait
   * @returns the match
   * @throws ProcessError as `line`
   */
  async nextLine(pattern: RegExp, patience: Patience): Promise<RegExpMatchArray> {
    const { promise, resolve } = Promise.withResolvers<RegExpMatchArray>();
    const waiter: LineWaiter = { pattern, found: resolve };
    this.#waiters.add(waiter);
    try {
      return await this.alive(within(promise, patience, `${pattern} from ${this.name}`));
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  /**
   * The result of `work`, unless the child ends first.
   *
   * @param work something that needs the child to run
   * @throws ProcessError `program-exited` with its last lines; what `work` rejects with
   */
  async alive<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([
      work,
      this.exited.then((exit): never => {
        const how = exit.signal ?? `code ${exit.code}`;
        const last = this.#lines.slice(-QUOTED_LINES_MAX).join(" | ") || "nothing";
        throw new ProcessError("program-exited", `${this.name} ended (${how}); it said: ${last}`);
      }),
    ]);
  }

  /**
   * Sends a signal; does nothing after its end.
   *
   * @param signal which
   */
  kill(signal: NodeJS.Signals): void {
    if (this.#exit === undefined) this.#process.kill(signal);
  }

  /** Ends it at once and waits until it is gone. Fit for daemons whose data is thrown away. */
  async destroy(): Promise<void> {
    this.kill("SIGKILL");
    await this.exited;
  }

  #read(stream: Readable): void {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      rest += text;
      let from = 0;
      for (let at = rest.indexOf("\n"); at !== -1; at = rest.indexOf("\n", from)) {
        this.#keep(rest.slice(from, at));
        from = at + 1;
      }
      rest = rest.slice(from);
      if (rest.length > LINE_CHARACTERS_MAX) {
        this.#keep(rest);
        rest = "";
      }
    });
    stream.on("error", () => undefined);
  }

  #keep(text: string): void {
    for (let from = 0; from < Math.max(1, text.length); from += LINE_CHARACTERS_MAX) {
      const line = text.slice(from, from + LINE_CHARACTERS_MAX);
      this.#lines.push(line);
      for (const waiter of this.#waiters) {
        const match = line.match(waiter.pattern);
        if (match !== null) waiter.found(match);
      }
    }
    if (this.#lines.length > OUTPUT_LINES_MAX) {
      this.#lines.splice(0, this.#lines.length - OUTPUT_LINES_MAX);
    }
  }
}
