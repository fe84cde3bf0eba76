import type { Clock, Timer } from "../runtime/clock.ts";

/**
 * Tor takes one NEWNYM in ten seconds and puts off what comes sooner, while it answers "OK" at once
 * (`MAX_SIGNEWNYM_RATE`). It compares whole seconds, so a little more than ten are waited.
 */
export const NEW_NYM_EVERY_MS = 10_100;

/**
 * Spaces NEWNYM signals out, so that "OK" means "done". Callers that wait for the same moment
 * share one signal.
 */
export class NewNymPacer {
  readonly #clock: Clock;
  readonly #send: () => Promise<void>;
  #lastSentAt = Number.NEGATIVE_INFINITY;
  #waiting: Promise<void> | undefined;
  #timer: Timer | undefined;
  #hurry: (() => void) | undefined;

  /**
   * @param clock measures the ten seconds
   * @param send sends the signal and waits for the answer
   */
  constructor(clock: Clock, send: () => Promise<void>) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Milliseconds until a signal would be sent. */
  get waitMs(): number {
    return Math.max(0, this.#lastSentAt + NEW_NYM_EVERY_MS - this.#clock.now());
  }

  /**
   * Sends a signal as soon as tor acts on it at once; resolves when it has.
   *
   * @throws what sending throws
   */
  async request(): Promise<void> {
    this.#waiting ??= this.#next();
    await this.#waiting;
  }

  /** Ends a wait at once, for a connection that is over: what then sends, throws. */
  stop(): void {
    this.#timer?.cancel();
    this.#hurry?.();
  }

  async #next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.waitMs === 0) resolve();
    else this.#timer = this.#clock.setTimer(this.#clock.now() + this.waitMs, resolve);
    this.#hurry = resolve;
    await promise;
    // From here on a newcomer's streams may be older than the signal: it gets one of its own.
    this.#waiting = undefined;
    this.#lastSentAt = this.#clock.now();
    await this.#send();
  }
}
