import type { RandomSource } from "../runtime/random.ts";
import {
  type Auc,
  aucInterval,
  aucOf,
  type ConfidenceInterval,
  folded,
  midranks,
} from "./detect-auc.ts";
import { boostedScores } from "./detect-boosting.ts";
import type { Feature } from "./detect-features.ts";
import { chanceLevels, type Evidence, evidenceOf } from "./detect-permutation.ts";
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
  /** Frames that one case takes. */
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
  readonly limit: number;
  readonly isRequired: boolean;
  readonly framesEach: number;
}

/**
 * Measures every detector of a family: each feature by itself, either way round, and a classifier
 * over all of them.
 *
 * @param cases what to tell apart
 * @param random where labellings by chance come from
 * @returns undefined where there are too few positives or negatives
 */
export function measureFamily(cases: FamilyCases, random: RandomSource): FamilyResult | undefined {
  const { features, labels } = cases;
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const negatives = labels.length - positives;
  if (Math.min(positives, negatives) < CASES_MIN) return undefined;
  const columns: Column[] = features.map((feature) => ({
    ...feature,
    ranks: midranks(feature.values),
    judged: undefined,
  }));
  if (labels.length >= CLASSIFIER_CASES_MIN) {
    const { scores, judged } = boostedScores(
      columns.map((column) => column.ranks),
      labels,
    );
    columns.push({ name: "classifier", values: scores, ranks: midranks(scores), judged });
  }
  const levels = chanceLevels(
    columns.map((column) => column.ranks),
    labels,
    columns.map((column) => column.judged !== undefined),
    random,
  );
  const detectors = columns.map((column, j) =>
    resultOf(column, measuredOf(column, labels), levels.pValues[j] ?? 1, columns.length),
  );
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

function measuredOf(column: Column, labels: Uint8Array): Auc {
  const { values, ranks, judged } = column;
  if (judged === undefined) return aucOf(values, labels, ranks);
  const own = Uint8Array.from(judged, (i) => labels[i] as number);
  const positives = own.reduce((sum, label) => sum + label, 0);
  if (positives === 0 || positives === own.length) return aucOf(values, labels, ranks);
  return aucOf(
    Float64Array.from(judged, (i) => values[i] as number),
    own,
  );
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
