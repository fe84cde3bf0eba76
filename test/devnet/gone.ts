import { existsSync } from "node:fs";
import { processStart } from "../../lib/devnet/process-start.ts";
import { pause } from "../../lib/process/deadline.ts";

/** Longest wait for processes to end that were told to. */
const GONE_MS_MAX = 10_000;
const LOOK_EVERY_MS = 20;

/**
 * Waits until nothing is left of processes and paths.
 *
 * @param pids process ids
 * @param paths files and directories
 * @returns what is still there after ten seconds; empty when all is gone
 */
export async function leftOver(
  pids: readonly number[],
  paths: readonly string[],
): Promise<(number | string)[]> {
  for (let waited = 0; ; waited += LOOK_EVERY_MS) {
    const running = await Promise.all(
      pids.map(async (pid) => ((await processStart(pid)) ? [pid] : [])),
    );
    const left = [...running.flat(), ...paths.filter((path) => existsSync(path))];
    if (left.length === 0 || waited > GONE_MS_MAX) return left;
    await pause(LOOK_EVERY_MS, {});
  }
}
