import { uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { EthereumError } from "./error.ts";
import {
  type BaseMessage,
  type Capability,
  CLIENT_QUITTING,
  type DisconnectReason,
  decodeMessage,
  disconnectReason,
  encodePulse,
  type Hello,
} from "./hello.ts";
import type { RlpxLink } from "./rlpx-link.ts";

/** What a session needs. */
export interface PeerSessionOptions {
  /** As a handshake gave it, with what has come in after the Hello. */
  readonly link: RlpxLink;
  /** What the peer said. */
  readonly hello: Hello;
  /** What we said that we speak. */
  readonly capabilities: readonly Capability[];
  readonly random: RandomSource;
}

/** What a session wants done, or has to tell. */
export type SessionEvent =
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "ping" }
  | { readonly kind: "pong"; readonly roundTripMs: number }
  | SessionEnd;

/** The last event: send what came before it, then close the stream. */
export interface SessionEnd {
  readonly kind: "ended";
  /** Who ended it. */
  readonly by: "us" | "peer";
  readonly reason: DisconnectReason;
  /** How the peer broke the protocol, where it did. */
  readonly error?: EthereumError;
}

/**
 * Our pings come after waits between these bounds, drawn anew each time. Other programs ping every
 * 15 s to the millisecond, by which a connection can be told from afar.
 */
export const PING_MS_MIN = 10_000;
/** See {@link PING_MS_MIN}. */
export const PING_MS_MAX = 20_000;
/** How long a pong may take; a circuit that is being rebuilt holds it up for a while. */
export const PONG_MS_MAX = 60_000;
/** Pings answered in each ten seconds; a peer that sends more wants something else. */
export const PINGS_ANSWERED_MAX = 10;
const PINGS_COUNTED_MS = 10_000;
/**
 * Largest message taken: base messages have a few bytes. Nothing that a capability brings is used,
 * so the bound is on what a peer can make us hold.
 */
export const SESSION_MESSAGE_BYTES_MAX = 65_536;

/** Message numbers from here on belong to capabilities. */
const FIRST_CAPABILITY_ID = 16;
const BREACH = 0x02;
const PING_TIMEOUT = 0x0b;

/**
 * A connection after both Hellos, without a socket: answers pings, sends its own at random times,
 * and knows when it is over. It relays nothing: messages of a capability that both sides speak are
 * passed over, others break the protocol.
 *
 * @see devp2p `rlpx.md`, "p2p Capability"; go-ethereum `p2p/peer.go`
 */
export class PeerSession {
  readonly #options: PeerSessionOptions;
  readonly #sharesCapability: boolean;
  #pingAt: number;
  #pongDue = Number.POSITIVE_INFINITY;
  #pingSentAt: number | undefined;
  #countedFrom: number;
  #pings = 0;
  #isOver = false;

  /**
   * @param options the connection
   * @param now milliseconds
   */
  constructor(options: PeerSessionOptions, now: number) {
    this.#options = options;
    this.#sharesCapability = options.capabilities.some((ours) =>
      options.hello.capabilities.some(
        ({ name, version }) => name === ours.name && version === ours.version,
      ),
    );
    this.#pingAt = this.#nextPing(now);
    this.#countedFrom = now;
  }

  /** When to call {@link wake} at the latest, in milliseconds. */
  get wakeAt(): number {
    return this.#isOver ? Number.POSITIVE_INFINITY : Math.min(this.#pingAt, this.#pongDue);
  }

  /**
   * Takes the peer's next bytes.
   *
   * @param bytes a chunk of any size, which is copied; none for what came with the Hello
   * @param now milliseconds
   * @returns what to do, in order; nothing after the end
   */
  receive(bytes: Uint8Array, now: number): SessionEvent[] {
    if (this.#isOver) return [];
    const events: SessionEvent[] = [];
    const { link } = this.#options;
    link.push(bytes);
    try {
      while (!this.#isOver) {
        const message = link.next(SESSION_MESSAGE_BYTES_MAX);
        if (message === undefined) break;
        events.push(...this.#take(decodeMessage(message, link.remoteVersion), now));
      }
    } catch (error) {
      if (!(error instanceof EthereumError)) throw error;
      events.push(...this.#end(BREACH, error));
    }
    return events;
  }

  /**
   * Does what is due.
   *
   * @param now milliseconds
   * @returns what to do, in order
   */
  wake(now: number): SessionEvent[] {
    if (this.#isOver) return [];
    if (now >= this.#pongDue) return this.#end(PING_TIMEOUT);
    if (now < this.#pingAt) return [];
    this.#pingAt = Number.POSITIVE_INFINITY;
    this.#pingSentAt = now;
    this.#pongDue = now + PONG_MS_MAX;
    return [this.#pulse("ping")];
  }

  /**
   * Takes our leave.
   *
   * @param code why
   * @returns what to do, in order; nothing when it is over already
   */
  leave(code: number = CLIENT_QUITTING): SessionEvent[] {
    return this.#isOver ? [] : this.#end(code);
  }

  #take(message: BaseMessage, now: number): SessionEvent[] {
    switch (message.kind) {
      case "ping":
        return this.#answer(now);
      case "pong":
        return this.#hearPong(now);
      case "disconnect":
        this.#isOver = true;
        return [{ kind: "ended", by: "peer", reason: message.reason }];
      case "hello":
        return this.#breach("a second Hello");
      case "other":
        // Numbers that the base protocol may use one day are passed over, as go-ethereum does.
        if (message.id < FIRST_CAPABILITY_ID || this.#sharesCapability) return [];
        return this.#breach(`message ${message.id} of a protocol that we don't share`);
    }
  }

  #answer(now: number): SessionEvent[] {
    if (now - this.#countedFrom >= PINGS_COUNTED_MS) {
      this.#countedFrom = now;
      this.#pings = 0;
    }
    this.#pings++;
    if (this.#pings > PINGS_ANSWERED_MAX) return this.#breach("a flood of pings");
    return [{ kind: "ping" }, this.#pulse("pong")];
  }

  #hearPong(now: number): SessionEvent[] {
    if (this.#pingSentAt === undefined) return [];
    const roundTripMs = now - this.#pingSentAt;
    this.#pingSentAt = undefined;
    this.#pongDue = Number.POSITIVE_INFINITY;
    this.#pingAt = this.#nextPing(now);
    return [{ kind: "pong", roundTripMs }];
  }

  #nextPing(now: number): number {
    return now + uniform(this.#options.random, PING_MS_MIN, PING_MS_MAX);
  }

  #pulse(kind: "ping" | "pong"): SessionEvent {
    const { link } = this.#options;
    return { kind: "send", bytes: link.seal(encodePulse(kind, link.remoteVersion)) };
  }

  #breach(what: string): SessionEvent[] {
    const message = `The peer sent ${what}; it breaks the protocol.`;
    return this.#end(BREACH, new EthereumError("message-unexpected", message));
  }

  #end(code: number, error?: EthereumError): SessionEvent[] {
    this.#isOver = true;
    return [
      { kind: "send", bytes: this.#options.link.farewell(code) },
      {
        kind: "ended",
        by: "us",
        reason: disconnectReason(code),
        ...(error === undefined ? {} : { error }),
      },
    ];
  }
}
