const NO_BYTES = new Uint8Array(0);

/**
 * The beginning of a message whose end has not come. SOCKS messages are at most a few hundred
 * bytes, so what is held here is bounded by one message, or for a server by one chunk in which a
 * client sent several.
 */
export class PartialMessage {
  #held: Uint8Array = NO_BYTES;

  /**
   * What is held, then the chunk. The result is the chunk itself when nothing is held.
   *
   * @param chunk the bytes that came
   */
  followedBy(chunk: Uint8Array): Uint8Array {
    const held = this.#held;
    if (held.length === 0) return chunk;
    const bytes = new Uint8Array(held.length + chunk.length);
    bytes.set(held);
    bytes.set(chunk, held.length);
    return bytes;
  }

  /**
   * Keeps a copy in place of what was held: chunks may share one large buffer, which a view of a
   * few bytes would keep alive.
   *
   * @param bytes what is not complete
   */
  hold(bytes: Uint8Array): void {
    this.#held = bytes.length === 0 ? NO_BYTES : new Uint8Array(bytes);
  }
}
