import { comparable, type Strata, strataOf } from "./detect-strata.ts";
import { normalQuantile } from "./statistics-special.ts";
import { sorted } from "./statistics-summary.ts";

/** The confidence of every interval. */
export const CONFIDENCE = 0.95;

/** How well a score tells positives from negatives. */
export interface Auc {
  /** The chance that a positive scores higher than a negative, half of ties included. */
  readonly auc: number;
  readonly standardError: number;
  readonly positives: number;
  readonly negatives: number;
}

/** An AUC with what its error would be if neighbours did not depend on each other. */
export interface MeasuredAuc extends Auc {
  readonly independentError: number;
}

/** A range that holds the truth in 95 % of cases. */
export interface ConfidenceInterval {
  readonly low: number;
  readonly high: number;
}

/**
 * The rank of each value among all; equal values share the middle of their ranks.
 *
 * @param values numbers in any order, none of them NaN
 * @returns ranks from 1, in the order of the values
 */
export function midranks(values: ArrayLike<number>): Float64Array {
  const rising = sorted(values);
  // First and last rank of each distinct value, found once a value.
  const ranks = new Float64Array(values.length);
  for (let i = 0; i < ranks.length; i++) {
    const value = values[i] as number;
    const low = firstAbove(rising, value, false);
    const isAlone = low + 1 === rising.length || (rising[low + 1] as number) > value;
    ranks[i] = isAlone ? low + 1 : (low + 1 + firstAbove(rising, value, true)) / 2;
  }
  return ranks;
}

/**
 * The first place of a rising list whose value is above another, or at least it.
 *
 * @param rising numbers in rising order
 * @param value what to compare with
 * @param isStrict whether equal values are not enough
 * @returns the list's length where there is none
 */
