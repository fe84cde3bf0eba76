import { firstAbove } from "./detect-auc.ts";
import { type FrameKind, isReal, type LabelledFrames, type SeenTraffic } from "./labels.ts";
import { intervals, quantile, sorted } from "./statistics-summary.ts";

/** What a detector looks at: a value for each case. */
export interface Feature {
  readonly name: string;
  readonly values: Float64Array;
}

/** Frames an observer may guess about, and what can be seen of each. */
export interface FrameFeatures {
  readonly features: readonly Feature[];
  /** What each frame was. */
  readonly kinds: readonly FrameKind[];
}

/** Intervals whose variance is taken around a frame. */
const VARIANCE_INTERVALS = 8;
/** How long after a frame a burst belongs to it, at the most. */
const BURST_MS = 1_000;
/** As {@link BURST_MS}, as a share of the usual interval, so that the next frame is no burst. */
const BURST_SHARE = 0.25;
/** Over how many usual intervals a rate is taken. */
const RATE_INTERVALS = 3;

/**
 * What an observer can see of each frame. Handshakes are left out, since no link hides them; so are
 * the first and the last frame, which lack a neighbour.
 *
 * @param frames what one side sent
 * @returns undefined for fewer than three frames
 */
export function frameFeatures(frames: LabelledFrames): FrameFeatures | undefined {
  const kept = frames.kinds.flatMap((kind, i) => (kind === "handshake" ? [] : [i]));
  if (kept.length < 3) return undefined;
  const timesMs = Float64Array.from(kept, (i) => frames.timesMs[i] as number);
  const bytes = Float64Array.from(kept, (i) => frames.bytes[i] as number);
  const ticks = frames.ticksMs;
  const dueMs =
    ticks === undefined ? middlesOf(timesMs) : Float64Array.from(kept, (i) => ticks[i] as number);
  const between = intervals(timesMs);
  const usualMs = quantile(sorted(between), 0.5);
  const cases = Uint32Array.from(
    kept.keys().filter((k) => {
      const kind = frames.kinds[kept[k] as number];
      return k > 0 && k < kept.length - 1 && (kind === "noise" || isReal(kind));
    }),
  );
  const feature = (name: string, value: (i: number) => number): Feature => ({
    name,
    values: Float64Array.from(cases, value),
  });
  const interval = feature("interval before", (i) => between[i - 1] as number);
  const lateness = feature("lateness", (i) => (timesMs[i] as number) - (dueMs[i] as number));
  const own = { timesMs, bytes };
  const burstMs = Math.min(BURST_MS, BURST_SHARE * usualMs);
  const features = [
    feature("size", (i) => bytes[i] as number),
    interval,
    feature("interval after", (i) => between[i] as number),
    spreadOf("interval spread", interval),
    lateness,
    spreadOf("lateness spread", lateness),
    { name: "burst after", values: bytesAround(own, cases, timesMs, 0, burstMs) },
    { name: "rate change", values: rateChange(own, cases, timesMs, RATE_INTERVALS * usualMs) },
    { name: "sample variance", values: variances(between, cases) },
    ...answerFeatures(frames.answers, cases, timesMs, burstMs),
  ];
  return {
    features,
    kinds: Array.from(cases, (i) => frames.kinds[kept[i] as number] as FrameKind),
  };
}

/**
 * Where a frame would lie if it kept the rhythm of its neighbours, whatever that is. More of them
 * would be better for a steady rhythm by a sixth, worse for one at random, and would tell how near a
 * link's end a frame is.
 */
function middlesOf(timesMs: Float64Array): Float64Array {
  return timesMs.map((timeMs, i) => {
    const [before, after] = [timesMs[i - 1], timesMs[i + 1]];
    return before === undefined || after === undefined ? timeMs : (before + after) / 2;
  });
}

/**
 * How far each value is from the middle one: finds what is sometimes early and sometimes late.
 *
 * @param name of the new feature
 * @param feature whose spread is taken
 */
export function spreadOf(name: string, feature: Feature): Feature {
  const middle = quantile(sorted(feature.values), 0.5);
  return { name, values: feature.values.map((value) => Math.abs(value - middle)) };
}

/**
 * How many bytes were seen in a stretch of time around moments.
 *
 * @param traffic what was seen
 * @param cases places in `momentsMs`
 * @param momentsMs the moments, in the clock of the traffic
 * @param fromMs where the stretch begins after a moment, itself left out; negative for before
 * @param toMs where it ends, itself included
 */
export function bytesAround(
  traffic: SeenTraffic,
  cases: ArrayLike<number>,
  momentsMs: ArrayLike<number>,
  fromMs: number,
  toMs: number,
): Float64Array {
  const sums = sumsOf(traffic.bytes);
  return Float64Array.from(cases, (i) => {
    const moment = momentsMs[i] as number;
    const from = firstAbove(traffic.timesMs, moment + fromMs, true);
    const to = firstAbove(traffic.timesMs, moment + toMs, true);
    return (sums[to] as number) - (sums[from] as number);
  });
}

/** The beginning and the end of a link are no change: so near to them nothing is said. */
function rateChange(
  traffic: SeenTraffic,
  cases: Uint32Array,
  timesMs: Float64Array,
  spanMs: number,
): Float64Array {
  const first = timesMs[0] as number;
  const last = timesMs[timesMs.length - 1] as number;
  const sums = sumsOf(traffic.bytes);
  const between = (fromMs: number, toMs: number): number =>
    (sums[firstAbove(traffic.timesMs, toMs, true)] as number) -
    (sums[firstAbove(traffic.timesMs, fromMs, true)] as number);
  return Float64Array.from(cases, (i) => {
    const ms = timesMs[i] as number;
    if (ms - first < spanMs || last - ms < spanMs) return 0;
    // The frame itself ends the stretch before it, and must not count.
    return between(ms, ms + spanMs) - between(ms - spanMs, ms) + (traffic.bytes[i] as number);
  });
}

/** Sums of all values before each place. */
function sumsOf(values: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) sums[i + 1] = (sums[i] as number) + (values[i] as number);
  return sums;
}

function variances(between: Float64Array, cases: Uint32Array): Float64Array {
  return Float64Array.from(cases, (i) => {
    const from = Math.max(
      0,
      Math.min(between.length, i + VARIANCE_INTERVALS / 2) - VARIANCE_INTERVALS,
    );
    const to = Math.min(between.length, from + VARIANCE_INTERVALS);
    let sum = 0;
    for (let k = from; k < to; k++) sum += between[k] as number;
    const mean = sum / (to - from);
    let squares = 0;
    for (let k = from; k < to; k++) squares += ((between[k] as number) - mean) ** 2;
    return squares / (to - from);
  });
}

/** What the other side does after a frame: how soon, and how much. */
function answerFeatures(
  answers: SeenTraffic | undefined,
  cases: Uint32Array,
  timesMs: Float64Array,
  burstMs: number,
): Feature[] {
  if (answers === undefined) return [];
  const delays = Float64Array.from(cases, (i) => {
    const next = firstAbove(answers.timesMs, timesMs[i] as number, true);
    const at = answers.timesMs[next];
    return at === undefined ? Number.MAX_VALUE : at - (timesMs[i] as number);
  });
  return [
    { name: "answer delay", values: delays },
    { name: "answer bytes", values: bytesAround(answers, cases, timesMs, 0, burstMs) },
  ];
}
