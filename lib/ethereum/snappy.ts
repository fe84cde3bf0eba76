import { EthereumError } from "./error.ts";

/** Longest content that one literal with a length of one byte holds. */
const LITERAL_BYTES_MAX = 60;
const COPY_OFFSET_BYTES: readonly number[] = [1, 2, 4];

/**
 * Writes Snappy's plainest form: the length, and one literal.
 *
 * @param content 1 to 60 bytes
 * @throws RangeError for more, which none of our messages has
 */
export function encodeSnappy(content: Uint8Array): Uint8Array {
  if (content.length < 1 || content.length > LITERAL_BYTES_MAX) {
    throw new RangeError(`A plain literal has 1 to ${LITERAL_BYTES_MAX} bytes.`);
  }
  const out = new Uint8Array(content.length + 2);
  out.set([content.length, (content.length - 1) << 2]);
  out.set(content, 2);
  return out;
}

/**
 * Reads Snappy's raw format.
 *
 * @param bytes a whole block
 * @param bytesMax the longest content to be made room for
 * @throws EthereumError `message-malformed`
 * @see google/snappy `format_description.txt`
 */
export function decodeSnappy(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const reader = new SnappyReader(bytes);
  const length = reader.length();
  if (length > bytesMax) throw malformed(`${length} bytes, of which ${bytesMax} are allowed`);
  const out = new Uint8Array(length);
  let end = 0;
  while (!reader.isEmpty) {
    const tag = reader.integer(1);
    if ((tag & 3) === 0) {
      const literal = reader.bytes(reader.literalLength(tag >>> 2));
      if (end + literal.length > length) throw malformed("more than it announces");
      out.set(literal, end);
      end += literal.length;
      continue;
    }
    const offsetBytes = COPY_OFFSET_BYTES[(tag & 3) - 1] ?? 0;
    const low = reader.integer(offsetBytes);
    const offset = offsetBytes === 1 ? ((tag >>> 5) << 8) | low : low;
    const count = offsetBytes === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    if (offset === 0 || offset > end || end + count > length) throw malformed("a copy of nothing");
    // Byte by byte: a copy may reach into what it writes.
    for (const stop = end + count; end < stop; end++) out[end] = out[end - offset] ?? 0;
  }
  if (end !== length) throw malformed("less than it announces");
  return out;
}

class SnappyReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  bytes(count: number): Uint8Array {
    if (this.#at + count > this.#bytes.length) throw malformed("an end in the middle");
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** Little-endian. */
  integer(count: number): number {
    return this.bytes(count).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  /** The content's length, seven bits a byte. */
  length(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 32; factor *= 128) {
      const byte = this.integer(1);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw malformed("a length of over five bytes");
  }

  /** A literal's length stands in its tag, or in one to four bytes after it. */
  literalLength(code: number): number {
    return (code < LITERAL_BYTES_MAX ? code : this.integer(code - LITERAL_BYTES_MAX + 1)) + 1;
  }
}

function malformed(what: string): EthereumError {
  return new EthereumError(
    "message-malformed",
    `The peer's compressed message has ${what}; it breaks the protocol.`,
  );
}
