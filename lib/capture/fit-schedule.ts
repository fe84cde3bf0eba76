import { parseDuration } from "../runtime/duration.ts";
import { ExpectationError } from "./fit-error.ts";
import { formatLaw, type IntervalLaw } from "./fit-law.ts";

/** What an operating system and a relay add to an interval without any fault of the schedule. */
const TOLERANCE_MS = 10;
/** No frame is larger; a larger number is a slip. */
const FRAME_BYTES_MAX = 1_000_000;

/** What a link was declared to look like. */
export interface Schedule {
  readonly law: IntervalLaw;
  /** Every frame's size; undefined where none was declared. */
  readonly frameBytes: number | undefined;
  /** How far outside the law an interval may lie. */
  readonly toleranceMs: number;
}

const FORMS = "'uniform 10s..15s, 3072 B', 'poisson 5s' or 'constant 12s, 3072 B, within 20ms'";

/**
 * Reads a declared schedule.
 *
 * @param text a law, then as wanted a frame size and a tolerance, with commas between:
 *   `uniform 10s..15s, 3072 B, within 20ms`. The laws are `uniform A..B`, `poisson MEAN`,
 *   `constant EVERY`, each also as `uniform(A,B)`
 * @throws ExpectationError "schedule" for anything else
 */
export function parseSchedule(text: string): Schedule {
  // A comma inside parentheses belongs to the law.
  const [first = "", ...others] = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  const law = parseLaw(first);
  if (law === undefined) {
    throw new ExpectationError("schedule", `"${first}" is no schedule; write ${FORMS}.`);
  }
  let frameBytes: number | undefined;
  let toleranceMs: number | undefined;
  for (const part of others) {
    const bytes = parseFrameBytes(part);
    const within = /^within\s+(\S+)$/.exec(part)?.[1];
    const tolerance = within === undefined ? undefined : parseDuration(within);
    if (bytes !== undefined && frameBytes === undefined) frameBytes = bytes;
    else if (tolerance !== undefined && toleranceMs === undefined) toleranceMs = tolerance;
    else {
      throw new ExpectationError(
        "schedule",
        `"${part}" is no part of a schedule, or comes twice; write ${FORMS}.`,
      );
    }
  }
  return { law, frameBytes, toleranceMs: toleranceMs ?? TOLERANCE_MS };
}

/**
 * Reads a law of intervals.
 *
 * @param text `uniform 10s..15s` or `uniform(10s,15s)`, `poisson 5s`, `constant 12s`; `exponential`
 *   is another word for `poisson`
 * @returns undefined for anything else
 */
export function parseLaw(text: string): IntervalLaw | undefined {
  const [, kind, inside, bare] =
    /^(uniform|poisson|exponential|constant)(?:\s*\(([^()]*)\)|\s+(\S+))$/.exec(text.trim()) ?? [];
  if (kind === undefined) return undefined;
  const parts = (inside ?? bare ?? "").split(/\.\.|,/).map((part) => parseDuration(part));
  const [first, second] = parts;
  if (first === undefined || parts.length !== (kind === "uniform" ? 2 : 1)) return undefined;
  if (kind === "uniform") {
    return second !== undefined && second > first
      ? { kind, lowMs: first, highMs: second }
      : undefined;
  }
  if (first === 0) return undefined;
  return kind === "constant" ? { kind, everyMs: first } : { kind: "poisson", meanMs: first };
}

/**
 * Reads a frame's size.
 *
 * @param text `3072`, `3072 B` or `3072 bytes`
 * @returns bytes, or undefined where the text is no size
 */
export function parseFrameBytes(text: string): number | undefined {
  const digits = /^([0-9]{1,7})\s*(?:B|bytes)?$/.exec(text.trim())?.[1];
  const bytes = Number(digits);
  return digits !== undefined && bytes >= 1 && bytes <= FRAME_BYTES_MAX ? bytes : undefined;
}

/**
 * A schedule as `parseSchedule` reads it.
 *
 * @param schedule what was declared
 */
export function formatSchedule(schedule: Schedule): string {
  const frame = schedule.frameBytes === undefined ? "" : `, ${schedule.frameBytes} B`;
  const within = schedule.toleranceMs === TOLERANCE_MS ? "" : `, within ${schedule.toleranceMs}ms`;
  return `${formatLaw(schedule.law)}${frame}${within}`;
}
