import { integerBelow, unit } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { type NoiseSchedule, shortestInterval } from "./schedule.ts";

/**
 * Ticks over which payload that does not take the next one is spread. What comes at a random moment
 * falls into long intervals more often: taking the one tick after them instead would only move the
 * long interval one place to the front.
 */
export const DEFERRAL_TICKS_MAX = 8;

/**
 * When payload takes its first tick.
 *
 * - `soon`: it came just now;
 * - `spread`: it waited for the stream itself, so that any tick near the stream's beginning would be
 *   payload's more often than another.
 */
export type PayloadPace = "soon" | "spread";

/** What a deferral is drawn for. */
export interface DeferralOptions {
  readonly schedule: NoiseSchedule;
  readonly pace: PayloadPace;
  /** How long the interval is that payload came into, in milliseconds. */
  readonly intervalMs: number;
  /** Ticks that payload can let pass and still leave whole. */
  readonly sparedTicks: number;
}

/**
 * Draws how many ticks payload lets pass before its first frame.
 *
 * Payload that simply took the next tick would stand behind long intervals: a random moment falls
 * into an interval with a chance that grows with its length (the inspection paradox), and who knows
 * the intervals before a frame tells it from noise with an AUC of 0.533 on monerod's schedule. With
 * a chance of shortest / length for the next tick every length is equally likely before payload.
 *
 * @param options schedule, pace, and what room there is
 * @param random chance of its own: how many draws there are depends on payload
 * @returns 0 for the next tick
 */
export function drawDeferral(options: DeferralOptions, random: RandomSource): number {
  const { schedule, pace, intervalMs, sparedTicks } = options;
  if (sparedTicks < 1) return 0;
  if (pace === "spread") return integerBelow(random, sparedTicks + 1);
  if (unit(random) * intervalMs < shortestInterval(schedule)) return 0;
  return 1 + integerBelow(random, Math.min(DEFERRAL_TICKS_MAX, sparedTicks));
}
