import { EthereumError } from "./error.ts";

/** What RLP knows: a string of bytes, or a list of such items. */
export type RlpItem = Uint8Array | readonly RlpItem[];

/** An item and how many bytes it took. */
export interface DecodedRlp {
  readonly item: RlpItem;
  readonly bytesRead: number;
}

/** Deepest list in a list; a record has two levels, a Hello three. */
export const RLP_DEPTH_MAX = 16;
/** Most items in one text: a frame of 2 KiB can't hold more that mean anything. */
export const RLP_ITEMS_MAX = 4_096;
/** Longest length field: 2^48 bytes are more than any buffer, and fit a number exactly. */
const LENGTH_BYTES_MAX = 6;
/** Longest string or list whose length fits into its first byte. */
const SHORT_BYTES_MAX = 55;
const STRING_BASE = 0x80;
const LIST_BASE = 0xc0;
const NO_BYTES = new Uint8Array(0);

/**
 * Reads a text that is one item and nothing else, in its only allowed spelling.
 *
 * @param bytes the text
 * @returns the item; its strings are copies
 * @throws EthereumError `rlp-malformed`, `rlp-too-deep`, `rlp-too-many-items`
 * @see Ethereum yellow paper, appendix B
 */
export function decodeRlp(bytes: Uint8Array): RlpItem {
  const { item, bytesRead } = decodeRlpPrefix(bytes);
  if (bytesRead === bytes.length) return item;
  throw malformed(`${bytes.length - bytesRead} bytes follow the item`);
}

/**
 * Reads the item that a text begins with; EIP-8 lets handshake messages go on after it.
 *
 * @param bytes the text
 * @returns the item, whose strings are copies, and its length
 * @throws EthereumError as {@link decodeRlp}
 */
export function decodeRlpPrefix(bytes: Uint8Array): DecodedRlp {
  return new Reader(bytes).read();
}

/** What an item's first byte and its length field say. */
interface Head {
  readonly isList: boolean;
  /** Where the payload begins and ends. */
  readonly start: number;
  readonly end: number;
}

class Reader {
  readonly #bytes: Uint8Array;
  #items = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(): DecodedRlp {
    const head = this.#head(0, this.#bytes.length);
    return { item: this.#item(head, 0), bytesRead: head.end };
  }

  #item(head: Head, depth: number): RlpItem {
    this.#items += 1;
    if (this.#items > RLP_ITEMS_MAX) {
      throw new EthereumError(
        "rlp-too-many-items",
        `The RLP text holds more than ${RLP_ITEMS_MAX} items; the sender is at fault.`,
      );
    }
    if (!head.isList) return this.#bytes.slice(head.start, head.end);
    if (depth >= RLP_DEPTH_MAX) {
      throw new EthereumError(
        "rlp-too-deep",
        `The RLP text nests lists more than ${RLP_DEPTH_MAX} deep; the sender is at fault.`,
      );
    }
    const items: RlpItem[] = [];
    for (let at = head.start; at < head.end; ) {
      const inner = this.#head(at, head.end);
      items.push(this.#item(inner, depth + 1));
      at = inner.end;
    }
    return items;
  }

  #head(at: number, limit: number): Head {
    const first = this.#bytes[at];
    if (first === undefined) throw malformed("it is empty");
    if (first < STRING_BASE) return { isList: false, start: at, end: at + 1 };
    const isList = first >= LIST_BASE;
    const short = first - (isList ? LIST_BASE : STRING_BASE);
    const lengthBytes = Math.max(0, short - SHORT_BYTES_MAX);
    const start = at + 1 + lengthBytes;
    const length = lengthBytes === 0 ? short : this.#longLength(at + 1, start, limit);
    const end = start + length;
    if (end > limit) throw malformed(`an item of ${length} bytes goes beyond the end`);
    if (!isList && length === 1 && (this.#bytes[start] ?? 0) < STRING_BASE) {
      throw malformed("a byte below 128 has a length before it");
    }
    return { isList, start, end };
  }

