import type { RandomSource } from "../runtime/random.ts";
import {
  type Auc,
  aucInterval,
  aucOf,
  type ConfidenceInterval,
  folded,
  type MeasuredAuc,
  midranksWithin,
} from "./detect-auc.ts";
import { boostedScores } from "./detect-boosting.ts";
import type { Feature } from "./detect-features.ts";
import { chanceLevels, type Evidence, evidenceOf } from "./detect-permutation.ts";
import { comparable, type Strata, strataAmong, strataOf } from "./detect-strata.ts";
import type { Subject } from "./labels.ts";

/** Positives, and negatives, without which nothing can be said. */
export const CASES_MIN = 5;
/** Cases that a classifier needs to learn anything. */
const CLASSIFIER_CASES_MIN = 200;

/** How well one detector works. */
export interface DetectorResult {
  readonly name: string;
  /** The better of the two ways to read it, from 0.5; for display only, since it flatters. */
  readonly auc: number;
  /** What was measured, before it was turned around. */
  readonly measured: Auc;
  /** The 95 % confidence interval of this detector alone, folded. */
  readonly low: number;
  readonly high: number;
  /** As `low` and `high`, wide enough to hold for all detectors of the family at once. */
  readonly jointLow: number;
  readonly jointHigh: number;
  /** The chance that the best of the family is as good by accident. */
  readonly pValue: number;
}

/** Detectors that answer one question about the same cases. */
export interface FamilyResult {
  /** What of the link it speaks of. */
  readonly subject: Subject;
  /** What is told apart: "frames", "windows of 100 intervals". */
  readonly name: string;
  readonly positives: number;
  readonly negatives: number;
  /** Best first. */
  readonly detectors: readonly DetectorResult[];
  /** Below it, a detector of this family is harmless. */
  readonly limit: number;
  /** Whether a link counts as hidden only if this family says so. */
  readonly isRequired: boolean;
  /** Frames that one case takes; 0 where a case is a labelled moment, and no frame. */
  readonly framesEach: number;
  readonly method: "rotation" | "shuffle";
  readonly draws: number;
  readonly evidence: Evidence;
}

/** What a family is made of. */
export interface FamilyCases {
  readonly subject: Subject;
  readonly name: string;
  /** Values in the order of time. */
  readonly features: readonly Feature[];
  /** 1 for a positive, 0 for a negative. */
  readonly labels: Uint8Array;
  /** Which stream each case is of, any number a stream; all are of one unless told otherwise. */
  readonly streams?: ArrayLike<number>;
  /** Whether no case shares anything with its neighbours; they may unless told otherwise. */
  readonly areApart?: boolean;
  readonly limit: number;
  readonly isRequired: boolean;
  readonly framesEach: number;
}

/**
 * Measures every detector of a family: each feature by itself, either way round, and a classifier
 * over all of them. Cases are compared within their stream.
 *
 * @param cases what to tell apart
 * @param random where labellings by chance come from
 * @returns undefined where there are too few positives or negatives that compare
 */
export function measureFamily(cases: FamilyCases, random: RandomSource): FamilyResult | undefined {
  const { features, labels } = cases;
  const strata = strataOf(cases.streams, labels.length);
  const positives = countOf(labels, 1);
  const negatives = labels.length - positives;
  const compared = comparable(strata, labels).map((places) =>
    places.map((place) => labels[place] as number),
  );
  for (const label of [0, 1]) {
    const count = compared.reduce((sum, own) => sum + countOf(own, label), 0);
    if (count < CASES_MIN) return undefined;
  }
  const columns = columnsOf(features, labels, strata);
  const measured = columns.map((column) => measuredOf(column, labels, strata));
  const levels = chanceLevels(
    {
      ...{ labels, strata, ranks: columns.map(({ ranks }) => ranks) },
      areApart: cases.areApart ?? false,
      isOneSided: columns.map(({ judged }) => judged !== undefined),
      dependence: measured.map(({ standardError, independentError }) =>
        independentError > 0 ? standardError / independentError : 1,
      ),
    },
    random,
  );
  const detectors = columns.map((column, j) => {
    const pValue = levels.pValues[j] ?? 1;
    const one = spread(measured[j] as MeasuredAuc, levels.spreads[j] ?? 1);
    return resultOf(column, one, pValue, columns.length);
  });
  detectors.sort((a, b) => a.pValue - b.pValue || b.auc - a.auc);
  return {
    subject: cases.subject,
    name: cases.name,
    positives,
    negatives,
    detectors,
    limit: cases.limit,
    isRequired: cases.isRequired,
    framesEach: cases.framesEach,
    method: levels.method,
    draws: levels.draws,
    evidence: evidenceOf(levels),
  };
}

interface Column extends Feature {
  readonly ranks: Float64Array;
  /** The cases that a classifier judged; undefined for a feature, which needs no learning. */
  readonly judged: Uint32Array | undefined;
}

function columnsOf(features: readonly Feature[], labels: Uint8Array, strata: Strata): Column[] {
  const columns: Column[] = features.map((feature) => ({
    ...feature,
    ranks: midranksWithin(feature.values, strata),
    judged: undefined,
  }));
  if (labels.length < CLASSIFIER_CASES_MIN) return columns;
  const { scores, judged } = boostedScores(
    columns.map(({ ranks }) => asOfOne(ranks, strata)),
    labels,
  );
  const ranks = midranksWithin(scores, strata);
  return [...columns, { name: "classifier", values: scores, ranks, judged }];
}

/** Ranks within strata as if all cases were of one: the middle of each is the middle of all. */
function asOfOne(ranks: Float64Array, strata: Strata): Float64Array {
  if (strata.length === 1) return ranks;
  const all = new Float64Array(ranks.length);
  for (const places of strata) {
    const scale = ranks.length / places.length;
    for (const place of places) all[place] = ((ranks[place] as number) - 0.5) * scale + 0.5;
  }
  return all;
}

function measuredOf(column: Column, labels: Uint8Array, strata: Strata): MeasuredAuc {
  const { values, ranks, judged } = column;
  if (judged === undefined) return aucOf(values, labels, strata, ranks);
  const own = Uint8Array.from(judged, (i) => labels[i] as number);
  const among = strataAmong(strata, judged, labels.length);
  if (comparable(among, own).length === 0) return aucOf(values, labels, strata, ranks);
  return aucOf(
    Float64Array.from(judged, (i) => values[i] as number),
    own,
    among,
  );
}

/** With an error as wide as chance was seen to be. */
function spread(measured: MeasuredAuc, times: number): Auc {
  const { auc, positives, negatives } = measured;
  const standardError = Math.max(measured.standardError, measured.independentError * times);
  return { auc, standardError, positives, negatives };
}

function countOf(labels: ArrayLike<number>, label: number): number {
  let count = 0;
  for (let i = 0; i < labels.length; i++) if (labels[i] === label) count++;
  return count;
}

function resultOf(column: Column, measured: Auc, pValue: number, together: number): DetectorResult {
  // A classifier that was trained knows which way round it works.
  const turned = column.judged === undefined ? folded : raised;
  const auc = turned({ low: measured.auc, high: measured.auc }).high;
  const joint = turned(aucInterval(measured, together));
  return {
    name: column.name,
    auc,
    measured,
    ...turned(aucInterval(measured)),
    jointLow: joint.low,
    jointHigh: joint.high,
    pValue,
  };
}

function raised({ low, high }: ConfidenceInterval): ConfidenceInterval {
  return { low: Math.max(0.5, low), high: Math.max(0.5, high) };
}
