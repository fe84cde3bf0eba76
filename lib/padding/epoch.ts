import { longestInterval, type NoiseSchedule } from "./schedule.ts";

/** How long a channel stays on one link: `baseMs` + U[0, `spreadMs`]. */
export interface EpochLength {
  readonly baseMs: number;
  readonly spreadMs: number;
}

/**
 * monerod's noise epoch: 5 min + U[0, 30] s.
 * @see monero `src/cryptonote_config.h`, `CRYPTONOTE_NOISE_MIN_EPOCH`, `CRYPTONOTE_NOISE_EPOCH_RANGE`
 */
export const moneroNoiseEpoch: EpochLength = { baseMs: 300_000, spreadMs: 30_000 };

/**
 * The epoch of streams that carry one transaction each: 8 min + U[0, 30] s. In monerod's the largest
 * transaction leaves whole only where nobody asks for a timed sync meanwhile; here it has no other
 * stream to go on with.
 */
export const streamEpoch: EpochLength = { baseMs: 480_000, spreadMs: 30_000 };

/**
 * Ticks that come before a moment whatever a schedule draws.
 *
 * @param schedule of the channel
 * @param tickAt when its next tick is due, in milliseconds
 * @param endsAt the moment, on the same clock
 * @returns how many, the next one among them
 */
export function ticksWithin(schedule: NoiseSchedule, tickAt: number, endsAt: number): number {
  if (tickAt > endsAt) return 0;
  return 1 + Math.floor((endsAt - tickAt) / longestInterval(schedule));
}
