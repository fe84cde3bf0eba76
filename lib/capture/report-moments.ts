import type { RandomSource } from "../runtime/random.ts";
import { controlMoments, detectEvents, type LookAround } from "./detect-events.ts";
import type { FamilyResult } from "./detect-family.ts";
import { type FrameKind, type SeenTraffic, SUBJECTS, subjectOf } from "./labels.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import { intervals, quantile, sorted } from "./statistics-summary.ts";

/** How long before and after a moment with payload an observer of packets looks, at the most. */
const LOOK_MS_MAX = 1_000;
/** As {@link LOOK_MS_MAX}, as a share of the usual interval, so that the next frame is not seen. */
const LOOK_SHARE = 0.5;

interface MomentRules {
  /** Times of payload or of transactions, milliseconds since 1970. */
  readonly labelsMs: Float64Array | undefined;
  readonly limit: number | undefined;
  readonly random: RandomSource;
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
  if (seen !== undefined && truth.length > 0) {
    const look = lookAround(truth);
    const controlsMs = momentsOf(truth, (kind) => kind === "noise");
    for (const subject of SUBJECTS) {
      const eventsMs = momentsOf(truth, (kind) => subjectOf(kind) === subject);
      const moments = { eventsMs, controlsMs };
      families.push(detectEvents(seen.traffic, moments, look, { ...options, subject }));
    }
  }
  // Without packets, the frames at a tap are what there is to look at.
  const around = packets.length > 0 ? seen : trafficOf(links);
  if (labelsMs !== undefined && around !== undefined) {
    const { fromMs, toMs } = around;
    const look = lookAround([]);
    const eventsMs = labelsMs.filter((ms) => ms >= fromMs && ms <= toMs);
    const controlsMs = controlMoments(eventsMs, look, around, random);
    const family = detectEvents(around.traffic, { eventsMs, controlsMs }, look, options);
    families.push(family && { ...family, name: "labelled moments" });
  }
  return families.filter((family) => family !== undefined);
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

interface Around {
  readonly traffic: {
    readonly out?: SeenTraffic | undefined;
    readonly in?: SeenTraffic | undefined;
  };
  readonly fromMs: number;
  readonly toMs: number;
}

function trafficOf(links: readonly SeenLink[]): Around | undefined {
  const out = together(links.map((link) => link.out));
  const back = together(links.map((link) => link.in));
  const fromMs = out?.timesMs[0];
  const toMs = out?.timesMs[out.timesMs.length - 1];
  if (fromMs === undefined || toMs === undefined) return undefined;
  return { traffic: { out, in: back }, fromMs, toMs };
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
