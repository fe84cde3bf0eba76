import type { Clock } from "../runtime/clock.ts";
import { DeferredWrites } from "./deferred-writes.ts";
import type { RelayEffect } from "./event.ts";
import { type RelayStore, sendingOf } from "./store.ts";

/** What of a store is written while the node runs. */
export type WritableStore = Pick<RelayStore, "insert" | "recordSends" | "remove" | "rememberTuple">;

/** What the core wants kept. */
export type StoreEffect = Extract<RelayEffect, { kind: "remember" | "record" | "forget" }>;

/** What a store's writer needs. */
export interface StoreWriterOptions {
  readonly store: WritableStore;
  /** The core's. */
  readonly clock: Clock;
  /** Called with why a write that waited failed. */
  readonly warn: (text: string) => void;
}

/**
 * Writes to the store: at once what a wallet or its user waits for, later what the core wants kept.
 *
 * A transaction that was let go of may come again while its removal waits, or could not be done. What
 * waits is of its earlier life then: done after the wallet was told OK, it would take off the disk
 * what the wallet was promised. So whatever is done to an id at once drops what waits for it.
 */
export class StoreWriter {
  readonly #store: WritableStore;
  readonly #clock: Clock;
  readonly #writes: DeferredWrites;

  /** @param options store, clock, and where failures are told */
  constructor({ store, clock, warn }: StoreWriterOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#writes = new DeferredWrites(warn);
  }

  /**
   * Keeps a transaction that a wallet submitted; it is on the disk when this returns, and nothing that
   * waited takes it off again.
   *
   * @param id its id
   * @param blob its bytes
   * @param unixMs when it came, in milliseconds since the Unix epoch
   * @throws RelayError `store-failed`; nothing was kept then
   */
  insert(id: string, blob: Uint8Array, unixMs: number): void {
    this.#store.insert(id, blob, unixMs);
    // Not before: where this fails, the row of an earlier life has to go still.
    this.#writes.drop(id);
  }

  /**
   * Lets go of a transaction; it is off the disk when this returns.
   *
   * @param id its id
   * @throws RelayError `store-failed`
   */
  remove(id: string): void {
    this.#store.remove(id);
    this.#writes.drop(id);
  }

  /**
   * Does what the core wants when `settle` finds time for it.
   *
   * @param effect what is to be kept, or let go of
   */
  later(effect: StoreEffect): void {
    const now = this.#clock.now();
    switch (effect.kind) {
      case "remember":
        this.#writes.later(() => this.#store.rememberTuple(effect.zone, effect.tuple), now);
        return;
      case "record": {
        const { id } = effect;
        const sending = sendingOf(effect, this.#clock);
        this.#writes.later(() => this.#store.recordSends(id, sending), now, { id });
        return;
      }
      case "forget": {
        const { id } = effect;
        this.#writes.later(() => this.#store.remove(id), now, { id, isKept: true });
      }
    }
  }

  /**
   * Tells what can wait as long, so that nothing stands right behind a frame that noise has not.
   *
   * @param tell writes a line of the log
   */
  tellLater(tell: () => void): void {
    this.#writes.later(tell, this.#clock.now());
  }

  /** Frames have left. */
  ticked(): void {
    this.#writes.ticked(this.#clock.now());
  }

  /**
   * Does what waits, if there is time for it behind the last frames and before something else is due.
   *
   * @param nextAt when the next tick or deadline is due
   * @returns when it wants to be called again, in milliseconds; infinite where nothing waits
   */
  settle(nextAt: number): number {
    return this.#writes.settle(this.#clock.now(), nextAt);
  }

  /** Does all that waits. */
  flush(): void {
    this.#writes.flush();
  }
}
