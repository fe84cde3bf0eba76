import { Duplex } from "node:stream";
import type { Clock, Timer } from "../runtime/clock.ts";
import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";

/** How a line behaves. */
export interface LineOptions {
  readonly clock: Clock;
  readonly random: RandomSource;
  /** What every chunk takes from one end to the other, in milliseconds. */
  readonly delayMs: number;
  /** On top of it a uniform share of this, in milliseconds; chunks keep their order. */
  readonly jitterMs: number;
}

/** Bytes on their way in one direction; more of them make the sender wait, as a full network does. */
const ON_THE_WAY_BYTES_MAX = 1_048_576;

interface Waiting {
  readonly at: number;
  readonly bytes: number;
  readonly deliver: () => void;
}

/** One direction: what is sent comes out later, in order. */
class DelayLine {
  readonly #options: LineOptions;
  readonly #queue: Waiting[] = [];
  #bytes = 0;
  #lastAt = 0;
  #timer: Timer | undefined;
  #roomWaiter: (() => void) | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /**
   * @param bytes how many are sent
   * @param deliver called when they come out
   * @param room called when more can be sent
   */
  send(bytes: number, deliver: () => void, room: () => void): void {
    const { clock, random, delayMs, jitterMs } = this.#options;
    const at = clock.now() + delayMs + uniform(random, 0, jitterMs);
    this.#lastAt = Math.max(this.#lastAt, at);
    this.#queue.push({ at: this.#lastAt, bytes, deliver });
    this.#bytes += bytes;
    if (this.#bytes < ON_THE_WAY_BYTES_MAX) room();
    else this.#roomWaiter = room;
    if (this.#queue.length === 1) this.#arm();
  }

  clear(): void {
    this.#timer?.cancel();
    this.#queue.length = 0;
  }

  #arm(): void {
    const next = this.#queue[0];
    if (next === undefined) return;
    this.#timer = this.#options.clock.setTimer(next.at, () => this.#deliverDue());
  }

  #deliverDue(): void {
    const now = this.#options.clock.now();
    for (let next = this.#queue[0]; next !== undefined && next.at <= now; next = this.#queue[0]) {
      this.#queue.shift();
      this.#bytes -= next.bytes;
      next.deliver();
    }
    if (this.#bytes < ON_THE_WAY_BYTES_MAX) {
      const room = this.#roomWaiter;
      this.#roomWaiter = undefined;
      room?.();
    }
    this.#arm();
  }
}

/**
 * A stream behind a slow line: what is written reaches the inner stream later, what the inner
 * stream sends comes out later; ends too. Destroying either destroys the other.
 */
export class DelayedStream extends Duplex {
  readonly #inner: Duplex;
  readonly #out: DelayLine;
  readonly #in: DelayLine;

  /**
   * @param inner the stream at the far end; it belongs to this one from now on
   * @param options how slow the line is
   */
  constructor(inner: Duplex, options: LineOptions) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    this.#out = new DelayLine(options);
    this.#in = new DelayLine(options);
    inner.on("data", (chunk: Uint8Array) => {
      inner.pause();
      const arrive = (): void => {
        this.push(chunk);
      };
      this.#in.send(chunk.length, arrive, () => inner.resume());
    });
    inner.once("end", () => {
      this.#in.send(0, () => this.push(null), ignore);
    });
    inner.once("error", (error) => this.destroy(error));
    inner.once("close", () => {
      // After a clean end the last bytes are still on their way.
      if (!inner.readableEnded) this.destroy();
    });
  }

  override _read(): void {
    // Chunks are pushed when they arrive; the line's own bound holds the sender back.
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    done: (error?: Error | null) => void,
  ): void {
    this.#out.send(
      chunk.length,
      () => this.#inner.write(chunk),
      () => done(),
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#out.send(
      0,
      () => {
        this.#inner.end();
        done();
      },
      ignore,
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#out.clear();
    this.#in.clear();
    this.#inner.destroy();
    done(error);
  }
}

function ignore(): void {}
