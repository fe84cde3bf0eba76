import {
  chiSquareCritical,
  chiSquareTail,
  falling,
  noncentralChiSquareTail,
} from "./statistics-special.ts";

/** Fewer expected in a bin than that, and the chance is no longer right. */
const EXPECTED_MIN = 5;
/** More bins find finer faults only with far more values. */
const BINS_MAX = 50;

/** Whether counts are as expected. */
export interface ChiSquareTest {
  readonly statistic: number;
  /** Degrees of freedom: one fewer than bins. */
  readonly degrees: number;
  /** The chance of a statistic as great from counts that follow the law. */
  readonly pValue: number;
}

/**
 * Tests counts against what was expected.
 *
 * Source: Pearson 1900.
 *
 * @param counts how often each case was seen, two or more cases
 * @param expected how often each should have been; above 0
 */
export function chiSquareTest(
  counts: readonly number[],
  expected: readonly number[],
): ChiSquareTest {
  let statistic = 0;
  counts.forEach((count, i) => {
    statistic += (count - (expected[i] as number)) ** 2 / (expected[i] as number);
  });
  const degrees = counts.length - 1;
  return { statistic, degrees, pValue: chiSquareTail(statistic, degrees) };
}

/**
 * Tests values against a law, in bins of equal chance.
 *
 * Source: Mann and Wald 1942 for how many bins.
 *
 * @param values numbers
 * @param cdf the law's chance of a value of at most x
 * @returns undefined for fewer values than two bins need
 */
export function chiSquareFit(
  values: ArrayLike<number>,
  cdf: (x: number) => number,
): ChiSquareTest | undefined {
  const bins = Math.min(
    BINS_MAX,
    Math.floor(values.length / EXPECTED_MIN),
    Math.ceil(2 * values.length ** 0.4),
  );
  if (bins < 2) return undefined;
  const counts = new Array<number>(bins).fill(0);
  for (let i = 0; i < values.length; i++) {
    const bin = Math.floor(cdf(values[i] as number) * bins);
    (counts[Math.max(0, Math.min(bins - 1, bin))] as number)++;
  }
  return chiSquareTest(counts, new Array<number>(bins).fill(values.length / bins));
}

/**
 * The least deviation that a test finds with a given power.
 *
 * Source: Cohen 1988, effect size w: the square root of the sum of (p - q)² / q over all cases.
 *
 * @param count how many values are tested
 * @param degrees of freedom
 * @param chance that a law that holds is rejected
 * @param power the chance that such a deviation is found
 */
export function detectableEffect(
  count: number,
  degrees: number,
  chance: number,
  power: number,
): number {
  const critical = chiSquareCritical(chance, degrees);
  const missed = (noncentrality: number): number =>
    1 - noncentralChiSquareTail(critical, degrees, noncentrality);
  return Math.sqrt(falling(missed, 1 - power, degrees + 1) / count);
}
