import { type RandomSource, SeededRandom } from "../runtime/random.ts";
import type { FamilyResult } from "./detect-family.ts";
import { detectLinks } from "./detect-link.ts";
import { formatSchedule, type Schedule } from "./fit-schedule.ts";
import { type LabelledFrames, subjectOf } from "./labels.ts";
import type { Ticks } from "./labels-ticks.ts";
import { boundsOf, doubtedFits, fitsToAssert, framedOf, sidesOf } from "./report-assertions.ts";
import {
  type DirectionRules,
  familyOf,
  fitsOf,
  type JudgedDirection,
  judgedDirection,
  judgementOf,
  type MeasuredDirection,
  measureDirection,
} from "./report-direction.ts";
import { bytesOf, type SeenLink, type SeenSource } from "./report-input.ts";
import { withTold } from "./report-labels.ts";
import { momentFamilies } from "./report-moments.ts";
import type { NoiseReport, ReportDirection, ReportLink } from "./report-schema.ts";
import { totalsOf } from "./report-totals.ts";
import { type Assertion, checkAssertions } from "./verdict-assertion.ts";
import { hidingCosts, payloadWaits } from "./verdict-costs.ts";
import { doubtedJudgement, doubtOf } from "./verdict-doubt.ts";
import { FALSE_ALARM_CHANCE, judgeLink } from "./verdict-link.ts";

/** Connections that a report tells one by one. */
const LINKS_MAX = 100;
/** The largest of a kind, whose periods are looked for: of a capture few, since it may be long. */
const LINKS_FULL_MAX = { tap: 8, "socks-tap": 8, capture: 2 } as const;
/** The same capture gives the same report. */
const SEED = 20_030_519;

/** What a report is made of. */
export interface ReportInput {
  readonly unixMs: number;
  readonly sources: readonly SeenSource[];
  readonly links: readonly SeenLink[];
  /** Times of payload or of transactions, milliseconds since 1970. */
  readonly labelsMs: Float64Array | undefined;
  /** When frames were due, as their sender wrote it down; nothing where it did not. */
  readonly ticks?: readonly Ticks[] | undefined;
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
  const { schedule, ticks = [] } = input;
  const auc = input.assertions.find((one) => one.kind === "auc");
  const sorted = largestFirst(input.links);
  const { links, momentsMs } = withTold(sorted, input);
  const measured = links.slice(0, LINKS_MAX).map((seen, i): MeasuredLink => {
    const rules: DirectionRules = {
      ...{ schedule, random, ticks },
      limit: auc?.below,
      isFull: i < LINKS_FULL_MAX[seen.view],
    };
    return {
      seen,
      out: seen.out && measureDirection("out", seen.out, seen.in, rules),
      in: seen.in && measureDirection("in", seen.in, seen.out, rules),
    };
  });
  const rest = links.slice(LINKS_MAX).map((seen) => ({
    seen,
    out: seen.out && judgedDirection("out", seen.out, seen.in, ticks),
    in: seen.in && judgedDirection("in", seen.in, seen.out, ticks),
  }));
  const all = [...measured, ...rest];
  const judged = all.flatMap((one) => sidesOf(one, input.side));
  const framed = framedOf(all, input.side);
  const pooled = pooledFamilies(judged, { random, limit: auc?.below });
  const moments = momentFamilies(sorted, {
    ...{ labelsMs: momentsMs, random, side: input.side },
    limit: auc?.below,
  });
  const single = singleFamilies(judged);
  const verdict = judgeLink([...pooled, ...moments, ...single]);
  // An observer sees both sides of every connection, whichever is judged: answers tell as well.
  const doubt = doubtOf(
    links.flatMap((link) => sidesOf(link, "both")),
    links,
  );
  const loud = single.filter((_, i) => {
    return (verdict.pValues[pooled.length + moments.length + i] ?? 1) <= FALSE_ALARM_CHANCE;
  });
  return {
    schema: "anonctl.noise-capture.v1",
    at: new Date(input.unixMs).toISOString(),
    elapsed_s: elapsedMs(links) / 1_000,
    masked: input.isMasked,
    sources: input.sources.map((source) => sourceOf(source, input.isMasked)),
    expectation: schedule === undefined ? null : formatSchedule(schedule),
    judged_side: input.side,
    ...doubtedJudgement(judgementOf(verdict), doubt),
    costs: costsOf(judged, momentsMs),
    fits: doubtedFits(
      fitsOf(framed.intervalsMs, framed.sizes, schedule),
      framed,
      schedule?.frameBytes,
    ),
    families: pooled.map((family, i) => familyOf(family, verdict.pValues[i] ?? 1)),
    moments: moments.map((family, i) => familyOf(family, verdict.pValues[pooled.length + i] ?? 1)),
    assertions: checkAssertions(input.assertions, {
      ...fitsToAssert(framed, schedule),
      detectors: boundsOf([...pooled, ...moments], loud),
      doubt,
    }),
    totals: totalsOf(links),
    links: measured.map(linkOf),
    links_left_out: Math.max(0, links.length - LINKS_MAX),
  };
}

