import { Duplex } from "node:stream";

/**
 * Passes everything through, and tells when the first byte came from the other end. TLS takes a
 * socket over so completely that this can't be seen from outside.
 */
export class MeteredStream extends Duplex {
  readonly #inner: Duplex;
  readonly #onFirstByte: () => void;

  /**
   * @param inner the stream underneath, which is destroyed together with this one
   * @param onFirstByte called at most once
   */
  constructor(inner: Duplex, onFirstByte: () => void) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    this.#onFirstByte = onFirstByte;
    inner.once("data", () => this.#onFirstByte());
    inner.on("data", (chunk: Uint8Array) => {
      if (!this.push(chunk)) inner.pause();
    });
    inner.on("end", () => this.push(null));
    inner.on("error", (error) => this.destroy(error));
    inner.on("close", () => this.destroy());
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(
    chunk: Uint8Array,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#inner.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#inner.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inner.destroy();
    done(error);
  }
}
