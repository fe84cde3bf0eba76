import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";

/** How the waits between attempts grow. */
export interface BackoffOptions {
  /** The first wait at its longest, in milliseconds. @default 500 */
  readonly firstMs?: number;
  /** The longest wait, in milliseconds. @default 60,000 */
  readonly maxMs?: number;
}

const FIRST_MS = 500;
const WAIT_MS_MAX = 60_000;

/**
 * Waits that double with every failure, up to a bound, each shortened by up to half at random so
 * that many who lost the same thing at the same time do not come back at the same time.
 */
export class Backoff {
  readonly #random: RandomSource;
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;

  /**
   * @param random where the shortening comes from
   * @param options how the waits grow
   */
  constructor(random: RandomSource, options: BackoffOptions = {}) {
    this.#random = random;
    this.#firstMs = options.firstMs ?? FIRST_MS;
    this.#maxMs = options.maxMs ?? WAIT_MS_MAX;
  }

  /** Attempts that failed since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Counts a failure.
   *
   * @returns how long to wait now, in milliseconds
   */
  next(): number {
    const whole = Math.min(this.#maxMs, this.#firstMs * 2 ** this.#failures);
    if (whole < this.#maxMs) this.#failures++;
    return uniform(this.#random, whole / 2, whole);
  }

  /** Counts a success: the next failure waits as the first one did. */
  reset(): void {
    this.#failures = 0;
  }
}
