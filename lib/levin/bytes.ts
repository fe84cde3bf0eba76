/** Capacity that a collector starts with: one noise frame and some. */
const CAPACITY_BYTES = 4_096;
/**
 * A cleared collector keeps its buffer up to this size, so that fragments don't allocate anew; every
 * link has one, and there may be thousands.
 */
const KEPT_BYTES_MAX = 8_192;

const EMPTY = new Uint8Array(0);

/**
 * The same bytes as a plain `Uint8Array`. A Node `Buffer` is one too, but its `slice` is a view:
 * what was meant as a copy would pin, and follow, the socket's buffer.
 *
 * @param bytes any byte array
 * @returns `bytes` itself, or a plain view of it
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * Four bytes as a little-endian number with sign. A `DataView` of the input would cost more than
 * many of these reads together.
 *
 * @param bytes four bytes or more behind `at`; missing ones count as 0
 * @param at the first of them
 */
export function int32At(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  return low | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

/**
 * Collects bytes that arrive in pieces. It allocates at most twice what has arrived, whatever
 * length was announced, so that an announcement alone costs nothing.
 */
export class ByteCollector {
  #bytes: Uint8Array = EMPTY;
  #length = 0;

  /** How many bytes were collected. */
  get length(): number {
    return this.#length;
  }

  /** For how many bytes it has room now. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /**
   * Copies a piece behind what is there.
   *
   * @param source where the piece lies
   * @param from its first byte
   * @param to the byte behind its last
   * @param expectedBytes the whole length, where known, beyond which no room is made
   */
  append(source: Uint8Array, from: number, to: number, expectedBytes = Infinity): void {
    const needed = this.#length + (to - from);
    if (needed > this.#bytes.length) {
      const roomy = Math.max(CAPACITY_BYTES, this.#bytes.length * 2);
      const grown = new Uint8Array(Math.max(needed, Math.min(roomy, expectedBytes)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(source.subarray(from, to), this.#length);
    this.#length = needed;
  }

  /**
   * A copy of a part.
   *
   * @param from its first byte
   * @param to the byte behind its last, at most `length`
   */
  copy(from: number, to: number): Uint8Array {
    return this.#bytes.slice(from, Math.min(to, this.#length));
  }

  /** Hands over everything collected, without a copy where the buffer fits, and starts anew. */
  take(): Uint8Array {
    const bytes = this.#bytes;
    const taken = bytes.length === this.#length ? bytes : bytes.slice(0, this.#length);
    this.#bytes = EMPTY;
    this.#length = 0;
    return taken;
  }

  /** Forgets what was collected. */
  clear(): void {
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = EMPTY;
    this.#length = 0;
  }
}
