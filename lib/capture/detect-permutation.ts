import { integerBelow } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { moments } from "./statistics-summary.ts";

/** Labellings drawn by chance; chances are told apart down to one in a thousand. */
const DRAWS = 999;
/** Fewer are enough where there is very much data, for a verdict at 5 %. */
const DRAWS_MIN = 199;
/** Ranks that are added up at the most: about a second. */
const ADDITIONS_MAX = 1e8;
/** With fewer cases there are too few rotations; labels are shuffled then. */
const ROTATION_CASES_MIN = 500;

/** What a family of detectors does when labels mean nothing. */
export interface ChanceLevels {
  /** How far each detector is from chance, in standard deviations. */
  readonly deviations: readonly number[];
  /** For each the chance that the best of all is as good without any difference. */
  readonly pValues: readonly number[];
  /** The deviation of the best of all in each draw, without any difference. */
  readonly maxima: Float64Array;
  readonly method: "rotation" | "shuffle";
  readonly draws: number;
}

/**
 * How good the best of several detectors is by accident. All are judged together, so that looking
 * with many eyes raises no more false alarms than looking with one.
 *
 * Labels are rotated against the scores where there are cases enough: so what hangs together in
 * time, payload in fragments or a slow drift, still does.
 *
 * Source: Westfall and Young 1993, the maximal statistic in one step; Phipson and Smyth 2010 for
 * counting the labelling seen among the draws.
 *
 * @param ranks of the scores, one array a detector, all in the order of time
 * @param labels 1 for a positive, 0 for a negative
 * @param isOneSided for each detector whether only high scores for positives count
 * @param random where labellings come from
 */
export function chanceLevels(
  ranks: readonly Float64Array[],
  labels: Uint8Array,
  isOneSided: readonly boolean[],
  random: RandomSource,
): ChanceLevels {
  const n = labels.length;
  const table = new RankTable(ranks, labels, isOneSided);
  const deviations = table.deviations(table.places);
  const affordable = Math.max(
    DRAWS_MIN,
    Math.min(DRAWS, Math.floor(ADDITIONS_MAX / (table.places.length * ranks.length))),
  );
  const isRotation = n >= ROTATION_CASES_MIN;
  const isEvery = isRotation && n - 1 <= affordable;
  const draws = isEvery ? n - 1 : affordable;
  const maxima = new Float64Array(draws);
  const drawn = new Uint32Array(table.places.length);
  const pool = Uint32Array.from({ length: n }, (_, i) => i);
  for (let draw = 0; draw < draws; draw++) {
    if (isRotation) {
      const by = isEvery ? 1 + draw : 1 + integerBelow(random, n - 1);
      for (let i = 0; i < drawn.length; i++) {
        const place = (table.places[i] as number) + by;
        drawn[i] = place >= n ? place - n : place;
      }
    } else {
      for (let i = 0; i < drawn.length; i++) {
        const j = i + integerBelow(random, n - i);
        const place = pool[j] as number;
        pool[j] = pool[i] as number;
        pool[i] = place;
        drawn[i] = place;
      }
    }
    maxima[draw] = table.greatest(drawn);
  }
  return {
    deviations,
    pValues: deviations.map((one) => (1 + countFrom(maxima, one)) / (draws + 1)),
    maxima,
    method: isRotation ? "rotation" : "shuffle",
    draws,
  };
}

/** What a family of detectors found, on a scale that all families share. */
export interface Evidence {
  /** How far the best detector is above what the best is by accident, in deviations of that. */
  readonly seen: number;
  /** The same for labels drawn by chance, a value a draw. */
  readonly byChance: Float64Array;
}

/**
 * Puts what was found on a scale that all families share.
 *
 * @param levels of one family
 */
export function evidenceOf(levels: ChanceLevels): Evidence {
  const best = Math.max(0, ...levels.deviations);
  // The labelling seen is one of those that chance may give.
  const { mean, deviation } = moments([...levels.maxima, best]);
  const scale = (value: number): number => (deviation > 0 ? (value - mean) / deviation : 0);
  return { seen: scale(best), byChance: levels.maxima.map(scale) };
}

