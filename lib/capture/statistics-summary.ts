/** The quantiles a {@link Summary} has, as shares. */
export const SUMMARY_SHARES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;
/** Bins of a histogram that chooses its own width; more show no more on any screen. */
const HISTOGRAM_BINS_MAX = 128;

/** What values look like as a whole, in their own unit. */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly max: number;
  /** Of the values as a sample: squares are divided by one less than their count. */
  readonly deviation: number;
  /** One for each of {@link SUMMARY_SHARES}. */
  readonly quantiles: readonly { readonly share: number; readonly value: number }[];
  /** Bits, over the bins of {@link histogram}. */
  readonly entropyBits: number;
}

/** Values counted by bin. */
export interface Histogram {
  /** Where the first bin begins. */
  readonly low: number;
  /** How wide each is; the last one holds its upper end too. */
  readonly width: number;
  readonly counts: readonly number[];
}

/**
 * The values in rising order; the argument stays as it was.
 *
 * @param values numbers, none of them NaN
 */
export function sorted(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values).sort();
}

/**
 * Mean and standard deviation of values as a sample, in two passes so that no digit is lost to
 * values far from zero.
 *
 * @param values numbers in any unit
 * @returns NaN as the mean of none; a deviation of 0 for fewer than two
 */
export function moments(values: ArrayLike<number>): { mean: number; deviation: number } {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  const rough = sum / values.length;
  let squares = 0;
  let rest = 0;
  for (let i = 0; i < values.length; i++) {
    const difference = (values[i] as number) - rough;
    rest += difference;
    squares += difference * difference;
  }
  const mean = rough + rest / values.length;
  // What the first pass lost by rounding comes off again.
  const left = squares - (rest * rest) / values.length;
  const deviation = values.length < 2 ? 0 : Math.sqrt(Math.max(0, left) / (values.length - 1));
  return { mean, deviation };
}

/**
 * The value below which a share of all lies, between neighbours in proportion.
 *
 * Source: Hyndman and Fan 1996, definition 7, which is what R and NumPy give unless told otherwise.
 *
 * @param rising values in rising order, at least one
 * @param share from 0 to 1
 */
export function quantile(rising: ArrayLike<number>, share: number): number {
  const place = (rising.length - 1) * share;
  const below = Math.floor(place);
  const low = rising[below] as number;
  const high = rising[Math.min(below + 1, rising.length - 1)] as number;
  return low + (high - low) * (place - below);
}

/**
 * Everything about values that one line can say.
 *
 * @param values numbers in any unit
 * @returns undefined for none
 */
export function summarize(values: ArrayLike<number>): Summary | undefined {
  if (values.length === 0) return undefined;
  const rising = sorted(values);
  return {
    count: rising.length,
    min: rising[0] as number,
    ...moments(rising),
    max: rising[rising.length - 1] as number,
    quantiles: SUMMARY_SHARES.map((share) => ({ share, value: quantile(rising, share) })),
    entropyBits: entropyBits(histogram(rising).counts),
  };
}

/**
 * Values counted by bin.
 *
 * Source: Freedman and Diaconis 1981 for the width where none is given.
 *
 * @param values numbers, at least one
 * @param bins where bins begin, how wide they are, how many there are; what lies outside falls into
 *   the first or the last one. Without it they are chosen from the values
 */
export function histogram(
  values: ArrayLike<number>,
  bins: { low: number; width: number; count: number } = binsFor(values),
): Histogram {
  const counts = new Array<number>(bins.count).fill(0);
  for (let i = 0; i < values.length; i++) {
    const bin = Math.floor(((values[i] as number) - bins.low) / bins.width);
    (counts[Math.max(0, Math.min(bins.count - 1, bin))] as number)++;
  }
  return { low: bins.low, width: bins.width, counts };
}

/**
 * Bins for a histogram of values.
 *
 * @param values numbers, at least one
 * @returns at most 128 bins from the least to the greatest
 */
export function binsFor(values: ArrayLike<number>): { low: number; width: number; count: number } {
  const rising = sorted(values);
  const low = rising[0] as number;
  const range = (rising[rising.length - 1] as number) - low;
  if (range === 0) return { low, width: 1, count: 1 };
  const middle = quantile(rising, 0.75) - quantile(rising, 0.25);
  const wanted = (2 * middle) / Math.cbrt(rising.length);
  const count = wanted > 0 ? Math.ceil(range / wanted) : HISTOGRAM_BINS_MAX;
  const bounded = Math.max(1, Math.min(HISTOGRAM_BINS_MAX, count));
  return { low, width: range / bounded, count: bounded };
}

/**
 * Shannon's entropy of counts, in bits.
 *
 * @param counts how often each case was; 0 or more
 * @returns 0 when all fall into one
 */
export function entropyBits(counts: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i] as number;
  let bits = 0;
  for (let i = 0; i < counts.length; i++) {
    const share = (counts[i] as number) / total;
    if (share > 0) bits -= share * Math.log2(share);
  }
  return bits;
}

/**
 * The times from each event to the next.
 *
 * @param times of events, in their order
 * @returns one value fewer than events; same unit
 */
export function intervals(times: ArrayLike<number>): Float64Array {
  const between = new Float64Array(Math.max(0, times.length - 1));
  for (let i = 0; i < between.length; i++) {
    between[i] = (times[i + 1] as number) - (times[i] as number);
  }
  return between;
}