export function firstAbove(rising: ArrayLike<number>, value: number, isStrict: boolean): number {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = rising[middle] as number;
    if (other < value || (isStrict && other === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * As {@link midranks}, each stream's cases ranked among themselves.
 *
 * @param values of all cases
 * @param strata which of them are ranked together
 */
export function midranksWithin(values: ArrayLike<number>, strata: Strata): Float64Array {
  const ranks = new Float64Array(values.length);
  for (const places of strata) {
    const own = midranks(at(values, places));
    places.forEach((place, k) => {
      ranks[place] = own[k] as number;
    });
  }
  return ranks;
}

/**
 * The area under the receiver's curve, with its standard error. Cases are compared within their
 * stream only, and streams weigh as is best where all show the same.
 *
 * Source: Mann and Whitney 1947; van Elteren 1960 for several streams; DeLong, DeLong and
 * Clarke-Pearson 1988 in the form of Sun and Xu 2014. Scores of neighbours may depend on each other,
 * as sums over the same seconds do; where the error that counts that in (Newey and West 1987) is
 * greater, it is the one given.
 *
 * @param scores in the order of time
 * @param labels 1 for a positive, 0 for a negative; some stream has at least one of each
 * @param strata which cases are compared; all with all unless told otherwise
 * @param ranks of the scores within their strata, where they are known
 */
export function aucOf(
  scores: ArrayLike<number>,
  labels: Uint8Array,
  strata: Strata = strataOf(undefined, labels.length),
  ranks: ArrayLike<number> = midranksWithin(scores, strata),
): MeasuredAuc {
  const each = comparable(strata, labels).map((places) =>
    placementsOf(at(scores, places), at(labels, places), at(ranks, places)),
  );
  const sum = (value: (one: Placements) => number): number =>
    each.reduce((total, one) => total + value(one), 0);
  const weight = sum((one) => one.weight);
  const auc = sum((one) => one.weight * one.auc) / weight;
  const counts = [sum((one) => one.counts[0]), sum((one) => one.counts[1])] as const;
  let independent = 0;
  let dependent = 0;
  for (const one of each) {
    const influence = one.placements.map((placement, k) => {
      const label = one.labels[k] === 1 ? 1 : 0;
      const share = one.weight / (weight * one.counts[label]);
      const few = counts[label] / Math.max(1, counts[label] - 1);
      independent += few * (share * (placement - auc)) ** 2;
      return share * (placement - one.auc);
    });
    dependent += dependentVariance(influence);
  }
  return {
    auc,
    standardError: Math.sqrt(Math.max(independent, dependent)),
    independentError: Math.sqrt(independent),
    positives: counts[1],
    negatives: counts[0],
  };
}

/** How the cases of one stream lie among each other. */
interface Placements {
  readonly auc: number;
  /** What the stream counts beside others. */
  readonly weight: number;
  /** Negatives, and positives. */
  readonly counts: readonly [number, number];
  readonly labels: Float64Array;
  /** Of each case, the share of those of the other label that lie on the right side of it. */
  readonly placements: Float64Array;
}

/** A loop, since iterating a list is what would take the time. */
function at(values: ArrayLike<number>, places: Uint32Array): Float64Array {
  const picked = new Float64Array(places.length);
  for (let k = 0; k < picked.length; k++) picked[k] = values[places[k] as number] as number;
  return picked;
}

function placementsOf(scores: Float64Array, labels: Float64Array, ranks: Float64Array): Placements {
  const n = labels.length;
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const negatives = n - positives;
  const within = [0, 1].map((label) => midranks(scores.filter((_, i) => labels[i] === label)));
  const seen = [0, 0];
  let sum = 0;
  const placements = ranks.map((rank, i) => {
    const label = labels[i] === 1 ? 1 : 0;
    if (label === 1) sum += rank;
    const own = (within[label] as Float64Array)[(seen[label] as number)++] as number;
    const beyond = (rank - own) / (label === 1 ? negatives : positives);
    return label === 1 ? beyond : 1 - beyond;
  });
  return {
    auc: (sum / positives - (positives + 1) / 2) / negatives,
    weight: (positives * negatives) / (n + 1),
    counts: [negatives, positives],
    labels,
    placements,
  };
}

/** The variance of a sum of values that depend on those shortly before them. */
function dependentVariance(values: Float64Array): number {
  const n = values.length;
  const lags = Math.min(n - 1, Math.floor(4 * (n / 100) ** (2 / 9)));
  let sum = 0;
  for (const value of values) sum += value * value;
  for (let lag = 1; lag <= lags; lag++) {
    let product = 0;
    for (let i = lag; i < n; i++) product += (values[i] as number) * (values[i - lag] as number);
    sum += 2 * (1 - lag / (lags + 1)) * product;
  }
  return sum;
}

/**
 * The confidence interval of an AUC, on its own scale: below 0.5 a detector works the other way.
 *
 * @param one what was measured
 * @param together how many detectors' intervals shall hold the truth all at once (Bonferroni)
 * @returns from 0 to 1. Where the error is small because nothing happened in few cases, the
 *   interval holds what may have stayed unseen (Hanley and Lippman-Hand 1983)
 */
export function aucInterval(one: Auc, together = 1): ConfidenceInterval {
  const rest = (1 - CONFIDENCE) / (2 * together);
  const unseen = -Math.expm1(Math.log(rest) / Math.min(one.positives, one.negatives));
  const half = Math.max(
    normalQuantile(1 - rest) * one.standardError,
    unseen * Math.max(one.auc, 1 - one.auc),
  );
  return { low: Math.max(0, one.auc - half), high: Math.min(1, one.auc + half) };
}

/**
 * An interval folded to where a detector works, since an observer may turn it around. The folded
 * estimate of a detector that knows nothing lies above 0.5 by about 0.8 standard errors, so nothing
 * is judged by it: only by the ends of the interval, which are taken before folding.
 *
 * @param interval on the detector's own scale
 * @returns from 0.5 to 1
 */
export function folded(interval: ConfidenceInterval): ConfidenceInterval {
  return {
    low: Math.max(0.5, interval.low, 1 - interval.high),
    high: Math.max(interval.high, 1 - interval.low),
  };
}
