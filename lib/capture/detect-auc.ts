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
 * The area under the receiver's curve, with its standard error.
 *
 * Source: Mann and Whitney 1947; DeLong, DeLong and Clarke-Pearson 1988 in the form of Sun and Xu
 * 2014. Scores of neighbours may depend on each other, as sums over the same seconds do; where the
 * error that counts that in (Newey and West 1987) is greater, it is the one given.
 *
 * @param scores in the order of time
 * @param labels 1 for a positive, 0 for a negative; at least one of each
 * @param ranks of the scores, where they are known
 */
export function aucOf(
  scores: ArrayLike<number>,
  labels: Uint8Array,
  ranks: ArrayLike<number> = midranks(scores),
): Auc {
  const n = labels.length;
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const negatives = n - positives;
  const groups = [new Float64Array(negatives), new Float64Array(positives)];
  const filled = [0, 0];
  for (let i = 0; i < n; i++) {
    const label = labels[i] === 1 ? 1 : 0;
    (groups[label] as Float64Array)[(filled[label] as number)++] = scores[i] as number;
  }
  const within = groups.map((group) => midranks(group));
  let sum = 0;
  for (let i = 0; i < n; i++) if (labels[i] === 1) sum += ranks[i] as number;
  const auc = (sum / positives - (positives + 1) / 2) / negatives;
  const influence = new Float64Array(n);
  const seen = [0, 0];
  const squares = [0, 0];
  for (let i = 0; i < n; i++) {
    const label = labels[i] === 1 ? 1 : 0;
    const own = (within[label] as Float64Array)[(seen[label] as number)++] as number;
    const beyond = ((ranks[i] as number) - own) / (label === 1 ? negatives : positives);
    const difference = (label === 1 ? beyond : 1 - beyond) - auc;
    influence[i] = difference * (n / (label === 1 ? positives : negatives));
    (squares[label] as number) += difference * difference;
  }
  const variance =
    (squares[1] as number) / (positives * Math.max(1, positives - 1)) +
    (squares[0] as number) / (negatives * Math.max(1, negatives - 1));
  const standardError = Math.sqrt(Math.max(variance, dependentVariance(influence)));
  return { auc, standardError, positives, negatives };
}

/** The variance of a mean of values that depend on those shortly before them. */
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
  return sum / (n * n);
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
