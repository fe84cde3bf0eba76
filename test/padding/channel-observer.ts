import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import type { NoiseChannel, NoiseChannelOptions } from "../../lib/padding/noise-channel.ts";
import { kolmogorovSmirnovRatio } from "../runtime/goodness-of-fit.ts";
import { channelOptions, messageOf } from "./channel-message.ts";

/** What somebody who watches the wire sees of one frame. */
interface Seen {
  readonly at: number;
  readonly bytes: number;
}

/** How a channel, or a mutant of it, is made. */
export type MakeChannel = (options: NoiseChannelOptions) => NoiseChannel;

const WATCHED_MS = 6 * 3_600_000;
/** Payload comes in bursts, at moments that have nothing to do with ticks. */
const PAYLOAD_EVERY_MS = 97_003;
const LINK = 1;

/**
 * Watches a channel for six hours of virtual time.
 *
 * @param make the channel
 * @param seed of its chance
 * @param busy whether a caller gives it payload and control to carry
 */
function watch(make: MakeChannel, seed: number, busy: boolean): Seen[] {
  const channel = make(channelOptions(seed));
  const seen: Seen[] = [];
  let now = 0;
  channel.join(LINK, now);
  for (let sends = 1; now < WATCHED_MS; ) {
    const sendAt = busy ? sends * PAYLOAD_EVERY_MS : Number.POSITIVE_INFINITY;
    const tickAt = channel.wakeAt ?? Number.POSITIVE_INFINITY;
    now = Math.min(Math.max(now, tickAt), sendAt);
    if (now === sendAt) {
      channel.send(messageOf(`p${sends}`, "payload", 1 + (sends % 3)));
      channel.send(messageOf(`c${sends}`, "control", 1));
      sends++;
      continue;
    }
    const tick = channel.tick(now);
    if (tick !== undefined) seen.push({ at: now, bytes: tick.frame.length });
    else if (channel.wakeAt === tickAt) throw new Error("The channel wants a tick and takes none.");
  }
  return seen;
}

/**
 * What gives a channel's payload away to somebody who sees times and sizes, if anything does.
 *
 * @param make the channel
 * @param seed of its chance
 * @returns in words; undefined where there is nothing to be seen
 */
export function giveaway(make: MakeChannel, seed: number): string | undefined {
  const idle = watch(make, seed, false);
  const busy = watch(make, seed, true);
  for (const { at, bytes } of [...idle, ...busy]) {
    if (bytes !== FRAME_BYTES) return `a frame of ${bytes} bytes at ${at} (seed ${seed})`;
  }
  for (const frames of [idle, busy]) {
    const waits = frames.map(({ at }, index) => at - (frames[index - 1]?.at ?? 0));
    const wrong = waits.find((wait) => wait < 10_000 || wait >= 15_000);
    if (wrong !== undefined) return `a wait of ${wrong} ms (seed ${seed})`;
    const fit = kolmogorovSmirnovRatio(waits, (wait) => (wait - 10_000) / 5_000);
    if (fit >= 1) return `waits that are not uniform: ${fit} (seed ${seed})`;
  }
  // The same chance must give the same wire, whatever the channel had to say.
  const length = Math.min(idle.length, busy.length);
  for (let index = 0; index < length; index++) {
    if (idle[index]?.at !== busy[index]?.at)
      return `frame ${index} leaves at another time when there is payload (seed ${seed})`;
  }
  return idle.length === busy.length ? undefined : `another number of frames (seed ${seed})`;
}
