import type { RandomSource } from "../runtime/random.ts";
import { controlMoments, detectEvents, type LookAround, spanText } from "./detect-events.ts";
import type { FamilyResult } from "./detect-family.ts";
import { type FrameKind, type SeenTraffic, SUBJECTS, subjectOf } from "./labels.ts";
import { framesOfSegments } from "./labels-frames.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import { intervals, quantile, sorted } from "./statistics-summary.ts";

/** How long before and after a moment with payload an observer of packets looks, at the most. */
const LOOK_MS_MAX = 1_000;
/** As {@link LOOK_MS_MAX}, as a share of the usual interval, so that the next frame is not seen. */
const LOOK_SHARE = 0.5;
/** Around a labelled moment: what follows at once, and what follows with the frames that come next. */
const LABEL_LOOK_MS = 1_000;
/** As {@link LABEL_LOOK_MS}, in usual intervals: a node may answer at its next tick, or some later. */
const LABEL_LOOK_INTERVALS = [1, 4] as const;
/** The share of a capture that a look may take, since moments nearer to its ends are left out. */
const LABEL_LOOK_SHARE_MAX = 0.05;
/** Intervals of a link that tell which is usual. */
const INTERVALS_MIN = 10;
/** Labelled moments that are looked at; more make no interval of an AUC any narrower than 0.01. */
const LABELS_MAX = 20_000;

interface MomentRules {
  /** Times of payload or of transactions, milliseconds since 1970, rising. */
  readonly labelsMs: Float64Array | undefined;
  readonly limit: number | undefined;
  readonly random: RandomSource;
  /** Which side is judged: its usual interval says how long to look around labels. */
  readonly side: "out" | "in" | "both";
}

/**
 * What an observer tells who sees a link of packets, and neither frames nor flows: only when, and
 * how much. Where a tap knows the truth, frames with payload are held against noise, and timed syncs
 * too; labels are held against other moments at random.
 *
 * @param links from taps and captures at once
 * @param rules what is known beyond them
 * @returns the families of detectors that had cases enough
 */
export function momentFamilies(links: readonly SeenLink[], rules: MomentRules): FamilyResult[] {
  const { labelsMs, limit, random } = rules;
  const packets = links.filter(({ view }) => view === "capture");
  const truth = links.flatMap(({ view, out }) =>
    view !== "capture" && out?.kinds !== undefined ? [out] : [],
  );
  const families: (FamilyResult | undefined)[] = [];
  const options = limit === undefined ? { random } : { random, limit };
  const seen = trafficOf(packets);
  if (seen.out !== undefined && truth.length > 0) {
    const look = lookAround(truth);
    const controlsMs = momentsOf(truth, (kind) => kind === "noise");
    for (const subject of SUBJECTS) {
      const eventsMs = momentsOf(truth, (kind) => subjectOf(kind) === subject);
      const moments = { eventsMs, controlsMs };
      families.push(detectEvents(seen, moments, look, { ...options, subject }));
    }
  }
  // Without packets, the frames at a tap are what there is to look at.
  const around = packets.length > 0 ? packets : links;
  if (labelsMs !== undefined) families.push(labelledFamily(around, labelsMs, rules));
  return families.filter((family) => family !== undefined);
}

/** Labelled moments against others, over several spans: nobody knows how soon a node gives away. */
function labelledFamily(
  links: readonly SeenLink[],
  labelsMs: Float64Array,
  { limit, random, side }: MomentRules,
): FamilyResult | undefined {
  const judged = links.flatMap((link) => (side === "both" ? [link.out, link.in] : [link[side]]));
  const seen = together(judged);
  const fromMs = seen?.timesMs[0];
  const toMs = seen?.timesMs[seen.timesMs.length - 1];
  if (fromMs === undefined || toMs === undefined) return undefined;
  const spansMs = spansAround(judged, toMs - fromMs);
  const looks = spansMs.map((ms): LookAround => ({ beforeMs: ms, afterMs: ms }));
  // A look that the capture's end cuts short would show less: both kinds of moments keep from it.
  const edgeMs = Math.max(0, ...spansMs);
  const span = { fromMs: fromMs + edgeMs, toMs: toMs - edgeMs };
  const eventsMs = firstOfBursts(labelsMs, span, edgeMs);
  const controlsMs = controlMoments(eventsMs, looks, span, random);
  const options = limit === undefined ? { random } : { random, limit };
  const family = detectEvents(trafficOf(links), { eventsMs, controlsMs }, looks, options);
  const name = `labelled moments, over ${listText(spansMs.map(spanText))}`;
  // What is to be counted are labels: their controls are drawn, not seen.
  return family && { ...family, name, framesEach: 0 };
}

