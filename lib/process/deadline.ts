import { type Clock, realClock } from "../runtime/clock.ts";
import { ProcessError } from "./error.ts";

/** How long something may take, and who may call it off. */
export interface Patience {
  /** Longest wait, in milliseconds. */
  readonly deadlineMs: number;
  /** Calls the wait off. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Where the time comes from.
   * @default realClock
   */
  readonly clock?: Clock | undefined;
}

/**
 * Throws where a wait was called off.
 *
 * @param signal the caller's signal, if there is one
 * @throws ProcessError `aborted`
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal);
}

function aborted(signal: AbortSignal): ProcessError {
  return new ProcessError("aborted", "The start was called off.", {
    cause: signal.reason,
  });
}

/**
 * The result of `work`, unless the deadline passes or the signal fires first.
 *
 * @param work what is waited for; it is not stopped when the wait ends early
 * @param patience how long
 * @param what what the wait was for, as the end of the sentence "Waited 5 s in vain for …"
 * @returns what `work` resolves to
 * @throws ProcessError `timed-out` or `aborted`; what `work` rejects with
 */
export async function within<T>(work: Promise<T>, patience: Patience, what: string): Promise<T> {
  const { signal, clock = realClock, deadlineMs } = patience;
  throwIfAborted(signal);
  const { promise: cut, reject } = Promise.withResolvers<never>();
  const timer = clock.setTimer(clock.now() + deadlineMs, () => {
    reject(new ProcessError("timed-out", `Waited ${deadlineMs / 1_000} s in vain for ${what}.`));
  });
  const onAbort = (): void => {
    if (signal !== undefined) reject(aborted(signal));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, cut]);
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Waits.
 *
 * @param ms how long, in milliseconds
 * @param patience whose clock and signal count; its deadline does not
 * @throws ProcessError `aborted`
 */
export async function pause(ms: number, patience: Omit<Patience, "deadlineMs">): Promise<void> {
  const { signal, clock = realClock } = patience;
  throwIfAborted(signal);
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimer(clock.now() + ms, resolve);
  const onAbort = (): void => resolve();
  signal?.addEventListener("abort", onAbort, { once: true });
  await promise;
  timer.cancel();
  signal?.removeEventListener("abort", onAbort);
  throwIfAborted(signal);
}

/**
 * Asks again and again until there is an answer.
 *
 * @param ask resolves to undefined where it is too early; what it throws ends the wait
 * @param everyMs the pause between two questions, in milliseconds
 * @param patience how long in all
 * @param what what the wait is for, as the end of the sentence "Waited 5 s in vain for …"
 * @returns the first answer
 * @throws ProcessError `timed-out` or `aborted`; what `ask` throws
 */
export async function poll<T>(
  ask: () => Promise<T | undefined>,
  everyMs: number,
  patience: Patience,
  what: string,
): Promise<T> {
  const { clock = realClock, deadlineMs } = patience;
  const last = clock.now() + deadlineMs;
  for (;;) {
    throwIfAborted(patience.signal);
    const left = last - clock.now();
    if (left <= 0) {
      throw new ProcessError("timed-out", `Waited ${deadlineMs / 1_000} s in vain for ${what}.`);
    }
    const answer = await within(ask(), { ...patience, deadlineMs: left }, what);
    if (answer !== undefined) return answer;
    await pause(Math.min(everyMs, left), patience);
  }
}
