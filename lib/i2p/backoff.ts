import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";

/** The first pause: a router that was just restarted listens again within a second. */
const FIRST_MS = 500;
/** The longest pause: a router that is away for hours is asked twice a minute. */
export const BACKOFF_MS_MAX = 30_000;
/** Pauses vary by this share, so that programs which lost one router do not return as one. */
const JITTER = 0.2;

/**
 * How long to wait before the next attempt: doubled each time up to 30 s, give or take a fifth.
 *
 * @param failures how many attempts have failed in a row, 1 or more
 * @param random where the jitter comes from
 * @returns milliseconds
 */
export function backoffMs(failures: number, random: RandomSource): number {
  const doubled = FIRST_MS * 2 ** Math.min(failures - 1, 10);
  return Math.min(BACKOFF_MS_MAX, doubled) * uniform(random, 1 - JITTER, 1 + JITTER);
}
