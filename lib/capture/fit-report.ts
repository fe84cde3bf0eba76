import { type ChiSquareTest, chiSquareFit, detectableEffect } from "./fit-chi-square.ts";
import { type KolmogorovTest, kolmogorovCritical, kolmogorovTest } from "./fit-kolmogorov.ts";
import { type IntervalLaw, lawBounds, lawCdf, shiftOf } from "./fit-law.ts";
import type { Schedule } from "./fit-schedule.ts";
import { type IndependenceTest, ljungBox } from "./statistics-serial.ts";
import { normalQuantile } from "./statistics-special.ts";
import { sorted } from "./statistics-summary.ts";

/** The chance that a schedule that is kept is said to be broken, over all tests of one report. */
export const FIT_CHANCE = 0.05;
/** The chance with which a deviation of the size said to be detectable is found. */
export const FIT_POWER = 0.8;
/** A fit on so little data that a greater deviation would stay hidden is none. */
export const DETECTABLE_MAX = 0.15;
/** As {@link DETECTABLE_MAX}, for the share of frames that may break a rule unseen. */
export const SHARE_MAX = 0.05;
/** Distances at which intervals are compared with those before them. */
const LAGS = 8;
/** Values that broke a rule, given as examples. */
const EXAMPLES_MAX = 8;

/** How a link compares with what was declared of it. */
export type FitOutcome = "fits" | "deviates" | "inconclusive";

/** How intervals compare with the declared law. */
export interface IntervalFit {
  readonly outcome: FitOutcome;
  /** Why, as one sentence. */
  readonly reason: string;
  readonly count: number;
  /** Intervals that the law does not allow, tolerance included. */
  readonly outside: number;
  /** Some of those, in milliseconds. */
  readonly outsideExamplesMs: readonly number[];
  /** The greatest share of such intervals that would have stayed unseen in 5 % of cases. */
  readonly outsideShareMax: number;
  /** Undefined for a constant law, and for too few intervals. */
  readonly kolmogorov: KolmogorovTest | undefined;
  readonly chiSquare: ChiSquareTest | undefined;
  readonly independence: IndependenceTest | undefined;
  /** The least of the tests' chances, corrected for how many there are (Holm 1979). */
  readonly pValue: number | undefined;
  /** What would have been found with a power of 0.8; undefined for a constant law. */
  readonly detectable: DetectableDeviation | undefined;
}

/** The least deviation that would have been found. */
export interface DetectableDeviation {
  /** A distance between the shares below a value, from 0 to 1. */
  readonly distance: number;
  /** All intervals longer or shorter by so much: a deviation of that distance. */
  readonly shiftMs: number;
  /** Cohen's w over the bins of the chi-square test. */
  readonly effect: number | undefined;
}

/** How frame sizes compare with the declared one. */
export interface SizeFit {
  readonly outcome: FitOutcome;
  readonly reason: string;
  readonly count: number;
  /** Frames of another size. */
  readonly other: number;
  /** Some of those sizes, in bytes. */
  readonly examples: readonly number[];
  /** The greatest share of such frames that would have stayed unseen in 5 % of cases. */
  readonly shareMax: number;
}

/**
 * Compares intervals with a declared law. Where the law fits but too little was seen to tell, the
 * outcome is inconclusive, not a fit.
 *
 * @param intervalsMs from each frame to the next, in their order
 * @param schedule what was declared
 */
export function fitIntervals(intervalsMs: ArrayLike<number>, schedule: Schedule): IntervalFit {
  const { law, toleranceMs } = schedule;
  const count = intervalsMs.length;
  const bounds = lawBounds(law);
  const outside = Array.from(intervalsMs).filter(
    (interval) => interval < bounds.lowMs - toleranceMs || interval > bounds.highMs + toleranceMs,
  );
  const isContinuous = law.kind !== "constant" && count > 0;
  const cdf = (x: number): number => lawCdf(law, x);
  const kolmogorov = isContinuous ? kolmogorovTest(sorted(intervalsMs), cdf) : undefined;
  const chiSquare = isContinuous ? chiSquareFit(intervalsMs, cdf) : undefined;
  const independence = isContinuous && count >= 4 * LAGS ? ljungBox(intervalsMs, LAGS) : undefined;
  const pValue = leastCorrected([kolmogorov, chiSquare, independence]);
  const detectable = isContinuous ? detectableOf(count, law, chiSquare) : undefined;
  const outsideShareMax = unseenShare(count);
  const fit = { count, outside: outside.length, outsideShareMax, pValue, detectable };
  return {
    ...intervalOutcome(fit, isContinuous),
    ...fit,
    outsideExamplesMs: outside.slice(0, EXAMPLES_MAX),
    kolmogorov,
    chiSquare,
    independence,
  };
}