/**
 * Labels that are looked at together tell the same several times over, as others at random do not:
 * of a burst only the first counts.
 */
function firstOfBursts(
  labelsMs: Float64Array,
  span: { readonly fromMs: number; readonly toMs: number },
  apartMs: number,
): Float64Array {
  let lastMs = Number.NEGATIVE_INFINITY;
  const first = labelsMs.filter((ms) => {
    if (ms < span.fromMs || ms > span.toMs || ms - lastMs < apartMs) return false;
    lastMs = ms;
    return true;
  });
  const each = Math.max(1, first.length / LABELS_MAX);
  return first.filter((_, i) => Math.floor(i / each) > Math.floor((i - 1) / each));
}

/** Rising, each once. */
function spansAround(judged: readonly (SeenDirection | undefined)[], longMs: number): number[] {
  const usual = judged.flatMap((one) => {
    // Of a frame that was split only the first segment counts.
    const { timesMs } = framesOfSegments(one ?? { timesMs: [], bytes: [] }, undefined);
    return timesMs.length <= INTERVALS_MIN ? [] : quantile(sorted(intervals(timesMs)), 0.5);
  });
  const usualMs = usual.length === 0 ? undefined : quantile(sorted(usual), 0.5);
  const wanted = LABEL_LOOK_INTERVALS.map((count) => count * (usualMs ?? LABEL_LOOK_MS));
  const most = Math.max(1, LABEL_LOOK_SHARE_MAX * longMs);
  const spans = [LABEL_LOOK_MS, ...wanted].map((ms) => Math.min(most, Math.max(1, Math.round(ms))));
  return [...new Set(spans)].sort((a, b) => a - b);
}

function listText(texts: readonly string[]): string {
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

/** Of several links with the truth about them, the busiest says how long. */
function lookAround(truth: readonly SeenDirection[]): LookAround {
  const usual = truth.flatMap(({ timesMs }) =>
    timesMs.length < 2 ? [] : quantile(sorted(intervals(timesMs)), 0.5),
  );
  const ms = Math.min(LOOK_MS_MAX, ...usual.map((each) => Math.max(1, LOOK_SHARE * each)));
  return { beforeMs: ms, afterMs: ms };
}

function momentsOf(
  directions: readonly SeenDirection[],
  fits: (kind: FrameKind) => boolean,
): Float64Array {
  return Float64Array.from(
    directions.flatMap(({ timesMs, kinds }) =>
      (kinds ?? []).flatMap((kind, i) => (fits(kind) ? (timesMs[i] ?? []) : [])),
    ),
  ).sort();
}

function trafficOf(links: readonly SeenLink[]): Record<"out" | "in", SeenTraffic | undefined> {
  return { out: together(links.map((link) => link.out)), in: together(links.map((one) => one.in)) };
}

function together(directions: readonly (SeenDirection | undefined)[]): SeenTraffic | undefined {
  const all = directions.flatMap((one) =>
    Array.from(one?.timesMs ?? [], (ms, i) => ({ ms, bytes: one?.bytes[i] ?? 0 })),
  );
  if (all.length === 0) return undefined;
  all.sort((a, b) => a.ms - b.ms);
  return {
    timesMs: Float64Array.from(all, ({ ms }) => ms),
    bytes: Float64Array.from(all, ({ bytes }) => bytes),
  };
}