/**
 * For each of many families the chance that the best detector of all of them is as good by
 * accident. The greatest of all is compared with the greatest of each draw, so that a chance of one
 * in a thousand can be told however many families there are: Bonferroni's and Holm's corrections of
 * chances that are counted out of 999 draws could never reach 5 % with more than 50.
 *
 * Source: Westfall and Young 1993, as in {@link chanceLevels}.
 *
 * @param families one or more; their draws are independent of each other
 * @returns a chance a family, in their order
 */
export function familyChances(families: readonly Evidence[]): number[] {
  const draws = Math.max(0, ...families.map(({ byChance }) => byChance.length));
  const maxima = new Float64Array(draws).fill(Number.NEGATIVE_INFINITY);
  for (const { byChance } of families) {
    if (byChance.length === 0) continue;
    for (let draw = 0; draw < draws; draw++) {
      const one = byChance[draw % byChance.length] as number;
      if (one > (maxima[draw] as number)) maxima[draw] = one;
    }
  }
  return families.map(({ seen }) => (1 + countFrom(maxima, seen)) / (draws + 1));
}

/** How many are at least as great, but for rounding. */
function countFrom(maxima: Float64Array, value: number): number {
  let count = 0;
  for (const one of maxima) if (one >= value - 1e-9) count++;
  return count;
}

/** Ranks by case, so that one case's lie together in memory. */
class RankTable {
  /** Cases of the rarer label. */
  readonly places: Uint32Array;
  readonly #columns: number;
  readonly #ranks: Float64Array;
  readonly #scales: Float64Array;
  readonly #isOneSided: readonly boolean[];
  readonly #sums: Float64Array;

  constructor(ranks: readonly Float64Array[], labels: Uint8Array, isOneSided: readonly boolean[]) {
    const n = labels.length;
    const positives = labels.reduce((sum, label) => sum + label, 0);
    const rarer = positives * 2 > n ? 0 : 1;
    this.places = Uint32Array.from(
      Array.from(labels.keys()).filter((place) => labels[place] === rarer),
    );
    const chosen = this.places.length;
    this.#columns = ranks.length;
    this.#isOneSided = isOneSided;
    this.#ranks = new Float64Array(n * ranks.length);
    this.#scales = new Float64Array(ranks.length);
    this.#sums = new Float64Array(ranks.length);
    const middle = (n + 1) / 2;
    ranks.forEach((column, j) => {
      let squares = 0;
      column.forEach((rank, i) => {
        squares += (rank - middle) ** 2;
        this.#ranks[i * ranks.length + j] = rank - middle;
      });
      const deviation = Math.sqrt((squares / n) * chosen * ((n - chosen) / Math.max(1, n - 1)));
      // Scores that are all equal tell nothing, by chance or otherwise.
      this.#scales[j] = deviation > 0 ? (rarer === 1 ? 1 : -1) / deviation : 0;
    });
  }

  deviations(places: Uint32Array): number[] {
    this.#add(places);
    return Array.from(this.#sums, (sum, j) => this.#deviation(sum, j));
  }

  greatest(places: Uint32Array): number {
    this.#add(places);
    let greatest = 0;
    for (let j = 0; j < this.#columns; j++) {
      const deviation = this.#deviation(this.#sums[j] as number, j);
      if (deviation > greatest) greatest = deviation;
    }
    return greatest;
  }

  #deviation(sum: number, column: number): number {
    const deviation = sum * (this.#scales[column] as number);
    return this.#isOneSided[column] === true ? Math.max(0, deviation) : Math.abs(deviation);
  }

  #add(places: Uint32Array): void {
    const columns = this.#columns;
    const ranks = this.#ranks;
    const sums = this.#sums;
    sums.fill(0);
    for (let i = 0; i < places.length; i++) {
      const at = (places[i] as number) * columns;
      for (let j = 0; j < columns; j++) (sums[j] as number) += ranks[at + j] as number;
    }
  }
}
