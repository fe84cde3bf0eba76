import { stat } from "node:fs/promises";
import { poll } from "../process/deadline.ts";
import { type DevnetState, isRunning } from "./state.ts";

/** A network asked to stop is gone within a second; one that hangs is killed after this. */
const ASKED_MS_MAX = 15_000;
/** After a kill its janitor cleans up. */
const KILLED_MS_MAX = 30_000;
const LOOK_EVERY_MS = 25;

/**
 * Takes down a network that another process runs, and waits until nothing of it is left.
 *
 * @param state what that process noted
 * @throws ProcessError `timed-out` when something is left
 */
export async function takeDown(state: DevnetState): Promise<void> {
  const { pid, directory } = state.document;
  const gone = async (): Promise<true | undefined> => {
    if (await isRunning(state)) return undefined;
    return await stat(directory).then(
      () => undefined,
      () => true as const,
    );
  };
  const what = `process ${pid} to go, and ${directory} with it`;
  signalTo(pid, "SIGTERM");
  try {
    await poll(gone, LOOK_EVERY_MS, { deadlineMs: ASKED_MS_MAX }, what);
  } catch {
    if (await isRunning(state)) signalTo(pid, "SIGKILL");
    await poll(gone, LOOK_EVERY_MS, { deadlineMs: KILLED_MS_MAX }, what);
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in the meantime.
  }
}
