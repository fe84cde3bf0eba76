import { ByteCollector, plainBytes } from "./bytes.ts";
import { LevinError } from "./error.ts";
import type { LevinMessage } from "./frame.ts";
import {
  checkSignature,
  decodeHeader,
  FLAG,
  headerAt,
  LEVIN_HEADER_BYTES,
  type LevinHeader,
} from "./header.ts";

/** The largest payload of each command, in bytes, by command number. */
export type CommandLimits = ReadonlyMap<number, number>;

/** What a peer may make us hold before its handshake (monero `LEVIN_INITIAL_MAX_PACKET_SIZE`). */
export const INITIAL_RECEIVE_BYTES_MAX = 262_144;
/** What a peer may make us hold after it (monero `LEVIN_DEFAULT_MAX_PACKET_SIZE`). */
export const RECEIVE_BYTES_MAX = 100_000_000;
/**
 * The largest payload of a command that no limit names. monerod lets them be as large as any
 * message; what is not understood is thrown away, so the largest that is worth receiving is the
 * largest of its commands that carry no blocks or transactions.
 */
export const UNKNOWN_COMMAND_BYTES_MAX = 4_194_304;

/** How a reader is bounded. */
export interface LevinReaderOptions {
  /**
   * The largest payload of each command.
   * @default none: every command is an unknown one
   */
  readonly limits?: CommandLimits;
  /** @default UNKNOWN_COMMAND_BYTES_MAX */
  readonly unknownCommandBytesMax?: number;
  /** @default INITIAL_RECEIVE_BYTES_MAX */
  readonly initialReceiveBytesMax?: number;
  /** @default RECEIVE_BYTES_MAX */
  readonly receiveBytesMax?: number;
}

/**
 * What a reader found. `wireBytes` is the size of the one frame that ended here, header included,
 * so that the events' sizes add up to what was received; `frames` is how many frames carried the
 * message: 1, or the number of its fragments.
 */
export type LevinEvent =
  | {
      readonly kind: "message";
      readonly message: LevinMessage;
      readonly wireBytes: number;
      readonly frames: number;
    }
  | { readonly kind: "noise"; readonly wireBytes: number }
  | { readonly kind: "fragment"; readonly wireBytes: number };

type FrameKind = "message" | "noise" | "fragment";

const NOTHING = new Uint8Array(0);

/**
 * Turns a stream of bytes, however it is split, into messages. Sizes are checked as soon as a
 * header is there, and room is made only for bytes that came. Noise and other messages may stand
 * between the fragments of one.
 *
 * After each `push`, call `next` until it returns `undefined`. Once it has thrown, the stream is
 * lost and it throws the same error for ever.
 *
 * Source: monero `contrib/epee/include/net/levin_protocol_handler_async.h`, `handle_recv`; stricter
 * in that a fragment needs a beginning and that the header within fragments is checked.
 */
export class LevinReader {
  readonly #limits: CommandLimits;
  readonly #unknownCommandBytesMax: number;
  readonly #handshakenBytesMax: number;
  #receiveBytesMax: number;
  #fault: unknown;

  #input: Uint8Array = NOTHING;
  #at = 0;

  readonly #head = new Uint8Array(LEVIN_HEADER_BYTES);
  #headBytes = 0;

  #header: LevinHeader | undefined;
  #kind: FrameKind = "message";
  #missingBytes = 0;
  readonly #body = new ByteCollector();

  readonly #fragments = new ByteCollector();
  #fragmentFrames = 0;
  #inner: LevinHeader | undefined;

  /** @param options how the reader is bounded */
  constructor(options: LevinReaderOptions = {}) {
    this.#limits = options.limits ?? new Map();
    this.#unknownCommandBytesMax = options.unknownCommandBytesMax ?? UNKNOWN_COMMAND_BYTES_MAX;
    this.#receiveBytesMax = options.initialReceiveBytesMax ?? INITIAL_RECEIVE_BYTES_MAX;
    this.#handshakenBytesMax = options.receiveBytesMax ?? RECEIVE_BYTES_MAX;
  }

