import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../real/binary.ts";

/** What a run of the built program came to. */
export interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

const directories: string[] = [];
const children: ChildProcess[] = [];

/** A directory that is removed after the test. */
export function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "anonctl-cli-"));
  directories.push(path);
  return path;
}

/** Runs the built program to its end. */
export function run(...words: readonly string[]): Run {
  const { status, stdout, stderr } = spawnSync(binary(), words, {
    ...{ encoding: "utf8", timeout: 20_000 },
    env: { ...process.env, HOME: directory() },
  });
  return { code: status, out: stdout, errors: stderr };
}

/** A program that runs on, with everything that it has printed. */
export interface Running {
  readonly child: ChildProcess;
  readonly output: () => Pick<Run, "out" | "errors">;
  readonly exited: Promise<number | null>;
}

/** Starts the built program, and waits until it has printed something that fits. */
export async function start(fits: RegExp, ...words: readonly string[]): Promise<Running> {
  const child = spawn(binary(), words, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: directory() },
  });
  children.push(child);
  let out = "";
  let errors = "";
  const exited = once(child, "exit").then(([code]) => (typeof code === "number" ? code : null));
  child.stderr.on("data", (part: Buffer) => (errors += String(part)));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (part: Buffer) => {
      out += String(part);
      if (fits.test(out)) resolve();
    });
    exited.then((code) => reject(new Error(`It ended with ${code}: ${errors}`)), reject);
  });
  return { child, output: () => ({ out, errors }), exited };
}

/** Ends what a test started, and removes its directories. */
export async function clear(): Promise<void> {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}
