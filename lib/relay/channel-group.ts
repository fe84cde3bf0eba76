import {
  type EpochLength,
  type FramedMessage,
  type Lane,
  NoiseChannel,
  type Tick,
  ticksNeeded,
} from "../padding/noise-channel.ts";
import type { NoiseSchedule } from "../padding/schedule.ts";
import { shuffle } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { LinkId } from "./event.ts";
import { type StreamState, StreamUses } from "./stream-use.ts";
import { TickQueue } from "./tick-queue.ts";

/** How a zone's noise channels are set up. */
export interface ChannelGroupOptions {
  /** How many channels. @default monerod has 2, `CRYPTONOTE_NOISE_CHANNELS` */
  readonly count: number;
  readonly schedule: NoiseSchedule;
  readonly epoch: EpochLength;
  readonly random: RandomSource;
  /** Chance for what depends on payload, apart from that of the schedule. */
  readonly aside: RandomSource;
  /** The noise frame. */
  readonly noise: Uint8Array;
  /** Whether frames leave only where there is something to say. */
  readonly isSilent: boolean;
  /**
   * Whether a stream carries one transaction of a wallet's at the most, and is given up at the end
   * of its epoch.
   */
  readonly rotates: boolean;
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
  /** Links whose epoch is over, and which are to be closed. */
  readonly retired: readonly LinkId[];
}

/** A channel of a group, to look at: only its group knows when it ticks and where it goes. */
export type ChannelView = Omit<NoiseChannel, "join" | "leave" | "send" | "stay" | "tick">;

/** Bytes that left at ticks, by what was in the frames. */
export type TickBytes = Record<"noise" | Lane, number>;

/**
 * Channels that carry one transaction of a wallet's: as many as monerod's zone has, however many
 * there are. Each is another peer that may guess.
 */
export const CARRIERS_MAX = 2;

/** The noise channels of one zone, and which link each is on. */
export class ChannelGroup {
  readonly channels: readonly ChannelView[];
  /** What left at ticks so far, of all channels. */
  readonly sent: Readonly<TickBytes>;
  /** Whether frames leave only where there is something to say. */
  readonly isSilent: boolean;
  readonly #sent: TickBytes = { noise: 0, control: 0, payload: 0 };
  readonly #channels: readonly NoiseChannel[];
  readonly #queue: TickQueue;
  /** Number of the channel that is on a link. */
  readonly #on = new Map<LinkId, number>();
  readonly #uses = new StreamUses();
  readonly #random: RandomSource;
  readonly #aside: RandomSource;
  readonly #rotates: boolean;
  /** Whether the stream that was given up last was so at its epoch's end. */
  #isTurning = false;

