import type { CaptureMeasure } from "./capture.ts";
import type { FlowEnd } from "./flow-ends.ts";
import type { SequenceTrack } from "./flow-sequence.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import type { TrafficShape } from "./shape.ts";
import type { TappedDirection, TappedFlow } from "./tap-flow.ts";

/** Connections of a capture whose segments are taken one by one; of others only their figures. */
export const SERIES_LINKS_MAX = 100;

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
    out: ofShape(directions[0], flow.forward, (bytes[i] ?? 0) >= least),
    in: ofShape(directions[1], flow.backward, (bytes[i] ?? 0) >= least),
  }));
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

function ofShape(
  shape: TrafficShape | undefined,
  track: SequenceTrack,
  isLarge: boolean,
): SeenDirection | undefined {
  if (shape === undefined) return undefined;
  const { retransmissions, retransmittedBytes, overlaps, reordered, gaps, gapBytes } = track;
  const series = isLarge ? shape.series : undefined;
  return {
    timesMs: Float64Array.from(series?.timesUs ?? [], (us) => us / 1_000),
    bytes: series?.bytes ?? new Uint32Array(0),
    tcp: { retransmissions, retransmittedBytes, overlaps, reordered, gaps, gapBytes },
    isLevin: false,
    unfinishedBytes: 0,
    droppedFrames: series === undefined ? shape.segments : 0,
    shape: series === undefined ? shape : undefined,
  };
}

function endText({ address, port }: FlowEnd): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
