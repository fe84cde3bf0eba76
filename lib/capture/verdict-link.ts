import type { DetectorResult, FamilyResult } from "./detect-family.ts";
import { familyChances } from "./detect-permutation.ts";
import { SUBJECTS, type Subject } from "./labels.ts";
import { normalQuantile } from "./statistics-special.ts";

/** The chance that a link which gives nothing away is called exposed. */
export const FALSE_ALARM_CHANCE = 0.05;
/** The chance with which the number of frames asked for is enough. */
const ENOUGH_CHANCE = 0.8;

/** Connections that are named one by one. */
const REASONS_MAX = 8;

/** Whether an observer can tell payload from noise. */
export type Verdict = "hidden" | "exposed" | "inconclusive";

/** A verdict on one thing that noise shall hide, and what it rests on. */
export interface Finding {
  readonly subject: Subject;
  readonly verdict: Verdict;
  /** Why, as sentences. */
  readonly reasons: readonly string[];
  /** The least chance over its detectors, corrected for how many there are of any subject. */
  readonly pValue: number;
  /** The detector that comes nearest to telling, and its family; undefined without any. */
  readonly worst: { readonly family: string; readonly detector: DetectorResult } | undefined;
  /**
   * About how many more frames of all kinds a clear verdict takes, at the present share of its own;
   * undefined where there is one, or nothing to reckon by.
   */
  readonly moreFrames: number | undefined;
  /** As `moreFrames`, for labelled moments: labels that are far enough apart to count. */
  readonly moreLabels: number | undefined;
}

/** What is to be said of a link. */
export interface LinkVerdict {
  /** *Exposed* where any finding is; otherwise that on payload. */
  readonly verdict: Verdict;
  /** What shows. */
  readonly exposedBy: readonly Subject[];
  /** That on payload first; one on timed syncs where there were enough of them. */
  readonly findings: readonly [Finding, ...Finding[]];
  /** Each family's chance, corrected for how many there are, in the order given. */
  readonly pValues: readonly number[];
}

/**
 * Judges a link by what detectors reached: payload by itself, and timed syncs by themselves.
 *
 * *Exposed*: some detector is better than chance, corrected for all detectors of all families by
 * the maximal statistic, so that a link which gives nothing away is called so in 5 % of cases.
 * *Hidden*: the upper bounds of all detectors are below the limits of their families; no correction
 * is due, since every one has to pass. *Inconclusive*: neither, so it takes more data. A small leak
 * that is certain is exposed, even where it stays below the limit.
 *
 * @param families what was measured; families with too few cases are left out of it
 */
export function judgeLink(families: readonly FamilyResult[]): LinkVerdict {
  const pValues = familyChances(families.map(({ evidence }) => evidence));
  const chance = new Map(families.map((family, i) => [family, pValues[i] ?? 1]));
  const ofSubject = (subject: Subject): Finding =>
    judgeSubject(
      subject,
      families.filter((family) => family.subject === subject),
      chance,
    );
  const others = SUBJECTS.filter(
    (one) => one !== "payload" && families.some(({ subject }) => subject === one),
  );
  const payload = ofSubject("payload");
  const findings: LinkVerdict["findings"] = [payload, ...others.map(ofSubject)];
  const exposedBy = findings.flatMap(({ subject, verdict }) =>
    verdict === "exposed" ? [subject] : [],
  );
  const verdict = exposedBy.length > 0 ? "exposed" : payload.verdict;
  return { verdict, exposedBy, findings, pValues };
}

function judgeSubject(
  subject: Subject,
  families: readonly FamilyResult[],
  chance: ReadonlyMap<FamilyResult, number>,
): Finding {
  const chanceOf = (family: FamilyResult): number => chance.get(family) ?? 1;
  const pValue = Math.min(1, ...families.map(chanceOf));
  const exposed = families.filter((family) => chanceOf(family) <= FALSE_ALARM_CHANCE);
  const required = families.filter((family) => family.isRequired);
  const open = required.filter((family) => highest(family).high >= family.limit);
  const common = { subject, pValue, moreFrames: undefined, moreLabels: undefined };
  if (exposed.length > 0) {
    // What shows on all connections together need not be said of each, unless it shows more there.
    const together = exposed.filter((family) => family.isRequired);
    const high = Math.max(0, ...together.map(({ detectors: [one] }) => one?.high ?? 0));
    const single = exposed.filter(
      ({ isRequired, detectors: [one] }) => !isRequired && (one?.low ?? 0) > high,
    );
    const few = together.length > 0 ? single : exposed;
    const told = [...together, ...few.slice(0, REASONS_MAX)];
    const reasons = told.map((family) => `${nameOf(family, family.detectors[0])}.`);
    return { ...common, verdict: "exposed", reasons, worst: strongest(told) };
  }
  if (required.length > 0 && open.length === 0) {
    const reasons = required.map(
      (family) => `${nameOf(family, highest(family))}, below ${family.limit.toFixed(3)}.`,
    );
    return { ...common, verdict: "hidden", reasons, worst: worstOf(required) };
  }
  const reasons = open.map(
    (family) => `${nameOf(family, highest(family))}, not below ${family.limit.toFixed(3)}.`,
  );
  return {
    ...common,
    verdict: "inconclusive",
    reasons: open.length > 0 ? reasons : ["There are too few frames with payload, or without."],
    worst: worstOf(open),
    moreFrames: mostOf(open.flatMap(framesMissing)),
    moreLabels: mostOf(open.flatMap(labelsMissing)),
  };
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

function mostOf(counts: readonly number[]): number | undefined {
  return counts.length === 0 ? undefined : Math.max(...counts);
}

/** Of all kinds, since payload comes among noise. */
function framesMissing(family: FamilyResult): number | [] {
  const { positives, negatives, framesEach } = family;
  if (framesEach === 0) return [];
  return Math.ceil((positivesMissing(family) * framesEach * (positives + negatives)) / positives);
}

/** Other moments are drawn for each label, so that more of those are to be had. */
function labelsMissing(family: FamilyResult): number | [] {
  return family.framesEach === 0 ? Math.ceil(positivesMissing(family)) : [];
}

function positivesMissing(family: FamilyResult): number {
  const { positives, negatives, limit } = family;
  const share = positives / (positives + negatives);
  const planned = framesNeeded(limit, share, family.detectors.length) - positives;
  const { auc, high } = highest(family);
  // As the estimate stands: how much narrower the interval has to be for a verdict either way.
  const room = Math.max(Math.abs(limit - auc), (auc - 0.5) / 2, 0.001);
  const measured = positives * (((high - auc) / room) ** 2 - 1);
  return Math.max(planned, measured, positives / 4);
}

function highest(family: FamilyResult): DetectorResult {
  return family.detectors.reduce((a, b) => (b.high > a.high ? b : a));
}

/** Of what is certain to tell, the detector that tells most. */
function strongest(families: readonly FamilyResult[]): Finding["worst"] {
  const best = families.flatMap(({ name, detectors: [detector] }) =>
    detector === undefined ? [] : [{ family: name, detector }],
  );
  return best.sort((a, b) => b.detector.low - a.detector.low)[0];
}

function worstOf(families: readonly FamilyResult[]): Finding["worst"] {
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
