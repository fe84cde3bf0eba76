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
/** Draws for a moment that is far from all others, before it is given up. */
const TRIES_MAX = 50;

/** How long before and after a moment an observer looks. */
export interface LookAround {
  readonly beforeMs: number;
  readonly afterMs: number;
}

/**
 * Moments at which nothing is known to have happened, to compare those with payload to.
 *
 * @param eventsMs moments with payload, rising
 * @param look how far from those the others have to be
 * @param span when the capture begins and ends
 * @param random where the moments come from
 * @returns rising; fewer than ten for each event where there is no room for more
 */
export function controlMoments(
  eventsMs: ArrayLike<number>,
  look: LookAround,
  span: { readonly fromMs: number; readonly toMs: number },
  random: RandomSource,
): Float64Array {
  const apart = look.beforeMs + look.afterMs;
  const from = span.fromMs + look.beforeMs;
  const to = span.toMs - look.afterMs;
  const moments: number[] = [];
  if (to <= from) return new Float64Array(0);
  const wanted = CONTROLS_EACH * eventsMs.length;
  for (let i = 0; i < wanted * TRIES_MAX && moments.length < wanted; i++) {
    const moment = uniform(random, from, to);
    const next = firstAbove(eventsMs, moment, false);
    const isFar =
      moment - (eventsMs[next - 1] ?? Number.NEGATIVE_INFINITY) >= apart &&
      (eventsMs[next] ?? Number.POSITIVE_INFINITY) - moment >= apart;
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
 * @param look how long before and after a moment
 * @param options `random`: where labellings by chance come from; `limit`: the AUC below which a
 *   moment gives nothing away; `subject`: what the moments are of, payload unless told otherwise
 * @returns undefined for too few moments of either kind
 */
export function detectEvents(
  traffic: { readonly out?: SeenTraffic | undefined; readonly in?: SeenTraffic | undefined },
  moments: { readonly eventsMs: ArrayLike<number>; readonly controlsMs: ArrayLike<number> },
  look: LookAround,
  options: { readonly random: RandomSource; readonly limit?: number; readonly subject?: Subject },
): FamilyResult | undefined {
  const cases = [
    ...Array.from(moments.eventsMs, (timeMs) => ({ timeMs, label: 1 })),
    ...Array.from(moments.controlsMs, (timeMs) => ({ timeMs, label: 0 })),
  ].sort((a, b) => a.timeMs - b.timeMs);
  const timesMs = Float64Array.from(cases, (one) => one.timeMs);
  const features = [
    ...(traffic.out === undefined ? [] : momentFeatures("out", traffic.out, timesMs, look)),
    ...(traffic.in === undefined ? [] : momentFeatures("in", traffic.in, timesMs, look)),
  ];
  if (features.length === 0) return undefined;
  return measureFamily(
    {
      subject: options.subject ?? "payload",
      name: options.subject === "timed-sync" ? "moments of timed syncs" : "moments",
      features,
      labels: Uint8Array.from(cases, (one) => one.label),
      limit: options.limit ?? AUC_LIMIT,
      isRequired: true,
      framesEach: 1,
    },
    options.random,
  );
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
