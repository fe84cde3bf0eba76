/**
 * How likely a test here is to fail by chance alone, were its seed not fixed: one in a thousand.
 * The quantile of the normal distribution at that level, one-sided.
 */
const NORMAL_QUANTILE = 3.090_232;

/**
 * Pearson's chi-square over its critical value: below 1 the counts fit, above 1 they don't.
 *
 * @param observed counts by bin
 * @param expected counts by bin, same order; 5 or more each
 */
export function chiSquareRatio(observed: readonly number[], expected: readonly number[]): number {
  let sum = 0;
  for (const [bin, count] of observed.entries()) {
    const want = expected[bin] ?? 0;
    if (want < 5) throw new RangeError(`Bin ${bin} expects ${want}; merge it with its neighbour.`);
    sum += (count - want) ** 2 / want;
  }
  const freedom = observed.length - 1;
  // Wilson and Hilferty's approximation of the distribution's quantile.
  const spread = 2 / (9 * freedom);
  const critical = freedom * (1 - spread + NORMAL_QUANTILE * Math.sqrt(spread)) ** 3;
  return sum / critical;
}

/** The same against bins that are all equally likely. */
export function uniformityRatio(observed: readonly number[]): number {
  const total = observed.reduce((sum, count) => sum + count, 0);
  return chiSquareRatio(observed, Array<number>(observed.length).fill(total / observed.length));
}

/**
 * The Kolmogorov-Smirnov distance over its critical value: below 1 the draws fit.
 *
 * @param draws independent draws, 100 or more
 * @param cumulative the distribution function they should have
 */
export function kolmogorovSmirnovRatio(
  draws: readonly number[],
  cumulative: (value: number) => number,
): number {
  const sorted = [...draws].sort((a, b) => a - b);
  let distance = 0;
  for (const [index, value] of sorted.entries()) {
    const want = cumulative(value);
    const below = index / sorted.length;
    const above = (index + 1) / sorted.length;
    distance = Math.max(distance, Math.abs(want - below), Math.abs(above - want));
  }
  // Smirnov's limit at one in a thousand.
  return (distance * Math.sqrt(sorted.length)) / 1.949_5;
}