/**
 * Compares frame sizes with the declared one.
 *
 * @param sizes of every frame, in bytes
 * @param frameBytes the declared size
 */
export function fitSizes(sizes: ArrayLike<number>, frameBytes: number): SizeFit {
  const others = Array.from(sizes).filter((size) => size !== frameBytes);
  const shareMax = unseenShare(sizes.length);
  const fit = {
    count: sizes.length,
    other: others.length,
    examples: [...new Set(others)].slice(0, EXAMPLES_MAX),
    shareMax,
  };
  if (others.length > 0) {
    const reason = `${others.length} of ${sizes.length} frames are not of ${frameBytes} bytes.`;
    return { outcome: "deviates", reason, ...fit };
  }
  const unseen = `up to ${percent(shareMax)} of frames could differ unseen`;
  return shareMax > SHARE_MAX
    ? { outcome: "inconclusive", reason: `Too few frames: ${unseen}.`, ...fit }
    : { outcome: "fits", reason: `All are of ${frameBytes} bytes; ${unseen}.`, ...fit };
}

/**
 * The greatest share of faults of which none shows in so many draws in 5 % of cases.
 *
 * @param count how many were drawn
 */
export function unseenShare(count: number): number {
  return count === 0 ? 1 : -Math.expm1(Math.log(FIT_CHANCE) / count);
}

function intervalOutcome(
  fit: Pick<IntervalFit, "count" | "outside" | "outsideShareMax" | "pValue" | "detectable">,
  isContinuous: boolean,
): { outcome: FitOutcome; reason: string } {
  if (fit.outside > 0) {
    const reason = `${fit.outside} of ${fit.count} intervals lie outside what is declared.`;
    return { outcome: "deviates", reason };
  }
  if (fit.pValue !== undefined && fit.pValue < FIT_CHANCE) {
    const reason = `Such intervals have a chance of ${fit.pValue.toPrecision(2)} under what is declared.`;
    return { outcome: "deviates", reason };
  }
  const distance = isContinuous ? (fit.detectable?.distance ?? 1) : 0;
  const unseen = isContinuous
    ? `a shift below ${((fit.detectable?.shiftMs ?? 0) / 1_000).toPrecision(3)} s would not show`
    : `up to ${percent(fit.outsideShareMax)} of intervals could differ unseen`;
  const isLittle = fit.count === 0 || distance > DETECTABLE_MAX;
  return isLittle || (!isContinuous && fit.outsideShareMax > SHARE_MAX)
    ? { outcome: "inconclusive", reason: `Too few intervals (${fit.count}): ${unseen}.` }
    : { outcome: "fits", reason: `Nothing speaks against what is declared; ${unseen}.` };
}

/**
 * Massey 1950: at the value where the distance is taken, the share seen is binomial, whatever else
 * the true law does; so this power is a lower bound.
 */
function detectableOf(
  count: number,
  law: IntervalLaw,
  chiSquare: ChiSquareTest | undefined,
): DetectableDeviation {
  const chance = FIT_CHANCE / 3;
  const spread = normalQuantile(FIT_POWER) / (2 * Math.sqrt(count));
  const distance = Math.min(1, kolmogorovCritical(count, chance) + spread);
  return {
    distance,
    shiftMs: shiftOf(law, Math.min(distance, 0.999)),
    effect:
      chiSquare === undefined
        ? undefined
        : detectableEffect(count, chiSquare.degrees, chance, FIT_POWER),
  };
}

function leastCorrected(
  tests: readonly ({ readonly pValue: number } | undefined)[],
): number | undefined {
  const chances = tests.flatMap((one) => one?.pValue ?? []);
  return chances.length === 0 ? undefined : Math.min(1, Math.min(...chances) * chances.length);
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(2)} %`;
}
