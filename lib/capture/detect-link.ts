import type { RandomSource } from "../runtime/random.ts";
import { type FamilyResult, measureFamily } from "./detect-family.ts";
import { frameFeatures } from "./detect-features.ts";
import { intervalWindows, WINDOW_INTERVALS, windowLimit } from "./detect-windows.ts";
import type { FrameKind, LabelledFrames } from "./labels.ts";

/** An AUC below which a frame gives nothing away, unless told otherwise. */
export const AUC_LIMIT = 0.55;

const TOPICS: readonly { name: string; kinds: readonly FrameKind[] }[] = [
  { name: "frames with payload", kinds: ["payload", "fragment"] },
  { name: "frames with timed syncs", kinds: ["timed-sync"] },
];

/**
 * Measures how well an observer of a link tells noise from everything else: frame by frame, and by
 * windows of frames.
 *
 * @param frames what one side sent, with the truth about each
 * @param options `random`: where labellings by chance come from; `limit`: the AUC below which a
 *   frame gives nothing away
 * @returns the families of detectors that had cases enough
 */
export function detectLink(
  frames: LabelledFrames,
  options: { readonly random: RandomSource; readonly limit?: number },
): FamilyResult[] {
  const limit = options.limit ?? AUC_LIMIT;
  const families: (FamilyResult | undefined)[] = [];
  const seen = frameFeatures(frames);
  if (seen !== undefined) {
    const labels = Uint8Array.from(seen.kinds, (kind) => (kind === "noise" ? 0 : 1));
    const { features } = seen;
    const all = { name: "frames", features, labels, limit, isRequired: true, framesEach: 1 };
    families.push(measureFamily(all, options.random));
    families.push(...topicFamilies(seen, limit, options.random));
  }
  for (const size of WINDOW_INTERVALS) {
    const windows = intervalWindows(frames, size);
    if (windows === undefined) continue;
    const name = `windows of ${size} intervals`;
    const rules = { limit: windowLimit(limit, size), isRequired: true, framesEach: size };
    families.push(measureFamily({ name, ...windows, ...rules }, options.random));
  }
  return families.filter((family) => family !== undefined);
}

/** One kind of frame against noise each, where there are several kinds. */
function topicFamilies(
  seen: NonNullable<ReturnType<typeof frameFeatures>>,
  limit: number,
  random: RandomSource,
): (FamilyResult | undefined)[] {
  const present = TOPICS.filter(({ kinds }) => seen.kinds.some((kind) => kinds.includes(kind)));
  if (present.length < 2) return [];
  return present.map(({ name, kinds }) => {
    const places = seen.kinds.flatMap((kind, i) =>
      kind === "noise" || kinds.includes(kind) ? [i] : [],
    );
    return measureFamily(
      {
        name,
        features: seen.features.map((feature) => ({
          name: feature.name,
          values: Float64Array.from(places, (i) => feature.values[i] as number),
        })),
        labels: Uint8Array.from(places, (i) => (seen.kinds[i] === "noise" ? 0 : 1)),
        limit,
        isRequired: false,
        framesEach: 1,
      },
      random,
    );
  });
}
