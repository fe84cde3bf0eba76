import { integerBelow, uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";

/** How long epochs are, and how many of them fluff. */
export interface EpochOptions {
  /** Every epoch is at least this long, in milliseconds. */
  readonly baseMs: number;
  /** And longer by U[0, `spreadMs`], in milliseconds. */
  readonly spreadMs: number;
  /** In how many of a hundred epochs stems of others are fluffed. */
  readonly fluffPercent: number;
}

/**
 * monerod's: 10 min + U[0, 30] s, one in five fluffs.
 * @see monero `src/cryptonote_config.h`, `CRYPTONOTE_DANDELIONPP_MIN_EPOCH`,
 * `CRYPTONOTE_DANDELIONPP_EPOCH_RANGE`, `CRYPTONOTE_DANDELIONPP_FLUFF_PROBABILITY`
 */
export const moneroDandelionEpoch: EpochOptions = {
  baseMs: 600_000,
  spreadMs: 30_000,
  fluffPercent: 20,
};

/** One epoch: until it ends the stem map stays, and so does what becomes of stems of others. */
export interface Epoch {
  /** Whether stems of others are fluffed. One's own still go out as stems. */
  readonly fluff: boolean;
  /** Milliseconds on the caller's clock. */
  readonly endsAt: number;
}

/**
 * Draws an epoch that begins now.
 *
 * @param options lengths and share
 * @param random where chance comes from
 * @param now milliseconds
 * @see monero `src/cryptonote_protocol/levin_notify.cpp`, `start_epoch`
 */
export function drawEpoch(options: EpochOptions, random: RandomSource, now: number): Epoch {
  const fluff = integerBelow(random, 100) < options.fluffPercent;
  return { fluff, endsAt: now + options.baseMs + uniform(random, 0, options.spreadMs) };
}
