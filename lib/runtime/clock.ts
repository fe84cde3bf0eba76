/** A timer that was set; `cancel` is safe to call at any time, also after it fired. */
export interface Timer {
  cancel(): void;
}

/** The only door to time. Engines take `now` as an argument; drivers ask a clock. */
export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary origin; fractional. */
  now(): number;
  /** Milliseconds since the Unix epoch, for records that outlive the process. May jump. */
  unixMs(): number;
  /**
   * Calls `fire` once, when `now()` has reached `at` and never before.
   *
   * @param at a reading of this clock, in milliseconds
   * @param fire called without arguments
   * @throws RangeError when `at` is not a number
   */
  setTimer(at: number, fire: () => void): Timer;
}

/** Longest single wait handed to the runtime: above 2^31-1 ms a timeout fires at once. */
const TIMEOUT_MS_MAX = 2_147_483_647;

class MonotonicClock implements Clock {
  now(): number {
    return performance.now();
  }

  unixMs(): number {
    return Date.now();
  }

  setTimer(at: number, fire: () => void): Timer {
    if (Number.isNaN(at)) throw new RangeError("A timer needs a time, not NaN.");
    let handle: ReturnType<typeof setTimeout> | undefined;
    // The runtime truncates fractional delays and may fire almost a millisecond early, so the
    // deadline is kept on the monotonic scale and checked again on every wake-up.
    const arm = (): void => {
      const left = at - performance.now();
      if (left <= 0 && handle !== undefined) {
        fire();
        return;
      }
      handle = setTimeout(arm, Math.min(TIMEOUT_MS_MAX, Math.max(0, Math.ceil(left))));
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  }
}

/** The machine's clock: `performance.now()` for durations, `Date.now()` for records. */
export const realClock: Clock = new MonotonicClock();
