import { TransactionError } from "./transaction-error.ts";

/** The weight of the fifth to eighth group of seven bits. */
const MIDDLE = 2 ** 28;
/** The weight of the ninth and tenth group. */
const TOP = 2 ** 56;
/** A 64-bit varint has at most ten groups of seven bits. */
const VARINT_BYTES_MAX = 10;

/**
 * Walks over a transaction's bytes from the first to the last, and never beyond.
 *
 * Every `what` is the thing being read, in the plural or with its article, for the message of the
 * error.
 *
 * @see monero `src/serialization/binary_archive.h`, `src/common/varint.h`
 */
export class TransactionReader {
  /** Where the next byte is read, counted from the start of the blob. */
  offset = 0;
  readonly #blob: Uint8Array;
  // A varint of 64 bits in three parts, each exact as a number: 28 + 28 + 8 bits.
  #low = 0;
  #middle = 0;
  #top = 0;

  /** @param blob the whole transaction; it is neither kept after reading nor changed */
  constructor(blob: Uint8Array) {
    this.#blob = blob;
  }

  /** How many bytes are left to read. */
  get remaining(): number {
    return this.#blob.length - this.offset;
  }

  /**
   * One byte.
   *
   * @param what what is being read
   * @throws TransactionError `truncated`
   */
  byte(what: string): number {
    const value = this.#blob[this.offset];
    if (value === undefined) throw truncated(what);
    this.offset++;
    return value;
  }

  /**
   * A 64-bit unsigned varint.
   *
   * @param what what is being read
   * @throws TransactionError `truncated`, `varint-form` or `varint-overflow`
   */
  varint(what: string): bigint {
    this.#scanVarint(what);
    const low = this.#middle * MIDDLE + this.#low;
    // 28 + 25 bits are still exact in one number, and most amounts are that small.
    if (this.#top === 0 && this.#middle < 33_554_432) return BigInt(low);
    return (BigInt(this.#top) << 56n) | (BigInt(this.#middle) << 28n) | BigInt(this.#low);
  }

  /**
   * Passes over a 64-bit unsigned varint.
   *
   * @param what what is being read
   * @returns whether it was zero
   * @throws TransactionError as `varint`
   */
  skipVarint(what: string): boolean {
    this.#scanVarint(what);
    return this.#low === 0 && this.#middle === 0 && this.#top === 0;
  }

  /**
   * A varint that says how many items follow, refused before anything is made of it when the bytes
   * that are left can't hold so many.
   *
   * @param what the items, in the plural
   * @param itemBytes how many bytes the shortest item takes, 1 or more
   * @throws TransactionError `count-too-large`, or as `varint`
   */
  count(what: string, itemBytes: number): number {
    this.#scanVarint(what);
    // Above 2^53 the sum is rounded, which is harmless: no blob is that long.
    const count = this.#top * TOP + this.#middle * MIDDLE + this.#low;
    if (count * itemBytes <= this.remaining) return count;
    throw new TransactionError(
      "count-too-large",
      `The transaction claims ${count} ${what}, more than its last ${this.remaining} bytes can hold.`,
    );
  }

  /**
   * Passes over bytes that only the id depends on.
   *
   * @param bytes how many, 0 or more
   * @param what what they are
   * @throws TransactionError `truncated`
   */
  skip(bytes: number, what: string): void {
    if (bytes > this.remaining) throw truncated(what);
    this.offset += bytes;
  }

  /**
   * A copy of the next bytes: a view would keep the whole blob alive.
   *
   * @param bytes how many, 0 or more
   * @param what what they are
   * @throws TransactionError `truncated`
   */
  copy(bytes: number, what: string): Uint8Array {
    const start = this.offset;
    this.skip(bytes, what);
    const out = new Uint8Array(bytes);
    out.set(this.#blob.subarray(start, this.offset));
    return out;
  }

  #scanVarint(what: string): void {
    this.#low = 0;
    this.#middle = 0;
    this.#top = 0;
    for (let group = 0; ; group++) {
      const byte = this.byte(what);
      if (group === VARINT_BYTES_MAX - 1 && byte > 1) {
        throw new TransactionError(
          "varint-overflow",
          `The transaction's number for ${what} does not fit in 64 bits.`,
        );
      }
      if (byte === 0 && group > 0) {
        throw new TransactionError(
          "varint-form",
          `The transaction's number for ${what} ends in a needless zero byte; numbers take their shortest form.`,
        );
      }
      const bits = byte & 0x7f;
      if (group < 4) this.#low |= bits << (7 * group);
      else if (group < 8) this.#middle |= bits << (7 * (group - 4));
      else this.#top |= bits << (7 * (group - 8));
      if (byte < 0x80) return;
    }
  }
}

function truncated(what: string): TransactionError {
  return new TransactionError(
    "truncated",
    `The transaction ends within ${what}; bytes are missing.`,
  );
}