function sourceOf(source: SeenSource, isMasked: boolean): NoiseReport["sources"][number] {
  const { kind, place, flows, packets, trouble, outside } = source;
  return {
    ...{ kind, place: isMasked ? "masked" : place, flows },
    packets: packets ?? null,
    outside_tcp:
      outside === undefined ? null : { udp_packets: outside.udp, other_packets: outside.other },
    trouble: trouble ?? null,
  };
}

function largestFirst(links: readonly SeenLink[]): SeenLink[] {
  // Counted once: of millions of frames a sum takes a while.
  const sums = new Map(links.map((link) => [link, bytesOf(link.out) + bytesOf(link.in)]));
  return [...links].sort((a, b) => (sums.get(b) ?? 0) - (sums.get(a) ?? 0));
}

/** Of all connections together, each side by itself. */
function pooledFamilies(
  judged: readonly JudgedDirection[],
  options: { readonly random: RandomSource; readonly limit: number | undefined },
): FamilyResult[] {
  const sides = [...new Set(judged.map((one) => one.side))];
  return sides.flatMap((side) => {
    const known = judged.filter((one) => one.side === side && one.labelled !== undefined);
    const { random, limit } = options;
    const families =
      known.length === 1
        ? (known[0]?.families ?? [])
        : detectLinks(
            known.flatMap(({ labelled }) => labelled ?? []),
            limit === undefined ? { random } : { random, limit },
          );
    return sides.length === 1
      ? families
      : families.map((family) => ({ ...family, name: `${family.name}, ${side}` }));
  });
}

/**
 * Of each of several connections: one that shows is found, but one with little payload need not be
 * hidden by itself.
 */
function singleFamilies(judged: readonly JudgedDirection[]): FamilyResult[] {
  return judged.flatMap(({ families, side }, i) => {
    const alike = judged.filter((one) => one.labelled !== undefined && one.side === side);
    if (alike.length < 2) return [];
    const place = `connection ${i + 1}, ${side}`;
    return families.map((family) => ({
      ...family,
      name: `${family.name} (${place})`,
      isRequired: false,
    }));
  });
}

/** Of the judged side of all connections whose truth is known. */
function costsOf(
  judged: readonly JudgedDirection[],
  labelsMs: Float64Array | undefined,
): NoiseReport["costs"] {
  const known = judged.flatMap(({ labelled }) => labelled ?? []);
  if (known.length === 0) return null;
  const each = known.map((frames) => hidingCosts(frames));
  const sum = (key: "bytes" | "noiseBytes" | "usefulBytes"): number =>
    each.reduce((total, costs) => total + costs[key], 0);
  const useful = sum("usefulBytes");
  return {
    noise_bytes: sum("noiseBytes"),
    useful_bytes: useful,
    overhead_percent: useful > 0 ? (100 * (sum("bytes") - useful)) / useful : null,
    latency_ms: labelsMs === undefined ? null : latencyOf(known, labelsMs),
  };
}

function latencyOf(
  known: readonly LabelledFrames[],
  labelsMs: Float64Array,
): NonNullable<NoiseReport["costs"]>["latency_ms"] {
  const framesMs = known.flatMap(({ kinds, timesMs }) =>
    kinds.flatMap((kind, i) => (subjectOf(kind) === "payload" ? (timesMs[i] ?? []) : [])),
  );
  const { latencyMs } = hidingCosts(
    { timesMs: [], bytes: [], kinds: [] },
    { waits: payloadWaits(labelsMs, Float64Array.from(framesMs)) },
  );
  if (latencyMs === undefined) return null;
  const { count, min, mean, max, quantiles } = latencyMs;
  const median = quantiles.find(({ share }) => share === 0.5)?.value ?? mean;
  return { count, min, median, mean, max };
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
    directions: [
      ...(out === undefined ? [] : [doubtedDirection(out.report, seen)]),
      ...(back === undefined ? [] : [doubtedDirection(back.report, seen)]),
    ],
  };
}

function doubtedDirection(report: ReportDirection, link: SeenLink): ReportDirection {
  const seen = sidesOf(link, report.side);
  return {
    ...report,
    ...doubtedFits(report, { seen, doubt: doubtOf(seen, [link]) }, report.frame_bytes),
    judgement:
      report.judgement &&
      doubtedJudgement(report.judgement, doubtOf(sidesOf(link, "both"), [link])),
  };
}
