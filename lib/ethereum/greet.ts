import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../runtime/clock.ts";
import { EthereumError } from "./error.ts";
import { type RlpxGreetingOptions, RlpxInitiator } from "./rlpx.ts";
import type { RlpxAnswer } from "./rlpx-link.ts";

/** Whom to greet, as whom, and for how long. */
export interface GreetOptions extends RlpxGreetingOptions {
  /** How long the greeting may take, in milliseconds from the call. */
  readonly deadlineMs: number;
  /** Measures the deadline and the timings. */
  readonly clock: Clock;
  /** Calls the greeting off. */
  readonly signal?: AbortSignal | undefined;
}

/** How a node answered, and how fast. */
export interface Greeting {
  readonly answer: RlpxAnswer;
  /** Milliseconds from the call to each answer. */
  readonly elapsedMs: {
    readonly firstByte: number;
    /** Until the ack was whole. */
    readonly ack: number;
    /** Until the Hello or Disconnect was whole. */
    readonly answer: number;
  };
}

/**
 * Greets an Ethereum node over a stream that is connected to it, and takes its leave. The stream
 * belongs to this function and is destroyed whatever happens.
 *
 * @param stream connected, with nothing read from it yet
 * @param options whom, and the limits
 * @throws EthereumError `silent` when nothing came before the deadline, `stalled` when something
 *   did, `closed`, `aborted`, or as `RlpxInitiator` and its `receive`
 *
 * @example
 * ```ts
 * const { answer } = await greetOver(stream, {
 *   remotePublicKey: parseNode(text).publicKey,
 *   random: systemRandom,
 *   clock: realClock,
 *   deadlineMs: 30_000,
 * });
 * ```
 */
export function greetOver(stream: Duplex, options: GreetOptions): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    try {
      new Conversation(stream, options, resolve, reject).begin();
    } catch (error) {
      stream.destroy();
      throw error;
    }
  });
}

/** Carries a greeting out over a stream. */
class Conversation {
  readonly #stream: Duplex;
  readonly #options: GreetOptions;
  readonly #initiator: RlpxInitiator;
  readonly #resolve: (greeting: Greeting) => void;
  readonly #reject: (error: unknown) => void;
  readonly #startedAt: number;
  #timer: Timer | undefined;
  #firstByte: number | undefined;
  #ack = 0;
  #isOver = false;

  constructor(
    stream: Duplex,
    options: GreetOptions,
    resolve: (greeting: Greeting) => void,
    reject: (error: unknown) => void,
  ) {
    this.#stream = stream;
    this.#options = options;
    this.#initiator = new RlpxInitiator(options);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#startedAt = options.clock.now();
  }

  begin(): void {
    const { clock, deadlineMs, signal } = this.#options;
    const stream = this.#stream;
    stream.on("error", this.#onClose);
    stream.on("close", this.#onClose);
    stream.on("end", this.#onClose);
    stream.on("data", this.#onData);
    signal?.addEventListener("abort", this.#onAbort);
    this.#timer = clock.setTimer(this.#startedAt + deadlineMs, this.#onDeadline);
    if (signal?.aborted) this.#onAbort();
    else if (stream.destroyed) this.#onClose();
    else {
      stream.resume();
      stream.write(this.#initiator.start());
    }
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#isOver) return;
    this.#firstByte ??= this.#elapsed();
    try {
      let step = this.#initiator.receive(chunk);
      while (step.kind === "send") {
        this.#ack = this.#elapsed();
        this.#stream.write(step.bytes);
        step = this.#initiator.receive();
      }
      if (step.kind === "done") this.#succeed(step.answer, step.link.farewell());
    } catch (error) {
      this.#fail(error);
    }
  };

  readonly #onClose = (cause?: unknown): void => {
    const when =
      this.#initiator.stage === "ack"
        ? "instead of answering our greeting; it holds another key, or is no Ethereum node"
        : "after its ack and before its Hello; try again later";
    this.#fail(new EthereumError("closed", `The peer closed the connection ${when}.`, { cause }));
  };

  readonly #onAbort = (): void => {
    const cause = this.#options.signal?.reason;
    this.#fail(new EthereumError("aborted", "The greeting was called off.", { cause }));
  };

  readonly #onDeadline = (): void => {
    const seconds = this.#options.deadlineMs / 1000;
    this.#fail(
      this.#firstByte === undefined
        ? new EthereumError(
            "silent",
            `The peer took our greeting and said nothing for ${seconds} s; it holds another key, or is no Ethereum node.`,
          )
        : new EthereumError(
            "stalled",
            `The peer began to answer and did not finish within ${seconds} s; try again or allow more time.`,
          ),
    );
  };

  #elapsed(): number {
    return this.#options.clock.now() - this.#startedAt;
  }

  #succeed(answer: RlpxAnswer, farewell: Uint8Array): void {
    const elapsedMs = {
      firstByte: this.#firstByte ?? 0,
      ack: this.#ack,
      answer: this.#elapsed(),
    };
    this.#isOver = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    // A peer that reads nothing would keep the farewell, and the stream, for ever: the deadline's
    // timer, whose failure is no longer heard, ends that.
    this.#stream.end(farewell, () => this.#release());
    this.#resolve({ answer, elapsedMs });
  }

  #fail(error: unknown): void {
    this.#release();
    this.#reject(error);
  }

  #release(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#stream.off("data", this.#onData);
    this.#stream.off("end", this.#onClose);
    this.#stream.off("close", this.#onClose);
    this.#stream.off("error", this.#onClose);
    // Errors that come while the stream closes have nobody else to go to.
    this.#stream.on("error", () => {});
    this.#stream.destroy();
  }
}
