import { midranks } from "./detect-auc.ts";

/** Parts of the cases that are judged one after the other. */
const FOLDS = 8;
/** Stretches of neighbours that go to one part together, so that none is judged by its neighbour. */
const STRETCHES = 8 * FOLDS;
/** Steps of a feature at which it may be cut. */
const BINS = 32;
const ROUNDS = 24;
/** How far each round goes. */
const RATE = 0.3;
/** Weight that a leaf needs beyond its cases, against learning by heart. */
const PENALTY = 1;
/** Cases learned from in one go; more make no better cuts. */
const LEARNED_MAX = 20_000;

/** A cut of one feature, and what each side of it adds. */
interface Stump {
  readonly feature: number;
  /** Bins up to this one are on the low side. */
  readonly bin: number;
  readonly low: number;
  readonly high: number;
}

/** What a classifier makes of cases that it has not learned from. */
export interface BoostedScores {
  /** Ranks within the fold, from 0 to 1, so that folds compare; 0.5 where nothing was learned yet. */
  readonly scores: Float64Array;
  /** The cases that were judged: all but the first fold. */
  readonly judged: Uint32Array;
}

/**
 * Scores of a classifier over all features: boosted stumps, each fold judged by what the folds
 * before it taught. Were each judged by all others, every two cases would count twice, once each
 * way, and by accident alone scores would differ from chance 1.4 times as much as they seem to.
 *
 * Source: Friedman 2001, with Newton steps as Chen and Guestrin 2016 take them; Dawid 1984 for
 * judging forwards.
 *
 * @param ranks of every feature, one array a feature, in the order of time
 * @param labels 1 for a positive, 0 for a negative
 */
export function boostedScores(ranks: readonly Float64Array[], labels: Uint8Array): BoostedScores {
  const n = labels.length;
  const bins = ranks.map((column) =>
    Uint8Array.from(column, (rank) => Math.min(BINS - 1, Math.floor(((rank - 0.5) / n) * BINS))),
  );
  const folds = Uint8Array.from(labels, (_, i) => Math.floor((i / n) * STRETCHES) % FOLDS);
  const scores = new Float64Array(n).fill(0.5);
  const kept = Math.min(1, LEARNED_MAX / n) * 2 ** 32;
  for (let fold = 1; fold < FOLDS; fold++) {
    const learned: number[] = [];
    const judged: number[] = [];
    for (let i = 0; i < n; i++) {
      if (folds[i] === fold) judged.push(i);
      // Spread by a multiplication, so that no rhythm of the link is picked out.
      else if ((folds[i] as number) < fold && Math.imul(i, 0x9e3779b1) >>> 0 < kept)
        learned.push(i);
    }
    const stumps = boost(bins, labels, Uint32Array.from(learned));
    const raw = judged.map((i) => stumps.reduce((sum, stump) => sum + leafOf(stump, bins, i), 0));
    midranks(raw).forEach((rank, k) => {
      scores[judged[k] as number] = (rank - 0.5) / judged.length;
    });
  }
  return { scores, judged: Uint32Array.from(folds.keys().filter((i) => folds[i] !== 0)) };
}

function leafOf(stump: Stump, bins: readonly Uint8Array[], i: number): number {
  return ((bins[stump.feature] as Uint8Array)[i] as number) <= stump.bin ? stump.low : stump.high;
}

function boost(bins: readonly Uint8Array[], labels: Uint8Array, cases: Uint32Array): Stump[] {
  let positives = 0;
  for (const i of cases) positives += labels[i] as number;
  if (positives === 0 || positives === cases.length) return [];
  const columns = bins.map((column) => Uint8Array.from(cases, (i) => column[i] as number));
  const odds = new Float64Array(cases.length);
  odds.fill(Math.log(positives / (cases.length - positives)));
  const slopes = new Float64Array(cases.length);
  const weights = new Float64Array(cases.length);
  const stumps: Stump[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let k = 0; k < cases.length; k++) {
      const chance = 1 / (1 + Math.exp(-(odds[k] as number)));
      slopes[k] = (labels[cases[k] as number] as number) - chance;
      weights[k] = chance * (1 - chance);
    }
    const stump = bestStump(columns, slopes, weights);
    if (stump === undefined) break;
    stumps.push(stump);
    const column = columns[stump.feature] as Uint8Array;
    for (let k = 0; k < cases.length; k++) {
      (odds[k] as number) += (column[k] as number) <= stump.bin ? stump.low : stump.high;
    }
  }
  return stumps;
}

function bestStump(
  columns: readonly Uint8Array[],
  slopes: Float64Array,
  weights: Float64Array,
): Stump | undefined {
  const slopeOf = new Float64Array(BINS);
  const weightOf = new Float64Array(BINS);
  let slope = 0;
  let weight = 0;
  for (let k = 0; k < slopes.length; k++) {
    slope += slopes[k] as number;
    weight += weights[k] as number;
  }
  let best: Stump | undefined;
  let bestGain = (slope * slope) / (weight + PENALTY) + 1e-9;
  columns.forEach((column, feature) => {
    slopeOf.fill(0);
    weightOf.fill(0);
    for (let k = 0; k < column.length; k++) {
      const bin = column[k] as number;
      (slopeOf[bin] as number) += slopes[k] as number;
      (weightOf[bin] as number) += weights[k] as number;
    }
    let lowSlope = 0;
    let lowWeight = 0;
    for (let bin = 0; bin < BINS - 1; bin++) {
      lowSlope += slopeOf[bin] as number;
      lowWeight += weightOf[bin] as number;
      const low = lowSlope / (lowWeight + PENALTY);
      const high = (slope - lowSlope) / (weight - lowWeight + PENALTY);
      const gain = low * lowSlope + high * (slope - lowSlope);
      if (gain > bestGain) {
        bestGain = gain;
        best = { feature, bin, low: RATE * low, high: RATE * high };
      }
    }
  });
  return best;
}
