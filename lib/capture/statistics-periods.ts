import { shuffle } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { periodogram } from "./statistics-fourier.ts";
import { gammaTail } from "./statistics-special.ts";
import { intervals, quantile, sorted } from "./statistics-summary.ts";

/** A pulse repeats at every multiple of its frequency; so many are looked at together. */
const HARMONICS = 6;
/** How much finer than the transform alone frequencies are told apart, so that multiples meet. */
const OVERSAMPLING = 4;
/** Points of the transform at the most: some MB of memory, some seconds for all shuffles. */
const POINTS_MAX = 2 ** 18;
/** Orders of the same intervals that say what is usual. */
const SHUFFLES = 16;
/** Neighbouring frequencies whose usual power is taken together, in points. */
const BACKGROUND_POINTS = 16;
/** Intervals this close to their middle, as a share of it, make a period of their own. */
const STEADY_SHARE = 0.05;
/** Less power than this share of that of events by chance is none. */
const FLOOR_SHARE = 0.01;
/** Makes up for the power that fading takes. */
const FADE_SCALE = Math.sqrt(2 / 3);
/** Multiples of a frequency are there when they are as strong as this share of the others. */
const LINE_SHARE = 0.35;
/** A period must fit this often, or it is a trend. */
const CYCLES_MIN = 4;
/** Peaks that are listed. */
const PEAKS_MAX = 8;
/**
 * The greatest chance by accident that still counts as a peak. What is usual is itself an estimate,
 * so links without a period have one in 1 % of cases, not in 0.1 %.
 */
const ACCIDENT_MAX = 0.001;
/** Two periods are one when their ratio is a ratio of small numbers, up to this one. */
const RATIO_MAX = 12;

/** Something that comes back again and again. */
export interface PeriodPeak {
  readonly periodMs: number;
  /** How many times the usual power of its frequencies. */
  readonly strength: number;
  /** The chance that events without a period have one as strong anywhere. */
  readonly pValue: number;
}

/** What a periodogram of events has. */
export interface EventPeriods {
  /** Strongest first; multiples and fractions of a stronger one are left out. */
  readonly peaks: readonly PeriodPeak[];
  /** Power over the usual, for a chart: frequencies are places divided by `spanMs`. */
  readonly strengths: Float64Array;
  readonly spanMs: number;
}

/**
 * Looks for periods in the times of events: a timed sync every 60 s shows among frames at random
 * intervals.
 *
 * Source: de Jager, Raubenheimer and Swanepoel 1989 for sums over harmonics. What is usual is what
 * the same intervals give in other orders: so the broad hills of a random interval are no peaks.
 *
 * @param timesMs when events were, rising
 * @param shortestMs periods below are not looked for; the longer, the faster
 * @param random where the orders come from
 * @returns undefined for fewer than 16 events, or a span too short for any period
 */
export function eventPeriods(
  timesMs: ArrayLike<number>,
  shortestMs: number,
  random: RandomSource,
): EventPeriods | undefined {
  if (timesMs.length < 16) return undefined;
  const between = Array.from(intervals(timesMs));
  const spanMs = (timesMs[timesMs.length - 1] as number) - (timesMs[0] as number);
  if (spanMs < CYCLES_MIN * shortestMs) return undefined;
  const finest = shortestMs / (2 * HARMONICS);
  const points = Math.min(POINTS_MAX, 2 ** Math.ceil(Math.log2((OVERSAMPLING * spanMs) / finest)));
  const usual = new Float64Array(points / 2 + 1);
  for (let i = 0; i < SHUFFLES; i++) {
    const powers = powersOf(shuffle(random, between), spanMs, points);
    powers.forEach((power, k) => {
      (usual[k] as number) += power / SHUFFLES;
    });
  }
  const background = smoothed(usual);
  // Of events by chance; far below it is only what counting in bins leaves.
  const floor = (FLOOR_SHARE * timesMs.length) / Math.floor(points / OVERSAMPLING);
  const powers = powersOf(between, spanMs, points);
  const strengths = powers.map((power, k) => {
    return power / Math.max(floor, background[k] as number);
  });
  const wholeMs = spanMs * OVERSAMPLING;
  const highest = Math.min(
    Math.floor((strengths.length - 1) / HARMONICS),
    Math.floor(wholeMs / shortestMs),
  );
  const steady = steadyPeak(between, powers, wholeMs);
  const peaks = peaksOf(strengths, OVERSAMPLING * CYCLES_MIN, highest, wholeMs, steady);
  return { peaks, strengths, spanMs: wholeMs };
}

function powersOf(between: readonly number[], spanMs: number, points: number): Float64Array {
  const used = Math.floor(points / OVERSAMPLING);
  const counts = new Float64Array(used);
  let timeMs = 0;
  for (let i = 0; i <= between.length; i++) {
    (counts[Math.min(used - 1, Math.floor((timeMs / spanMs) * used))] as number)++;
    timeMs += between[i] ?? 0;
  }
  // Faded in and out (Hann), so that a strong line does not spill over to far frequencies.
  const mean = (between.length + 1) / used;
  const faded = counts.map(
    (count, i) => (count - mean) * (1 - Math.cos((2 * Math.PI * (i + 0.5)) / used)) * FADE_SCALE,
  );
  return periodogram(faded, points);
}

