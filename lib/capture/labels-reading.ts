import { firstAbove } from "./detect-auc.ts";
import { moments } from "./statistics-summary.ts";

/** A frame this near to a label is what the label tells of, where frames are far enough apart. */
export const NEAR_MS_MAX = 20;
/** Two clocks, or what writing a time down takes, differ by as much. */
const NEAR_MS_MIN = 1;
/** The share of labels that may be near a frame by accident; nearer is asked for where it is more. */
const ACCIDENT_SHARE_MAX = 0.25;
/** The share of labels that must be near a frame if they are times of frames. */
const FRAMES_SHARE = 0.9;
/** By how much that must be above what is by accident. */
const FRAMES_ABOVE = 0.5;
/** By how much labels that are moments may be above it: a node may answer some at once. */
const MOMENTS_ABOVE = 0.1;
/** As {@link MOMENTS_ABOVE} for few labels, in standard deviations of what accident gives. */
const MOMENTS_DEVIATIONS = 3;
/** Labels moved by so much tell of nothing; no rhythm that a node may have fits several. */
const SHIFTS_MS = [1_370, 2_710, 4_130, 5_590, 7_270].flatMap((ms) => [-ms, ms]);
/** Labels that are read; more change no share by a hundredth. */
const READ_MAX = 10_000;

/** What labels are times of, and what says so. */
export interface LabelReading {
  /** "unclear" where they are too near to frames for moments, and not near enough for frames. */
  readonly kind: "frames" | "moments" | "unclear";
  /** How near to a frame a label is one of it, milliseconds. */
  readonly nearMs: number;
  /** The share of labels that are as near. */
  readonly near: number;
  /** The share that would be by accident: that of labels moved by some seconds. */
  readonly byAccident: number;
}

/**
 * Tells whether labels are times of frames, or moments of something else. That many are near a frame
 * says nothing where any moment is: so it is asked how many of the same labels are when moved.
 *
 * @param framesMs when frames were seen, rising
 * @param labelsMs those within the capture, rising
 */
export function readLabels(framesMs: ArrayLike<number>, labelsMs: ArrayLike<number>): LabelReading {
  const read = spreadOver(labelsMs);
  let nearMs = NEAR_MS_MAX;
  let byAccident = accidentShare(framesMs, read, nearMs);
  while (byAccident > ACCIDENT_SHARE_MAX && nearMs / 2 >= NEAR_MS_MIN) {
    nearMs /= 2;
    byAccident = accidentShare(framesMs, read, nearMs);
  }
  const near = nearShare(framesMs, read, nearMs);
  const common = { nearMs, near, byAccident };
  if (near >= FRAMES_SHARE && near - byAccident >= FRAMES_ABOVE)
    return { kind: "frames", ...common };
  // One label of a few that is near by accident is a large share of them.
  const one = 1 / Math.max(1, read.length);
  const deviation = Math.sqrt((byAccident * (1 - byAccident) + one) * one);
  const few = MOMENTS_DEVIATIONS * deviation + one;
  const isMoments = near - byAccident <= Math.max(MOMENTS_ABOVE, few);
  return { kind: isMoments ? "moments" : "unclear", ...common };
}

/**
 * How near labels are to their frames, where they are times of frames: most of many connections have
 * none of them, and that is soon said.
 *
 * @param framesMs when frames of a connection were seen, rising
 * @param labelsMs those within the capture, rising
 * @returns milliseconds; undefined where labels are not of these frames
 */
export function frameLabelsMs(
  framesMs: ArrayLike<number>,
  labelsMs: ArrayLike<number>,
): number | undefined {
  if (nearShare(framesMs, spreadOver(labelsMs), NEAR_MS_MAX) < FRAMES_SHARE) return undefined;
  const { kind, nearMs } = readLabels(framesMs, labelsMs);
  return kind === "frames" ? nearMs : undefined;
}

/**
 * The frame that is nearest to a moment.
 *
 * @param timesMs when frames were seen, rising
 * @param ms the moment
 * @returns its place, and how far it is; infinitely far without any
 */
export function nearest(
  timesMs: ArrayLike<number>,
  ms: number,
): { readonly place: number; readonly apart: number } {
  const next = firstAbove(timesMs, ms, false);
  const after = (timesMs[next] ?? Number.POSITIVE_INFINITY) - ms;
  const before = ms - (timesMs[next - 1] ?? Number.NEGATIVE_INFINITY);
  return after <= before ? { place: next, apart: after } : { place: next - 1, apart: before };
}

function spreadOver(labelsMs: ArrayLike<number>): Float64Array {
  const each = Math.max(1, labelsMs.length / READ_MAX);
  const length = Math.min(READ_MAX, labelsMs.length);
  return Float64Array.from({ length }, (_, i) => labelsMs[Math.floor(i * each)] as number);
}

function nearShare(
  framesMs: ArrayLike<number>,
  labelsMs: Float64Array,
  nearMs: number,
  shiftMs = 0,
): number {
  const fromMs = (framesMs[0] ?? 0) - nearMs;
  const toMs = (framesMs[framesMs.length - 1] ?? 0) + nearMs;
  let near = 0;
  let all = 0;
  for (const labelMs of labelsMs) {
    const ms = labelMs + shiftMs;
    // What is moved out of the capture can be near to nothing.
    if (shiftMs !== 0 && (ms < fromMs || ms > toMs)) continue;
    all++;
    if (nearest(framesMs, ms).apart <= nearMs) near++;
  }
  return all === 0 ? 0 : near / all;
}

function accidentShare(
  framesMs: ArrayLike<number>,
  labelsMs: Float64Array,
  nearMs: number,
): number {
  const shares = SHIFTS_MS.map((shiftMs) => nearShare(framesMs, labelsMs, nearMs, shiftMs));
  return moments(shares).mean;
}
