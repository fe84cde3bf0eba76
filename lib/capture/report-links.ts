import type { CaptureMeasure } from "./capture.ts";
import { firstAbove } from "./detect-auc.ts";
import type { FlowEnd } from "./flow-ends.ts";
import type { FrameKind } from "./labels.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import type { TrafficShape } from "./shape.ts";
import type { TappedDirection, TappedFlow } from "./tap-flow.ts";

/** Connections of a capture whose segments are taken one by one; of others only their figures. */
export const SERIES_LINKS_MAX = 100;
/** A frame this near to a label is what the label tells of. */
const LABEL_NEAR_MS = 20;
/** The share of labels that must be near a frame, or they tell of something else. */
const LABELS_NEAR_SHARE = 0.9;

/**
 * Connections through a tap, as a report takes them.
 *
 * @param flows of the tap
 * @param name of the tap, for ids
 */
export function linksOfTap(flows: readonly TappedFlow[], name: string): SeenLink[] {
  return flows.map((flow) => ({
    id: `${name}-${flow.id}`,
    view: flow.kind,
    from: flow.from,
    to: flow.to,
    beganMs: flow.beganMs,
    endedMs: flow.endedMs,
    refusal: flow.refusal,
    out: ofTapped(flow.out),
    in: ofTapped(flow.in),
  }));
}

/**
 * Flows of a capture, as a report takes them.
 *
 * @param measure of the capture
 * @param name of the capture, for ids
 */
export function linksOfCapture(measure: CaptureMeasure, name: string): SeenLink[] {
  const bytes = measure.flows.map(({ directions }) =>
    directions.reduce((sum, shape) => sum + (shape?.bytes ?? 0), 0),
  );
  const least = [...bytes].sort((a, b) => b - a)[SERIES_LINKS_MAX - 1] ?? 0;
  return measure.flows.map(({ flow, directions }, i) => ({
    id: `${name}-${flow.id}`,
    view: "capture",
    from: endText(flow.initiator),
    to: endText(flow.responder),
    beganMs: flow.beganUs / 1_000,
    endedMs: flow.state === "open" ? undefined : flow.endedUs / 1_000,
    refusal: undefined,
    out: ofShape(directions[0], (bytes[i] ?? 0) >= least),
    in: ofShape(directions[1], (bytes[i] ?? 0) >= least),
  }));
}

/**
 * A direction with the truth that a label file tells, where its times are those of frames.
 *
 * @param direction without truth
 * @param labelsMs times of payload frames, milliseconds since 1970, rising
 * @returns undefined where the labels tell of something else
 */
export function withLabels(
  direction: SeenDirection,
  labelsMs: Float64Array,
): SeenDirection | undefined {
  const { timesMs } = direction;
  const kinds = new Array<FrameKind>(timesMs.length).fill("noise");
  let near = 0;
  for (const labelMs of labelsMs) {
    const next = firstAbove(timesMs, labelMs, false);
    const isNext =
      Math.abs((timesMs[next] ?? Number.POSITIVE_INFINITY) - labelMs) <=
      Math.abs((timesMs[next - 1] ?? Number.NEGATIVE_INFINITY) - labelMs);
    const place = isNext ? next : next - 1;
    const apart = Math.abs((timesMs[place] ?? Number.POSITIVE_INFINITY) - labelMs);
    if (apart > LABEL_NEAR_MS) continue;
    near++;
    kinds[place] = "payload";
  }
  const isEnough = near > 0 && near >= LABELS_NEAR_SHARE * labelsMs.length;
  return isEnough ? { ...direction, kinds } : undefined;
}

/**
 * Replaces addresses by names that stay the same within a report.
 *
 * @param links with real addresses
 * @returns the links with `host-1:PORT`, `host-2:PORT`, …
 */
export function masked(links: readonly SeenLink[]): SeenLink[] {
  const names = new Map<string, string>();
  const mask = (place: string): string => {
    const [, host = place, port = ""] = /^(.*)(:[0-9]+)$/.exec(place) ?? [];
    const name = names.get(host) ?? `host-${names.size + 1}`;
    names.set(host, name);
    return `${name}${port}`;
  };
  return links.map((link) => ({
    ...link,
    from: mask(link.from),
    to: mask(link.to),
    // A refusal names the address that was refused.
    refusal: link.refusal === undefined ? undefined : "refused",
  }));
}

function ofTapped(direction: TappedDirection): SeenDirection {
  const { timesMs, bytes, kinds, isLevin, unfinishedBytes, droppedFrames } = direction;
  // Without any Levin there is no truth: every chunk is "other".
  const isKnown = kinds.some((kind) => kind !== "other");
  return {
    ...{ timesMs, bytes, kinds: isKnown ? kinds : undefined },
    isLevin: isKnown && isLevin,
    unfinishedBytes,
    droppedFrames,
  };
}

function ofShape(shape: TrafficShape | undefined, isLarge: boolean): SeenDirection | undefined {
  if (shape === undefined) return undefined;
  const series = isLarge ? shape.series : undefined;
  return {
    timesMs: Float64Array.from(series?.timesUs ?? [], (us) => us / 1_000),
    bytes: series?.bytes ?? new Uint32Array(0),
    isLevin: false,
    unfinishedBytes: 0,
    droppedFrames: series === undefined ? shape.segments : 0,
    shape: series === undefined ? shape : undefined,
  };
}

function endText({ address, port }: FlowEnd): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
