import { parseDuration } from "../lib/runtime/duration.ts";
import { last, type OptionTexts } from "./option-texts.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Reads an option that is a range of durations.
 *
 * @param texts what was given
 * @param option its name
 * @param standard what it is where it was not given; also the example in the message
 * @returns milliseconds; the first is above 0, and not above the second
 * @throws UsageError
 */
export function readRange(texts: OptionTexts, option: string, standard: string): [number, number] {
  const text = last(texts, option) ?? standard;
  const [low, high, ...more] = text.split("..").map(parseDuration);
  if (low !== undefined && high !== undefined && more.length === 0 && low > 0 && low <= high) {
    return [low, high];
  }
  throw new UsageError(
    "bad-option",
    `--${option} ${text} is not a range of durations, as in ${standard}.`,
  );
}

/**
 * Reads an option that is a duration.
 *
 * @param texts what was given
 * @param option its name
 * @param standard what it is where it was not given; also the example in the message
 * @param lowMs the shortest, in milliseconds
 * @param highMs the longest
 * @returns milliseconds
 * @throws UsageError
 */
export function readDuration(
  texts: OptionTexts,
  option: string,
  standard: string,
  lowMs: number,
  highMs: number,
): number {
  const text = last(texts, option) ?? standard;
  const duration = parseDuration(text);
  if (duration !== undefined && duration >= lowMs && duration <= highMs) return duration;
  throw new UsageError(
    "bad-option",
    `--${option} ${text} is not a duration from ${lowMs / 1_000}s to ${highMs / 1_000}s, as in ${standard}.`,
  );
}
