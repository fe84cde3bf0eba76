import { Fault } from "../runtime/fault.ts";

/**
 * What a frame on a link was, as only its sender knows. A handshake is not judged, and not looked
 * at: no link hides it. Bytes that are no frame are "other": not judged by themselves, but seen.
 */
export const FRAME_KINDS = [
  "noise",
  "payload",
  "fragment",
  "timed-sync",
  "handshake",
  "other",
] as const;

/** One of {@link FRAME_KINDS}. */
export type FrameKind = (typeof FRAME_KINDS)[number];

/**
 * What noise shall hide, each judged by itself: timed syncs that show must not keep anybody from
 * saying whether transactions do.
 */
export const SUBJECTS = ["payload", "timed-sync"] as const;

/** One of {@link SUBJECTS}. */
export type Subject = (typeof SUBJECTS)[number];

/**
 * What of that a frame belongs to.
 *
 * @param kind what the frame was
 * @returns undefined for noise, and for what no link hides
 */
export function subjectOf(kind: FrameKind | undefined): Subject | undefined {
  if (kind === "timed-sync") return kind;
  return kind === "payload" || kind === "fragment" ? "payload" : undefined;
}

/**
 * Whether a frame is one that noise shall hide.
 *
 * @param kind what the frame was
 */
export function isReal(kind: FrameKind | undefined): boolean {
  return subjectOf(kind) !== undefined;
}

/** What one side sends on a link, frame by frame, with the truth about each. */
export interface LabelledFrames {
  /** When each left, milliseconds since any moment, rising; fractions count. */
  readonly timesMs: ArrayLike<number>;
  /** How long each was. */
  readonly bytes: ArrayLike<number>;
  readonly kinds: readonly FrameKind[];
  /** When each was due, where that is known: an observer may know a clock's ticks. */
  readonly ticksMs?: ArrayLike<number>;
  /** What the other side sends meanwhile. */
  readonly answers?: SeenTraffic;
}

/** What an observer sees of one direction. */
export interface SeenTraffic {
  /** When bytes were seen, milliseconds since any moment, rising. */
  readonly timesMs: ArrayLike<number>;
  /** How many. */
  readonly bytes: ArrayLike<number>;
}

/** Moments a label file may have: more than a node sends in a year. */
const LABELS_MAX = 1_000_000;

/** What is wrong with a file of labels or of ticks. */
export type LabelsErrorCode = "label-line" | "label-count" | "tick-line" | "tick-count";

/** A file of labels or of ticks that cannot be read. */
export class LabelsError extends Fault<LabelsErrorCode> {
  /**
   * @param code what is wrong
   * @param message one sentence naming the line
   */
  constructor(code: LabelsErrorCode, message: string) {
    super(code, "config", message);
  }
}

/**
 * Reads a label file: the times of payload frames or of transactions.
 *
 * @param text a time a line, in seconds since 1970 with an optional fraction; empty lines and what
 *   follows a `#` do not count
 * @returns milliseconds since 1970, rising
 * @throws LabelsError "label-line" for a line that is no time, "label-count" for none or too many
 */
export function parseLabels(text: string): Float64Array {
  const times: number[] = [];
  text.split("\n").forEach((line, index) => {
    const content = line.replace(/#.*/, "").trim();
    if (content === "") return;
    if (!/^[0-9]{1,11}(?:\.[0-9]{1,9})?$/.test(content)) {
      throw new LabelsError(
        "label-line",
        `Line ${index + 1} of the labels is no time: write seconds since 1970, such as 1795305257.979386, not "${content.slice(0, 40)}".`,
      );
    }
    if (times.push(Number(content) * 1_000) > LABELS_MAX) {
      throw new LabelsError("label-count", `There are more than ${LABELS_MAX} labels; split them.`);
    }
  });
  if (times.length === 0) {
    throw new LabelsError("label-count", "The labels hold no time; write one a line, in seconds.");
  }
  return Float64Array.from(times).sort();
}
