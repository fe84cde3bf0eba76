import process from "node:process";
import { Exit } from "./run.ts";

const EXIT_INTERRUPTED = 130;

type StopName = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The user's wish that a command end. */
export interface StopSignal {
  /** Fires at the first of the signals that are listened for. */
  readonly signal: AbortSignal;
  /** Resolves at the same time to the signal's name; never rejects. */
  readonly stopped: Promise<StopName>;
}

/**
 * Listens for signals; a second one ends the process as usual.
 *
 * @param names which: SIGINT and SIGTERM unless told otherwise
 */
export function stopSignal(names: readonly StopName[] = ["SIGINT", "SIGTERM"]): StopSignal {
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<StopName>();
  for (const name of names) {
    process.once(name, () => {
      resolve(name);
      abort.abort();
    });
  }
  return { signal: abort.signal, stopped: promise };
}

/**
 * Runs what can be stopped: whatever it fails with after a stop was asked for, the stop is what
 * happened.
 *
 * @param stop the user's wish
 * @param run what to do
 * @throws Exit 130 after SIGINT, 0 after SIGTERM
 */
export async function untilStopped(stop: StopSignal, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  if (stop.signal.aborted) throw new Exit((await stop.stopped) === "SIGINT" ? EXIT_INTERRUPTED : 0);
}
