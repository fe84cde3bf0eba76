import type { Clock, Timer } from "../runtime/clock.ts";
import { uniform } from "../runtime/distribution.ts";
import { formatDuration, parseDuration } from "../runtime/duration.ts";
import type { RandomSource } from "../runtime/random.ts";
import { ZoneError } from "./error.ts";

/** Shortest interval: tor takes a NEWNYM every ten seconds, and a circuit a second or two to build. */
export const ROTATION_MS_MIN = 30_000;
/** Longest interval; tor itself gives a circuit no new streams after ten minutes. */
export const ROTATION_MS_MAX = 86_400_000;
/** How far a time lies from the interval at the most, as a share of it, either way. */
export const ROTATION_SPREAD = 0.5;

/**
 * Reads `--tor-rotate-circuits`.
 *
 * @param text a duration, such as `10m`
 * @returns milliseconds
 * @throws ZoneError `bad-rotation`
 */
export function parseRotation(text: string): number {
  const duration = parseDuration(text);
  if (duration !== undefined && duration >= ROTATION_MS_MIN && duration <= ROTATION_MS_MAX) {
    return duration;
  }
  throw new ZoneError(
    "bad-rotation",
    `--tor-rotate-circuits ${text} is not a duration from ${formatDuration(ROTATION_MS_MIN)} to ${formatDuration(ROTATION_MS_MAX)}, as in 10m.`,
  );
}

/** How circuits are rotated. */
export interface RotationOptions {
  /** The mean time from one rotation to the next, in milliseconds. */
  readonly intervalMs: number;
  readonly random: RandomSource;
  readonly clock: Clock;
  /** Gives streams opened from now on circuits of their own; must not throw. */
  readonly rotate: () => void;
}

/**
 * Has new streams use new circuits from time to time. The times are drawn from the clock and from
 * chance alone, between half the interval and one and a half of it: nothing that the program does
 * can bring one about, put it off or be read from it. So a rotation is never at a transaction for
 * the transaction's sake, and streams that are open, with whatever they carry, stay where they are.
 */
export class CircuitRotation {
  readonly #options: RotationOptions;
  #timer: Timer | undefined;

  private constructor(options: RotationOptions) {
    this.#options = options;
    this.#next();
  }

  /**
   * Starts.
   *
   * @param options how often, and what to do
   * @throws RangeError when the interval is not a positive number
   */
  static start(options: RotationOptions): CircuitRotation {
    if (!(options.intervalMs > 0)) {
      throw new RangeError(`Circuits can't be rotated every ${options.intervalMs} ms.`);
    }
    return new CircuitRotation(options);
  }

  /** Ends it; safe to call at any time. */
  stop(): void {
    this.#timer?.cancel();
  }

  #next(): void {
    const { clock, random, intervalMs, rotate } = this.#options;
    const waitMs = intervalMs * uniform(random, 1 - ROTATION_SPREAD, 1 + ROTATION_SPREAD);
    this.#timer = clock.setTimer(clock.now() + waitMs, () => {
      this.#next();
      rotate();
    });
  }
}
