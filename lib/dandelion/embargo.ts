import { exponential, poisson } from "../runtime/distribution.ts";
import { formatDuration, parseDuration } from "../runtime/duration.ts";
import type { RandomSource } from "../runtime/random.ts";
import { DandelionError } from "./error.ts";

/**
 * How long a node that passed a stem on waits to see it in public before it fluffs it itself.
 *
 * - `poisson`: whole seconds, as monerod draws them;
 * - `exponential`: as the paper has it. Memoryless, so that of the nodes on a stem each is about
 *   as likely to be the first whose embargo ends.
 */
export type EmbargoSchedule =
  | { readonly kind: "poisson"; readonly meanMs: number }
  | { readonly kind: "exponential"; readonly meanMs: number };

/**
 * monerod's embargo: Poisson, 39 s.
 * @see monero `src/cryptonote_config.h`, `CRYPTONOTE_DANDELIONPP_EMBARGO_AVERAGE`;
 * `src/cryptonote_core/tx_pool.cpp`, `dandelionpp_embargo_average`
 */
export const moneroEmbargo: EmbargoSchedule = { kind: "poisson", meanMs: 39_000 };

/**
 * The mean of an exponential embargo by the paper's formula, -k(k-1)h / (2 ln(1-e)).
 *
 * @param path `hops` k: nodes that had the stem earlier; `risk` e: how likely one of them may be
 * to end its embargo before this one does; `hopMs` h: how long one hop takes, in milliseconds
 * @returns milliseconds
 * @see Fanti et al., "Dandelion++", 2018, on black holes. monerod's 39 s is the same formula with a
 * decimal logarithm: monero pull request 9295
 */
export function paperEmbargoMean(path: { hops: number; risk: number; hopMs: number }): number {
  return (-path.hops * (path.hops - 1) * path.hopMs) / (2 * Math.log1p(-path.risk));
}

/**
 * The paper's embargo for the path that monerod reckons with: 5 hops of 175 ms, risk 0.1.
 * @see monero `src/cryptonote_core/tx_pool.cpp`, the comment at `dandelionpp_embargo_average`
 */
export const paperEmbargo: EmbargoSchedule = {
  kind: "exponential",
  meanMs: Math.round(paperEmbargoMean({ hops: 5, risk: 0.1, hopMs: 175 })),
};

/** Shortest mean: below it a stem's own way to the public is slower than the embargo. */
const EMBARGO_MS_MIN = 1_000;
/** Longest mean: a swallowed transaction has to come out while its sender still waits for it. */
const EMBARGO_MS_MAX = 600_000;

const SECOND_MS = 1_000;

/**
 * Draws one embargo.
 *
 * @param schedule its distribution
 * @param random where chance comes from
 * @returns milliseconds, 0 or more
 */
export function drawEmbargo(schedule: EmbargoSchedule, random: RandomSource): number {
  switch (schedule.kind) {
    case "poisson":
      return poisson(random, schedule.meanMs / SECOND_MS) * SECOND_MS;
    case "exponential":
      return exponential(random, schedule.meanMs);
  }
}

/**
 * Reads `poisson:39s` or `exponential:16.6s`.
 *
 * @param text what the user wrote
 * @throws DandelionError when the text is neither, or the mean is not from 1 s to 10 min
 */
export function parseEmbargo(text: string): EmbargoSchedule {
  const [, kind = "", mean = ""] = /^([a-z]+):(.*)$/.exec(text.trim()) ?? [];
  const meanMs = parseDuration(mean);
  if ((kind !== "poisson" && kind !== "exponential") || meanMs === undefined) {
    throw new DandelionError(
      `Embargo "${text}" is not known; write poisson:39s or exponential:16.6s.`,
    );
  }
  if (meanMs < EMBARGO_MS_MIN || meanMs > EMBARGO_MS_MAX) {
    throw new DandelionError(`The mean in "${text}" is not from 1s to 10m.`);
  }
  return { kind, meanMs };
}

/**
 * The one text form of an embargo, as `parseEmbargo` reads it back.
 *
 * @param schedule any embargo
 */
export function formatEmbargo(schedule: EmbargoSchedule): string {
  return `${schedule.kind}:${formatDuration(schedule.meanMs)}`;
}
