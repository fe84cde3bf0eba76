import type { Schedule } from "./fit-schedule.ts";
import type { FrameKind } from "./labels.ts";
import { framesOfSegments } from "./labels-frames.ts";
import { frameLabelsMs, NEAR_MS_MAX, nearest, readLabels } from "./labels-reading.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import type { Assertion } from "./verdict-assertion.ts";

/** What was told of links beyond what was seen. */
export interface Told {
  /** Times of payload or of transactions, milliseconds since 1970, rising. */
  readonly labelsMs: Float64Array | undefined;
  readonly schedule: Schedule | undefined;
  readonly assertions: readonly Assertion[];
  /** Whose frames are judged: labels are of those. */
  readonly side: "out" | "in" | "both";
}

/** What was seen with what was told of it. */
export interface ToldLinks {
  readonly links: readonly SeenLink[];
  /** The labels where they are moments and no times of frames. */
  readonly momentsMs: Float64Array | undefined;
  /** Why labels tell nothing, as a clause; undefined where they do, or are none. */
  readonly trouble: string | undefined;
}

/**
 * Puts what was told to what was seen. Both are about frames, so those are told from segments first.
 *
 * @param links as they were seen
 * @param told of them
 */
export function withTold(links: readonly SeenLink[], told: Told): ToldLinks {
  const { labelsMs, schedule, assertions, side } = told;
  const untold = { momentsMs: undefined, trouble: undefined };
  if (labelsMs === undefined && schedule === undefined && assertions.length === 0) {
    return { links, ...untold };
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
  if (labelsMs === undefined) return { links: rebuilt, ...untold };
  const sides = side === "both" ? (["out", "in"] as const) : [side];
  const judged = rebuilt.flatMap((link) => sides.map((one) => link[one]));
  // Frames begin with a segment, but may end with a later one.
  const within = labelsWithin(
    links.flatMap((link) => sides.map((one) => link[one])),
    labelsMs,
  );
  const found = withLabels(judged, within);
  if (found !== undefined) {
    const named = rebuilt.map((link, i) => ({
      ...link,
      ...Object.fromEntries(sides.map((one, k) => [one, found[i * sides.length + k]])),
    }));
    return { links: named, ...untold };
  }
  const isSeen = links.some((link) => [link.out, link.in].some((one) => one?.timesMs.length));
  const trouble = isSeen ? troubleOf(judged, within, labelsMs.length) : undefined;
  return { links: rebuilt, momentsMs: trouble === undefined ? labelsMs : undefined, trouble };
}

/** A node's log is longer than a capture: what was before it or after it can be near to nothing. */
function labelsWithin(
  directions: readonly (SeenDirection | undefined)[],
  labelsMs: Float64Array,
): Float64Array {
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = Number.NEGATIVE_INFINITY;
  for (const one of directions) {
    fromMs = Math.min(fromMs, one?.timesMs[0] ?? fromMs);
    toMs = Math.max(toMs, one?.timesMs.at(-1) ?? toMs);
  }
  return labelsMs.filter((ms) => ms >= fromMs - NEAR_MS_MAX && ms <= toMs + NEAR_MS_MAX);
}

/** Where a tap knows what frames were, labels tell only when transactions were handed over. */
function troubleOf(
  judged: readonly (SeenDirection | undefined)[],
  within: Float64Array,
  count: number,
): string | undefined {
  const seen = judged.filter((one) => one !== undefined && one.timesMs.length > 0);
  if (seen.length === 0) return "no frame of the side that is judged was kept";
  if (seen.some((one) => one?.kinds !== undefined)) return undefined;
  if (within.length === 0) return `of its ${count} times none lies within the capture`;
  const { kind, near, nearMs, byAccident } = readLabels(timesOf(judged), within);
  if (kind !== "unclear") return undefined;
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  return `of its ${within.length} times within the capture ${percent(near)} are within ${nearMs} ms of a frame, and by accident ${percent(byAccident)} would be: too many for moments, too few for frames`;
}

function timesOf(directions: readonly (SeenDirection | undefined)[]): Float64Array {
  const [only] = directions;
  if (directions.length === 1) return only?.timesMs ?? new Float64Array();
  return Float64Array.from(directions.flatMap((one) => [...(one?.timesMs ?? [])])).sort();
}

function withFrames(
  direction: SeenDirection | undefined,
  frameBytes: number | undefined,
): SeenDirection | undefined {
  if (direction === undefined || direction.shape !== undefined) return direction;
  return { ...direction, ...framesOfSegments(direction, frameBytes) };
}

/**
 * Tells frames by labels, where those are times of frames: of one direction, or else of all together.
 *
 * @param directions that were seen, with or without truth of their own, which is left as it is
 * @param labelsMs times of payload frames within the capture, milliseconds since 1970, rising
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

/** Gives each label to the frame that is nearest; directions without any stay unknown. */
function labelled(
  directions: readonly (SeenDirection | undefined)[],
  labelsMs: Float64Array,
): (SeenDirection | undefined)[] | undefined {
  const nearMs = frameLabelsMs(timesOf(directions), labelsMs);
  if (nearMs === undefined) return undefined;
  const marks = directions.map(() => new Set<number>());
  for (const labelMs of labelsMs) {
    let best = { apart: nearMs, link: -1, place: -1 };
    directions.forEach((direction, link) => {
      const { place, apart } = nearest(direction?.timesMs ?? [], labelMs);
      if (apart <= best.apart) best = { apart, link, place };
    });
    const taken = marks[best.link];
    if (taken === undefined) continue;
    // Of frames that left at once each takes one label.
    const timesMs = directions[best.link]?.timesMs ?? [];
    let { place } = best;
    while (taken.has(place) && timesMs[place + 1] === timesMs[place]) place++;
    taken.add(place);
  }
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
