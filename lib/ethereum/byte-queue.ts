/** What is first made room for: a handshake packet with its usual padding. */
const FIRST_BYTES = 1_024;

/** Bytes that came in and were not used yet. Copies, so that no caller's buffer is kept. */
export class ByteQueue {
  #bytes = new Uint8Array(FIRST_BYTES);
  #start = 0;
  #end = 0;

  /** How many bytes wait. */
  get length(): number {
    return this.#end - this.#start;
  }

  /**
   * Adds bytes at the end. Whoever calls this bounds the length, by taking or by giving up.
   *
   * @param chunk of any size
   */
  push(chunk: Uint8Array): void {
    const needed = this.length + chunk.length;
    if (this.#end + chunk.length > this.#bytes.length) {
      const target =
        needed > this.#bytes.length
          ? new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
          : this.#bytes;
      target.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = target;
      this.#end = this.length;
      this.#start = 0;
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * A waiting byte, which goes on waiting.
   *
   * @param at counted from the first that waits
   */
  peek(at: number): number | undefined {
    return at < this.length ? this.#bytes[this.#start + at] : undefined;
  }

  /**
   * Takes bytes from the front.
   *
   * @param length how many
   * @returns a copy; undefined when fewer wait
   */
  take(length: number): Uint8Array | undefined {
    if (this.length < length) return undefined;
    const taken = this.#bytes.slice(this.#start, this.#start + length);
    this.#start += length;
    return taken;
  }
}
