import { SeededRandom } from "../runtime/random.ts";
import { controlMoments, detectEvents, type LookAround } from "./detect-events.ts";
import type { FamilyResult } from "./detect-family.ts";
import { fitIntervals, fitSizes } from "./fit-report.ts";
import { formatSchedule, type Schedule } from "./fit-schedule.ts";
import { isReal, type SeenTraffic } from "./labels.ts";
import {
  type DirectionRules,
  familyOf,
  judgementOf,
  type MeasuredDirection,
  measureDirection,
} from "./report-direction.ts";
import { bytesOf, type SeenDirection, type SeenLink, type SeenSource } from "./report-input.ts";
import { SERIES_LINKS_MAX, withLabels } from "./report-links.ts";
import type { NoiseReport, ReportLink } from "./report-schema.ts";
import { intervals, quantile, sorted } from "./statistics-summary.ts";
import { type Assertion, checkAssertions, type Measured } from "./verdict-assertion.ts";
import { judgeLink } from "./verdict-link.ts";

/** Connections that a report tells one by one. */
const LINKS_MAX = SERIES_LINKS_MAX;
/** The largest of a kind, whose periods are looked for: of a capture few, since it may be long. */
const LINKS_FULL_MAX = { tap: 8, "socks-tap": 8, capture: 2 } as const;
/** The same capture gives the same report. */
const SEED = 20_030_519;
/** How long before and after a moment with payload an observer of packets looks, at the most. */
const LOOK_MS_MAX = 1_000;
/** As {@link LOOK_MS_MAX}, as a share of the usual interval, so that the next frame is not seen. */
const LOOK_SHARE = 0.5;

/** What a report is made of. */
export interface ReportInput {
  readonly unixMs: number;
  readonly sources: readonly SeenSource[];
  readonly links: readonly SeenLink[];
  /** Times of payload or of transactions, milliseconds since 1970. */
  readonly labelsMs: Float64Array | undefined;
  readonly schedule: Schedule | undefined;
  readonly assertions: readonly Assertion[];
  readonly side: "out" | "in" | "both";
  /** Whether the addresses of `links` were replaced; places of sources are left out then. */
  readonly isMasked: boolean;
}

interface MeasuredLink {
  readonly seen: SeenLink;
  readonly out: MeasuredDirection | undefined;
  readonly in: MeasuredDirection | undefined;
}

/**
 * Says everything that is to be said of what was seen.
 *
 * @param input what was seen, and what was declared of it
 */
export function buildReport(input: ReportInput): NoiseReport {
  const random = new SeededRandom(SEED);
  const { schedule, labelsMs } = input;
  const auc = input.assertions.find((one) => one.kind === "auc");
  const links = [...input.links].sort((a, b) => linkBytes(b) - linkBytes(a));
  const measured = links.slice(0, LINKS_MAX).map((link, i): MeasuredLink => {
    const seen = labelled(link, labelsMs);
    const rules: DirectionRules = {
      ...{ schedule, random },
      limit: auc?.below,
      isFull: i < LINKS_FULL_MAX[link.view],
    };
    return {
      seen,
      out: seen.out && measureDirection("out", seen.out, seen.in, rules),
      in: seen.in && measureDirection("in", seen.in, seen.out, rules),
    };
  });
  const judged = measured.flatMap((one) => sidesOf(one, input.side));
  const frames = judged.flatMap(({ families }) => families);
  const moments = momentFamilies(links, labelsMs, random, auc?.below);
  const verdict = judgeLink([...namedApart(judged, measured.length), ...moments]);
  return {
    schema: "anonctl.noise-capture.v1",
    at: new Date(input.unixMs).toISOString(),
    elapsed_s: elapsedMs(links) / 1_000,
    masked: input.isMasked,
    sources: input.sources.map(({ kind, place, flows, packets, trouble }) => ({
      ...{ kind, place: input.isMasked ? "masked" : place, flows },
      packets: packets ?? null,
      trouble: trouble ?? null,
    })),
    expectation: schedule === undefined ? null : formatSchedule(schedule),
    judged_side: input.side,
    ...judgementOf(verdict),
    moments: moments.map(familyOf),
    assertions: checkAssertions(input.assertions, measuredOf(judged, frames, schedule)),
    links: measured.map(linkOf),
    links_left_out: Math.max(0, links.length - LINKS_MAX),
  };
}

function linkBytes(link: SeenLink): number {
  return bytesOf(link.out) + bytesOf(link.in);
}

function labelled(link: SeenLink, labelsMs: Float64Array | undefined): SeenLink {
  const { out } = link;
  if (labelsMs === undefined || out === undefined || out.kinds !== undefined) return link;
  return { ...link, out: withLabels(out, labelsMs) ?? out };
}