  /** @param options how many, and how each is set up */
  constructor(options: ChannelGroupOptions) {
    this.#random = options.random;
    this.#aside = options.aside;
    this.#rotates = options.rotates;
    this.isSilent = options.isSilent;
    this.sent = this.#sent;
    const carriesOver = !options.rotates;
    this.#channels = Array.from(
      { length: options.count },
      () => new NoiseChannel({ ...options, carriesOver }),
    );
    this.channels = this.#channels;
    this.#queue = new TickQueue(options.count);
  }

  /** The next tick of any channel; infinite when none is on a link. */
  get wakeAt(): number {
    return this.#queue.wakeAt;
  }

  /** How many channels are on a link. */
  get seated(): number {
    return this.#on.size;
  }

  /** How many streams a wallet's transaction could leave on now, by what they carried already. */
  get free(): number {
    let count = 0;
    for (const channel of this.#channels) if (this.#mayTake(channel)) count++;
    return count;
  }

  /** Whether a stream has carried what it may: what is due now may have to wait for another. */
  get isSpent(): boolean {
    for (const link of this.#on.keys()) if (this.#uses.of(link) !== undefined) return true;
    return false;
  }

  /**
   * Whether who finds no stream now waits for one that rotation brings, and not for the first one,
   * or the first after a fault.
   */
  get isRotating(): boolean {
    if (!this.#rotates) return false;
    return this.#isTurning || this.#channels.some(({ ticks }) => ticks > 0);
  }

  /**
   * On how many channels a transaction stands, and still leaves.
   *
   * @param id the tag of its message
   */
  holding(id: string): number {
    return this.#channels.filter((channel) => channel.holds(id)).length;
  }

  /**
   * Every tick that is due.
   *
   * @param now milliseconds
   */
  tick(now: number): Tick[] {
    const ticks: Tick[] = [];
    for (const number of this.#queue.takeDue(now)) {
      const channel = this.#channels[number];
      const content = channel?.readyLane ?? "noise";
      const tick = channel?.tick(now);
      this.#queue.set(number, channel?.wakeAt);
      if (tick === undefined || (this.isSilent && content === "noise")) continue;
      this.#sent[content] += tick.frame.length;
      ticks.push(tick);
    }
    return ticks;
  }

  /**
   * Queues a wallet's transaction on channels whose stream may carry it.
   *
   * @param message framed already; its tag is the transaction's id
   * @param isBehind whether it waited for such a stream
   * @returns on how many it waits
   */
  sendLocal(message: FramedMessage, isBehind: boolean): number {
    const may = this.#channels.filter(
      (channel) => this.#mayTake(channel) && this.#hasTime(channel, message),
    );
    const chosen = may.length <= CARRIERS_MAX ? may : shuffle(this.#aside, may);
    const pace = isBehind && this.#rotates ? "spread" : "soon";
    let count = 0;
    for (const channel of chosen) {
      const { link } = channel;
      if (count >= CARRIERS_MAX || link === undefined || !channel.send(message, pace)) continue;
      this.#uses.take(link, { kind: "wallet", id: message.tag });
      count++;
    }
    return count;
  }

  /**
   * Queues a peer's transaction on the last channel that has a stream, where that carries nobody
   * else's. The others stay free for wallets: who floods us must not use up every stream.
   *
   * @param source the link on which it came
   * @param message framed already
   */
  sendFor(source: LinkId, message: FramedMessage): boolean {
    const channel = this.#channels.findLast((one) => one.link !== undefined);
    const { link } = channel ?? {};
    if (channel === undefined || link === undefined || this.seated < 2) return false;
    if (channel.ticks < 1 || !this.#hasTime(channel, message)) return false;
    const use = this.#uses.of(link);
    if (use !== undefined && !(use.kind === "peer" && use.source === source)) return false;
    if (!channel.send(message)) return false;
    this.#uses.take(link, { kind: "peer", source });
    return true;
  }

  /**
   * Queues a message on the channel of one link.
   *
   * @param link the link it is meant for
   * @param message framed already
   */
  sendOn(link: LinkId, message: FramedMessage): "queued" | "full" | "no-channel" {
    const channel = this.#channels[this.#on.get(link) ?? -1];
    if (channel === undefined) return "no-channel";
    return channel.send(message) ? "queued" : "full";
  }

  /**
   * What may become of a channel's stream.
   *
   * @param channel one of the group's
   * @returns undefined for a channel without a stream
   */
  streamState(channel: ChannelView): StreamState | undefined {
    const { link } = channel;
    if (link === undefined) return undefined;
    if (this.#uses.of(link) !== undefined) return "used";
    return channel.ticks < 1 ? "fresh" : "warm";
  }

  /**
   * Takes channels off links that are gone, moves those whose epoch is over to a random other
   * link, and seats those that have none. At most one channel is on a link. Where streams are given
   * up after their epoch, each is, whether it carried something or not.
   *
   * @param ready the links that may carry noise
   * @param now milliseconds
   */
  settle(ready: readonly LinkId[], now: number): Settled {
    const returned: ReturnedMessage[] = [];
    const retired: LinkId[] = [];
    const here = new Set(ready);
    for (const [link, number] of [...this.#on]) {
      const isOver = this.#rotates && this.#channels[number]?.mayMove() === true;
      if (isOver && here.has(link)) retired.push(link);
      if (!isOver && here.has(link)) continue;
      this.#isTurning = isOver;
      returned.push(...this.#vacate(number));
    }
    this.#uses.keep(here);
    for (const link of retired) here.delete(link);
    return { returned, joined: this.#seat([...here], returned, now), retired };
  }

  #seat(ready: readonly LinkId[], returned: ReturnedMessage[], now: number): boolean {
    let joined = false;
    let isFull = false;
    for (const [number, channel] of this.#channels.entries()) {
      const { link: before } = channel;
      if (before === undefined ? isFull : !channel.mayMove()) continue;
      const free = ready.filter((link) => !this.#on.has(link));
      // Where there is no choice nothing is drawn: most calls find every channel seated.
      const [next] = free.length < 2 ? free : shuffle(this.#random, free);
      if (next === undefined) {
        isFull = true;
        channel.stay(now);
        continue;
      }
      returned.push(...this.#move(number, channel, next, now));
      isFull = false;
      joined = true;
    }
    return joined;
  }

  /** A wallet's transactions go along, unless the next stream is a peer's. */
  #move(number: number, channel: NoiseChannel, next: LinkId, now: number): ReturnedMessage[] {
    const use = channel.link === undefined ? undefined : this.#uses.of(channel.link);
    const goesAlong =
      !this.#rotates && use?.kind === "wallet" && this.#uses.of(next)?.kind !== "peer";
    const returned = this.#vacate(number, goesAlong ? "payload" : "nothing");
    if (goesAlong && channel.queuedFrames > 0) this.#uses.take(next, use);
    channel.join(next, now);
    this.#on.set(next, number);
    this.#queue.set(number, channel.wakeAt);
    return returned;
  }

  #vacate(number: number, keeps: "nothing" | "payload" = "nothing"): ReturnedMessage[] {
    const channel = this.#channels[number];
    const { link } = channel ?? {};
    if (channel === undefined || link === undefined) return [];
    this.#on.delete(link);
    this.#queue.set(number, undefined);
    return channel.leave(keeps).map((message) => ({ ...message, link }));
  }

  #mayTake(channel: NoiseChannel): boolean {
    const { link } = channel;
    if (link === undefined) return false;
    const use = this.#uses.of(link);
    if (this.#rotates) return use === undefined && channel.ticks > 0;
    return use?.kind !== "peer";
  }

  /** A stream that is given up after its epoch must have time for the whole of it. */
  #hasTime(channel: NoiseChannel, { frames }: FramedMessage): boolean {
    if (!this.#rotates) return true;
    // What is too long for any epoch of this schedule begins as early in one as can be.
    return channel.ticksLeft > ticksNeeded(frames.length) || channel.ticks === 1;
  }
}
