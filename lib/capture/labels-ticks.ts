import { firstAbove } from "./detect-auc.ts";
import { LabelsError } from "./labels.ts";
import { intervals, quantile, sorted } from "./statistics-summary.ts";

/** Ticks a file may have: two channels for half a year. */
const TICKS_MAX = 2_000_000;
/** Channels that are told apart. */
const CHANNELS_MAX = 4_096;
/** A frame may seem to be early by what two clocks differ. */
const EARLY_MS_MAX = 5;
/** A frame that is later belongs to no tick. */
const LATE_MS_MAX = 1_000;
/** As {@link LATE_MS_MAX}, as a share of the usual interval, so that it is not the next tick. */
const LATE_SHARE = 0.5;
/** The share of frames that must have a tick, or the ticks are those of another link. */
const TICKED_SHARE = 0.9;

/** When the frames of one channel were due, milliseconds since 1970, rising. */
export type Ticks = Float64Array;

/**
 * Reads a file of ticks.
 *
 * @param text a tick a line: seconds since 1970 with an optional fraction, then if wanted the
 *   channel's name; empty lines and what follows a `#` do not count
 * @returns a list a channel
 * @throws LabelsError "tick-line" for a line that is no tick, "tick-count" for none or too many
 */
export function parseTicks(text: string): Ticks[] {
  const channels = new Map<string, number[]>();
  let count = 0;
  let line = 0;
  for (const each of text.split("\n")) {
    line++;
    const content = each.replace(/#.*/, "").trim();
    if (content === "") continue;
    const [, seconds, channel = ""] =
      /^([0-9]{1,11}(?:\.[0-9]{1,9})?)(?:[ \t]+([^\s]{1,100}))?$/.exec(content) ?? [];
    if (seconds === undefined) {
      throw new LabelsError(
        "tick-line",
        `Line ${line} of the ticks is none: write seconds since 1970 and, if you want, a channel, such as "1795305257.979386 tor-0", not "${content.slice(0, 40)}".`,
      );
    }
    if (++count > TICKS_MAX) {
      throw new LabelsError("tick-count", `There are more than ${TICKS_MAX} ticks; split them.`);
    }
    const times = channels.get(channel);
    if (times !== undefined) times.push(Number(seconds) * 1_000);
    else if (channels.size < CHANNELS_MAX) channels.set(channel, [Number(seconds) * 1_000]);
    else {
      const message = `The ticks are of more than ${CHANNELS_MAX} channels; leave their names out.`;
      throw new LabelsError("tick-count", message);
    }
  }
  if (count === 0) {
    throw new LabelsError("tick-count", "The file of ticks holds none; write one a line.");
  }
  return [...channels.values()].map((times) => Float64Array.from(times).sort());
}

/**
 * Finds the tick of each frame: the last one before it, of the channel whose ticks fit best.
 *
 * @param timesMs when frames were seen, milliseconds since 1970, rising
 * @param isFrame for each whether it should have a tick; a handshake has none
 * @param channels from {@link parseTicks}
 * @returns when each was due: a frame without a tick counts as late as one can be; undefined where
 *   no channel has ticks for nine in ten frames
 */
export function ticksOf(
  timesMs: Float64Array,
  isFrame: (i: number) => boolean,
  channels: readonly Ticks[],
): Float64Array | undefined {
  const judged = timesMs.filter((_, i) => isFrame(i));
  if (judged.length < 2) return undefined;
  const usualMs = quantile(sorted(intervals(judged)), 0.5);
  const lateMs = Math.min(LATE_MS_MAX, Math.max(1, LATE_SHARE * usualMs));
  let best: { readonly dueMs: Float64Array; readonly late: number } | undefined;
  for (const ticks of channels) {
    const dueMs = timesMs.map((ms) => {
      const tick = ticks[firstAbove(ticks, ms + EARLY_MS_MAX, true) - 1];
      return tick === undefined || ms - tick > lateMs ? ms - lateMs : tick;
    });
    const lateness = dueMs
      .map((due, i) => (timesMs[i] as number) - due)
      .filter((_, i) => isFrame(i));
    const ticked = lateness.filter((late) => late < lateMs).length;
    if (ticked < TICKED_SHARE * judged.length) continue;
    const late = quantile(sorted(lateness), 0.5);
    if (best === undefined || late < best.late) best = { dueMs, late };
  }
  return best?.dueMs;
}
