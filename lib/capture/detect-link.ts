import type { RandomSource } from "../runtime/random.ts";
import { type FamilyCases, type FamilyResult, measureFamily } from "./detect-family.ts";
import { type FrameFeatures, frameFeatures } from "./detect-features.ts";
import { intervalWindows, WINDOW_INTERVALS, windowLimit } from "./detect-windows.ts";
import { type LabelledFrames, type Subject, subjectOf } from "./labels.ts";

/** An AUC below which a frame gives nothing away, unless told otherwise. */
export const AUC_LIMIT = 0.55;

/** What its own family of each subject is called, and what it takes. */
const TOPICS = [
  { subject: "payload", name: "frames" },
  { subject: "timed-sync", name: "timed syncs" },
] as const satisfies readonly { subject: Subject; name: string }[];

interface LinkOptions {
  /** Where labellings by chance come from. */
  readonly random: RandomSource;
  /** The AUC below which a frame gives nothing away; {@link AUC_LIMIT} unless told otherwise. */
  readonly limit?: number;
}

/**
 * Measures how well an observer of a link tells noise from payload, and from timed syncs: frame by
 * frame each by itself, and payload by windows of frames too.
 *
 * @param frames what one side sent, with the truth about each
 * @param options what the detectors need
 * @returns the families of detectors that had cases enough
 */
export function detectLink(frames: LabelledFrames, options: LinkOptions): FamilyResult[] {
  return detectLinks([frames], options);
}

/**
 * As {@link detectLink}, for several links together: each carries too little payload to be judged
 * by itself where no stream carries two transactions. What is seen of a frame is seen on its own
 * link, and compared with the other frames of that link only: links differ for reasons of their own.
 *
 * @param links what one side sent on each
 * @param options what the detectors need
 */
export function detectLinks(
  links: readonly LabelledFrames[],
  options: LinkOptions,
): FamilyResult[] {
  const { random, limit = AUC_LIMIT } = options;
  const families: (FamilyResult | undefined)[] = [];
  const seen = pooledFeatures(links);
  if (seen !== undefined) {
    const cases = TOPICS.map((topic) => topicCases(seen, topic, limit));
    families.push(...cases.map((one) => measureFamily(one, random)));
  }
  for (const size of WINDOW_INTERVALS) {
    const windows = intervalWindows(links, size);
    if (windows === undefined) continue;
    const name = `windows of ${size} intervals`;
    const rules = { limit: windowLimit(limit, size), isRequired: true, framesEach: size };
    const cases = { name, ...windows, ...rules, areApart: true };
    families.push(measureFamily({ subject: "payload", ...cases }, random));
  }
  return families.filter((family) => family !== undefined);
}

/** What is seen of each frame of several links, and which link each is of. */
interface PooledFeatures extends FrameFeatures {
  readonly streams: readonly number[];
}

function pooledFeatures(links: readonly LabelledFrames[]): PooledFeatures | undefined {
  const isAnswered = links.some(({ answers }) => answers !== undefined);
  const silence = { timesMs: [], bytes: [] };
  const each = links.flatMap((link) => {
    const frames = isAnswered ? { ...link, answers: link.answers ?? silence } : link;
    return frameFeatures(frames) ?? [];
  });
  const [first] = each;
  if (first === undefined) return undefined;
  return {
    kinds: each.flatMap(({ kinds }) => kinds),
    streams: each.flatMap(({ kinds }, stream) => kinds.map(() => stream)),
    features: first.features.map(({ name }, j) => ({
      name,
      values: Float64Array.from(each.flatMap(({ features }) => [...(features[j]?.values ?? [])])),
    })),
  };
}

/** Frames of one subject against noise. */
function topicCases(
  seen: PooledFeatures,
  topic: (typeof TOPICS)[number],
  limit: number,
): FamilyCases {
  const places = seen.kinds.flatMap((kind, i) =>
    kind === "noise" || subjectOf(kind) === topic.subject ? [i] : [],
  );
  return {
    ...topic,
    features: seen.features.map((feature) => ({
      name: feature.name,
      values: Float64Array.from(places, (i) => feature.values[i] as number),
    })),
    labels: Uint8Array.from(places, (i) => (seen.kinds[i] === "noise" ? 0 : 1)),
    streams: places.map((i) => seen.streams[i] as number),
    limit,
    isRequired: true,
    framesEach: 1,
  };
}
