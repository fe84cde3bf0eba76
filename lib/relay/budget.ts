/** How much may come, at once and in the long run. */
export interface BudgetOptions {
  /** Units that may come at once. */
  readonly burst: number;
  /** Units that are given back each second. */
  readonly perSecond: number;
}

/** A token bucket: what a peer may make us work of one kind. */
export class Budget {
  readonly #options: BudgetOptions;
  #left: number;
  #at: number;

  /**
   * @param options how much
   * @param now milliseconds
   * @param left what there is at first
   */
  constructor(options: BudgetOptions, now: number, left = options.burst) {
    this.#options = options;
    this.#left = left;
    this.#at = now;
  }

  /**
   * Takes from it.
   *
   * @param units how many
   * @param now milliseconds
   * @returns false where there is not so much left; nothing is taken then
   */
  take(units: number, now: number): boolean {
    const { burst, perSecond } = this.#options;
    this.#left = Math.min(burst, this.#left + (Math.max(0, now - this.#at) / 1_000) * perSecond);
    this.#at = Math.max(this.#at, now);
    if (units > this.#left) return false;
    this.#left -= units;
    return true;
  }
}
