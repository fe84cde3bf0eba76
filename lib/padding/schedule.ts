import { uniform, unit } from "../runtime/distribution.ts";
import { formatDuration, parseDuration } from "../runtime/duration.ts";
import type { RandomSource } from "../runtime/random.ts";
import { PaddingError } from "./error.ts";

/**
 * How long a noise channel waits from one frame to the next.
 *
 * - `uniform`: between two bounds, as monerod does;
 * - `poisson`: a Poisson process, so exponential waits with a mean;
 * - `constant`: always the same. For experiments only: with a constant interval the variance of
 *   the jitter shows which frames carried payload (Fu et al., ICDCS 2003).
 */
export type NoiseSchedule =
  | { readonly kind: "uniform"; readonly lowMs: number; readonly highMs: number }
  | { readonly kind: "poisson"; readonly meanMs: number }
  | { readonly kind: "constant"; readonly everyMs: number };

/**
 * monerod's own schedule: 10 s + U[0, 5] s.
 * @see monero `src/cryptonote_config.h`, `CRYPTONOTE_NOISE_MIN_DELAY`, `CRYPTONOTE_NOISE_DELAY_RANGE`
 */
export const moneroSchedule: NoiseSchedule = { kind: "uniform", lowMs: 10_000, highMs: 15_000 };

/** Shortest mean interval: below it a channel would cost more than a video stream. */
const INTERVAL_MS_MIN = 1;
/**
 * Longest interval that may be asked for: a timed sync waits for a tick on its way there and for
 * another on its way back, and monerod gives up on it after 120 s.
 */
const INTERVAL_MS_MAX = 30_000;
/** No Poisson wait is longer, for the same reason. */
const POISSON_WAIT_MS_MAX = 45_000;

/** Least spread of a schedule outside experiments. */
const SPREAD_MS_MIN = 1_000;

/**
 * Draws the wait before the next frame.
 *
 * @param schedule the channel's schedule
 * @param random where chance comes from
 * @returns milliseconds, fractional
 */
export function drawInterval(schedule: NoiseSchedule, random: RandomSource): number {
  switch (schedule.kind) {
    case "uniform":
      return uniform(random, schedule.lowMs, schedule.highMs);
    case "poisson":
      return truncatedExponential(random, schedule.meanMs);
    case "constant":
      return schedule.everyMs;
  }
}

/**
 * The mean wait between two frames.
 *
 * @param schedule the channel's schedule
 * @returns milliseconds
 */
export function meanInterval(schedule: NoiseSchedule): number {
  switch (schedule.kind) {
    case "uniform":
      return (schedule.lowMs + schedule.highMs) / 2;
    case "poisson": {
      const beyond = Math.exp(-POISSON_WAIT_MS_MAX / schedule.meanMs);
      return schedule.meanMs - (POISSON_WAIT_MS_MAX * beyond) / (1 - beyond);
    }
    case "constant":
      return schedule.everyMs;
  }
}

/** Exponential below the bound, with no wait likelier than it would be without one. */
function truncatedExponential(random: RandomSource, meanMs: number): number {
  const within = -Math.expm1(-POISSON_WAIT_MS_MAX / meanMs);
  return -meanMs * Math.log1p(-unit(random) * within);
}

/**
 * Reads `uniform:10s..15s`, `poisson:12.5s` or `constant:10s`; a blank serves as the colon.
 *
 * @param text what the user wrote
 * @throws PaddingError when the text is none of these, or an interval is out of bounds
 */
export function parseSchedule(text: string): NoiseSchedule {
  const [, kind = "", values = ""] = /^([a-z]+)[: ](.*)$/.exec(text.trim()) ?? [];
  const waits = values.split("..").map((value) => readWait(text, value));
  const [first, second] = waits;
  if (kind === "uniform" && first !== undefined && second !== undefined && waits.length === 2) {
    if (second < first) {
      throw new PaddingError(
        `Schedule "${text}" ends before it begins; write the lower bound first.`,
      );
    }
    return { kind, lowMs: first, highMs: second };
  }
  if (first !== undefined && waits.length === 1) {
    if (kind === "poisson") return { kind, meanMs: first };
    if (kind === "constant") return { kind, everyMs: first };
  }
  throw new PaddingError(
    `Schedule "${text}" is not known; write uniform:10s..15s, poisson:12.5s or constant:10s.`,
  );
}

function readWait(text: string, value: string): number {
  const wait = parseDuration(value);
  if (wait === undefined) {
    throw new PaddingError(
      `Schedule "${text}" is not known; write uniform:10s..15s, poisson:12.5s or constant:10s.`,
    );
  }
  if (wait < INTERVAL_MS_MIN || wait > INTERVAL_MS_MAX) {
    throw new PaddingError(`An interval in "${text}" is not from 1ms to 30s.`);
  }
  return wait;
}

/**
 * The one text form of a schedule, as `parseSchedule` reads it back.
 *
 * @param schedule any schedule
 */
export function formatSchedule(schedule: NoiseSchedule): string {
  switch (schedule.kind) {
    case "uniform":
      return `uniform:${formatDuration(schedule.lowMs)}..${formatDuration(schedule.highMs)}`;
    case "poisson":
      return `poisson:${formatDuration(schedule.meanMs)}`;
    case "constant":
      return `constant:${formatDuration(schedule.everyMs)}`;
  }
}

/**
 * The longest wait that a schedule ever draws.
 *
 * @param schedule any schedule
 * @returns milliseconds
 */
export function longestInterval(schedule: NoiseSchedule): number {
  switch (schedule.kind) {
    case "uniform":
      return schedule.highMs;
    case "poisson":
      return POISSON_WAIT_MS_MAX;
    case "constant":
      return schedule.everyMs;
  }
}

/**
 * The shortest wait that a schedule ever draws.
 *
 * @param schedule any schedule
 * @returns milliseconds
 */
export function shortestInterval(schedule: NoiseSchedule): number {
  switch (schedule.kind) {
    case "uniform":
      return schedule.lowMs;
    case "poisson":
      return 0;
    case "constant":
      return schedule.everyMs;
  }
}

/**
 * The schedule with every wait longer by a factor, for more channels at the same cost.
 *
 * @param schedule any schedule
 * @param factor 1 or more
 */
export function slower(schedule: NoiseSchedule, factor: number): NoiseSchedule {
  switch (schedule.kind) {
    case "uniform":
      return { ...schedule, lowMs: schedule.lowMs * factor, highMs: schedule.highMs * factor };
    case "poisson":
      return { ...schedule, meanMs: schedule.meanMs * factor };
    case "constant":
      return { ...schedule, everyMs: schedule.everyMs * factor };
  }
}

/**
 * Whether a schedule spreads its intervals enough to hide the delays that payload causes, which
 * are well under a millisecond; a spread of a second is a thousand times that.
 *
 * @param schedule any schedule
 * @see Fu et al., ICDCS 2003
 */
export function hidesPayload(schedule: NoiseSchedule): boolean {
  switch (schedule.kind) {
    case "uniform":
      return schedule.highMs - schedule.lowMs >= SPREAD_MS_MIN;
    case "poisson":
      return schedule.meanMs >= SPREAD_MS_MIN;
    case "constant":
      return false;
  }
}
