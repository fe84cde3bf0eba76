import type { RandomSource } from "../runtime/random.ts";
import { firstAbove } from "./detect-auc.ts";
import { Labellings } from "./detect-labellings.ts";
import type { Strata } from "./detect-strata.ts";
import { moments, quantile } from "./statistics-summary.ts";

/** Labellings drawn by chance; chances are told apart down to one in a thousand. */
const DRAWS = 999;
/** Fewer are enough where there is very much data, for a verdict at 5 %. */
const DRAWS_MIN = 199;
/** Ranks that are added up at the most: about a second. */
const ADDITIONS_MAX = 1e8;
/** The share of draws within one standard deviation, were they normal. */
const USUAL_SHARE = 0.6827;
/** What rounding may make of two values that are equal. */
const ROUNDING = 1e-9;

/** Scores of several detectors for the same cases. */
export interface RankedCases {
  /** Ranks of the scores within their strata, one array a detector, in the order of time. */
  readonly ranks: readonly Float64Array[];
  /** 1 for a positive, 0 for a negative. */
  readonly labels: Uint8Array;
  /** Which cases are compared with each other. */
  readonly strata: Strata;
  /** Whether no case shares anything with its neighbours, as windows that do not overlap. */
  readonly areApart: boolean;
  /** For each detector whether only high scores for positives count. */
  readonly isOneSided: readonly boolean[];
  /**
   * For each detector how many times wider chance is since neighbours depend on each other. Counts
   * where labels are shuffled, which takes neighbours apart; from 1.
   */
  readonly dependence: readonly number[];
}

/** What a family of detectors does when labels mean nothing. */
export interface ChanceLevels {
  /** How far each detector is from chance, in standard deviations. */
  readonly deviations: readonly number[];
  /** For each the chance that the best of all is as good without any difference. */
  readonly pValues: readonly number[];
  /** The deviation of the best of all in each draw, without any difference. */
  readonly maxima: Float64Array;
  /** For each detector how many times wider chance is than if no case depended on another. */
  readonly spreads: readonly number[];
  readonly method: "rotation" | "shuffle";
  readonly draws: number;
}

/**
 * How good the best of several detectors is by accident. All are judged together, so that looking
 * with many eyes raises no more false alarms than looking with one.
 *
 * Labels are rotated against the scores, each stream's by themselves: so what hangs together in
 * time, payload in fragments or a slow drift, still does. Of few cases that lie apart, labels are
 * shuffled, and what was seen counts for less by as much as neighbours depend on each other.
 *
 * Source: Westfall and Young 1993, the maximal statistic in one step; van Elteren 1960 for ranks
 * within streams; Phipson and Smyth 2010 for counting the labelling seen among the draws.
 *
 * @param cases what was scored; some stratum has both labels
 * @param random where labellings come from
 */