function smoothed(powers: Float64Array): Float64Array {
  const sums = new Float64Array(powers.length + 1);
  powers.forEach((power, k) => {
    sums[k + 1] = (sums[k] as number) + power;
  });
  return powers.map((_, k) => {
    const from = Math.max(0, k - BACKGROUND_POINTS / 2);
    const to = Math.min(powers.length, k + BACKGROUND_POINTS / 2 + 1);
    return ((sums[to] as number) - (sums[from] as number)) / (to - from);
  });
}

/** A constant interval looks the same in any order, so it is compared with events by chance. */
function steadyPeak(
  between: readonly number[],
  powers: Float64Array,
  wholeMs: number,
): PeriodPeak[] {
  const rising = sorted(between);
  const middleMs = quantile(rising, 0.5);
  const spreadMs = quantile(rising, 0.75) - quantile(rising, 0.25);
  const place = Math.round(wholeMs / middleMs);
  if (spreadMs > STEADY_SHARE * middleMs || place >= powers.length) return [];
  const bins = ((powers.length - 1) * 2) / OVERSAMPLING;
  const strength = (powers[place] as number) / ((between.length + 1) / bins);
  const pValue = Math.min(1, Math.exp(-strength) * powers.length);
  return pValue > ACCIDENT_MAX ? [] : [{ periodMs: middleMs, strength, pValue }];
}

/** The mean strength of the multiples of a frequency that are, or are not, multiples of `k`. */
function lines(strengths: Float64Array, frequency: number, k: number, isMultiple: boolean): number {
  let sum = 0;
  let count = 0;
  for (let h = 1; h <= HARMONICS; h++) {
    if ((h % k === 0) !== isMultiple) continue;
    // One place to each side: a fraction of a rounded frequency is rounded too.
    const place = Math.round(frequency * h);
    sum += Math.max(...strengths.subarray(Math.max(1, place - 1), place + 2));
    count++;
  }
  return sum / count;
}

/**
 * The frequency that a candidate is a multiple or a fraction of: the lowest one all of whose
 * multiples are strong.
 */
function fundamentalOf(strengths: Float64Array, candidate: number, lowest: number): number {
  let frequency = candidate;
  for (const k of [2, 3, 5]) {
    const within = lines(strengths, frequency, k, true);
    if (lines(strengths, frequency, k, false) < LINE_SHARE * within) frequency *= k;
  }
  const start = frequency;
  for (let k = 2; k <= HARMONICS && start / k >= lowest; k++) {
    const between = lines(strengths, start / k, k, false);
    if (between > LINE_SHARE * lines(strengths, start, 1, true)) frequency = start / k;
  }
  return frequency;
}

function peaksOf(
  strengths: Float64Array,
  from: number,
  to: number,
  spanMs: number,
  steady: readonly PeriodPeak[],
): readonly PeriodPeak[] {
  // Between two places of the transform a high harmonic would be missed: steps are finer.
  const steps = 2 * HARMONICS;
  const candidates: { frequency: number; sum: number }[] = [];
  const least = 4 * HARMONICS;
  for (let step = from * steps; step <= to * steps; step++) {
    const frequency = step / steps;
    let sum = 0;
    for (let k = 1; k <= HARMONICS; k++) sum += strengths[Math.round(frequency * k)] ?? 0;
    if (sum > least) candidates.push({ frequency, sum });
  }
  candidates.sort((a, b) => b.sum - a.sum);
  // One for each place that the highest harmonic can fall on.
  const tried = Math.max(1, (to - from) * HARMONICS);
  const peaks = steady.map((peak) => ({ frequency: spanMs / peak.periodMs, peak }));
  for (const candidate of candidates) {
    const pValue = Math.min(1, gammaTail(HARMONICS, candidate.sum) * tried);
    if (pValue > ACCIDENT_MAX || peaks.length === PEAKS_MAX) break;
    if (peaks.some((other) => areOne(other.frequency, candidate.frequency))) continue;
    const frequency = fundamentalOf(strengths, candidate.frequency, from);
    const strength = candidate.sum / HARMONICS;
    const peak = { periodMs: spanMs / frequency, strength, pValue };
    peaks.push({ frequency, peak });
  }
  return peaks.map(({ peak }) => peak);
}

/** Whether one frequency is a small multiple or fraction of the other, as far as can be told. */
function areOne(a: number, b: number): boolean {
  const high = Math.max(a, b);
  const low = Math.min(a, b);
  for (let k = 1; k <= RATIO_MAX; k++) {
    const times = Math.round((high * k) / low);
    if (Math.abs(high * k - low * times) <= 2 * OVERSAMPLING * Math.max(k, times)) {
      if (times <= RATIO_MAX * HARMONICS) return true;
    }
  }
  return false;
}
