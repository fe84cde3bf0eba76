import { FRAME_BYTES } from "../levin/frame.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { FamilyResult } from "./detect-family.ts";
import { detectLink } from "./detect-link.ts";
import { fitIntervals, fitSizes, type IntervalFit, type SizeFit } from "./fit-report.ts";
import type { Schedule } from "./fit-schedule.ts";
import { FRAME_KINDS, type LabelledFrames } from "./labels.ts";
import { bytesOf, type SeenDirection } from "./report-input.ts";
import type { ReportDirection, ReportFamily } from "./report-schema.ts";
import { Bursts } from "./shape-bursts.ts";
import type { Distribution } from "./shape-distribution.ts";
import { BinBudget, Rate } from "./shape-rate.ts";
import { eventPeriods } from "./statistics-periods.ts";
import { autocorrelation } from "./statistics-serial.ts";
import { histogram, intervals, moments, SUMMARY_SHARES, summarize } from "./statistics-summary.ts";
import { hidingCosts } from "./verdict-costs.ts";
import { judgeLink, type LinkVerdict } from "./verdict-link.ts";

/** Distances of the autocorrelation. */
const LAGS = 20;
/** Periods down to this are looked for where that costs nothing: a timed sync comes every minute. */
const PERIOD_MS = 10_000;
/** The least period, as a share of the whole: first what is cheap, then what is still bearable. */
const PERIOD_SHARES = { cheap: 2 ** -8, least: 2 ** -14 } as const;
/** Frames that are looked at for periods; more take seconds. */
const PERIODS_FRAMES_MAX = 200_000;

/** What a direction is compared with. */
export interface DirectionRules {
  readonly schedule: Schedule | undefined;
  /** An AUC below which a frame gives nothing away; undefined for the usual one. */
  readonly limit: number | undefined;
  readonly random: RandomSource;
  /** Whether periods are looked for, which takes most of the time. */
  readonly isFull: boolean;
}

/** A direction's figures, and what the whole report takes of them. */
export interface MeasuredDirection {
  readonly report: ReportDirection;
  readonly families: readonly FamilyResult[];
  /** Of frames after the handshake. */
  readonly intervalsMs: Float64Array;
  readonly sizes: Float64Array;
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
  const kept = Array.from(seen.timesMs.keys()).filter((i) => seen.kinds?.[i] !== "handshake");
  const timesMs = Float64Array.from(kept, (i) => seen.timesMs[i] as number);
  const sizes = Float64Array.from(kept, (i) => seen.bytes[i] as number);
  const intervalsMs = intervals(timesMs);
  const { schedule } = rules;
  const frameBytes = schedule?.frameBytes ?? FRAME_BYTES;
  const labelled = labelledFrames(seen, answers);
  const families =
    labelled === undefined
      ? []
      : detectLink(labelled, {
          random: rules.random,
          ...(rules.limit === undefined ? {} : { limit: rules.limit }),
        });
  const report: ReportDirection = {
    side,
    frames: seen.shape?.segments ?? seen.timesMs.length,
    bytes: bytesOf(seen),
    kinds: seen.kinds === undefined ? null : countsOf(seen.kinds),
    frame_bytes: frameBytes,
    outside_bytes: outsideBytes(seen, frameBytes),
    unfinished_bytes: seen.unfinishedBytes,
    dropped_frames: seen.droppedFrames,
    ...shapeOf(seen, timesMs, sizes, intervalsMs, rules),
    interval_fit:
      schedule === undefined ? null : intervalFitOf(fitIntervals(intervalsMs, schedule)),
    size_fit:
      schedule?.frameBytes === undefined ? null : sizeFitOf(fitSizes(sizes, schedule.frameBytes)),
    families: families.map(familyOf),
    judgement: labelled === undefined ? null : judgementOf(judgeLink(families)),
    costs: labelled === undefined ? null : costsOf(labelled),
  };
  return { report, families, intervalsMs, sizes };
}

/**
 * A family of detectors as a report has it.
 *
 * @param family measured
 */
export function familyOf(family: FamilyResult): ReportFamily {
  return {
    name: family.name,
    positives: family.positives,
    negatives: family.negatives,
    limit: family.limit,
    required: family.isRequired,
    method: family.method,
    draws: family.draws,
    detectors: family.detectors.map(({ name, auc, low, high, pValue }) => ({
      ...{ name, auc, low, high },
      p_value: pValue,
    })),
  };
}

/**
 * A verdict as a report has it.
 *
 * @param verdict of a link
 */
