import { RelayError } from "./error.ts";

/** The time that a commit may take on a slow disk; no tick may be due within it. */
export const QUIET_MS = 100;
/**
 * How long nothing is written behind frames, and after a write was asked for. A commit right behind a
 * transaction's frame takes the processor from the proxy that has yet to send it on: over real Tor such
 * frames left the machine a twentieth of a millisecond later than noise, and could be told by it.
 */
export const QUIET_BEHIND_MS = 250;
/** How long a write waits for so much quiet: a crash until then costs what it would have kept. */
export const WRITE_DELAY_MS_MAX = 1_000;
/** Writes that wait at the most. */
export const WRITES_MAX = 1_024;

/** What else is to be known of a write that waits. */
export interface WriteTraits {
  /**
   * What it is about; `drop` finds it by that.
   * @default nothing that is ever dropped
   */
  readonly id?: string;
  /**
   * Whether it is tried again with the next ones where it fails: what is not taken off the disk
   * would be sent again after a restart.
   * @default false
   */
  readonly isKept?: boolean;
}

interface Waiting extends WriteTraits {
  readonly write: () => void;
}

/**
 * Writes to the disk that can wait. A commit stops everything for as long as the disk takes, and
 * one is due when a transaction has left: if the next tick came late then, whoever watches the line
 * would know. So they are done where no tick is near, neither before nor behind.
 *
 * What they keep only saves work after a restart, so a full disk does not stop the node.
 */
export class DeferredWrites {
  readonly #warn: (text: string) => void;
  #waiting: Waiting[] = [];
  /** What failed, and is tried again when something else is written. */
  #failed: Waiting[] = [];
  /** When the first of those that wait came. */
  #since = 0;
  /** When frames left last. */
  #tickedAt = Number.NEGATIVE_INFINITY;

  /** @param warn called with why a write failed */
  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  /**
   * Writes when `settle` finds time for it, in the order of the calls.
   *
   * @param write throws RelayError where the disk fails
   * @param now milliseconds
   * @param traits what it is about, and whether it is tried again
   */
  later(write: () => void, now: number, traits: WriteTraits = {}): void {
    if (this.#waiting.length === 0) this.#since = now;
    this.#waiting.push({ ...traits, write });
    if (this.#waiting.length >= WRITES_MAX) this.flush();
  }

  /**
   * Lets go of what waits for an id, and of what failed for it: it was overtaken by a write that is
   * done, and must not be done after it.
   *
   * @param id what the writes are about
   */
  drop(id: string): void {
    const isOther = (waiting: Waiting): boolean => waiting.id !== id;
    this.#waiting = this.#waiting.filter(isOther);
    this.#failed = this.#failed.filter(isOther);
  }

  /**
   * Frames have left.
   *
   * @param now milliseconds
   */
  ticked(now: number): void {
    this.#tickedAt = now;
  }

  /**
   * Does what waits, if there is time for it behind the last frames and before something else is due.
   *
   * @param now milliseconds
   * @param nextAt when the next tick or deadline is due
   * @returns when it wants to be called again; infinite where nothing waits
   */
  settle(now: number, nextAt: number): number {
    if (this.#waiting.length === 0) return Number.POSITIVE_INFINITY;
    const latestAt = this.#since + WRITE_DELAY_MS_MAX;
    const quietAt = Math.max(now, this.#since + QUIET_BEHIND_MS, this.#tickedAt + QUIET_BEHIND_MS);
    const at = nextAt - quietAt >= QUIET_MS ? Math.min(quietAt, latestAt) : latestAt;
    if (at > now) return at;
    this.flush();
    return Number.POSITIVE_INFINITY;
  }

  /** Does all that waits. */
  flush(): void {
    for (const waiting of [...this.#failed.splice(0), ...this.#waiting.splice(0)]) {
      try {
        waiting.write();
      } catch (error) {
        if (!(error instanceof RelayError)) throw error;
        this.#warn(error.message);
        if (waiting.isKept === true && this.#failed.length < WRITES_MAX) this.#failed.push(waiting);
      }
    }
  }
}
