import type { Duplex } from "node:stream";
import { EthereumError } from "../ethereum/error.ts";
import { CLIENT_QUITTING, disconnectReason, type Hello } from "../ethereum/hello.ts";
import { PeerSession, type SessionEvent } from "../ethereum/peer-session.ts";
import { RlpxInitiator } from "../ethereum/rlpx.ts";
import type { RlpxLink, RlpxStep } from "../ethereum/rlpx-link.ts";
import type { RlpxResponder } from "../ethereum/rlpx-responder.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";

/** How a connection came to its end. */
export interface ConnectionEnd {
  /** Whose doing it was; `network` when the stream broke. */
  readonly by: "us" | "peer" | "network";
  /** A few words or a sentence without its full stop. */
  readonly reason: string;
}

/** What carrying a connection takes. */
export interface EthereumConnectionOptions {
  /** Connected, with nothing read from it; belongs to the connection from now on. */
  readonly stream: Duplex;
  /** Our side, not begun. */
  readonly handshake: RlpxInitiator | RlpxResponder;
  readonly clock: Clock;
  readonly random: RandomSource;
  /**
   * Asked when the peer has shown who it is.
   *
   * @returns why it is not wanted, as a Disconnect's number; undefined to keep it
   */
  readonly admit: (publicKey: Uint8Array, hello: Hello) => number | undefined;
  /** Told of each round trip of our pings, in milliseconds. */
  readonly onAlive: (roundTripMs: number) => void;
  /** Told once, at the end. */
  readonly onEnd: (end: ConnectionEnd) => void;
}

/** How long a handshake may take: three trips over two circuits each way. */
export const HANDSHAKE_MS_MAX = 30_000;
/**
 * Most bytes that wait to be written. Pings and pongs have 64 each, and a peer that reads is never
 * more than a few behind; one that writes its pongs blindly and reads nothing would be for ever.
 */
export const UNSENT_BYTES_MAX = 16_384;
/** How long our last words may take to leave. */
const FAREWELL_MS_MAX = 2_000;
const NO_BYTES = new Uint8Array(0);

/**
 * Carries one conversation with a node over a stream: the handshake, then the session. What waits
 * to be written is bounded.
 */
export class EthereumConnection {
  readonly #options: EthereumConnectionOptions;
  #session: PeerSession | undefined;
  #timer: Timer | undefined;
  #isOver = false;

  private constructor(options: EthereumConnectionOptions) {
    this.#options = options;
  }

  /**
   * Begins.
   *
   * @param options stream, side, and who is told
   */
  static begin(options: EthereumConnectionOptions): EthereumConnection {
    const connection = new EthereumConnection(options);
    connection.#begin();
    return connection;
  }

  /**
   * Takes our leave and closes the stream.
   *
   * @param code why, as a Disconnect's number
   */
  leave(code: number = CLIENT_QUITTING): void {
    if (this.#session === undefined) this.#end({ by: "us", reason: disconnectReason(code).name });
    else this.#carryOut(this.#session.leave(code));
  }

  #begin(): void {
    const { stream, handshake, clock } = this.#options;
    stream.on("data", this.#onData);
    stream.on("error", (error) => this.#lost(`the stream broke (${error.message})`));
    stream.on("end", () => {
      if (this.#isOver) stream.destroy();
      else this.#lost("the peer closed the stream without a word");
    });
    stream.on("close", () => this.#lost("the stream is gone"));
    this.#timer = clock.setTimer(clock.now() + HANDSHAKE_MS_MAX, () =>
      this.#end({ by: "us", reason: `no Hello within ${HANDSHAKE_MS_MAX / 1_000} s` }),
    );
    if (stream.destroyed) {
      // Told in a turn of its own: our caller does not hold us yet.
      queueMicrotask(() => this.#lost("the stream is gone"));
      return;
    }
    if (handshake instanceof RlpxInitiator) stream.write(handshake.start());
    stream.resume();
  }

  readonly #onData = (bytes: Uint8Array): void => {
    if (this.#isOver) return;
    if (this.#session === undefined) this.#shakeHands(bytes);
    else this.#carryOut(this.#session.receive(bytes, this.#options.clock.now()));
  };

  #shakeHands(bytes: Uint8Array): void {
    const { handshake, stream } = this.#options;
    try {
      let step: RlpxStep = handshake.receive(bytes);
      while (step.kind === "send") {
        stream.write(step.bytes);
        step = handshake.receive();
      }
      if (step.kind === "done") this.#greeted(step);
    } catch (error) {
      if (!(error instanceof EthereumError)) throw error;
      this.#end({ by: "us", reason: withoutStop(error) });
    }
  }

  #greeted({ answer, link }: Extract<RlpxStep, { kind: "done" }>): void {
    if (answer.kind === "disconnect") {
      this.#end({ by: "peer", reason: answer.reason.name });
      return;
    }
    const refusal = this.#options.admit(link.remotePublicKey, answer.hello);
    if (refusal === undefined) this.#startSession(link, answer.hello);
    else this.#end({ by: "us", reason: disconnectReason(refusal).name }, link.farewell(refusal));
  }

  #startSession(link: RlpxLink, hello: Hello): void {
    const { clock, random } = this.#options;
    const now = clock.now();
    this.#session = new PeerSession({ link, hello, capabilities: [], random }, now);
    // What came with the Hello waits in the link.
    this.#carryOut(this.#session.receive(NO_BYTES, now));
  }

  #carryOut(events: readonly SessionEvent[]): void {
    const { stream, clock, onAlive } = this.#options;
    for (const event of events) {
      if (event.kind === "send") stream.write(event.bytes);
      if (event.kind === "pong") onAlive(event.roundTripMs);
      if (event.kind === "ended") {
        const { by, reason, error } = event;
        this.#end({ by, reason: error === undefined ? reason.name : withoutStop(error) });
      }
    }
    if (stream.writableLength > UNSENT_BYTES_MAX) {
      this.#end({ by: "us", reason: "the peer reads nothing of what it is sent" });
    }
    const at = this.#session?.wakeAt ?? Number.POSITIVE_INFINITY;
    if (this.#isOver || at === Number.POSITIVE_INFINITY) return;
    this.#timer?.cancel();
    this.#timer = clock.setTimer(at, () => this.#carryOut(this.#session?.wake(clock.now()) ?? []));
  }

  #lost(reason: string): void {
    this.#end({ by: "network", reason });
  }

  #end(end: ConnectionEnd, lastWords: Uint8Array = NO_BYTES): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    const { stream, clock, onEnd } = this.#options;
    const timer = clock.setTimer(clock.now() + FAREWELL_MS_MAX, () => stream.destroy());
    stream.once("close", () => timer.cancel());
    // Closed once the peer has closed its side too: what it has not read yet would be lost.
    if (end.by === "network") stream.destroy();
    else if (lastWords.length > 0) stream.end(lastWords);
    else stream.end();
    onEnd(end);
  }
}

function withoutStop({ message }: Error): string {
  return message.replace(/\.$/, "");
}