  /** What is held of messages that have not ended, in bytes, with the room that was made for them. */
  get heldBytes(): number {
    return this.#input.length - this.#at + this.#body.capacity + this.#fragments.capacity;
  }

  /** How much of the frame came that has not ended, in bytes, its header's among them. */
  get arrivedBytes(): number {
    const header = this.#header;
    if (header === undefined) return this.#headBytes;
    return LEVIN_HEADER_BYTES + header.length - this.#missingBytes;
  }

  /** Raises the limit to that of a peer whose handshake is done. */
  setHandshakeDone(): void {
    this.#receiveBytesMax = this.#handshakenBytesMax;
  }

  /**
   * Takes received bytes, by reference: they must not change until `next` has returned `undefined`.
   *
   * @param bytes the next bytes of the stream, any number of them
   * @throws LevinError `undrained` when so much was pushed without calling `next` that it exceeds
   *   what a peer may make us hold
   */
  push(bytes: Uint8Array): void {
    const unread = this.#input.length - this.#at;
    if (unread === 0) {
      this.#input = plainBytes(bytes);
      this.#at = 0;
      return;
    }
    if (unread + bytes.length > this.#receiveBytesMax + LEVIN_HEADER_BYTES) {
      throw new LevinError(
        "undrained",
        `${unread} received bytes were not read before ${bytes.length} more were pushed; call next until it is empty.`,
        "bug",
      );
    }
    const joined = new Uint8Array(unread + bytes.length);
    joined.set(this.#input.subarray(this.#at));
    joined.set(bytes, unread);
    this.#input = joined;
    this.#at = 0;
  }

  /**
   * The next thing in the stream.
   *
   * @returns `undefined` when more bytes are needed
   * @throws LevinError `signature`, `version`, `too-large`, `fragment-order`, `fragment-truncated`
   *   or `fragment-nested`: close the connection
   */
  next(): LevinEvent | undefined {
    if (this.#fault !== undefined) throw this.#fault;
    try {
      const event = this.#readFrame();
      if (event === undefined) this.#dropInput();
      return event;
    } catch (error) {
      this.#fault = error;
      this.#release();
      throw error;
    }
  }

  #readFrame(): LevinEvent | undefined {
    const header = this.#header ?? this.#readHeader();
    if (header === undefined) return undefined;

    const from = this.#at;
    const to = from + Math.min(this.#missingBytes, this.#input.length - from);
    if (this.#kind === "message" && this.#body.length === 0 && to - from === header.length) {
      this.#at = to;
      this.#header = undefined;
      return messageEvent(header, this.#input.slice(from, to), header.length, 1);
    }
    this.#at = to;
    this.#missingBytes -= to - from;
    this.#collect(header, from, to);
    if (this.#missingBytes > 0) return undefined;

    this.#header = undefined;
    switch (this.#kind) {
      case "message":
        return messageEvent(header, this.#body.take(), header.length, 1);
      case "noise":
        return { kind: "noise", wireBytes: LEVIN_HEADER_BYTES + header.length };
      case "fragment":
        return this.#endFragment(header);
    }
  }

  #readHeader(): LevinHeader | undefined {
    const from = this.#at;
    const whole = this.#headBytes === 0 && this.#input.length - from >= LEVIN_HEADER_BYTES;
    if (!whole && !this.#fillHead()) return undefined;
    if (whole) {
      checkSignature(this.#input, from, LEVIN_HEADER_BYTES);
      this.#at = from + LEVIN_HEADER_BYTES;
    }
    const header = whole ? headerAt(this.#input, from) : headerAt(this.#head, 0);
    this.#kind = frameKindOf(header);
    this.#admit(header);
    this.#header = header;
    this.#missingBytes = header.length;
    return header;
  }

  /** Adds to a header that arrives in pieces. @returns whether it is whole now */
  #fillHead(): boolean {
    const input = this.#input;
    const head = this.#head;
    const from = this.#at;
    const to = Math.min(input.length, from + LEVIN_HEADER_BYTES - this.#headBytes);
    let filled = this.#headBytes;
    for (let at = from; at < to; at++) head[filled++] = input[at] ?? 0;
    this.#headBytes = filled;
    this.#at = to;
    checkSignature(head, 0, filled);
    if (filled < LEVIN_HEADER_BYTES) return false;
    this.#headBytes = 0;
    return true;
  }

  #admit(header: LevinHeader): void {
    if (this.#kind === "fragment") {
      if ((header.flags & FLAG.BEGIN) !== 0) this.#clearFragments();
      else if (this.#fragmentFrames === 0) {
        throw new LevinError("fragment-order", "The peer sent a fragment without its beginning.");
      }
    }
    this.#checkSize(header.length, this.#receiveBytesMax - this.#fragments.length, header.command);
    if (this.#kind === "message") this.#checkCommandSize(header);
  }

  #checkCommandSize(header: LevinHeader): void {
    const bytesMax = this.#limits.get(header.command) ?? this.#unknownCommandBytesMax;
    this.#checkSize(header.length, bytesMax, header.command);
  }

  #checkSize(length: number, bytesMax: number, command: number): void {
    if (length <= bytesMax) return;
    throw new LevinError(
      "too-large",
      `The peer announced ${length} bytes for command ${command}, where ${bytesMax} are allowed.`,
    );
  }

  #collect(header: LevinHeader, from: number, to: number): void {
    if (from === to) return;
    if (this.#kind === "message") {
      this.#body.append(this.#input, from, to, header.length);
    } else if (this.#kind === "fragment") {
      this.#fragments.append(this.#input, from, to);
      if (this.#inner === undefined && this.#fragments.length >= LEVIN_HEADER_BYTES) {
        this.#inner = this.#readInnerHeader();
      }
    }
  }

  #readInnerHeader(): LevinHeader {
    const inner = decodeHeader(this.#fragments.copy(0, LEVIN_HEADER_BYTES));
    if (frameKindOf(inner) !== "message") {
      throw new LevinError("fragment-nested", "The peer sent noise or fragments cut in fragments.");
    }
    this.#checkSize(inner.length, this.#receiveBytesMax, inner.command);
    this.#checkCommandSize(inner);
    return inner;
  }

  #endFragment(header: LevinHeader): LevinEvent {
    this.#fragmentFrames++;
    if ((header.flags & FLAG.END) === 0) {
      return { kind: "fragment", wireBytes: LEVIN_HEADER_BYTES + header.length };
    }
    const inner = this.#inner;
    const held = this.#fragments.length - LEVIN_HEADER_BYTES;
    if (inner === undefined || inner.length > held) {
      throw new LevinError(
        "fragment-truncated",
        `The peer's fragments end after ${Math.max(0, held)} of ${inner?.length ?? "unknown"} bytes.`,
      );
    }
    const payload = this.#fragments.copy(LEVIN_HEADER_BYTES, LEVIN_HEADER_BYTES + inner.length);
    const event = messageEvent(inner, payload, header.length, this.#fragmentFrames);
    this.#clearFragments();
    return event;
  }

  #clearFragments(): void {
    this.#fragments.clear();
    this.#fragmentFrames = 0;
    this.#inner = undefined;
  }

  #dropInput(): void {
    this.#input = NOTHING;
    this.#at = 0;
  }

  #release(): void {
    this.#dropInput();
    this.#body.take();
    this.#fragments.take();
  }
}

function frameKindOf(header: LevinHeader): FrameKind {
  if ((header.flags & (FLAG.REQUEST | FLAG.RESPONSE)) !== 0) return "message";
  const both = FLAG.BEGIN | FLAG.END;
  return (header.flags & both) === both ? "noise" : "fragment";
}

function messageEvent(
  header: LevinHeader,
  payload: Uint8Array,
  frameLength: number,
  frames: number,
): LevinEvent {
  const answer = (header.flags & FLAG.RESPONSE) !== 0;
  const kind = answer ? "response" : header.expectResponse ? "request" : "notify";
  const { command, returnCode } = header;
  const message: LevinMessage = { kind, command, returnCode, payload };
  return { kind: "message", message, wireBytes: LEVIN_HEADER_BYTES + frameLength, frames };
}