export function chanceLevels(cases: RankedCases, random: RandomSource): ChanceLevels {
  const { ranks, labels, strata } = cases;
  const labellings = new Labellings(labels, strata, cases.areApart, random);
  const { method, every, seen } = labellings;
  const table = new RankTable(cases, labellings);
  const dependence = method === "shuffle" ? cases.dependence : [];
  const signed = table.deviations(seen).slice();
  const far = (one: number, j: number): number =>
    cases.isOneSided[j] === true ? Math.max(0, one) : Math.abs(one);
  const deviations = Array.from(signed, (one, j) => far(one, j) / Math.max(1, dependence[j] ?? 1));
  const affordable = Math.max(
    DRAWS_MIN,
    Math.min(DRAWS, Math.floor(ADDITIONS_MAX / (seen.length * ranks.length))),
  );
  const isEvery = every !== undefined && every <= affordable;
  const draws = isEvery ? every : affordable;
  const maxima = new Float64Array(draws);
  const drawn = ranks.map(() => new Float64Array(draws));
  for (let draw = 0; draw < draws; draw++) {
    const places = labellings.draw(isEvery ? 1 + draw : undefined);
    const each = table.deviations(places);
    const likeness = labellings.likeness(places);
    for (let j = 0; j < each.length; j++) {
      const one = each[j] as number;
      maxima[draw] = Math.max(maxima[draw] as number, far(one, j));
      // As far as a draw is like what was seen, it tells of payload and not of chance.
      (drawn[j] as Float64Array)[draw] = Math.abs(one - likeness * (signed[j] as number));
    }
  }
  const rising = maxima.slice().sort();
  return {
    deviations,
    pValues: deviations.map((one) => (1 + countFrom(rising, one)) / (draws + 1)),
    maxima,
    spreads: drawn.map((each) =>
      method === "shuffle" ? 1 : Math.max(1, quantile(each.sort(), USUAL_SHARE)),
    ),
    method,
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
export function evidenceOf(levels: Pick<ChanceLevels, "deviations" | "maxima">): Evidence {
  const best = Math.max(0, ...levels.deviations);
  const { mean, deviation } = moments(withSeen(levels.maxima, best));
  const scale = (value: number): number => (deviation > 0 ? (value - mean) / deviation : 0);
  return { seen: scale(best), byChance: levels.maxima.map(scale) };
}

/**
 * For each of many families the chance that the best detector of all of them is as good by
 * accident. Every draw of one family is put together with every draw of all others, so that a chance
 * of one in a thousand can be told however many families there are: Bonferroni's and Holm's
 * corrections of chances that are counted out of 999 draws could never reach 5 % with more than 50.
 * One of few draws reaches no smaller chance than these have.
 *
 * Source: Westfall and Young 1993, as in {@link chanceLevels}.
 *
 * @param families one or more; their draws are independent of each other
 * @returns a chance a family, in their order
 */
export function familyChances(families: readonly Evidence[]): number[] {
  const each = families.map(({ seen, byChance }) => withSeen(byChance, seen).sort());
  return families.map(({ seen }) => {
    let none = 1;
    for (const rising of each) none *= 1 - countFrom(rising, seen) / rising.length;
    return 1 - none;
  });
}

/** The labelling seen is one of those that chance may give. */
function withSeen(drawn: Float64Array, seen: number): Float64Array {
  const all = new Float64Array(drawn.length + 1);
  all.set(drawn);
  all[drawn.length] = seen;
  return all;
}

/** How many of a rising list are at least as great, but for rounding. */
function countFrom(rising: Float64Array, value: number): number {
  return rising.length - firstAbove(rising, value - ROUNDING, false);
}

/** Ranks by case, so that one case's lie together in memory. */
class RankTable {
  readonly #columns: number;
  /** From the middle of its stratum, as a share of that, so that strata compare. */
  readonly #ranks: Float64Array;
  readonly #scales: Float64Array;
  readonly #sums: Float64Array;

  constructor({ ranks, labels, strata }: RankedCases, { seen, isPositive }: Labellings) {
    this.#columns = ranks.length;
    this.#ranks = new Float64Array(labels.length * ranks.length);
    this.#scales = new Float64Array(ranks.length);
    this.#sums = new Float64Array(ranks.length);
    const isChosen = new Uint8Array(labels.length);
    for (const place of seen) isChosen[place] = 1;
    const variances = new Float64Array(ranks.length);
    for (const places of strata) {
      const n = places.length;
      const chosen = places.reduce((sum, place) => sum + (isChosen[place] as number), 0);
      const ways = (chosen * (n - chosen)) / (n * Math.max(1, n - 1));
      ranks.forEach((column, j) => {
        let squares = 0;
        for (const place of places) {
          const rank = ((column[place] as number) - (n + 1) / 2) / (n + 1);
          squares += rank * rank;
          this.#ranks[place * ranks.length + j] = rank;
        }
        (variances[j] as number) += ways * squares;
      });
    }
    variances.forEach((variance, j) => {
      // Scores that are all equal tell nothing, by chance or otherwise.
      this.#scales[j] = variance > 0 ? (isPositive ? 1 : -1) / Math.sqrt(variance) : 0;
    });
  }

  /**
   * How far each detector is from chance for labels at such places, below 0 where positives score
   * low; until it is asked again.
   */
  deviations(places: Uint32Array): Float64Array {
    const columns = this.#columns;
    const ranks = this.#ranks;
    const sums = this.#sums;
    sums.fill(0);
    for (let i = 0; i < places.length; i++) {
      const at = (places[i] as number) * columns;
      for (let j = 0; j < columns; j++) (sums[j] as number) += ranks[at + j] as number;
    }
    for (let j = 0; j < columns; j++) (sums[j] as number) *= this.#scales[j] as number;
    return sums;
  }
}