export function judgementOf(verdict: LinkVerdict): NonNullable<ReportDirection["judgement"]> {
  return {
    verdict: verdict.verdict,
    reasons: [...verdict.reasons],
    p_value: verdict.pValue,
    more_frames: verdict.moreFrames ?? null,
  };
}

function labelledFrames(
  seen: SeenDirection,
  answers: SeenDirection | undefined,
): LabelledFrames | undefined {
  if (seen.kinds === undefined || seen.timesMs.length === 0) return undefined;
  const frames = { timesMs: seen.timesMs, bytes: seen.bytes, kinds: seen.kinds };
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

type Shape = Pick<
  ReportDirection,
  "sizes" | "intervals_ms" | "autocorrelation" | "periods" | "bursts" | "rate"
>;

function shapeOf(
  seen: SeenDirection,
  timesMs: Float64Array,
  sizes: Float64Array,
  intervalsMs: Float64Array,
  rules: DirectionRules,
): Shape {
  if (seen.shape !== undefined) {
    return {
      sizes: figuresOf(seen.shape.sizes, 1),
      intervals_ms: figuresOf(seen.shape.intervals, 1_000),
      autocorrelation: [],
      periods: [],
      bursts: burstsOf(seen.shape.bursts),
      rate: rateOf(seen.shape.rate),
    };
  }
  const timesUs = Float64Array.from(seen.timesMs, (ms) => ms * 1_000);
  const rate = new Rate(new BinBudget());
  const bursts = new Bursts();
  if (timesUs.length > 0) rate.add(timesUs, seen.bytes, 0, timesUs.length);
  bursts.add(timesUs, seen.bytes, 0, timesUs.length);
  return {
    sizes: exactFigures(sizes),
    intervals_ms: exactFigures(intervalsMs),
    autocorrelation: intervalsMs.length < 2 ? [] : [...autocorrelation(intervalsMs, LAGS)],
    periods: rules.isFull ? periodsOf(timesMs, intervalsMs, rules.random) : [],
    bursts: burstsOf(bursts),
    rate: rateOf(rate),
  };
}

function periodsOf(
  timesMs: Float64Array,
  intervalsMs: Float64Array,
  random: RandomSource,
): ReportDirection["periods"] {
  if (timesMs.length > PERIODS_FRAMES_MAX) return [];
  const spanMs = (timesMs.at(-1) ?? 0) - (timesMs[0] ?? 0);
  const shortestMs = Math.max(
    moments(intervalsMs).mean,
    Math.min(PERIOD_MS, spanMs * PERIOD_SHARES.cheap),
    spanMs * PERIOD_SHARES.least,
  );
  if (!(shortestMs > 0)) return [];
  return (eventPeriods(timesMs, shortestMs, random)?.peaks ?? []).map((peak) => ({
    period_s: peak.periodMs / 1_000,
    strength: peak.strength,
    p_value: peak.pValue,
  }));
}

function exactFigures(values: Float64Array): ReportDirection["sizes"] {
  const all = summarize(values);
  if (all === undefined) return { summary: null, bins: [] };
  const { entropyBits, quantiles, ...rest } = all;
  const { low, width, counts } = histogram(values);
  return {
    summary: { ...rest, entropy_bits: entropyBits, quantiles: [...quantiles] },
    bins: counts.map((count, i) => ({ low: low + i * width, high: low + (i + 1) * width, count })),
  };
}

/** Of a direction with too many segments to keep them. */
function figuresOf(values: Distribution, scale: number): ReportDirection["sizes"] {
  if (values.count === 0) return { summary: null, bins: [] };
  const bins = Array.from(values.bins, (count, i) => ({
    low: values.binLow(i) / scale,
    high: values.binLow(i + 1) / scale,
    count,
  })).filter(({ count }) => count > 0);
  return {
    summary: {
      count: values.count,
      min: values.min / scale,
      mean: values.mean / scale,
      max: values.max / scale,
      deviation: values.deviation / scale,
      entropy_bits: values.entropy,
      quantiles: SUMMARY_SHARES.map((share) => ({
        share,
        value: (values.quantile(share) ?? 0) / scale,
      })),
    },
    bins,
  };
}

function burstsOf(bursts: Bursts): ReportDirection["bursts"] {
  return bursts.largest().map(({ startUs, endUs, bytes, segments }) => ({
    start_unix_s: startUs / 1e6,
    length_ms: (endUs - startUs) / 1_000,
    bytes,
    frames: segments,
  }));
}

function rateOf(rate: Rate): ReportDirection["rate"] {
  return {
    start_unix_s: rate.originUs / 1e6,
    width_s: rate.widthUs / 1e6,
    bytes: [...rate.bytes],
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
