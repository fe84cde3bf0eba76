import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { drawInterval, type NoiseSchedule } from "./schedule.ts";

/**
 * Which of a channel's two queues a message waits in. `control` (timed syncs and their answers)
 * goes first, also between the fragments of a `payload`, because a peer gives up on an
 * unanswered timed sync after 120 s while a large transaction takes up to 20 ticks. But two control
 * messages never follow each other while a payload waits: a peer that asks at every tick could hold
 * it back for ever.
 */
export type Lane = "control" | "payload";

/** A message that was cut into frames before its tick. */
export interface FramedMessage {
  /** What the caller knows it by; comes back when it has left or could not. */
  readonly tag: string;
  /** Which queue it waits in. */
  readonly lane: Lane;
  /** One or more buffers, each exactly as long as the channel's frames. */
  readonly frames: readonly Uint8Array[];
}

/** What a tick puts on the wire, and what it finished. */
export interface Tick {
  /** The link that the channel is on. */
  readonly link: number;
  /** The frame to write: payload or noise, ready before the tick. */
  readonly frame: Uint8Array;
  /** Tag and lane of the message whose last frame this was. */
  readonly finished?: { readonly tag: string; readonly lane: Lane };
}

/** How long a channel stays on one link: `baseMs` + U[0, `spreadMs`]. */
export interface EpochLength {
  readonly baseMs: number;
  readonly spreadMs: number;
}

/**
 * monerod's noise epoch: 5 min + U[0, 30] s.
 * @see monero `src/cryptonote_config.h`, `CRYPTONOTE_NOISE_MIN_EPOCH`, `CRYPTONOTE_NOISE_EPOCH_RANGE`
 */
export const moneroNoiseEpoch: EpochLength = { baseMs: 300_000, spreadMs: 30_000 };

/** How a channel is made. */
export interface NoiseChannelOptions {
  readonly schedule: NoiseSchedule;
  readonly epoch: EpochLength;
  readonly random: RandomSource;
  /** What goes out where there is nothing to say; its length is the length of every frame. */
  readonly noise: Uint8Array;
}

/**
 * Frames that may wait in the payload lane: four of the largest messages. At 12.5 s a frame that
 * is a quarter of an hour; more is better held by the caller, which can send it elsewhere.
 */
export const PAYLOAD_QUEUE_FRAMES_MAX = 80;
/** Frames that may wait in the control lane; a peer that asks faster than ticks come is flooding. */
export const CONTROL_QUEUE_FRAMES_MAX = 8;

interface Seat {
  readonly link: number;
  tickAt: number;
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
  /** Whether the last tick ended a control message, so that it is the payload's turn. */
  #payloadsTurn = false;
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

  /** Frames that wait, of both lanes. */
  get queuedFrames(): number {
    return this.#waiting("control") + this.#waiting("payload");
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
    this.#seat = {
      link,
      tickAt: now + drawInterval(this.#schedule, this.#random),
      epochEndsAt: this.#drawEpochEnd(now),
      over: false,
    };
  }

  /**
   * Takes the channel off its link.
   *
   * @returns the messages that had not left whole, in order; the caller finds them another way
   */
  leave(): FramedMessage[] {
    const left = [...this.#control, ...this.#payload];
    this.#control.length = 0;
    this.#payload.length = 0;
    this.#controlFrame = 0;
    this.#payloadFrame = 0;
    this.#payloadsTurn = false;
    this.#seat = undefined;
    this.#prepare();
    return left;
  }

  /**
   * Queues a message for the coming ticks.
   *
   * @param message framed already, every frame as long as the channel's
   * @returns false where the lane has no room or the channel is on no link; nothing is queued then
   * @throws RangeError when a frame has another length, or there is none
   */
  send(message: FramedMessage): boolean {
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
    // The schedule goes on from when the tick was due, so that lateness of one frame does not
    // shift the next; only a clock that stood still (a suspended machine) starts afresh.
    const next = seat.tickAt + drawInterval(this.#schedule, this.#random);
    seat.tickAt = next > now ? next : now + drawInterval(this.#schedule, this.#random);
    const finished = lane === undefined ? undefined : this.#advance(lane);
    this.#payloadsTurn = finished?.lane === "control";
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
    const payload = this.#payload[0]?.frames[this.#payloadFrame];
    const payloadFirst = inPayload || (this.#payloadsTurn && payload !== undefined);
    if (control !== undefined && !payloadFirst) {
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
    else this.#payloadFrame = 0;
    return { tag: first.tag, lane };
  }
}