function sidesOf(link: MeasuredLink, side: ReportInput["side"]): MeasuredDirection[] {
  const sides = side === "both" ? [link.out, link.in] : [link[side]];
  return sides.filter((one) => one !== undefined);
}

/** Families of several links, so that a reason says which link it speaks of. */
function namedApart(judged: readonly MeasuredDirection[], links: number): FamilyResult[] {
  const isOne = links <= 1 && judged.length <= 1;
  return judged.flatMap(({ families, report }, i) =>
    families.map((family) =>
      isOne ? family : { ...family, name: `${family.name} (link ${i + 1}, ${report.side})` },
    ),
  );
}

/** Everything that one sees at a link of packets: not which flow, only when and how much. */
function momentFamilies(
  links: readonly SeenLink[],
  labelsMs: Float64Array | undefined,
  random: SeededRandom,
  limit: number | undefined,
): FamilyResult[] {
  const packets = links.filter(({ view }) => view === "capture");
  const truth = links.flatMap(({ view, out }) =>
    view !== "capture" && out?.kinds !== undefined ? [out] : [],
  );
  if (labelsMs === undefined && truth.length === 0) return [];
  const out = together(packets.map((link) => link.out));
  const back = together(packets.map((link) => link.in));
  const from = out?.timesMs[0];
  const to = out?.timesMs[out.timesMs.length - 1];
  if (from === undefined || to === undefined) return [];
  let eventsMs: Float64Array;
  let controlsMs: Float64Array;
  const look = lookAround(labelsMs === undefined ? truth : []);
  if (labelsMs !== undefined) {
    eventsMs = labelsMs.filter((ms) => ms >= from && ms <= to);
    controlsMs = controlMoments(eventsMs, look, { fromMs: from, toMs: to }, random);
  } else {
    eventsMs = momentsOf(truth, (kind) => isReal(kind));
    controlsMs = momentsOf(truth, (kind) => kind === "noise");
  }
  const options = limit === undefined ? { random } : { random, limit };
  const family = detectEvents({ out, in: back }, { eventsMs, controlsMs }, look, options);
  return family === undefined ? [] : [family];
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
  fits: (kind: NonNullable<SeenDirection["kinds"]>[number]) => boolean,
): Float64Array {
  return Float64Array.from(
    directions.flatMap(({ timesMs, kinds }) =>
      (kinds ?? []).flatMap((kind, i) => (fits(kind) ? (timesMs[i] ?? []) : [])),
    ),
  ).sort();
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

function measuredOf(
  judged: readonly MeasuredDirection[],
  families: readonly FamilyResult[],
  schedule: Schedule | undefined,
): Measured {
  const pooled = (values: readonly Float64Array[]): number[] => values.flatMap((one) => [...one]);
  const single = families.filter(({ framesEach, isRequired }) => framesEach === 1 && isRequired);
  const detectors = single.flatMap((family) => family.detectors);
  return {
    sizes: (frameBytes) => fitSizes(pooled(judged.map(({ sizes }) => sizes)), frameBytes),
    intervals: (law) =>
      fitIntervals(pooled(judged.map(({ intervalsMs }) => intervalsMs)), {
        ...{ law, frameBytes: undefined },
        toleranceMs: schedule?.toleranceMs ?? 10,
      }),
    frames:
      detectors.length === 0
        ? undefined
        : {
            low: Math.max(...detectors.map(({ low }) => low)),
            high: Math.max(...detectors.map(({ high }) => high)),
          },
  };
}

function elapsedMs(links: readonly SeenLink[]): number {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const { out, in: back } of links) {
    for (const one of [out, back]) {
      const { timesMs, shape } = one ?? {};
      const from = shape === undefined ? timesMs?.[0] : shape.firstUs / 1_000;
      const to = shape === undefined ? timesMs?.at(-1) : shape.lastUs / 1_000;
      first = Math.min(first, from ?? first);
      last = Math.max(last, to ?? last);
    }
  }
  return Math.max(0, last - Math.min(first, last));
}

function linkOf({ seen, out, in: back }: MeasuredLink): ReportLink {
  return {
    id: seen.id,
    view: seen.view,
    from: seen.from,
    to: seen.to,
    began_unix_s: seen.beganMs / 1_000,
    ended_unix_s: seen.endedMs === undefined ? null : seen.endedMs / 1_000,
    refusal: seen.refusal ?? null,
    directions: [out, back].flatMap((one) => (one === undefined ? [] : [one.report])),
  };
}
