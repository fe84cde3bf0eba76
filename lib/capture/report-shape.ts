import type { RandomSource } from "../runtime/random.ts";
import type { SeenDirection } from "./report-input.ts";
import type { ReportDirection } from "./report-schema.ts";
import { Bursts } from "./shape-bursts.ts";
import type { Distribution } from "./shape-distribution.ts";
import { BinBudget, Rate } from "./shape-rate.ts";
import { eventPeriods } from "./statistics-periods.ts";
import { autocorrelation } from "./statistics-serial.ts";
import { histogram, moments, SUMMARY_SHARES, summarize } from "./statistics-summary.ts";

/** Distances of the autocorrelation. */
const LAGS = 20;
/** Periods down to this are looked for where that costs nothing: a timed sync comes every minute. */
const PERIOD_MS = 10_000;
/** The least period, as a share of the whole: first what is cheap, then what is still bearable. */
const PERIOD_SHARES = { cheap: 2 ** -8, least: 2 ** -14 } as const;
/** Frames that are looked at for periods; more take seconds. */
const PERIODS_FRAMES_MAX = 200_000;

/** Figures of a direction that need no truth about it. */
export type Shape = Pick<
  ReportDirection,
  "sizes" | "intervals_ms" | "autocorrelation" | "periods" | "bursts" | "rate"
>;

/**
 * Measures the shape of a direction.
 *
 * @param seen what was seen of it
 * @param sizes of frames after the handshake, in bytes
 * @param intervalsMs between them
 * @param rules `isFull`: whether periods are looked for, which takes most of the time; `random`:
 *   where the orders come from that they are compared with
 */
export function shapeOf(
  seen: SeenDirection,
  sizes: Float64Array,
  intervalsMs: Float64Array,
  rules: { readonly isFull: boolean; readonly random: RandomSource },
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
  const bursts = new Bursts();
  bursts.add(timesUs, seen.bytes, 0, timesUs.length);
  return {
    sizes: exactFigures(sizes),
    intervals_ms: exactFigures(intervalsMs),
    autocorrelation: intervalsMs.length < 2 ? [] : [...autocorrelation(intervalsMs, LAGS)],
    periods: rules.isFull ? periodsOf(intervalsMs, rules.random) : [],
    bursts: burstsOf(bursts),
    rate: rateOf(rateOfSeen(seen)),
  };
}

function periodsOf(intervalsMs: Float64Array, random: RandomSource): ReportDirection["periods"] {
  if (intervalsMs.length > PERIODS_FRAMES_MAX) return [];
  const timesMs = new Float64Array(intervalsMs.length + 1);
  intervalsMs.forEach((interval, i) => {
    timesMs[i + 1] = (timesMs[i] as number) + interval;
  });
  const spanMs = timesMs.at(-1) ?? 0;
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

/**
 * Bytes by time of one direction.
 *
 * @param seen what was seen of it
 */
export function rateOfSeen(seen: SeenDirection): Rate {
  if (seen.shape !== undefined) return seen.shape.rate;
  const rate = new Rate(new BinBudget());
  const timesUs = Float64Array.from(seen.timesMs, (ms) => ms * 1_000);
  if (timesUs.length > 0) rate.add(timesUs, seen.bytes, 0, timesUs.length);
  return rate;
}

/**
 * Bytes by time as a report has them.
 *
 * @param rate measured
 */
export function rateOf(rate: Rate): ReportDirection["rate"] {
  return {
    start_unix_s: rate.originUs / 1e6,
    width_s: rate.widthUs / 1e6,
    bytes: [...rate.bytes],
  };
}
