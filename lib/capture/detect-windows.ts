import { type Feature, spreadOf } from "./detect-features.ts";
import { isReal, type LabelledFrames } from "./labels.ts";
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
}

/**
 * Cuts a link into windows and takes of each what Fu et al. let an observer take: mean, sample
 * variance and sample entropy of its intervals; and the bytes.
 *
 * Source: Fu, Graham, Bettati, Zhao and Xuan, "On effectiveness of link padding for statistical
 * traffic analysis attacks", ICDCS 2003. The entropy's bins are the same for all windows.
 *
 * @param frames what one side sent
 * @param size intervals a window
 * @returns undefined where fewer than ten windows have much, or little, payload
 */
export function intervalWindows(frames: LabelledFrames, size: number): IntervalWindows | undefined {
  const kept = frames.kinds.flatMap((kind, i) => (kind === "handshake" ? [] : [i]));
  const windows = Math.floor((kept.length - 1) / size);
  if (windows < 2 * WINDOWS_MIN) return undefined;
  const between = intervals(Float64Array.from(kept, (i) => frames.timesMs[i] as number));
  const labels = labelsOf(
    Array.from({ length: windows }, (_, window) => {
      const inside = kept.slice(window * size + 1, (window + 1) * size + 1);
      return inside.filter((i) => isReal(frames.kinds[i])).length;
    }),
  );
  if (labels === undefined) return undefined;
  const values = { mean: [], variance: [], entropy: [], bytes: [] } as Record<string, number[]>;
  const bins = innerBins(between);
  const counts = new Float64Array(bins.count);
  for (let window = 0; window < windows; window++) {
    const part = between.subarray(window * size, (window + 1) * size);
    const { mean, deviation } = moments(part);
    counts.fill(0);
    for (const interval of part) {
      const bin = Math.floor((interval - bins.low) / bins.width);
      (counts[Math.max(0, Math.min(bins.count - 1, bin))] as number)++;
    }
    let bytes = 0;
    for (let k = window * size + 1; k <= (window + 1) * size; k++) {
      bytes += frames.bytes[kept[k] as number] as number;
    }
    values["mean"]?.push(mean);
    values["variance"]?.push(deviation * deviation);
    values["entropy"]?.push(entropyBits(counts));
    values["bytes"]?.push(bytes);
  }
  const feature = (name: string, key: string): Feature => ({
    name,
    values: Float64Array.from(values[key] ?? []),
  });
  const mean = feature("sample mean", "mean");
  return {
    features: [
      mean,
      spreadOf("sample mean spread", mean),
      feature("sample variance", "variance"),
      feature("sample entropy", "entropy"),
      feature("bytes", "bytes"),
    ],
    labels,
  };
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
