import { SocksError } from "./error.ts";
import {
  type Decoded,
  decodeMethodChoice,
  decodePasswordVerdict,
  encodeMethods,
  encodePassword,
  METHOD,
  malformedReply,
  replyVersionOf,
  type SocksReply,
  type SocksRequest,
} from "./message.ts";
import { PartialMessage } from "./partial-message.ts";
import { decodeReply } from "./reply.ts";
import { encodeRequest } from "./request.ts";

/** What a client does next: send these bytes, wait for more, or hand over the stream. */
export type SocksStep =
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "more" }
  | {
      readonly kind: "done";
      readonly reply: SocksReply;
      /** Bytes after the reply: the beginning of the stream. A view of the last chunk. */
      readonly rest: Uint8Array;
    };

/** What the client waits for; `over` after the reply and after an error. */
export type SocksClientStage = "method" | "password" | "reply" | "over";

const NO_BYTES = new Uint8Array(0);
const OFFER_NONE = encodeMethods([METHOD.none]);
const OFFER_PASSWORD = encodeMethods([METHOD.password]);

/**
 * The client's side of a SOCKS conversation, without a socket: bytes of the proxy go in, what to do
 * comes out. The proxy's bytes may be split anywhere.
 *
 * A request with credentials offers the password method alone: a proxy that ignored them would put
 * streams together that were to be kept apart.
 *
 * @example
 * ```ts
 * const handshake = new SocksClientHandshake({ version: "5", command: "connect", host: "a.test", port: 80 });
 * handshake.start(); // 05 01 00
 * handshake.receive(Uint8Array.of(5, 0)); // { kind: "send", bytes: 05 01 00 03 06 61 2e … }
 * ```
 */
export class SocksClientHandshake {
  readonly #request: SocksRequest;
  readonly #requestBytes: Uint8Array;
  readonly #passwordBytes: Uint8Array | undefined;
  #stage: SocksClientStage;
  readonly #partial = new PartialMessage();

  /**
   * @param request what to ask
   * @throws SocksError `request-invalid`
   */
  constructor(request: SocksRequest) {
    this.#request = request;
    this.#requestBytes = encodeRequest(request);
    this.#passwordBytes = request.auth ? encodePassword(request.auth) : undefined;
    this.#stage = request.version === "5" ? "method" : "reply";
  }

  /** What the client waits for. */
  get stage(): SocksClientStage {
    return this.#stage;
  }

  /** The bytes with which the conversation begins. */
  start(): Uint8Array {
    if (this.#request.version !== "5") return this.#requestBytes;
    return this.#passwordBytes ? OFFER_PASSWORD : OFFER_NONE;
  }

  /**
   * Takes the proxy's next bytes.
   *
   * @param bytes a chunk of any size; it is copied where it has to be kept
   * @returns what to do next
   * @throws SocksError what the proxy's refusal stands for; `malformed-reply`, `overlong-reply`,
   *   `auth-refused`, `no-acceptable-method`; `handshake-over` after an end
   */
  receive(bytes: Uint8Array): SocksStep {
    const stage = this.#stage;
    try {
      return this.#take(this.#partial.followedBy(bytes));
    } catch (error) {
      this.#stage = "over";
      throw stage === "over" ? handshakeOver() : error;
    }
  }

  #take(bytes: Uint8Array): SocksStep {
    switch (this.#stage) {
      case "method":
        return this.#takeMethod(bytes);
      case "password":
        return this.#takeVerdict(bytes);
      case "reply":
        return this.#takeReply(bytes);
      case "over":
        throw handshakeOver();
    }
  }

  #takeMethod(bytes: Uint8Array): SocksStep {
    const decoded = decodeMethodChoice(bytes);
    if (decoded === undefined) return this.#hold(bytes);
    const offered = this.#passwordBytes ? METHOD.password : METHOD.none;
    if (decoded.value === METHOD.refused) {
      throw new SocksError(
        "no-acceptable-method",
        this.#passwordBytes
          ? "The proxy takes no user name and password, which keep streams apart; use one that does."
          : "The proxy wants a way to authenticate that was not offered; give a user name and password.",
      );
    }
    if (decoded.value !== offered) throw malformedReply("choice of method", decoded.value);
    this.#expectNoMore(bytes, decoded);
    if (this.#passwordBytes === undefined) return this.#send("reply", this.#requestBytes);
    return this.#send("password", this.#passwordBytes);
  }

  #takeVerdict(bytes: Uint8Array): SocksStep {
    const decoded = decodePasswordVerdict(bytes);
    if (decoded === undefined) return this.#hold(bytes);
    if (!decoded.value) {
      throw new SocksError(
        "auth-refused",
        "The proxy refused the user name or password; check both.",
      );
    }
    this.#expectNoMore(bytes, decoded);
    return this.#send("reply", this.#requestBytes);
  }

  #takeReply(bytes: Uint8Array): SocksStep {
    const { version, command } = this.#request;
    const decoded = decodeReply(replyVersionOf(version), bytes, this.#request);
    if (decoded === undefined) return this.#hold(bytes);
    const reply = decoded.value;
    const isName = reply.hostKind === "name";
    if (
      (command === "resolve" && isName) ||
      (command === "resolve-ptr" && !(isName && reply.host))
    ) {
      throw new SocksError(
        "malformed-reply",
        `The proxy answered the look-up of ${this.#request.host} with "${reply.host}", which is not what was asked.`,
      );
    }
    this.#stage = "over";
    return { kind: "done", reply, rest: bytes.subarray(decoded.bytesRead) };
  }

  /** A proxy that speaks before it was asked is not in this conversation. */
  #expectNoMore(bytes: Uint8Array, decoded: Decoded<unknown>): void {
    if (bytes.length === decoded.bytesRead) return;
    throw new SocksError(
      "overlong-reply",
      `The proxy sent ${bytes.length - decoded.bytesRead} bytes more than SOCKS5 allows before the request; check its port.`,
    );
  }

  #send(next: SocksClientStage, bytes: Uint8Array): SocksStep {
    this.#stage = next;
    this.#partial.hold(NO_BYTES);
    return { kind: "send", bytes };
  }

  #hold(bytes: Uint8Array): SocksStep {
    this.#partial.hold(bytes);
    return { kind: "more" };
  }
}

function handshakeOver(): SocksError {
  return new SocksError(
    "handshake-over",
    "This SOCKS handshake has ended; begin a new one for another connection.",
  );
}
