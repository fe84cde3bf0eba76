import {
  type EpochLength,
  type FramedMessage,
  type Lane,
  NoiseChannel,
  type Tick,
} from "../padding/noise-channel.ts";
import type { NoiseSchedule } from "../padding/schedule.ts";
import { shuffle } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { LinkId } from "./event.ts";

/** How a zone's noise channels are set up. */
export interface ChannelGroupOptions {
  /** How many channels. @default monerod has 2, `CRYPTONOTE_NOISE_CHANNELS` */
  readonly count: number;
  readonly schedule: NoiseSchedule;
  readonly epoch: EpochLength;
  readonly random: RandomSource;
  /** The noise frame. */
  readonly noise: Uint8Array;
}

/** A message that a channel gave back, with the link it was meant for. */
export interface ReturnedMessage extends FramedMessage {
  readonly link: LinkId;
}

/** What became of seating the channels. */
export interface Settled {
  readonly returned: readonly ReturnedMessage[];
  /** Whether a channel came to a link. */
  readonly joined: boolean;
}

/** Bytes that left at ticks, by what was in the frames. */
export type TickBytes = Record<"noise" | Lane, number>;

/** The noise channels of one zone, and which link each is on. */
export class ChannelGroup {
  readonly channels: readonly NoiseChannel[];
  /** What left at ticks so far, of all channels. */
  readonly sent: Readonly<TickBytes>;
  readonly #sent: TickBytes = { noise: 0, control: 0, payload: 0 };
  readonly #random: RandomSource;

  /** @param options how many, and how each is set up */
  constructor(options: ChannelGroupOptions) {
    this.#random = options.random;
    this.sent = this.#sent;
    this.channels = Array.from({ length: options.count }, () => new NoiseChannel(options));
  }

  /** The next tick of any channel; infinite when none is on a link. */
  get wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const channel of this.channels) at = Math.min(at, channel.wakeAt ?? at);
    return at;
  }

  /** How many channels are on a link. */
  get seated(): number {
    return this.channels.filter((channel) => channel.link !== undefined).length;
  }

  /**
   * Every tick that is due.
   *
   * @param now milliseconds
   */
  tick(now: number): Tick[] {
    const ticks: Tick[] = [];
    for (const channel of this.channels) {
      const content = channel.readyLane ?? "noise";
      const tick = channel.tick(now);
      if (tick === undefined) continue;
      this.#sent[content] += tick.frame.length;
      ticks.push(tick);
    }
    return ticks;
  }

  /**
   * Queues a message on every channel that is on a link and has room.
   *
   * @param message framed already
   * @returns on how many it waits
   */
  sendAll(message: FramedMessage): number {
    let count = 0;
    for (const channel of this.channels) if (channel.send(message)) count++;
    return count;
  }

  /**
   * Queues a message on the channel of one link.
   *
   * @param link the link it is meant for
   * @param message framed already
   */
  sendOn(link: LinkId, message: FramedMessage): "queued" | "full" | "no-channel" {
    const channel = this.channels.find((candidate) => candidate.link === link);
    if (channel === undefined) return "no-channel";
    return channel.send(message) ? "queued" : "full";
  }

  /**
   * Takes channels off links that are gone, moves those whose epoch is over to a random other
   * link, and seats those that have none. At most one channel is on a link.
   *
   * @param ready the links that may carry noise
   * @param now milliseconds
   */
  settle(ready: readonly LinkId[], now: number): Settled {
    const returned: ReturnedMessage[] = [];
    let joined = false;
    for (const channel of this.channels) {
      if (channel.link !== undefined && !ready.includes(channel.link))
        returned.push(...vacate(channel));
    }
    for (const channel of this.channels) {
      if (channel.link !== undefined && !channel.mayMove()) continue;
      const taken = new Set(this.channels.map((other) => other.link));
      const [free] = shuffle(
        this.#random,
        ready.filter((link) => !taken.has(link)),
      );
      if (free === undefined) {
        channel.stay(now);
        continue;
      }
      returned.push(...vacate(channel));
      channel.join(free, now);
      joined = true;
    }
    return { returned, joined };
  }
}

function vacate(channel: NoiseChannel): ReturnedMessage[] {
  const { link } = channel;
  if (link === undefined) return [];
  return channel.leave().map((message) => ({ ...message, link }));
}
