import { integerBelow } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { comparable, type Strata } from "./detect-strata.ts";

/** With fewer rotations of cases that lie apart, shuffling does no harm and tells more. */
const ROTATIONS_APART_MIN = 500;

/** Cases of one stream, and which of them have the rarer label. */
interface Stream {
  readonly places: Uint32Array;
  /** Indices in `places`. */
  readonly chosen: Uint32Array;
  /** Room for a shuffle. */
  readonly pool: Uint32Array;
}

/**
 * Labels drawn by chance, those of each stream by themselves. Rotated against the scores, what hangs
 * together in time still does: payload in fragments or bursts, and scores that share their
 * neighbours. Few cases have few rotations, and no chance below one of those: with fewer than twenty
 * nothing is certain. Cases that lie apart are shuffled where there are few; whoever does
 * has to make up for what hangs together all the same.
 */
export class Labellings {
  readonly method: "rotation" | "shuffle";
  /** Places of the rarer label in the labels that were seen, stream by stream. */
  readonly seen: Uint32Array;
  /** Whether the rarer label is that of positives. */
  readonly isPositive: boolean;
  readonly #streams: readonly Stream[];
  readonly #isSeen: Uint8Array;
  /** Cases of the other label. */
  readonly #others: number;
  readonly #random: RandomSource;
  readonly #drawn: Uint32Array;

  /**
   * @param labels 1 for a positive, 0 for a negative
   * @param strata which cases are of one stream
   * @param areApart whether no case shares anything with its neighbours
   * @param random where draws come from
   */
  constructor(labels: Uint8Array, strata: Strata, areApart: boolean, random: RandomSource) {
    const streams = comparable(strata, labels);
    let balance = 0;
    for (const places of streams) for (const place of places) balance += labels[place] ? 1 : -1;
    this.isPositive = balance <= 0;
    const rarer = this.isPositive ? 1 : 0;
    this.#streams = streams.map((places) => ({
      places,
      chosen: places
        .map((place, k) => (labels[place] === rarer ? k + 1 : 0))
        .filter((k) => k > 0)
        .map((k) => k - 1),
      pool: places.slice(),
    }));
    this.seen = Uint32Array.from(
      this.#streams.flatMap(({ places, chosen }) => Array.from(chosen, (k) => places[k] as number)),
    );
    this.#isSeen = new Uint8Array(labels.length);
    for (const place of this.seen) this.#isSeen[place] = 1;
    this.#others = streams.reduce((sum, { length }) => sum + length, 0) - this.seen.length;
    this.#random = random;
    this.#drawn = new Uint32Array(this.seen.length);
    const rotations = streams.reduce((product, { length }) => product * length, 1);
    this.method = areApart && rotations < ROTATIONS_APART_MIN ? "shuffle" : "rotation";
  }

  /** How many draws are all that there are; undefined where there are more than can be listed. */
  get every(): number | undefined {
    const [only, ...others] = this.#streams;
    if (this.method === "shuffle" || only === undefined || others.length > 0) return undefined;
    return only.places.length - 1;
  }

  /**
   * Draws labels.
   *
   * @param by how far a single stream is rotated; by chance where it is undefined
   * @returns places of the rarer label, until the next draw
   */
  draw(by?: number): Uint32Array {
    const isSingle = this.#streams.length === 1;
    let at = 0;
    for (const stream of this.#streams) {
      const n = stream.places.length;
      if (this.method === "shuffle") this.#shuffle(stream, at);
      // Several streams may by chance stay as they are, one by itself not.
      else if (isSingle) this.#rotate(stream, at, by ?? 1 + integerBelow(this.#random, n - 1));
      else this.#rotate(stream, at, integerBelow(this.#random, n));
      at += stream.chosen.length;
    }
    return this.#drawn;
  }

  /**
   * How much a draw is like the labels that were seen.
   *
   * @param drawn its places
   * @returns 1 where they are the same, 0 on average
   */
  likeness(drawn: Uint32Array): number {
    let same = 0;
    for (let i = 0; i < drawn.length; i++) same += this.#isSeen[drawn[i] as number] as number;
    return same / drawn.length - (drawn.length - same) / this.#others;
  }

  #rotate({ places, chosen }: Stream, at: number, by: number): void {
    for (let i = 0; i < chosen.length; i++) {
      const k = (chosen[i] as number) + by;
      this.#drawn[at + i] = places[k >= places.length ? k - places.length : k] as number;
    }
  }

  #shuffle({ pool, chosen }: Stream, at: number): void {
    for (let i = 0; i < chosen.length; i++) {
      const j = i + integerBelow(this.#random, pool.length - i);
      const place = pool[j] as number;
      pool[j] = pool[i] as number;
      pool[i] = place;
      this.#drawn[at + i] = place;
    }
  }
}
