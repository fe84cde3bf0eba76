import type { Clock, Timer } from "./clock.ts";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  cancelled: boolean;
}

/**
 * A clock that moves only when told to, for tests and simulations: hours of protocol in
 * milliseconds, in an order that depends on nothing but the timers themselves.
 *
 * Timers due at the same instant fire in the order in which they were set.
 */
export class VirtualClock implements Clock {
  #now: number;
  readonly #unixOffset: number;
  #order = 0;
  /** A binary heap by (at, order). */
  readonly #heap: Pending[] = [];

  /**
   * @param now the first reading of `now()`, in milliseconds
   * @param unixMs the first reading of `unixMs()`; a fixed day by default so that runs replay
   */
  constructor(now = 0, unixMs = 1_700_000_000_000) {
    this.#now = now;
    this.#unixOffset = unixMs - now;
  }

  now(): number {
    return this.#now;
  }

  unixMs(): number {
    return this.#now + this.#unixOffset;
  }

  setTimer(at: number, fire: () => void): Timer {
    if (Number.isNaN(at)) throw new RangeError("A timer needs a time, not NaN.");
    const pending: Pending = {
      at: Math.max(at, this.#now),
      order: this.#order++,
      fire,
      cancelled: false,
    };
    this.#push(pending);
    return {
      cancel: () => {
        pending.cancelled = true;
      },
    };
  }

  /** When the next timer is due, or undefined when none is set. */
  nextTimerAt(): number | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (!top.cancelled) return top.at;
      this.#pop();
    }
    return undefined;
  }

  /**
   * Moves to `at`, firing every timer due on the way, also those that firing timers set.
   *
   * @param at a reading of this clock, in milliseconds; an earlier one than now does nothing
   */
  advanceTo(at: number): void {
    for (
      let next = this.nextTimerAt();
      next !== undefined && next <= at;
      next = this.nextTimerAt()
    ) {
      const due = this.#pop();
      this.#now = Math.max(this.#now, next);
      due?.fire();
    }
    this.#now = Math.max(this.#now, at);
  }

  /**
   * Moves on by `ms` milliseconds, firing what falls due.
   *
   * @param ms how far, in milliseconds
   */
  advance(ms: number): void {
    this.advanceTo(this.#now + ms);
  }

  #push(item: Pending): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(item, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = item;
  }

  #pop(): Pending | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      const rightWins = left !== undefined && right !== undefined && before(right, left);
      const child = rightWins ? right : left;
      if (child === undefined || !before(child, last)) break;
      heap[index] = child;
      index = 2 * index + (rightWins ? 2 : 1);
    }
    heap[index] = last;
    return top;
  }
}

function before(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
