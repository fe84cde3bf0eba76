import { poisson } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";

/** Who opened a link: `out` this node, `in` the other. */
export type Direction = "in" | "out";

/**
 * monerod draws delays in quarter seconds: whole seconds would be too coarse, and a Poisson draw
 * in milliseconds would hardly vary.
 * @see monero `src/cryptonote_protocol/levin_notify.cpp`, `fluff_stepsize`
 */
export const FLUSH_STEP_MS = 250;

/**
 * The mean delay by direction: 5 s, and half of it on links that this node chose itself.
 * @see monero `src/cryptonote_config.h`, `CRYPTONOTE_DANDELIONPP_FLUSH_AVERAGE`;
 * `src/cryptonote_protocol/levin_notify.cpp`, `fluff_average_in`, `fluff_average_out`
 */
export const flushMeanMs: Readonly<Record<Direction, number>> = { in: 5_000, out: 2_500 };

/**
 * Transactions that wait for one link. A queue that is full leaves at once rather than forget any:
 * the network makes one in three seconds, so 256 in five is a flood. At 2,000 links the queues
 * stay below 30 MB.
 */
export const FLUSH_QUEUE_MAX = 256;

/**
 * Draws how long a link's batch collects transactions, from the first on.
 *
 * @param direction who opened the link
 * @param random where chance comes from
 * @returns milliseconds, a multiple of 250
 */
export function drawFlushDelay(direction: Direction, random: RandomSource): number {
  return poisson(random, flushMeanMs[direction] / FLUSH_STEP_MS) * FLUSH_STEP_MS;
}

/** Transactions that leave on a link together. */
export interface Flush {
  readonly link: number;
  /** In the order of their text, each once: the order of arrival is nobody's business. */
  readonly ids: readonly string[];
}

interface Queue {
  readonly direction: Direction;
  readonly ids: Set<string>;
  /** Infinite while nothing waits. */
  flushAt: number;
}

/**
 * What waits to be fluffed, link by link. The first transaction of a batch draws the batch's
 * delay; those that come meanwhile leave with it. No timer of its own.
 *
 * @see monero `src/cryptonote_protocol/levin_notify.cpp`, `fluff_notify`, `fluff_flush`
 */
export class FlushQueues {
  readonly #random: RandomSource;
  readonly #queues = new Map<number, Queue>();
  /** The earliest `flushAt`, or undefined when it has to be looked for again. */
  #wakeAt: number | undefined = Number.POSITIVE_INFINITY;

  /** @param random where chance comes from */
  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** The links, in the order in which they joined. */
  get links(): IterableIterator<number> {
    return this.#queues.keys();
  }

  /** When `due` wants to be called, in milliseconds; infinite while nothing waits. */
  get wakeAt(): number {
    if (this.#wakeAt === undefined) {
      let at = Number.POSITIVE_INFINITY;
      for (const queue of this.#queues.values()) at = Math.min(at, queue.flushAt);
      this.#wakeAt = at;
    }
    return this.#wakeAt;
  }

  /**
   * How many transactions wait for a link.
   *
   * @param link the link's number
   */
  waiting(link: number): number {
    return this.#queues.get(link)?.ids.size ?? 0;
  }

  /**
   * A link is there.
   *
   * @param link its number; one that is there already stays as it is
   * @param direction who opened it
   */
  join(link: number, direction: Direction): void {
    if (this.#queues.has(link)) return;
    this.#queues.set(link, { direction, ids: new Set(), flushAt: Number.POSITIVE_INFINITY });
  }

  /**
   * A link is gone.
   *
   * @param link its number
   * @returns what waited for it
   */
  leave(link: number): string[] {
    const queue = this.#queues.get(link);
    if (queue === undefined) return [];
    this.#queues.delete(link);
    this.#forget(queue.flushAt);
    return [...queue.ids];
  }

  /**
   * Puts a transaction into a link's batch.
   *
   * @param link its number
   * @param id the transaction
   * @param now milliseconds
   * @returns false where the link isn't there or the transaction waits for it already
   */
  add(link: number, id: string, now: number): boolean {
    const queue = this.#queues.get(link);
    if (queue === undefined || queue.ids.has(id)) return false;
    if (queue.ids.size === 0) queue.flushAt = now + drawFlushDelay(queue.direction, this.#random);
    queue.ids.add(id);
    if (queue.ids.size >= FLUSH_QUEUE_MAX) queue.flushAt = now;
    if (this.#wakeAt !== undefined) this.#wakeAt = Math.min(this.#wakeAt, queue.flushAt);
    return true;
  }

  /**
   * Takes a transaction out of a link's batch: its peer has it.
   *
   * @param link its number
   * @param id the transaction
   * @returns whether it was in there
   */
  remove(link: number, id: string): boolean {
    const queue = this.#queues.get(link);
    if (queue === undefined || !queue.ids.delete(id)) return false;
    if (queue.ids.size === 0) {
      this.#forget(queue.flushAt);
      queue.flushAt = Number.POSITIVE_INFINITY;
    }
    return true;
  }

  /**
   * Takes the batches whose time has come.
   *
   * @param now milliseconds
   * @returns one flush a link, in the order in which links joined
   */
  due(now: number): Flush[] {
    if (now < this.wakeAt) return [];
    const flushes: Flush[] = [];
    for (const [link, queue] of this.#queues) {
      if (queue.flushAt > now) continue;
      flushes.push({ link, ids: [...queue.ids].sort() });
      queue.ids.clear();
      queue.flushAt = Number.POSITIVE_INFINITY;
    }
    this.#wakeAt = undefined;
    return flushes;
  }

  #forget(at: number): void {
    if (at === this.#wakeAt) this.#wakeAt = undefined;
  }
}
