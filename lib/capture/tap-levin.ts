import { checkSignature, FLAG, headerAt, LEVIN_HEADER_BYTES } from "../levin/header.ts";
import { RECEIVE_BYTES_MAX } from "../levin/reader.ts";
import { COMMAND } from "../monero/message-command.ts";
import { int32LittleEndian } from "./file-bytes.ts";
import type { FrameKind } from "./labels.ts";
import type { FrameLog } from "./tap-frames.ts";

/** The signature's halves, and where a header's fields stand; `lib/levin/header.ts` has it all. */
const SIGNATURE_LOW = 0x0101_2101;
const SIGNATURE_HIGH = 0x0101_0101;
const AT = { length: 8, lengthHigh: 12, command: 17, flags: 25, version: 29 } as const;

/**
 * Tells the frames of one direction of a stream apart, and what each of them was. It reads headers
 * alone and holds no payload: a tap must not slow down what it measures. Bytes that are not Levin
 * are logged as they pass, a chunk as a frame of kind "other".
 */
export class LevinSight {
  /** Whether everything until now was Levin. */
  isLevin = true;
  /** Bytes that have passed. */
  bytes = 0;
  readonly #log: FrameLog;
  /** A header whose bytes come in several chunks. */
  #head: Uint8Array | undefined;
  /** How many of its bytes have come; 0 within a payload and between frames. */
  #headBytes = 0;
  /** The frame whose payload is passing, its size with the header, and what is still to come. */
  #kind: FrameKind = "other";
  #frameBytes = 0;
  #missingBytes = 0;
  /** Whether fragments have begun and not ended. */
  #isCut = false;
  /** When the first byte of the frame passed that has not ended. */
  #startedMs = 0;

  /** @param log where frames go */
  constructor(log: FrameLog) {
    this.#log = log;
  }

  /** Bytes of a frame that has begun and not ended. */
  get pendingBytes(): number {
    return this.#headBytes > 0 ? this.#headBytes : this.#frameBytes - this.#missingBytes;
  }

  /**
   * Takes what passed.
   *
   * @param chunk the next bytes of the direction; not kept
   * @param timeMs when they passed
   */
  take(chunk: Uint8Array, timeMs: number): void {
    this.bytes += chunk.length;
    if (!this.isLevin) {
      this.#log.add(timeMs, chunk.length, "other");
      return;
    }
    let at = 0;
    try {
      while (at < chunk.length) {
        if (this.pendingBytes === 0) this.#startedMs = timeMs;
        at = this.#missingBytes > 0 ? this.#pass(chunk, at) : this.#read(chunk, at);
      }
    } catch {
      // Whatever it is that passes, a tap goes on; the log says that it was no Levin.
      this.isLevin = false;
      this.#log.add(this.#startedMs, this.pendingBytes + chunk.length - at, "other");
      this.#headBytes = 0;
    }
  }

  /** Passes over payload. @returns where what follows begins */
  #pass(chunk: Uint8Array, at: number): number {
    const passed = Math.min(this.#missingBytes, chunk.length - at);
    this.#missingBytes -= passed;
    if (this.#missingBytes === 0) this.#endFrame();
    return at + passed;
  }

  /** Reads a header, or a part of one. @returns where what follows begins */
  #read(chunk: Uint8Array, at: number): number {
    if (this.#headBytes === 0 && chunk.length - at >= LEVIN_HEADER_BYTES) {
      this.#begin(chunk, at);
      return at + LEVIN_HEADER_BYTES;
    }
    this.#head ??= new Uint8Array(LEVIN_HEADER_BYTES);
    const part = chunk.subarray(at, at + LEVIN_HEADER_BYTES - this.#headBytes);
    this.#head.set(part, this.#headBytes);
    checkSignature(this.#head, 0, this.#headBytes + part.length);
    if (this.#headBytes + part.length === LEVIN_HEADER_BYTES) this.#begin(this.#head, 0);
    else this.#headBytes += part.length;
    return at + part.length;
  }

  /** A whole header is there. Fields are read where they stand: an object a frame costs more. */
  #begin(bytes: Uint8Array, at: number): void {
    const length = int32LittleEndian(bytes, at + AT.length);
    const isUsual =
      int32LittleEndian(bytes, at) === SIGNATURE_LOW &&
      int32LittleEndian(bytes, at + 4) === SIGNATURE_HIGH &&
      int32LittleEndian(bytes, at + AT.lengthHigh) === 0 &&
      int32LittleEndian(bytes, at + AT.version) === 1;
    if (!isUsual || length < 0 || length > RECEIVE_BYTES_MAX) this.#refuse(bytes, at);
    const flags = int32LittleEndian(bytes, at + AT.flags);
    this.#kind = this.#kindOf(flags, int32LittleEndian(bytes, at + AT.command));
    this.#headBytes = 0;
    this.#frameBytes = LEVIN_HEADER_BYTES + length;
    this.#missingBytes = length;
    if (length === 0) this.#endFrame();
  }

  /** @throws Error saying what of a header is none */
  #refuse(bytes: Uint8Array, at: number): never {
    checkSignature(bytes, at, LEVIN_HEADER_BYTES);
    const { length } = headerAt(bytes, at);
    throw new Error(`No node takes a message of ${length} bytes.`);
  }

  #endFrame(): void {
    this.#log.add(this.#startedMs, this.#frameBytes, this.#kind);
    this.#frameBytes = 0;
  }

  #kindOf(flags: number, command: number): FrameKind {
    if ((flags & (FLAG.REQUEST | FLAG.RESPONSE)) === 0) {
      if ((flags & (FLAG.BEGIN | FLAG.END)) === (FLAG.BEGIN | FLAG.END)) return "noise";
      if ((flags & FLAG.BEGIN) === 0 && !this.#isCut) throw new Error("A fragment has no start.");
      this.#isCut = (flags & FLAG.END) === 0;
      return "fragment";
    }
    switch (command) {
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
}
