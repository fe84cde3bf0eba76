/** How finely a {@link Distribution} tells values apart. */
export interface Resolution {
  /** Values below twice 2^bits have a bin each; above, each doubling has 2^bits bins. */
  readonly bits: number;
  /** Doublings above those; what lies beyond them falls into the last bin. */
  readonly octaves: number;
}

/** Segment sizes in bytes: exact below 64, within 1.6 % up to 256 KiB. */
export const SIZE_RESOLUTION: Resolution = { bits: 5, octaves: 12 };
/** Intervals in microseconds: exact below 32, within 3.2 % up to 19 hours. */
export const INTERVAL_RESOLUTION: Resolution = { bits: 4, octaves: 31 };

/** Above it a shift of 32-bit integers would lose bits. */
const SHIFT_MAX = 2 ** 31;
const LARGE_BITS = 16;

/**
 * What many values look like, in a memory that does not grow with them: count, least, mean,
 * greatest, deviation, and a histogram with bins of equal relative width, out of which quantiles
 * and entropy come.
 *
 * Source: Chan, Golub and LeVeque 1979, Welford's update for whole sets, for mean and variance;
 * HdrHistogram for the bins.
 */
export class Distribution {
  /** How many values. */
  count = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  /** 0 without values. */
  mean = 0;
  /** Values by bin; {@link Distribution.binLow} says where each begins. */
  readonly bins: Uint32Array;
  readonly #bits: number;
  readonly #last: number;
  /** Sum of squared differences from the mean. */
  #squares = 0;

  /** @param resolution how finely values are told apart */
  constructor(resolution: Resolution) {
    this.#bits = resolution.bits;
    this.bins = new Uint32Array((resolution.octaves + 2) << resolution.bits);
    this.#last = this.bins.length - 1;
  }

  /**
   * Takes values.
   *
   * @param values holds them: 0 or more; fractions count in the moments, not in the bins
   * @param from index of the first
   * @param to index behind the last
   */
  add(values: Float64Array, from: number, to: number): void {
    if (to <= from) return;
    let sum = 0;
    let min = this.min;
    let max = this.max;
    for (let i = from; i < to; i++) {
      const value = values[i] as number;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    this.min = min;
    this.max = max;
    const mean = sum / (to - from);
    let squares = 0;
    for (let i = from; i < to; i++) {
      const difference = (values[i] as number) - mean;
      squares += difference * difference;
    }
    this.#merge(to - from, mean, squares);
    this.#fill(values, from, to);
  }

  #fill(values: Float64Array, from: number, to: number): void {
    const bins = this.bins;
    const bits = this.#bits;
    const last = this.#last;
    for (let i = from; i < to; i++) {
      const value = values[i] as number;
      let bin: number;
      if (value < SHIFT_MAX) {
        const whole = value | 0;
        const shift = 31 - Math.clz32(whole) - bits;
        bin = shift <= 0 ? whole : (shift << bits) + (whole >>> shift);
        if (bin > last) bin = last;
      } else {
        bin = this.#largeBinOf(value);
      }
      (bins[bin] as number)++;
    }
  }

  /** Two sets of values as one: no deviation is lost by subtracting large sums. */
  #merge(count: number, mean: number, squares: number): void {
    const total = this.count + count;
    const difference = mean - this.mean;
    this.#squares += squares + (difference * difference * this.count * count) / total;
    this.mean += (difference * count) / total;
    this.count = total;
  }

  /** Standard deviation of the values as a sample; 0 for fewer than two. */
  get deviation(): number {
    return this.count < 2 ? 0 : Math.sqrt(this.#squares / (this.count - 1));
  }

  /** Entropy of the histogram in bits: 0 when all values fall into one bin. */
  get entropy(): number {
    let bits = 0;
    for (const count of this.bins) {
      if (count > 0) bits -= (count / this.count) * Math.log2(count / this.count);
    }
    return bits;
  }

  /**
   * The value below which a share of all lies, by nearest rank.
   *
   * @param share from 0 to 1
   * @returns the middle of its bin, within the least and the greatest value; undefined without any
   */
  quantile(share: number): number | undefined {
    if (this.count === 0) return undefined;
    const rank = Math.max(1, Math.ceil(share * this.count));
    if (rank === this.count) return this.max;
    let seen = 0;
    for (let bin = 0; bin <= this.#last; bin++) {
      seen += this.bins[bin] as number;
      if (seen >= rank) {
        const middle = (this.binLow(bin) + this.binLow(bin + 1) - 1) / 2;
        return Math.min(this.max, Math.max(this.min, middle));
      }
    }
    return this.max;
  }

  /**
   * Where a bin begins.
   *
   * @param bin its number; one past the last gives where that one ends
   */
  binLow(bin: number): number {
    const each = 1 << this.#bits;
    if (bin < 2 * each) return bin;
    const shift = (bin >>> this.#bits) - 1;
    return ((bin & (each - 1)) + each) * 2 ** shift;
  }

  #largeBinOf(value: number): number {
    if (value >= SHIFT_MAX * 2 ** LARGE_BITS) return this.#last;
    const whole = Math.floor(value / 2 ** LARGE_BITS);
    const shift = 31 - Math.clz32(whole) - this.#bits;
    return Math.min(this.#last, ((shift + LARGE_BITS) << this.#bits) + (whole >>> shift));
  }
}
