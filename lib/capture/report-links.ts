import type { CaptureMeasure } from "./capture.ts";
import type { FlowEnd } from "./flow-ends.ts";
import type { SequenceTrack } from "./flow-sequence.ts";
import type { PacketCounts } from "./packet-decoder.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import type { TrafficShape } from "./shape.ts";
import type { FlowSeries } from "./shape-series.ts";
import type { TappedDirection, TappedFlow } from "./tap-flow.ts";
import { STEP_BACK_MS_MAX, stepText } from "./verdict-doubt.ts";

/** Of a direction with too many segments to keep them. */
const NO_SERIES: FlowSeries = { timesUs: new Float64Array(0), bytes: new Uint32Array(0) };

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
 * Flows of a capture, as a report takes them: segment by segment, as far as those were kept.
 *
 * @param measure of the capture
 * @param name of the capture, for ids
 */
export function linksOfCapture(
  measure: Pick<CaptureMeasure, "flows" | "counts">,
  name: string,
): SeenLink[] {
  const stepBackMs = measure.counts.stepBackUs / 1_000;
  return measure.flows.map(({ flow, directions }) => ({
    id: `${name}-${flow.id}`,
    view: "capture",
    from: endText(flow.initiator),
    to: endText(flow.responder),
    beganMs: flow.beganUs / 1_000,
    endedMs: flow.state === "open" ? undefined : flow.endedUs / 1_000,
    refusal: undefined,
    out: ofShape(directions[0], flow.forward),
    in: ofShape(directions[1], flow.backward),
    stepBackMs,
  }));
}

/**
 * What to tell of packets that are older than the one before them.
 *
 * @param counts of a capture
 * @returns a sentence, or undefined where there are none
 */
export function disorderText({
  backwards,
  stepBackUs,
}: Pick<PacketCounts, "backwards" | "stepBackUs">): string | undefined {
  if (backwards === 0) return undefined;
  const stepMs = stepBackUs / 1_000;
  const packets = backwards === 1 ? "1 packet is" : `${backwards} packets are`;
  const cause =
    stepMs < STEP_BACK_MS_MAX
      ? "those of a connection were sorted"
      : "the clock was set, or files were merged";
  return `${packets} older than the one before, by up to ${stepText(stepMs)}; ${cause}.`;
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

function ofShape(shape: TrafficShape | undefined, track: SequenceTrack): SeenDirection | undefined {
  if (shape === undefined) return undefined;
  const { retransmissions, retransmittedBytes, overlaps, reordered, gaps, gapBytes } = track;
  const { series } = shape;
  const { timesUs, bytes } = series === undefined ? NO_SERIES : inOrder(series);
  return {
    timesMs: timesUs.map((us) => us / 1_000),
    bytes,
    tcp: { retransmissions, retransmittedBytes, overlaps, reordered, gaps, gapBytes },
    isLevin: false,
    unfinishedBytes: 0,
    droppedFrames: series === undefined ? shape.segments : 0,
    shape: series === undefined ? shape : undefined,
  };
}

/** Packets may be written in another order than that in which they were seen. */
function inOrder(series: FlowSeries): FlowSeries {
  const { timesUs, bytes } = series;
  if (timesUs.every((us, i) => i === 0 || us >= (timesUs[i - 1] as number))) return series;
  const order = Uint32Array.from(timesUs.keys()).sort(
    (a, b) => (timesUs[a] as number) - (timesUs[b] as number),
  );
  return {
    timesUs: Float64Array.from(order, (i) => timesUs[i] as number),
    bytes: Uint32Array.from(order, (i) => bytes[i] as number),
  };
}

function endText({ address, port }: FlowEnd): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
