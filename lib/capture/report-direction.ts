import { FRAME_BYTES } from "../levin/frame.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { FamilyResult } from "./detect-family.ts";
import { detectLink } from "./detect-link.ts";
import { fitIntervals, fitSizes, type IntervalFit, type SizeFit } from "./fit-report.ts";
import type { Schedule } from "./fit-schedule.ts";
import { FRAME_KINDS, type LabelledFrames } from "./labels.ts";
import { type Ticks, ticksOf } from "./labels-ticks.ts";
import { bytesOf, type SeenDirection } from "./report-input.ts";
import type { NoiseReport, ReportDirection, ReportFamily, ReportFinding } from "./report-schema.ts";
import { shapeOf } from "./report-shape.ts";
import { intervals } from "./statistics-summary.ts";
import { hidingCosts } from "./verdict-costs.ts";
import { type Finding, judgeLink, type LinkVerdict } from "./verdict-link.ts";

/** What a direction is compared with. */
export interface DirectionRules {
  readonly schedule: Schedule | undefined;
  /** An AUC below which a frame gives nothing away; undefined for the usual one. */
  readonly limit: number | undefined;
  readonly random: RandomSource;
  /** When frames were due, a list a channel; none where that is not known. */
  readonly ticks: readonly Ticks[];
  /** Whether periods are looked for, which takes most of the time. */
  readonly isFull: boolean;
}

/** What the whole report takes of a direction. */
export interface JudgedDirection {
  readonly side: "out" | "in";
  /** None for a direction that is only judged with all others. */
  readonly families: readonly FamilyResult[];
  /** Undefined where nobody knows what frames were. */
  readonly labelled: LabelledFrames | undefined;
  /** Of frames after the handshake. */
  readonly intervalsMs: Float64Array;
  readonly sizes: Float64Array;
}

/** A direction with its figures. */
export interface MeasuredDirection extends JudgedDirection {
  readonly report: ReportDirection;
}

/**
 * Takes of a direction only what is judged with all others.
 *
 * @param side which
 * @param seen what was seen of it
 * @param answers what was seen of the other
 * @param ticks when frames were due
 */
export function judgedDirection(
  side: "out" | "in",
  seen: SeenDirection,
  answers: SeenDirection | undefined,
  ticks: readonly Ticks[],
): JudgedDirection {
  const kept = Array.from(seen.timesMs.keys()).filter((i) => seen.kinds?.[i] !== "handshake");
  const timesMs = Float64Array.from(kept, (i) => seen.timesMs[i] as number);
  return {
    side,
    families: [],
    labelled: labelledFrames(seen, answers, ticks),
    intervalsMs: intervals(timesMs),
    sizes: Float64Array.from(kept, (i) => seen.bytes[i] as number),
  };
}

/**
 * Measures one direction of a connection.
 *
 * @param side which
 * @param seen what was seen of it
 * @param answers what was seen of the other
 * @param rules what to compare it with
 */
export function measureDirection(
  side: "out" | "in",
  seen: SeenDirection,
  answers: SeenDirection | undefined,
  rules: DirectionRules,
): MeasuredDirection {
  const judged = judgedDirection(side, seen, answers, rules.ticks);
  const { sizes, intervalsMs, labelled } = judged;
  const { schedule } = rules;
  const frameBytes = schedule?.frameBytes ?? FRAME_BYTES;
  const families =
    labelled === undefined
      ? []
      : detectLink(labelled, {
          random: rules.random,
          ...(rules.limit === undefined ? {} : { limit: rules.limit }),
        });
  const verdict = judgeLink(families);
  const report: ReportDirection = {
    side,
    frames: seen.shape?.segments ?? seen.timesMs.length,
    bytes: bytesOf(seen),
    kinds: seen.kinds === undefined ? null : countsOf(seen.kinds),
    frame_bytes: frameBytes,
    outside_bytes: outsideBytes(seen, frameBytes),
    unfinished_bytes: seen.unfinishedBytes,
    dropped_frames: seen.droppedFrames,
    tcp: tcpOf(seen),
    ...shapeOf(seen, sizes, intervalsMs, rules),
    ...fitsOf(intervalsMs, sizes, schedule),
    ticks_known: labelled?.ticksMs !== undefined,
    families: families.map((family, i) => familyOf(family, verdict.pValues[i] ?? 1)),
    judgement: labelled === undefined ? null : judgementOf(verdict),
    costs: labelled === undefined ? null : costsOf(labelled),
  };
  return { ...judged, report, families };
}

/**
 * A family of detectors as a report has it.
 *
 * @param family measured
 * @param pValue its chance, corrected for all that it is judged with
 */
export function familyOf(family: FamilyResult, pValue: number): ReportFamily {
  return {
    subject: family.subject,
    name: family.name,
    positives: family.positives,
    negatives: family.negatives,
    limit: family.limit,
    required: family.isRequired,
    method: family.method,
    draws: family.draws,
    p_value: pValue,
    detectors: family.detectors.map((one) => ({
      ...{ name: one.name, auc: one.auc, low: one.low, high: one.high },
      joint_low: one.jointLow,
      joint_high: one.jointHigh,
      p_value: one.pValue,
    })),
  };
}

