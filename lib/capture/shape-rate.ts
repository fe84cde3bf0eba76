/** Where a rate starts: a minute in seconds. */
const BINS_START = 64;
/** Where it ends: an hour in seconds; after that bins become wider. */
const BINS_MAX = 4_096;
/** Bytes a second need no finer bins. */
const WIDTH_START_US = 1e6;
/** Bins of all rates together, 8 bytes each. */
const BUDGET_BINS = 2 ** 21;

/** Bins that all rates of a capture may take together, so that many flows take no more than few. */
export class BinBudget {
  #left = BUDGET_BINS;

  /**
   * Asks for bins.
   *
   * @param bins how many
   * @returns whether they may be taken
   */
  take(bins: number): boolean {
    if (bins > this.#left) return false;
    this.#left -= bins;
    return true;
  }

  /**
   * Gives bins back.
   *
   * @param bins how many
   */
  giveBack(bins: number): void {
    this.#left += bins;
  }
}

/**
 * Bytes by time, in bins of a second at first. When the time outgrows the bins there may be, they
 * become twice as wide, as often as need be.
 */
export class Rate {
  /** When the first bin begins, microseconds since 1970; 0 before the first bytes. */
  originUs = 0;
  /** How long a bin is, in microseconds: a second times a power of two. */
  widthUs = WIDTH_START_US;
  /** Bins in use. */
  used = 0;
  #bins: Float64Array | undefined;
  readonly #budget: BinBudget;

  /** @param budget shared by all rates of a capture */
  constructor(budget: BinBudget) {
    this.#budget = budget;
  }

  /** Bytes by bin; those after the last are 0. */
  get bytes(): Float64Array {
    return this.#bins?.slice(0, this.used) ?? new Float64Array(0);
  }

  /**
   * Adds bytes.
   *
   * @param timesUs holds when, microseconds since 1970; what is before the first counts with it
   * @param bytes holds how many
   * @param from index of the first in both
   * @param to index behind the last
   */
  add(timesUs: Float64Array, bytes: Uint32Array, from: number, to: number): void {
    let bins = this.#bins ?? this.#begin(timesUs[from] as number);
    let bin = 0;
    let startUs = 1;
    let endUs = 0;
    for (let i = from; i < to; i++) {
      const timeUs = timesUs[i] as number;
      if (timeUs < startUs || timeUs >= endUs) {
        if (timeUs - this.originUs >= this.widthUs * bins.length) bins = this.#reach(bins, timeUs);
        bin = Math.max(0, Math.floor((timeUs - this.originUs) / this.widthUs));
        startUs = this.originUs + bin * this.widthUs;
        endUs = startUs + this.widthUs;
        if (bin >= this.used) this.used = bin + 1;
      }
      (bins[bin] as number) += bytes[i] as number;
    }
  }

  /**
   * Adds the bytes of one packet.
   *
   * @param timeUs as in {@link Rate.add}
   * @param bytes how many
   */
  addOne(timeUs: number, bytes: number): void {
    let bins = this.#bins ?? this.#begin(timeUs);
    if (timeUs - this.originUs >= this.widthUs * bins.length) bins = this.#reach(bins, timeUs);
    const bin = Math.max(0, Math.floor((timeUs - this.originUs) / this.widthUs));
    if (bin >= this.used) this.used = bin + 1;
    (bins[bin] as number) += bytes;
  }

  /** Gives the memory back; the rate is of no use after it. */
  release(): void {
    if (this.#bins !== undefined) this.#budget.giveBack(this.#bins.length - BINS_START);
    this.#bins = undefined;
    this.used = 0;
  }

  #begin(timeUs: number): Float64Array {
    this.originUs = Math.floor(timeUs / WIDTH_START_US) * WIDTH_START_US;
    const bins = new Float64Array(BINS_START);
    this.#bins = bins;
    return bins;
  }

  #reach(start: Float64Array, timeUs: number): Float64Array {
    let bins = start;
    const span = timeUs - this.originUs;
    while (span / this.widthUs >= bins.length) {
      if (bins.length < BINS_MAX && this.#budget.take(bins.length)) {
        const grown = new Float64Array(bins.length * 2);
        grown.set(bins);
        bins = grown;
      } else {
        this.#widen(bins);
      }
    }
    this.#bins = bins;
    return bins;
  }

  #widen(bins: Float64Array): void {
    const half = bins.length / 2;
    for (let i = 0; i < half; i++) {
      bins[i] = (bins[2 * i] as number) + (bins[2 * i + 1] as number);
    }
    bins.fill(0, half);
    this.widthUs *= 2;
    this.used = Math.ceil(this.used / 2);
  }
}
