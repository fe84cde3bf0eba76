import { firstAbove } from "./detect-auc.ts";
import type { Schedule } from "./fit-schedule.ts";
import type { FrameKind } from "./labels.ts";
import { framesOfSegments } from "./labels-frames.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import type { Assertion } from "./verdict-assertion.ts";

/** A frame this near to a label is what the label tells of. */
const LABEL_NEAR_MS = 20;
/** The share of labels that must be near a frame, or they tell of something else. */
const LABELS_NEAR_SHARE = 0.9;

/** What was told of links beyond what was seen. */
export interface Told {
  /** Times of payload or of transactions, milliseconds since 1970, rising. */
  readonly labelsMs: Float64Array | undefined;
  readonly schedule: Schedule | undefined;
  readonly assertions: readonly Assertion[];
}

/**
 * Puts what was told to what was seen. Both are about frames, so those are told from segments first.
 *
 * @param links as they were seen
 * @param told of them
 * @returns the links, and the labels where they are moments and no times of frames
 */
export function withTold(
  links: readonly SeenLink[],
  told: Told,
): { readonly links: readonly SeenLink[]; readonly momentsMs: Float64Array | undefined } {
  const { labelsMs, schedule, assertions } = told;
  if (labelsMs === undefined && schedule === undefined && assertions.length === 0) {
    return { links, momentsMs: undefined };
  }
  const frame = assertions.find((one) => one.kind === "frame");
  const frameBytes = schedule?.frameBytes ?? frame?.bytes;
  const rebuilt = links.map((link) =>
    link.view !== "capture"
      ? link
      : {
          ...link,
          out: withFrames(link.out, frameBytes),
          in: withFrames(link.in, frameBytes),
        },
  );
  if (labelsMs === undefined) return { links: rebuilt, momentsMs: undefined };
  const found = withLabels(
    rebuilt.map(({ out }) => out),
    labelsMs,
  );
  if (found === undefined) return { links: rebuilt, momentsMs: labelsMs };
  return {
    links: rebuilt.map((link, i) => ({ ...link, out: found[i] ?? link.out })),
    momentsMs: undefined,
  };
}

function withFrames(
  direction: SeenDirection | undefined,
  frameBytes: number | undefined,
): SeenDirection | undefined {
  if (direction === undefined || direction.shape !== undefined) return direction;
  return { ...direction, ...framesOfSegments(direction, frameBytes) };
}

/**
 * Tells frames by a label file, where its times are those of frames: of one link, or else of all
 * links together.
 *
 * @param directions that were seen, with or without truth of their own, which is left as it is
 * @param labelsMs times of payload frames, milliseconds since 1970, rising
 * @returns as many directions; undefined where the labels tell of something else
 */
export function withLabels(
  directions: readonly (SeenDirection | undefined)[],
  labelsMs: Float64Array,
): (SeenDirection | undefined)[] | undefined {
  const single = directions.map((one) => labelled([one], labelsMs)?.[0]);
  const all = single.some((one) => one !== undefined) ? single : labelled(directions, labelsMs);
  return all?.map((one, i) => {
    const seen = directions[i];
    return seen === undefined || seen.kinds !== undefined ? seen : (one ?? seen);
  });
}

/** Gives each label to the frame that is nearest; links without any stay unknown. */
function labelled(
  directions: readonly (SeenDirection | undefined)[],
  labelsMs: Float64Array,
): (SeenDirection | undefined)[] | undefined {
  const marks = directions.map(() => new Set<number>());
  let near = 0;
  for (const labelMs of labelsMs) {
    let best = { apart: LABEL_NEAR_MS, link: -1, place: -1 };
    directions.forEach((direction, link) => {
      const { place, apart } = nearest(direction?.timesMs ?? [], labelMs);
      if (apart <= best.apart) best = { apart, link, place };
    });
    const taken = marks[best.link];
    if (taken === undefined) continue;
    near++;
    // Of frames that left at once each takes one label.
    const timesMs = directions[best.link]?.timesMs ?? [];
    let { place } = best;
    while (taken.has(place) && timesMs[place + 1] === timesMs[place]) place++;
    taken.add(place);
  }
  if (near === 0 || near < LABELS_NEAR_SHARE * labelsMs.length) return undefined;
  return directions.map((direction, link) => {
    const taken = marks[link];
    if (direction === undefined || taken === undefined || taken.size === 0) return undefined;
    const kinds = Array.from(
      direction.timesMs,
      (_, i): FrameKind => (taken.has(i) ? "payload" : "noise"),
    );
    return { ...direction, kinds };
  });
}

function nearest(timesMs: ArrayLike<number>, ms: number): { place: number; apart: number } {
  const next = firstAbove(timesMs, ms, false);
  const after = (timesMs[next] ?? Number.POSITIVE_INFINITY) - ms;
  const before = ms - (timesMs[next - 1] ?? Number.NEGATIVE_INFINITY);
  return after <= before ? { place: next, apart: after } : { place: next - 1, apart: before };
}
