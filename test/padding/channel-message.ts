import { FRAME_BYTES, noiseFrame } from "../../lib/levin/frame.ts";
import {
  type FramedMessage,
  type Lane,
  moneroNoiseEpoch,
  type NoiseChannelOptions,
} from "../../lib/padding/noise-channel.ts";
import { moneroSchedule } from "../../lib/padding/schedule.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

/** The noise of every channel here; told from payload by identity and by content. */
export const noise = noiseFrame(FRAME_BYTES);

/**
 * A channel's options as monerod's.
 *
 * @param seed of the channel's chance
 */
export function channelOptions(seed: number): NoiseChannelOptions {
  return {
    schedule: moneroSchedule,
    epoch: moneroNoiseEpoch,
    random: new SeededRandom(seed),
    noise,
  };
}

/**
 * A message of a number of frames, each of which says whose it is.
 *
 * @param tag the message's
 * @param lane its queue
 * @param count of frames
 */
export function messageOf(tag: string, lane: Lane, count: number): FramedMessage {
  const frames = Array.from({ length: count }, (_, index) => {
    const frame = new Uint8Array(FRAME_BYTES);
    frame.set(Buffer.from(frameName(tag, index)));
    return frame;
  });
  return { tag, lane, frames };
}

/** How a frame of {@link messageOf} begins. */
export function frameName(tag: string, index: number): string {
  return `${tag}/${index}.`;
}

/**
 * Whose frame it is: "noise", or the message's tag and the frame's place in it.
 *
 * @param frame as a tick gave it
 */
export function nameOf(frame: Uint8Array): string {
  if (Buffer.compare(frame, noise) === 0) return "noise";
  const text = Buffer.from(frame).toString("latin1");
  return text.slice(0, text.indexOf("."));
}
