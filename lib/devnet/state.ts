import { chmod, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { basename, join } from "node:path";
import { z } from "zod";
import { type DevnetDocument, devnetDocument } from "./document.ts";
import { DevnetError } from "./error.ts";
import { processStart } from "./process-start.ts";

/** A private network that some process of this user runs. */
export interface DevnetState {
  /** What `devnet up` printed. */
  readonly document: DevnetDocument;
  /** When its process was started, as `processStart` tells it. */
  readonly processStart: string;
}

const stateRecord = z.object({ document: devnetDocument, processStart: z.string() });

const STATE_FILE = /^devnet-\d+\.json$/;
/** Longest state that is read. */
const STATE_CHARACTERS_MAX = 1_048_576;

/**
 * The folder in which running networks are noted; made where it is missing.
 *
 * @param env the environment; this process's own by default
 * @returns `$XDG_RUNTIME_DIR/anonctl`, or `anonctl-<user id>` in the temporary directory
 * @throws DevnetError `directory` when others can write there or it can't be made
 */
export async function runtimeDirectory(
  env: Readonly<NodeJS.ProcessEnv> = process.env,
): Promise<string> {
  const runtime = env["XDG_RUNTIME_DIR"];
  const { uid } = userInfo();
  const given = runtime?.startsWith("/") === true;
  const directory = given ? join(runtime, "anonctl") : join(tmpdir(), `anonctl-${uid}`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const found = await lstat(directory);
    // In a folder that anybody can write to, somebody may have been here before us.
    if (!found.isDirectory() || (uid >= 0 && found.uid !== uid)) {
      throw new DevnetError("directory", `"${directory}" belongs to somebody else; set TMPDIR.`);
    }
    await chmod(directory, 0o700);
    return directory;
  } catch (error) {
    if (error instanceof DevnetError) throw error;
    throw new DevnetError("directory", `"${directory}" can't be made; set XDG_RUNTIME_DIR.`, {
      cause: error,
    });
  }
}

/**
 * The file in which a process notes its network. Each process has its own, so that cleaning up
 * after one never takes another's away.
 *
 * @param directory as `runtimeDirectory` returns it
 * @param pid the process that runs the network
 */
export function stateFile(directory: string, pid: number): string {
  return join(directory, `devnet-${pid}.json`);
}

/**
 * Notes a network.
 *
 * @param file as `stateFile` returns it
 * @param document what `devnet up` prints
 */
export async function writeState(file: string, document: DevnetDocument): Promise<void> {
  const start = await processStart(document.pid);
  const state: DevnetState = { document, processStart: start ?? "" };
  const fresh = `${file}.new`;
  await writeFile(fresh, `${JSON.stringify(state)}\n`, { mode: 0o600 });
  await rename(fresh, file);
}

/**
 * The networks that run now. Notes of processes that are gone are removed, with the directories
 * that they name.
 *
 * @param directory as `runtimeDirectory` returns it
 */
export async function runningDevnets(directory: string): Promise<DevnetState[]> {
  const states: DevnetState[] = [];
  for (const name of (await readdir(directory).catch(() => [])).sort()) {
    if (!STATE_FILE.test(name)) continue;
    const file = join(directory, name);
    const state = await readState(file);
    if (state !== undefined && (await isRunning(state))) states.push(state);
    else await removeStale(file, state);
  }
  return states;
}

/**
 * Whether the process that noted a network still runs.
 *
 * @param state what it noted
 */
export async function isRunning(state: DevnetState): Promise<boolean> {
  return (await processStart(state.document.pid)) === state.processStart;
}

async function readState(file: string): Promise<DevnetState | undefined> {
  try {
    const text = await readFile(file, "utf8");
    if (text.length > STATE_CHARACTERS_MAX) return undefined;
    return stateRecord.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function removeStale(file: string, state: DevnetState | undefined): Promise<void> {
  await rm(file, { force: true });
  const left = state?.document.directory;
  if (left !== undefined && basename(left).startsWith("anonctl-devnet.")) {
    await rm(left, { recursive: true, force: true });
  }
}
