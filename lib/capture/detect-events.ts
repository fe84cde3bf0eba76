import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { firstAbove } from "./detect-auc.ts";
import { type FamilyResult, measureFamily } from "./detect-family.ts";
import { bytesAround, type Feature } from "./detect-features.ts";
import { AUC_LIMIT } from "./detect-link.ts";
import type { SeenTraffic, Subject } from "./labels.ts";
import { intervals, moments } from "./statistics-summary.ts";

/** Moments without payload for each with it. */
const CONTROLS_EACH = 10;
/** Controls where there are few labels: fewer would make what is usual uncertain. */
const CONTROLS_MIN = 500;
/** Draws for a moment that is far from all others, before it is given up. */
const TRIES_MAX = 50;
/**
 * The share of the time that other moments may keep away from those with payload. Where it is more,
 * they come from other stretches of time, and a link that only drifts would seem to answer.
 */
const AWAY_SHARE_MAX = 0.1;

/** How long before and after a moment an observer looks. */
export interface LookAround {
  readonly beforeMs: number;
  readonly afterMs: number;
}

/**
 * Moments at which nothing is known to have happened, to compare those with payload to. They keep
 * away from those by the widest look that leaves nine tenths of the time to be drawn from: near to
 * more of them they are what an observer has to tell them from.
 *
 * @param eventsMs moments with payload, rising
 * @param looks how far from those the others should be, any order
 * @param span when the first may be, and the last
 * @param random where the moments come from
 * @returns rising; ten for each event, and 500 at least; fewer where there is no room
 */
export function controlMoments(
  eventsMs: ArrayLike<number>,
  looks: readonly LookAround[],
  span: { readonly fromMs: number; readonly toMs: number },
  random: RandomSource,
): Float64Array {
  const { fromMs, toMs } = span;
  if (toMs <= fromMs || eventsMs.length === 0) return new Float64Array(0);
  const room = (AWAY_SHARE_MAX * (toMs - fromMs)) / (2 * eventsMs.length);
  const apartMs = Math.max(
    0,
    ...looks.map(({ beforeMs, afterMs }) => beforeMs + afterMs).filter((apart) => apart <= room),
  );
  const moments: number[] = [];
  const wanted = Math.max(CONTROLS_MIN, CONTROLS_EACH * eventsMs.length);
  for (let i = 0; i < wanted * TRIES_MAX && moments.length < wanted; i++) {
    const moment = uniform(random, fromMs, toMs);
    const next = firstAbove(eventsMs, moment, false);
    const isFar =
      moment - (eventsMs[next - 1] ?? Number.NEGATIVE_INFINITY) >= apartMs &&
      (eventsMs[next] ?? Number.POSITIVE_INFINITY) - moment >= apartMs;
    if (isFar) moments.push(moment);
  }
  return Float64Array.from(moments).sort();
}

/**
 * Measures how well an observer who sees only traffic tells moments with payload from others: an
 * ISP at the guard link, who knows no frames.
 *
 * @param traffic what was seen of each direction; one may be undefined
 * @param moments `eventsMs` those with payload, `controlsMs` the others, both rising: frames with
 *   and without payload as their sender knows them, or transactions and {@link controlMoments}
 * @param looks how long before and after a moment; several are several features each
 * @param options `random`: where labellings by chance come from; `limit`: the AUC below which a
 *   moment gives nothing away; `subject`: what the moments are of, payload unless told otherwise;
 *   `streamOf`: of which stream a moment is, where several are judged together
 * @returns undefined for too few moments of either kind
 */
export function detectEvents(
  traffic: { readonly out?: SeenTraffic | undefined; readonly in?: SeenTraffic | undefined },
  moments: { readonly eventsMs: ArrayLike<number>; readonly controlsMs: ArrayLike<number> },
  looks: LookAround | readonly LookAround[],
  options: {
    readonly random: RandomSource;
    readonly limit?: number;
    readonly subject?: Subject;
    readonly streamOf?: (timeMs: number) => number;
  },
): FamilyResult | undefined {
  const cases = [
    ...Array.from(moments.eventsMs, (timeMs) => ({ timeMs, label: 1 })),
    ...Array.from(moments.controlsMs, (timeMs) => ({ timeMs, label: 0 })),
  ].sort((a, b) => a.timeMs - b.timeMs);
  const timesMs = Float64Array.from(cases, (one) => one.timeMs);
  const each = "afterMs" in looks ? [looks] : looks;
  const features = (["out", "in"] as const).flatMap((side) =>
    each.flatMap((look) => {
      const seen = traffic[side];
      const name = each.length === 1 ? side : `${side}, ${spanText(look.afterMs)}`;
      return seen === undefined ? [] : momentFeatures(name, seen, timesMs, look);
    }),
  );
  if (features.length === 0) return undefined;
  return measureFamily(
    {
      subject: options.subject ?? "payload",
      name: options.subject === "timed-sync" ? "moments of timed syncs" : "moments",
      features,
      labels: Uint8Array.from(cases, (one) => one.label),
      ...(options.streamOf && { streams: Uint32Array.from(timesMs, options.streamOf) }),
      limit: options.limit ?? AUC_LIMIT,
      isRequired: true,
      framesEach: 1,
    },
    options.random,
  );
}

/**
 * How long somebody looks, for people.
 *
 * @param ms above 0
 */
export function spanText(ms: number): string {
  return `${Number((ms / 1_000).toPrecision(3))} s`;
}

function momentFeatures(
  direction: string,
  traffic: SeenTraffic,
  momentsMs: Float64Array,
  look: LookAround,
): Feature[] {
  const cases = Uint32Array.from(momentsMs.keys());
  const after = bytesAround(traffic, cases, momentsMs, 0, look.afterMs);
  const before = bytesAround(traffic, cases, momentsMs, -look.beforeMs, 0);
  const scale = look.afterMs / look.beforeMs;
  const change = after.map((bytes, i) => bytes - scale * (before[i] as number));
  const delay = new Float64Array(momentsMs.length);
  const packets = new Float64Array(momentsMs.length);
  const largest = new Float64Array(momentsMs.length);
  const spread = new Float64Array(momentsMs.length);
  momentsMs.forEach((momentMs, i) => {
    const from = firstAbove(traffic.timesMs, momentMs, true);
    const to = firstAbove(traffic.timesMs, momentMs + look.afterMs, true);
    const inside = Float64Array.from(
      { length: to - from },
      (_, k) => traffic.timesMs[from + k] ?? 0,
    );
    packets[i] = to - from;
    delay[i] = (inside[0] ?? momentMs + look.afterMs) - momentMs;
    for (let k = from; k < to; k++) {
      largest[i] = Math.max(largest[i] as number, traffic.bytes[k] as number);
    }
    spread[i] = inside.length < 3 ? 0 : moments(intervals(inside)).deviation;
  });
  const named: readonly [string, Float64Array][] = [
    ["bytes after", after],
    ["rate change", change],
    ["packets after", packets],
    ["first packet delay", delay],
    ["largest packet", largest],
    ["interval deviation", spread],
  ];
  return named.map(([name, values]) => ({ name: `${name}, ${direction}`, values }));
}