/**
 * A verdict as a report has it.
 *
 * @param verdict of a link
 */
export function judgementOf(verdict: LinkVerdict): NonNullable<ReportDirection["judgement"]> {
  const [payload] = verdict.findings;
  return {
    verdict: verdict.verdict,
    exposed_by: [...verdict.exposedBy],
    reasons: verdict.findings.flatMap(({ reasons }) => reasons),
    p_value: Math.min(...verdict.findings.map(({ pValue }) => pValue)),
    more_frames: verdict.verdict === "inconclusive" ? (payload.moreFrames ?? null) : null,
    more_labels: verdict.verdict === "inconclusive" ? (payload.moreLabels ?? null) : null,
    findings: verdict.findings.map((finding) => ({
      subject: finding.subject,
      verdict: finding.verdict,
      reasons: [...finding.reasons],
      p_value: finding.pValue,
      worst: worstOf(finding),
      more_frames: finding.moreFrames ?? null,
      more_labels: finding.moreLabels ?? null,
    })),
  };
}

function worstOf({ worst }: Finding): ReportFinding["worst"] {
  if (worst === undefined) return null;
  const { name, auc, low, high } = worst.detector;
  return { family: worst.family, detector: name, auc, low, high };
}

function labelledFrames(
  seen: SeenDirection,
  answers: SeenDirection | undefined,
  channels: readonly Ticks[],
): LabelledFrames | undefined {
  const { timesMs, bytes, kinds } = seen;
  if (kinds === undefined || timesMs.length === 0) return undefined;
  const ticksMs = ticksOf(timesMs, (i) => kinds[i] !== "handshake", channels);
  const frames = { timesMs, bytes, kinds, ...(ticksMs === undefined ? {} : { ticksMs }) };
  return answers === undefined || answers.timesMs.length === 0 ? frames : { ...frames, answers };
}

function countsOf(kinds: NonNullable<SeenDirection["kinds"]>): ReportDirection["kinds"] {
  const counts = Object.fromEntries(FRAME_KINDS.map((kind) => [kind, 0])) as Record<
    (typeof FRAME_KINDS)[number],
    number
  >;
  for (const kind of kinds) counts[kind]++;
  return counts;
}

function outsideBytes(seen: SeenDirection, frameBytes: number): number | null {
  const { kinds } = seen;
  if (kinds?.includes("handshake") !== true) return null;
  return kinds.reduce((sum, kind, i) => {
    const bytes = seen.bytes[i] as number;
    return kind === "handshake" || bytes === frameBytes ? sum : sum + bytes;
  }, 0);
}

function tcpOf({ tcp }: SeenDirection): ReportDirection["tcp"] {
  if (tcp === undefined) return null;
  const { retransmissions, overlaps, reordered, gaps } = tcp;
  return {
    ...{ retransmissions, retransmitted_bytes: tcp.retransmittedBytes },
    ...{ overlaps, reordered, gaps, gap_bytes: tcp.gapBytes },
  };
}

/**
 * Compares frames with a schedule.
 *
 * @param intervalsMs between frames
 * @param sizes of frames, in bytes
 * @param schedule what was declared
 * @returns nulls for what was not declared
 */
export function fitsOf(
  intervalsMs: ArrayLike<number>,
  sizes: ArrayLike<number>,
  schedule: Schedule | undefined,
): NoiseReport["fits"] {
  const frameBytes = schedule?.frameBytes;
  return {
    interval_fit:
      schedule === undefined ? null : intervalFitOf(fitIntervals(intervalsMs, schedule)),
    size_fit: frameBytes === undefined ? null : sizeFitOf(fitSizes(sizes, frameBytes)),
  };
}

function intervalFitOf(fit: IntervalFit): NonNullable<ReportDirection["interval_fit"]> {
  const { outcome, reason, count, outside } = fit;
  return {
    ...{ outcome, reason, count, outside },
    p_value: fit.pValue ?? null,
    kolmogorov_distance: fit.kolmogorov?.distance ?? null,
    kolmogorov_p_value: fit.kolmogorov?.pValue ?? null,
    chi_square_p_value: fit.chiSquare?.pValue ?? null,
    independence_p_value: fit.independence?.pValue ?? null,
    detectable_distance: fit.detectable?.distance ?? null,
    detectable_shift_ms: fit.detectable?.shiftMs ?? null,
  };
}

function sizeFitOf(fit: SizeFit): NonNullable<ReportDirection["size_fit"]> {
  const { outcome, reason, count, other, examples } = fit;
  return { outcome, reason, count, other, examples: [...examples] };
}

function costsOf(frames: LabelledFrames): NonNullable<ReportDirection["costs"]> {
  const costs = hidingCosts(frames);
  return {
    noise_bytes: costs.noiseBytes,
    useful_bytes: costs.usefulBytes,
    overhead_percent: costs.overheadPercent ?? null,
    bytes_a_second: costs.bytesASecond,
  };
}
