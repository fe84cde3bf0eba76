import { type LevinEvent, LevinReader } from "../levin/reader.ts";
import { COMMAND, commandLimits } from "../monero/message-command.ts";
import type { FrameKind } from "./labels.ts";
import type { FrameLog } from "./tap-frames.ts";

/**
 * What one direction may make a tap hold: above the largest message of an anonymity zone. A larger
 * one is passed on like all others, but no longer understood.
 */
const MESSAGE_BYTES_MAX = 4_194_304;

/**
 * Tells the frames of one direction of a stream apart, and what each of them was. Bytes that are not
 * Levin are logged as they pass, a chunk as a frame of kind "other".
 */
export class LevinSight {
  /** Whether everything until now was Levin. */
  isLevin = true;
  /** Bytes that have passed. */
  bytes = 0;
  readonly #log: FrameLog;
  readonly #reader = new LevinReader({
    limits: commandLimits,
    receiveBytesMax: MESSAGE_BYTES_MAX,
  });
  /** Bytes of a frame whose end has not come, and when the first of them passed. */
  #pendingBytes = 0;
  #startedMs = 0;

  /** @param log where frames go */
  constructor(log: FrameLog) {
    this.#log = log;
  }

  /** Bytes of a frame that has begun and not ended. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Tells that the peers have shaken hands, and may send longer messages. */
  setHandshakeDone(): void {
    this.#reader.setHandshakeDone();
  }

  /**
   * Takes what passed.
   *
   * @param chunk the next bytes of the direction; not kept
   * @param timeMs when they passed
   * @returns whether a handshake was among them
   */
  take(chunk: Uint8Array, timeMs: number): boolean {
    this.bytes += chunk.length;
    if (!this.isLevin) {
      this.#log.add(timeMs, chunk.length, "other");
      return false;
    }
    if (this.#pendingBytes === 0) this.#startedMs = timeMs;
    this.#pendingBytes += chunk.length;
    try {
      this.#reader.push(chunk);
      return this.#readAll(timeMs);
    } catch {
      // Whatever it is that passes, a tap goes on; the log says that it was no Levin.
      this.isLevin = false;
      this.#log.add(this.#startedMs, this.#pendingBytes, "other");
      this.#pendingBytes = 0;
      return false;
    }
  }

  #readAll(timeMs: number): boolean {
    let sawHandshake = false;
    for (;;) {
      const event = this.#reader.next();
      if (event === undefined) return sawHandshake;
      const kind = kindOf(event);
      sawHandshake ||= kind === "handshake";
      this.#log.add(this.#startedMs, event.wireBytes, kind);
      this.#pendingBytes -= event.wireBytes;
      this.#startedMs = timeMs;
    }
  }
}

function kindOf(event: LevinEvent): FrameKind {
  if (event.kind !== "message") return event.kind;
  if (event.frames > 1) return "fragment";
  switch (event.message.command) {
    case COMMAND.HANDSHAKE:
      return "handshake";
    case COMMAND.TIMED_SYNC:
      return "timed-sync";
    case COMMAND.NEW_TRANSACTIONS:
      return "payload";
    default:
      return "other";
  }
}
