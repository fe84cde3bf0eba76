import { integerBelow, uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { DEFERRAL_TICKS_MAX, drawDeferral, type PayloadPace } from "./deferral.ts";
import { type EpochLength, ticksWithin } from "./epoch.ts";
import type { FramedMessage, Lane } from "./framed-message.ts";
import { drawInterval, meanInterval, type NoiseSchedule } from "./schedule.ts";

export { type EpochLength, moneroNoiseEpoch } from "./epoch.ts";
export type { FramedMessage, Lane } from "./framed-message.ts";

/** What a tick puts on the wire, and what it finished. */
export interface Tick {
  /** The link that the channel is on. */
  readonly link: number;
  /** The frame to write: payload or noise, ready before the tick. */
  readonly frame: Uint8Array;
  /** Tag and lane of the message whose last frame this was. */
  readonly finished?: { readonly tag: string; readonly lane: Lane };
}

/** How a channel is made. */
export interface NoiseChannelOptions {
  readonly schedule: NoiseSchedule;
  readonly epoch: EpochLength;
  readonly random: RandomSource;
  /** What goes out where there is nothing to say; its length is the length of every frame. */
  readonly noise: Uint8Array;
  /**
   * Chance for which tick payload takes: apart from `random`, so that what is drawn for payload
   * changes nothing that is drawn for the schedule.
   * @default payload takes the next tick, as monerod's does
   */
  readonly aside?: RandomSource;
  /**
   * Whether payload may go with the channel to its next link. Then an epoch's end pushes nothing
   * out before it: what waited for the last ticks would all leave in them, and show.
   * @default false
   */
  readonly carriesOver?: boolean;
}

/**
 * Frames that may wait in the payload lane: four of the largest messages. At 12.5 s a frame that
 * is a quarter of an hour; more is better held by the caller, which can send it elsewhere.
 */
export const PAYLOAD_QUEUE_FRAMES_MAX = 80;
/** Frames that may wait in the control lane; a peer that asks faster than ticks come is flooding. */
export const CONTROL_QUEUE_FRAMES_MAX = 8;
/** Control frames before each of a payload that has begun or is long: it must be through in time. */
const CONTROL_BETWEEN_MAX = 1;
/**
 * Control frames in a row while payload waits. Below it payload changes nothing for control, whose
 * answers a peer can time; beyond it a peer that asks at every tick would hold payload for ever.
 */
export const CONTROL_RUN_MAX = 8;

/**
 * Ticks that payload lets pass behind other payload, at the most. What always left at the very next
 * tick would never stand behind a timed sync, whose place its answer shows.
 */
const FOLLOWING_TICKS_MAX = 3;

/** A message that takes most of an epoch: it begins at once, since what it shows is its length. */
function isLong(frames: readonly Uint8Array[]): boolean {
  return frames.length > DEFERRAL_TICKS_MAX;
}

/**
 * Ticks within which a message leaves whole, with timed syncs of both sides between its frames. One
 * of a single frame that does not leave in time was never begun, so it needs no more than a little.
 *
 * @param frames of the message
 */
export function ticksNeeded(frames: number): number {
  return frames + (frames === 1 ? 2 : CONTROL_RUN_MAX);
}

interface Seat {
  readonly link: number;
  tickAt: number;
  /** How long the interval is that ends at `tickAt`. */
  intervalMs: number;
  /** Ticks since the channel came to the link. */
  ticks: number;
  epochEndsAt: number;
  /** Whether the last tick came after the epoch's end. */
  over: boolean;
}

/**
 * One noise channel: frames of one size leave on a link at random intervals, whether or not there
 * is something to say. A pure engine: it has no timer and writes nothing itself.
 *
 * The next frame is always ready before its tick, so the path from the tick to the wire is the
 * same for noise and payload.
 *
 * @see monero `src/cryptonote_protocol/levin_notify.cpp`, `send_noise`
 */
export class NoiseChannel {
  readonly #schedule: NoiseSchedule;
  readonly #epoch: EpochLength;
  readonly #random: RandomSource;
  readonly #noise: Uint8Array;
  readonly #control: FramedMessage[] = [];
  readonly #payload: FramedMessage[] = [];
  /** The first message's next frame, by lane. */
  #controlFrame = 0;
  #payloadFrame = 0;
  /** Ticks in a row that went to control while payload might have had them. */
  #controlRun = 0;
  /** Ticks that the first payload message still lets pass. */
  #deferred = 0;
  readonly #aside: RandomSource | undefined;
  readonly #carriesOver: boolean;
  #seat: Seat | undefined;
  /** What the next tick writes. */
  #ready: Uint8Array;
  #readyLane: Lane | undefined;

  /** @param options schedule, epoch, chance and the noise frame */
  constructor(options: NoiseChannelOptions) {
    this.#schedule = options.schedule;
    this.#epoch = options.epoch;
    this.#random = options.random;
    this.#noise = options.noise;
    this.#aside = options.aside;
    this.#carriesOver = options.carriesOver ?? false;
    this.#ready = options.noise;
  }

  /** The link that the channel is on, or undefined. */
  get link(): number | undefined {
    return this.#seat?.link;
  }

  /** When `tick` wants to be called, in milliseconds on the caller's clock; undefined: not yet. */
  get wakeAt(): number | undefined {
    return this.#seat?.tickAt;
  }

  /** The length of every frame, in bytes. */
  get frameBytes(): number {
    return this.#noise.length;
  }

  /** What the next tick writes comes from this lane; undefined for noise. */
  get readyLane(): Lane | undefined {
    return this.#readyLane;
  }

  /** When the epoch ends, in milliseconds on the caller's clock; undefined without a link. */
  get epochEndsAt(): number | undefined {
    return this.#seat?.epochEndsAt;
  }

  /** Ticks since the channel came to its link; 0 without one. */
  get ticks(): number {
    return this.#seat?.ticks ?? 0;
  }

  /** Ticks that come before the epoch's end whatever is drawn; 0 without a link. */
  get ticksLeft(): number {
    if (this.#seat === undefined) return 0;
    return ticksWithin(this.#schedule, this.#seat.tickAt, this.#seat.epochEndsAt);
  }

  /** Frames that wait, of both lanes. */
  get queuedFrames(): number {
    return this.#waiting("control") + this.#waiting("payload");
  }

  /**
   * Whether payload waits here, or has left in part.
   *
   * @param tag of its message
   */
  holds(tag: string): boolean {
    return this.#payload.some((message) => message.tag === tag);
  }

  /**
   * Puts the channel on a link. The first frame leaves one interval later, never at once: a frame
   * at the moment of joining would show when the link became ready.
   *
   * @param link the caller's number for the link
   * @param now milliseconds
   * @throws RangeError when the channel is on a link already
   */
  join(link: number, now: number): void {
    if (this.#seat !== undefined)
      throw new RangeError(`The channel is on link ${this.#seat.link}.`);
    const intervalMs = drawInterval(this.#schedule, this.#random);
    const epochEndsAt = this.#drawEpochEnd(now);
    this.#seat = {
      ...{ link, intervalMs, tickAt: now + intervalMs, ticks: 0 },
      ...{ epochEndsAt, over: false },
    };
  }

  /**
   * Takes the channel off its link.
   *
   * @param keeps what waits on for the next link: a message of which a part has left begins anew
   * @returns the other messages that had not left whole, in order; the caller finds them another way
   */
  leave(keeps: "nothing" | "payload" = "nothing"): FramedMessage[] {
    const left = [...this.#control];
    if (keeps === "nothing") left.push(...this.#payload.splice(0));
    this.#control.length = 0;
    if (this.#payload.length === 0) this.#deferred = 0;
    else if (this.#payloadFrame > 0 && this.#aside !== undefined) {
      this.#deferred = integerBelow(this.#aside, DEFERRAL_TICKS_MAX + 1);
    }
    this.#controlFrame = 0;
    this.#payloadFrame = 0;
    this.#controlRun = 0;
    this.#seat = undefined;
    this.#prepare();
    return left;
  }

  /**
   * Queues a message for the coming ticks.
   *
   * @param message framed already, every frame as long as the channel's
   * @param pace when payload takes its first tick, where the channel has chance for that
   * @returns false where the lane has no room or the channel is on no link; nothing is queued then
   * @throws RangeError when a frame has another length, or there is none
   */
  send(message: FramedMessage, pace: PayloadPace = "soon"): boolean {
    for (const frame of message.frames) {
      if (frame.length !== this.#noise.length) {
        throw new RangeError(
          `A frame of ${frame.length} bytes on a channel of ${this.#noise.length}.`,
        );
      }
    }
    if (message.frames.length === 0) throw new RangeError("A message without frames was queued.");
    if (this.#seat === undefined) return false;
    const bound = message.lane === "control" ? CONTROL_QUEUE_FRAMES_MAX : PAYLOAD_QUEUE_FRAMES_MAX;
    if (this.#waiting(message.lane) + message.frames.length > bound) return false;
    if (message.lane === "payload" && this.#payload.length === 0) {
      this.#deferred = this.#drawDeferral(message, pace);
    }
    this.#lane(message.lane).push(message);
    this.#prepare();
    return true;
  }

  /**
   * Writes what is ready, when its time has come.
   *
   * @param now milliseconds
   * @returns what to write, or undefined before `wakeAt` or without a link
   */
  tick(now: number): Tick | undefined {
    const seat = this.#seat;
    if (seat === undefined || now < seat.tickAt) return undefined;
    const frame = this.#ready;
    const lane = this.#readyLane;
    seat.over = now >= seat.epochEndsAt;
    seat.ticks++;
    // The schedule goes on from when the tick was due, so that lateness of one frame does not
    // shift the next; only a clock that stood still (a suspended machine) starts afresh.
    const from = seat.tickAt;
    seat.intervalMs = drawInterval(this.#schedule, this.#random);
    if (from + seat.intervalMs <= now) {
      seat.intervalMs = drawInterval(this.#schedule, this.#random);
      seat.tickAt = now + seat.intervalMs;
    } else seat.tickAt = from + seat.intervalMs;
    this.#passPayload(lane);
    const finished = lane === undefined ? undefined : this.#advance(lane);
    this.#prepare();
    return { link: seat.link, frame, ...(finished === undefined ? {} : { finished }) };
  }

  /**
   * Whether the epoch was over at the last tick, so that the channel may move now. Neither what it
   * carries nor anything but a tick decides when: a move that waited for the end of a message
   * would show that there was one. What had not left whole comes back from `leave`.
   */
  mayMove(): boolean {
    return this.#seat?.over === true;
  }

  /**
   * Begins another epoch on the same link: there was no other to move to.
   *
   * @param now milliseconds
   */
  stay(now: number): void {
    if (this.#seat === undefined) return;
    this.#seat.epochEndsAt = this.#drawEpochEnd(now);
    this.#seat.over = false;
  }

  #drawEpochEnd(now: number): number {
    return now + this.#epoch.baseMs + uniform(this.#random, 0, this.#epoch.spreadMs);
  }

  #drawDeferral({ frames }: FramedMessage, pace: PayloadPace): number {
    const seat = this.#seat;
    if (this.#aside === undefined || seat === undefined || isLong(frames)) return 0;
    const { intervalMs } = seat;
    const sparedTicks = this.#sparedTicks(seat, frames.length, pace);
    return drawDeferral({ schedule: this.#schedule, pace, intervalMs, sparedTicks }, this.#aside);
  }

  #drawFollowing(): number {
    const [next] = this.#payload;
    const seat = this.#seat;
    if (this.#aside === undefined || seat === undefined || next === undefined) return 0;
    if (isLong(next.frames)) return 0;
    const spared = this.#sparedTicks(seat, next.frames.length, "soon");
    return integerBelow(this.#aside, 1 + Math.max(0, Math.min(FOLLOWING_TICKS_MAX, spared)));
  }

  #sparedTicks({ tickAt, epochEndsAt }: Seat, frames: number, pace: PayloadPace): number {
    if (this.#carriesOver) return DEFERRAL_TICKS_MAX;
    // A single frame whose tick would come after the epoch was never begun, and goes another way; so
    // the last ticks of a stream are payload's as often as the others.
    if (pace === "spread" && frames === 1) {
      return Math.floor((epochEndsAt - tickAt) / meanInterval(this.#schedule));
    }
    return this.ticksLeft - ticksNeeded(frames);
  }

  /** Whether the first payload message has to be through before its stream ends. */
  get #isHurried(): boolean {
    return this.#payloadFrame > 0 || isLong(this.#payload[0]?.frames ?? []);
  }

  /** A tick goes to somebody: payload that waits for its first one has let it pass. */
  #passPayload(lane: Lane | undefined): void {
    if (lane === "payload" || this.#payload.length === 0) {
      this.#controlRun = 0;
      return;
    }
    if (this.#deferred > 0) {
      this.#deferred--;
      return;
    }
    this.#controlRun++;
    // The tick after a control frame must not be payload's more often than any other.
    if (this.#payloadFrame > 0 || this.#isHurried || this.#aside === undefined) return;
    const left = this.#carriesOver ? DEFERRAL_TICKS_MAX : this.ticksLeft;
    const spared = Math.min(DEFERRAL_TICKS_MAX, CONTROL_RUN_MAX - this.#controlRun, left);
    if (spared > 0) this.#deferred = integerBelow(this.#aside, spared);
  }

  #lane(lane: Lane): FramedMessage[] {
    return lane === "control" ? this.#control : this.#payload;
  }

  #waiting(lane: Lane): number {
    let frames = 0;
    for (const message of this.#lane(lane)) frames += message.frames.length;
    return frames - (lane === "control" ? this.#controlFrame : this.#payloadFrame);
  }

  #prepare(): void {
    const control = this.#control[0]?.frames[this.#controlFrame];
    // A control message that is itself in fragments must not be cut by one of the other lane:
    // a receiver has one reassembly buffer a link.
    const inPayload = this.#payloadFrame > 0 && (this.#control[0]?.frames.length ?? 0) > 1;
    const payload = this.#deferred > 0 ? undefined : this.#payload[0]?.frames[this.#payloadFrame];
    const runMax = this.#isHurried ? CONTROL_BETWEEN_MAX : CONTROL_RUN_MAX;
    const isTurn = this.#controlRun >= runMax && this.#controlFrame === 0;
    if (control !== undefined && !(payload !== undefined && (inPayload || isTurn))) {
      this.#ready = control;
      this.#readyLane = "control";
      return;
    }
    this.#ready = payload ?? this.#noise;
    this.#readyLane = payload === undefined ? undefined : "payload";
  }

  #advance(lane: Lane): { tag: string; lane: Lane } | undefined {
    const queue = this.#lane(lane);
    const first = queue[0];
    const sent = lane === "control" ? ++this.#controlFrame : ++this.#payloadFrame;
    if (first === undefined || sent < first.frames.length) return undefined;
    queue.shift();
    if (lane === "control") this.#controlFrame = 0;
    else {
      this.#payloadFrame = 0;
      this.#deferred = this.#drawFollowing();
    }
    return { tag: first.tag, lane };
  }
}
