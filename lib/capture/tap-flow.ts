import { FrameLog, type FrameRoom, type LoggedFrames } from "./tap-frames.ts";
import { LevinSight } from "./tap-levin.ts";
import { SocksSight } from "./tap-socks.ts";

/** How a tap takes what it sees. */
export type TapKind = "tap" | "socks-tap";

/** One connection through a tap, as a report needs it. */
export interface TappedFlow {
  /** Counts the connections of a tap from 0. */
  readonly id: number;
  readonly kind: TapKind;
  /** `HOST:PORT` of who connected, and of where the connection leads. */
  readonly from: string;
  readonly to: string;
  /** When it began, milliseconds since 1970. */
  readonly beganMs: number;
  /** When it was over; undefined while it is open. */
  readonly endedMs: number | undefined;
  /** Why there is no stream: a proxy's refusal, or a target that can't be reached. */
  readonly refusal: string | undefined;
  /** What the end that connected sent, and what came back. */
  readonly out: TappedDirection;
  readonly in: TappedDirection;
}

/** One direction of a tapped connection, handshakes with a proxy left out. */
export interface TappedDirection extends LoggedFrames {
  /** Bytes that passed. */
  readonly passedBytes: number;
  /** Whether all of them were Levin. */
  readonly isLevin: boolean;
  /** Bytes of a frame that had not ended. */
  readonly unfinishedBytes: number;
  /** Frames for which there was no room. */
  readonly droppedFrames: number;
}

/** Watches one connection: takes chunks of both directions, keeps frames and their truth. */
export class FlowWatch {
  readonly id: number;
  readonly kind: TapKind;
  readonly #from: string;
  readonly #target: string;
  readonly #beganMs: number;
  readonly #socks: SocksSight | undefined;
  readonly #logs: { readonly out: FrameLog; readonly in: FrameLog };
  readonly #sights: { readonly out: LevinSight; readonly in: LevinSight };
  #endedMs: number | undefined;
  #failure: string | undefined;

  /**
   * @param place its number, how it is tapped, and both ends
   * @param beganMs when it began, milliseconds since 1970
   * @param room for its frames
   */
  constructor(
    place: {
      readonly id: number;
      readonly kind: TapKind;
      readonly from: string;
      readonly to: string;
    },
    beganMs: number,
    room: FrameRoom,
  ) {
    this.id = place.id;
    this.kind = place.kind;
    this.#from = place.from;
    this.#target = place.to;
    this.#beganMs = beganMs;
    this.#socks = place.kind === "socks-tap" ? new SocksSight() : undefined;
    this.#logs = { out: new FrameLog(room), in: new FrameLog(room) };
    this.#sights = { out: new LevinSight(this.#logs.out), in: new LevinSight(this.#logs.in) };
  }

  /** Frames that were logged, both directions. */
  get frames(): number {
    return this.#logs.out.length + this.#logs.in.length;
  }

  /** Bytes that passed, handshakes with a proxy left out. */
  get bytes(): { readonly out: number; readonly in: number } {
    return { out: this.#sights.out.bytes, in: this.#sights.in.bytes };
  }

  /**
   * Takes what passed.
   *
   * @param direction "out" from the end that connected
   * @param chunk the next bytes; not kept
   * @param timeMs when they passed, milliseconds since 1970
   */
  take(direction: "out" | "in", chunk: Uint8Array, timeMs: number): void {
    if (this.#socks === undefined) {
      this.#look(direction, chunk, timeMs);
      return;
    }
    const { fromClient, fromProxy } = this.#socks.take(
      direction === "out" ? "client" : "proxy",
      chunk,
    );
    if (fromClient.length > 0) this.#look("out", fromClient, timeMs);
    if (fromProxy.length > 0) this.#look("in", fromProxy, timeMs);
  }

  /**
   * The connection is over.
   *
   * @param timeMs when, milliseconds since 1970
   * @param failure why it never was, if so
   */
  end(timeMs: number, failure?: string): void {
    this.#endedMs ??= timeMs;
    this.#failure ??= failure;
  }

  /** What was seen until now. */
  flow(): TappedFlow {
    const request = this.#socks?.request;
    const host = request?.host.includes(":") ? `[${request.host}]` : request?.host;
    return {
      id: this.id,
      kind: this.kind,
      from: this.#from,
      to: request === undefined ? this.#target : `${host}:${request.port}`,
      beganMs: this.#beganMs,
      endedMs: this.#endedMs,
      refusal: this.#failure ?? this.#socks?.refusal,
      out: this.#direction("out"),
      in: this.#direction("in"),
    };
  }

  #look(direction: "out" | "in", chunk: Uint8Array, timeMs: number): void {
    this.#sights[direction].take(chunk, timeMs);
  }

  #direction(direction: "out" | "in"): TappedDirection {
    const sight = this.#sights[direction];
    const log = this.#logs[direction];
    return {
      ...log.frames(),
      passedBytes: sight.bytes,
      isLevin: sight.isLevin,
      unfinishedBytes: sight.pendingBytes,
      droppedFrames: log.dropped,
    };
  }
}
