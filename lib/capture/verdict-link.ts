import type { DetectorResult, FamilyResult } from "./detect-family.ts";
import { normalQuantile } from "./statistics-special.ts";

/** The chance that a link which gives nothing away is called exposed. */
export const FALSE_ALARM_CHANCE = 0.05;
/** The chance with which the number of frames asked for is enough. */
const ENOUGH_CHANCE = 0.8;

/** Whether an observer can tell payload from noise. */
export type Verdict = "hidden" | "exposed" | "inconclusive";

/** A verdict, and what it rests on. */
export interface LinkVerdict {
  readonly verdict: Verdict;
  /** Why, as sentences. */
  readonly reasons: readonly string[];
  /** The least chance over all detectors, corrected for how many there are. */
  readonly pValue: number;
  /** The detector that comes nearest to telling, and its family; undefined without any. */
  readonly worst: { readonly family: string; readonly detector: DetectorResult } | undefined;
  /**
   * About how many more frames of all kinds a clear verdict takes, at the present share of payload;
   * undefined where there is one, or nothing to reckon by.
   */
  readonly moreFrames: number | undefined;
}

/**
 * Judges a link by what detectors reached.
 *
 * *Exposed*: some detector is better than chance, its lower bound above 0.5; corrected for all
 * detectors of its family by the maximal statistic, for all families by Holm's method, so that a
 * link which gives nothing away is called so in 5 % of cases. *Hidden*: the upper bounds of all
 * detectors are below the limits of their families; no correction is due, since every one has to
 * pass. *Inconclusive*: neither, so it takes more data. A small leak that is certain is exposed,
 * even where it stays below the limit.
 *
 * @param families what was measured; families with too few cases are left out of it
 */
export function judgeLink(families: readonly FamilyResult[]): LinkVerdict {
  const corrected = holm(families.map((family) => family.detectors[0]?.pValue ?? 1));
  const pValue = Math.min(1, ...corrected);
  const isFound = (i: number): boolean => (corrected[i] ?? 1) <= FALSE_ALARM_CHANCE;
  const exposed = families.filter((_, i) => isFound(i));
  const required = families.filter((family) => family.isRequired);
  const open = required.filter((family) => highest(family).high >= family.limit);
  if (exposed.length > 0) {
    const reasons = exposed.map((family) => `${nameOf(family, family.detectors[0])}.`);
    return { verdict: "exposed", reasons, pValue, worst: worstOf(exposed), moreFrames: undefined };
  }
  if (required.length > 0 && open.length === 0) {
    const reasons = required.map(
      (family) => `${nameOf(family, highest(family))}, below ${family.limit.toFixed(3)}.`,
    );
    return { verdict: "hidden", reasons, pValue, worst: worstOf(required), moreFrames: undefined };
  }
  const [first] = open;
  return {
    verdict: "inconclusive",
    reasons:
      first === undefined
        ? ["There are too few frames with payload, or without."]
        : open.map(
            (family) => `${nameOf(family, highest(family))}, not below ${family.limit.toFixed(3)}.`,
          ),
    pValue,
    worst: worstOf(open),
    moreFrames: first === undefined ? undefined : Math.max(...open.map(framesMissing)),
  };
}

/**
 * Chances corrected for how many there are.
 *
 * Source: Holm 1979.
 *
 * @param pValues one a test
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => (pValues[a] ?? 1) - (pValues[b] ?? 1));
  const corrected = new Array<number>(pValues.length).fill(1);
  let floor = 0;
  order.forEach((place, k) => {
    floor = Math.max(floor, Math.min(1, (pValues[place] ?? 1) * (pValues.length - k)));
    corrected[place] = floor;
  });
  return corrected;
}

/**
 * How many frames with payload it takes until a link that gives nothing away is found hidden in
 * four of five cases.
 *
 * @param limit the AUC below which every detector has to stay
 * @param share of frames that have payload, above 0 and below 1
 * @param detectors how many there are
 */
export function framesNeeded(limit: number, share: number, detectors: number): number {
  const each = 1 - (1 - ENOUGH_CHANCE ** (1 / detectors)) / 2;
  const error = (limit - 0.5) / (normalQuantile(0.975) + normalQuantile(each));
  return Math.ceil(1 / (12 * (1 - share) * error * error));
}

function framesMissing(family: FamilyResult): number {
  const { positives, negatives, limit } = family;
  const share = positives / (positives + negatives);
  const planned = framesNeeded(limit, share, family.detectors.length) - positives;
  const { auc, high } = highest(family);
  // As the estimate stands: how much narrower the interval has to be for a verdict either way.
  const room = Math.max(Math.abs(limit - auc), (auc - 0.5) / 2, 0.001);
  const measured = positives * (((high - auc) / room) ** 2 - 1);
  const missing = Math.max(planned, measured, positives / 4);
  return Math.ceil((missing / share) * family.framesEach);
}

function highest(family: FamilyResult): DetectorResult {
  return family.detectors.reduce((a, b) => (b.high > a.high ? b : a));
}

function worstOf(families: readonly FamilyResult[]): LinkVerdict["worst"] {
  const all = families.flatMap((family) =>
    family.detectors.map((detector) => ({ family: family.name, detector })),
  );
  all.sort((a, b) => b.detector.low - a.detector.low || b.detector.high - a.detector.high);
  return all[0];
}

function nameOf(family: FamilyResult, detector: DetectorResult | undefined): string {
  if (detector === undefined) return family.name;
  const { name, auc, low, high } = detector;
  const figure = `AUC ${auc.toFixed(3)}, 95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}`;
  return `Of ${family.name}, ${name} tells most: ${figure}`;
}
