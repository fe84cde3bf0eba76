/** The spread of a set of measurements, in their unit. */
export interface SampleSpread {
  readonly min: number;
  readonly median: number;
  readonly p95: number;
}

/**
 * Least, middle and 95th percentile (nearest rank).
 *
 * @param values in any order
 * @returns undefined when there are none
 */
export function spreadOf(values: readonly number[]): SampleSpread | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const [min] = sorted;
  if (min === undefined) return undefined;
  const rank = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? min;
  const upper = rank(0.5);
  const middle = sorted.length / 2;
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle] ?? upper)) / 2;
  return { min, median, p95: rank(0.95) };
}
