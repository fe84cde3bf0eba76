import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Child } from "../lib/process/child.ts";
import { findProgram } from "../lib/process/program.ts";
import type { Scratch } from "../lib/process/scratch.ts";
import { MissingProgram } from "./row.ts";

/** The repository's top folder. */
const repository = join(import.meta.dir, "..");
/** A machine under load takes seconds where a quiet one takes milliseconds. */
const START_MS_MAX = 20_000;

/** A program that runs beside this one and listens. */
export interface Listening {
  readonly child: Child;
  /** Its port on 127.0.0.1. */
  readonly port: number;
}

/**
 * The built program.
 *
 * @throws MissingProgram when it was not built
 */
export function builtAnonctl(): string {
  const path = join(repository, "dist/anonctl");
  if (existsSync(path)) return path;
  throw new MissingProgram("dist/anonctl is not built; run npm run build");
}

/**
 * Starts one of the programs in bench/programs under the Bun that runs this one.
 *
 * @param scratch where it lives
 * @param name its file name without ending
 * @param arguments_ what it takes
 * @returns once it says `{"port":N}`
 */
export async function startProgram(
  scratch: Scratch,
  name: string,
  arguments_: readonly string[] = [],
): Promise<Listening> {
  const child = scratch.spawn({
    name,
    program: process.execPath,
    arguments: [join(import.meta.dir, "programs", `${name}.ts`), ...arguments_],
    directory: scratch.directory,
  });
  const match = await child.line(/^\{"port":(\d+)\}$/, { deadlineMs: START_MS_MAX });
  return { child, port: Number(match[1]) };
}

/**
 * Starts microsocks, an independent SOCKS5 server in C.
 *
 * @param scratch where it lives
 * @param port a free one on 127.0.0.1
 * @returns undefined where this machine does not have it
 */
export async function startMicrosocks(
  scratch: Scratch,
  port: number,
): Promise<Listening | undefined> {
  const program = await findProgram("microsocks");
  if (program === undefined) return undefined;
  const child = scratch.spawn({
    name: "microsocks",
    program: "/bin/sh",
    // It tells of every connection; reading that would cost this process more than the connection.
    arguments: ["-c", 'exec "$0" -i 127.0.0.1 -p "$1" 2>/dev/null', program, String(port)],
    directory: scratch.directory,
  });
  return { child, port };
}

/** What a started node says of itself. */
export interface StartedNode {
  readonly child: Child;
  /** Its RPC port on 127.0.0.1. */
  readonly rpcPort: number;
}

/**
 * Starts `dist/anonctl node` on regtest, with its RPC on a free port.
 *
 * @param scratch where it lives
 * @param name of its data directory
 * @param arguments_ its zones and peers
 * @returns once it is ready
 */
export async function startNode(
  scratch: Scratch,
  name: string,
  arguments_: readonly string[],
): Promise<StartedNode> {
  const child = scratch.spawn({
    name,
    program: builtAnonctl(),
    arguments: [
      ...["node", "--json", "--regtest", "--rpc-bind-port", "0"],
      ...["--data-dir", scratch.path(name), ...arguments_],
    ],
    directory: scratch.directory,
  });
  const ready = /"schema":"anonctl\.node\.ready\.v1".*"rpc":\{"host":"127\.0\.0\.1","port":(\d+)\}/;
  const match = await child.line(ready, { deadlineMs: START_MS_MAX });
  return { child, rpcPort: Number(match[1]) };
}

/**
 * Starts `dist/anonctl noise-capture --tap` before a port.
 *
 * @param scratch where it lives
 * @param targetPort on 127.0.0.1, where it leads
 * @returns once it listens
 */
export async function startTap(scratch: Scratch, targetPort: number): Promise<Listening> {
  const child = scratch.spawn({
    name: "tap",
    program: builtAnonctl(),
    arguments: ["noise-capture", "--tap", `0=${targetPort}`, "--json"],
    directory: scratch.directory,
  });
  const listens = /: tap on 127\.0\.0\.1:(\d+) to /;
  const match = await child.line(listens, { deadlineMs: START_MS_MAX });
  return { child, port: Number(match[1]) };
}