  #longLength(from: number, to: number, limit: number): number {
    if (to > limit) throw malformed("a length goes beyond the end");
    if (this.#bytes[from] === 0) throw malformed("a length begins with zero");
    if (to - from > LENGTH_BYTES_MAX) throw malformed("a length is out of all bounds");
    let length = 0;
    for (let at = from; at < to; at++) length = length * 256 + (this.#bytes[at] ?? 0);
    if (length <= SHORT_BYTES_MAX) throw malformed("a length is longer than it has to be");
    return length;
  }
}

function malformed(what: string): EthereumError {
  return new EthereumError("rlp-malformed", `The RLP text is wrong: ${what}.`);
}

/**
 * Writes an item in its only allowed spelling.
 *
 * @param item what to write
 * @returns a new array
 */
export function encodeRlp(item: RlpItem): Uint8Array {
  const out = new Uint8Array(encodedBytes(item));
  write(item, out, 0);
  return out;
}

function payloadBytes(item: RlpItem): number {
  if (item instanceof Uint8Array) return item.length;
  return item.reduce((sum, inner) => sum + encodedBytes(inner), 0);
}

function isOwnEncoding(item: RlpItem): boolean {
  return item instanceof Uint8Array && item.length === 1 && (item[0] ?? 0) < STRING_BASE;
}

function encodedBytes(item: RlpItem): number {
  if (isOwnEncoding(item)) return 1;
  const payload = payloadBytes(item);
  return 1 + (payload > SHORT_BYTES_MAX ? rlpInteger(payload).length : 0) + payload;
}

function write(item: RlpItem, out: Uint8Array, start: number): number {
  let at = start;
  if (!isOwnEncoding(item)) {
    const base = item instanceof Uint8Array ? STRING_BASE : LIST_BASE;
    const payload = payloadBytes(item);
    const length = payload > SHORT_BYTES_MAX ? rlpInteger(payload) : NO_BYTES;
    out[at] = base + (length.length === 0 ? payload : SHORT_BYTES_MAX + length.length);
    out.set(length, at + 1);
    at += 1 + length.length;
  }
  if (item instanceof Uint8Array) {
    out.set(item, at);
    return at + item.length;
  }
  for (const inner of item) at = write(inner, out, at);
  return at;
}

/**
 * An integer as RLP strings hold it: big-endian without leading zeros, nothing for zero.
 *
 * @param value 0 or more; a number must be an exact integer
 * @throws RangeError when it is negative or not an integer
 */
export function rlpInteger(value: number | bigint): Uint8Array {
  const big = BigInt(value);
  if (big < 0n) throw new RangeError(`RLP has no negative integers such as ${value}.`);
  if (big === 0n) return NO_BYTES;
  const hex = big.toString(16);
  return Uint8Array.from(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex"));
}

/**
 * Reads an integer back.
 *
 * @param item what stands in its place; `undefined` where the list ended before
 * @param bytesMax how long it may be
 * @throws EthereumError `rlp-malformed`
 */
export function readRlpInteger(item: RlpItem | undefined, bytesMax: number): bigint {
  const bytes = readRlpString(item);
  if (bytes.length > bytesMax) {
    throw malformed(`an integer has ${bytes.length} bytes, ${bytesMax} are allowed`);
  }
  if (bytes[0] === 0) throw malformed("an integer begins with zero");
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/**
 * Insists on a string.
 *
 * @param item what stands in its place; `undefined` where the list ended before
 * @param bytes how long it must be
 * @throws EthereumError `rlp-malformed`
 */
export function readRlpString(item: RlpItem | undefined, bytes?: number): Uint8Array {
  if (!(item instanceof Uint8Array)) throw malformed("a string is missing");
  if (bytes === undefined || item.length === bytes) return item;
  throw malformed(`a string has ${item.length} bytes instead of ${bytes}`);
}

/**
 * Insists on a list.
 *
 * @param item what stands in its place; `undefined` where the list ended before
 * @throws EthereumError `rlp-malformed`
 */
export function readRlpList(item: RlpItem | undefined): readonly RlpItem[] {
  if (item === undefined || item instanceof Uint8Array) throw malformed("a list is missing");
  return item;
}
