import { type Feature, spreadOf } from "./detect-features.ts";
import { type FrameKind, type LabelledFrames, subjectOf } from "./labels.ts";
import { normalCdf, normalQuantile } from "./statistics-special.ts";
import { binsFor, entropyBits, intervals, moments, sorted } from "./statistics-summary.ts";

/** Intervals a window has: the sample sizes an observer may wait for. */
export const WINDOW_INTERVALS = [10, 100, 1_000] as const;
/** Windows of each label without which a size is left out. */
const WINDOWS_MIN = 10;
/** Intervals that fall into the outer bins of the entropy on each side. */
const OUTLYING_SHARE = 0.005;

/** Windows of intervals with and without payload, or with much and little. */
export interface IntervalWindows {
  readonly features: readonly Feature[];
  /** 1 where there was much payload, 0 where there was little or none. */
  readonly labels: Uint8Array;
  /** Which of the links each is of. */
  readonly streams: readonly number[];
}

/**
 * Cuts links into windows and takes of each what Fu et al. let an observer take: mean, sample
 * variance and sample entropy of its intervals; and the bytes.
 *
 * Source: Fu, Graham, Bettati, Zhao and Xuan, "On effectiveness of link padding for statistical
 * traffic analysis attacks", ICDCS 2003. The entropy's bins are the same for all windows.
 *
 * @param links what one side sent on each
 * @param size intervals a window
 * @returns undefined where fewer than ten windows have much, or little, payload
 */
export function intervalWindows(
  links: readonly LabelledFrames[],
  size: number,
): IntervalWindows | undefined {
  const each = links.map((frames) => windowsOf(frames, size));
  const windows = each.flat();
  if (windows.length < 2 * WINDOWS_MIN) return undefined;
  const labels = labelsOf(windows.map(({ payloads }) => payloads));
  if (labels === undefined) return undefined;
  const bins = innerBins(Float64Array.from(windows.flatMap(({ between }) => [...between])));
  const counts = new Float64Array(bins.count);
  const entropyOf = ({ between }: Window): number => {
    counts.fill(0);
    for (const interval of between) {
      const bin = Math.floor((interval - bins.low) / bins.width);
      (counts[Math.max(0, Math.min(bins.count - 1, bin))] as number)++;
    }
    return entropyBits(counts);
  };
  const feature = (name: string, value: (window: Window) => number): Feature => ({
    name,
    values: Float64Array.from(windows, value),
  });
  const mean = feature("sample mean", ({ between }) => moments(between).mean);
  return {
    features: [
      mean,
      spreadOf("sample mean spread", mean),
      feature("sample variance", ({ between }) => moments(between).deviation ** 2),
      feature("sample entropy", entropyOf),
      feature("bytes", ({ bytes }) => bytes),
    ],
    labels,
    streams: each.flatMap((own, stream) => own.map(() => stream)),
  };
}

interface Window {
  readonly between: Float64Array;
  /** Frames with payload. */
  readonly payloads: number;
  readonly bytes: number;
}

function windowsOf(frames: LabelledFrames, size: number): Window[] {
  // Where a timed sync takes a frame's place there is less room for payload: that is no leak.
  const isLeftOut = (kind: FrameKind): boolean => kind === "handshake" || kind === "timed-sync";
  const kept = frames.kinds.flatMap((kind, i) => (isLeftOut(kind) ? [] : [i]));
  const between = intervals(Float64Array.from(kept, (i) => frames.timesMs[i] as number));
  return Array.from({ length: Math.max(0, Math.floor(between.length / size)) }, (_, window) => {
    const inside = kept.slice(window * size + 1, (window + 1) * size + 1);
    return {
      between: between.subarray(window * size, (window + 1) * size),
      payloads: inside.filter((i) => subjectOf(frames.kinds[i]) === "payload").length,
      bytes: inside.reduce((sum, i) => sum + (frames.bytes[i] as number), 0),
    };
  });
}

/** Bins for what is usual: one interval out of line must not leave all others in one bin. */
function innerBins(between: Float64Array): { low: number; width: number; count: number } {
  const rising = sorted(between);
  const from = Math.floor(rising.length * OUTLYING_SHARE);
  return binsFor(rising.subarray(from, rising.length - from));
}

/** Between little and much, where the two differ most (Otsu 1979). */
function labelsOf(payloads: readonly number[]): Uint8Array | undefined {
  const rising = sorted(payloads);
  const total = rising.reduce((sum, count) => sum + count, 0);
  let below = 0;
  let best: { count: number; apart: number } | undefined;
  for (let i = 1; i < rising.length; i++) {
    const count = rising[i - 1] as number;
    below += count;
    if (rising[i] === count || Math.min(i, rising.length - i) < WINDOWS_MIN) continue;
    const difference = (total - below) / (rising.length - i) - below / i;
    const apart = i * (rising.length - i) * difference * difference;
    if (best === undefined || apart > best.apart) best = { count, apart };
  }
  if (best === undefined) return undefined;
  const threshold = best.count;
  return Uint8Array.from(payloads, (count) => (count > threshold ? 1 : 0));
}

/**
 * What an observer of whole windows reaches when single frames give away no more than a limit: the
 * evidence of frames adds up as their square root.
 *
 * @param frameLimit the AUC that a single frame may reach, above 0.5
 * @param size frames a window
 * @returns the AUC that a window may reach
 */
export function windowLimit(frameLimit: number, size: number): number {
  return normalCdf(Math.sqrt(size) * normalQuantile(frameLimit));
}
