import { integerBelow, sample } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";

/**
 * Stems a node has at a time.
 * @see monero `src/cryptonote_config.h`, `CRYPTONOTE_DANDELIONPP_STEMS`
 */
export const MONERO_STEMS = 2;

/** Where a stem came from: a link's number, or this node itself, which is one source of its own. */
export type StemSource = number | "own";

/** How a map is made. */
export interface StemMapOptions {
  /** How many stems, 1 or more. */
  readonly stems: number;
  readonly random: RandomSource;
}

/** A place for a stem; it outlives the link in it, and so do the sources that are sent there. */
interface Seat {
  link: number | undefined;
  /** How many sources are sent here. */
  usage: number;
}

/**
 * Which stem each source's transactions take. A source keeps its stem as long as the stem's link
 * is there: a map drawn anew for every transaction would lead each of them another way, and
 * watchers at the ends of several ways find the place where they meet.
 *
 * @see monero `src/net/dandelionpp.cpp`, `connection_map`
 */
export class StemMap {
  readonly #random: RandomSource;
  readonly #seats: Seat[];
  readonly #bySource = new Map<StemSource, Seat>();

  /**
   * @param options how many stems, and chance
   * @throws RangeError when `stems` is not an integer of 1 or more
   */
  constructor(options: StemMapOptions) {
    if (!Number.isInteger(options.stems) || options.stems < 1) {
      throw new RangeError(`A map needs one stem or more, not ${options.stems}.`);
    }
    this.#random = options.random;
    this.#seats = Array.from({ length: options.stems }, () => ({ link: undefined, usage: 0 }));
  }

  /** The links that are stems now; fewer than asked for where there are no more. */
  get stems(): number[] {
    return this.#seats.flatMap((seat) => (seat.link === undefined ? [] : [seat.link]));
  }

  /** How many sources are sent to each stem, in the order of `stems`. */
  get usage(): number[] {
    return this.#seats.flatMap((seat) => (seat.link === undefined ? [] : [seat.usage]));
  }

  /** How many sources have a stem. */
  get sources(): number {
    return this.#bySource.size;
  }

  /**
   * A new epoch: forgets every source and draws the stems anew.
   *
   * @param candidates outbound links, each once
   */
  redraw(candidates: readonly number[]): void {
    this.#bySource.clear();
    const drawn = sample(this.#random, candidates, this.#seats.length);
    for (const [place, seat] of this.#seats.entries()) {
      seat.link = drawn[place];
      seat.usage = 0;
    }
  }

  /**
   * Within an epoch: puts other links in place of stems that are gone, and fills empty places.
   * Stems that are still there stay.
   *
   * @param candidates outbound links, each once
   * @returns whether a stem changed
   */
  update(candidates: readonly number[]): boolean {
    const free = new Set(candidates);
    let changed = false;
    for (const seat of this.#seats) {
      if (seat.link === undefined || free.delete(seat.link)) continue;
      seat.link = undefined;
      changed = true;
    }
    const empty = this.#seats.filter((seat) => seat.link === undefined);
    const drawn = empty.length === 0 ? [] : sample(this.#random, [...free], empty.length);
    for (const [place, link] of drawn.entries()) {
      const seat = empty[place];
      if (seat !== undefined) seat.link = link;
      changed = true;
    }
    return changed;
  }

  /**
   * The stem for a source: the one it has, or the least used, and chance among equals. It is never
   * the source itself, which monerod rules out only by the direction of links.
   *
   * @param source where the transaction came from
   * @returns undefined where there is no other link to take
   */
  stemFor(source: StemSource): number | undefined {
    const had = this.#bySource.get(source);
    if (had?.link !== undefined && had.link !== source) return had.link;
    this.release(source);
    const seat = this.#leastUsed(source);
    if (seat === undefined) return undefined;
    seat.usage++;
    this.#bySource.set(source, seat);
    return seat.link;
  }

  /**
   * Forgets a source: its link is gone.
   *
   * @param source where transactions came from; one that has no stem does nothing
   */
  release(source: StemSource): void {
    const seat = this.#bySource.get(source);
    if (seat === undefined) return;
    seat.usage--;
    this.#bySource.delete(source);
  }

  #leastUsed(source: StemSource): Seat | undefined {
    let lowest = Number.POSITIVE_INFINITY;
    let choices: Seat[] = [];
    for (const seat of this.#seats) {
      if (seat.link === undefined || seat.link === source || seat.usage > lowest) continue;
      if (seat.usage < lowest) choices = [];
      lowest = seat.usage;
      choices.push(seat);
    }
    return choices.length < 2 ? choices[0] : choices[integerBelow(this.#random, choices.length)];
  }
}
