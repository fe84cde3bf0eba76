import { replyCodeOf, SocksError } from "./error.ts";
import {
  type Decoded,
  decodeMethods,
  decodePassword,
  encodeMethodChoice,
  encodePasswordVerdict,
  METHOD,
  malformedRequest,
  replyVersionOf,
  SOCKS4,
  SOCKS5,
  type SocksAuth,
  type SocksRequest,
} from "./message.ts";
import { PartialMessage } from "./partial-message.ts";
import { encodeGranted, encodeRefused } from "./reply.ts";
import { decodeRequest4, decodeRequest5 } from "./request.ts";

/** What a server does next. */
export type SocksServerStep =
  /** Send these bytes, then call `receive` again, with no bytes if none have come. */
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "more" }
  /** The request is there: carry it out, then answer with `granted` or `refused`. */
  | {
      readonly kind: "request";
      readonly request: SocksRequest;
      /** Bytes after the request: the beginning of the client's stream. */
      readonly rest: Uint8Array;
    }
  /** Send these bytes, if any, and close. */
  | { readonly kind: "refuse"; readonly bytes: Uint8Array; readonly error: SocksError };

/** How a server treats its clients. */
export interface SocksServerHandshakeOptions {
  /**
   * Says whether a user name and password are right. With it, clients without them are refused.
   * @default every user name and password is accepted, as tor does; none is needed
   */
  readonly authenticate?:
    | ((auth: { user: Uint8Array; password: Uint8Array }) => boolean)
    | undefined;
  /**
   * Answers SOCKS5 clients with F0–F7 where they fit, as tor's `ExtendedErrors` flag does.
   * @default false
   */
  readonly extendedErrors?: boolean | undefined;
}

const NO_BYTES = new Uint8Array(0);
/** What tor tells as the bound address of a stream: nothing. */
const UNBOUND = { host: "0.0.0.0", port: 0 };

/**
 * The server's side of a SOCKS 4, 4a or 5 conversation, without a socket: bytes of the client go in,
 * what to do comes out. The client's bytes may be split anywhere, or come all at once.
 */
export class SocksServerHandshake {
  readonly #options: SocksServerHandshakeOptions;
  readonly #partial = new PartialMessage();
  #stage: "first" | "methods" | "password" | "request4" | "request5" | "over" = "first";
  #version: "4" | "5" | undefined;
  #auth: SocksAuth | undefined;

  /** @param options how to treat the client */
  constructor(options: SocksServerHandshakeOptions = {}) {
    this.#options = options;
  }

  /**
   * Takes the client's next bytes.
   *
   * @param bytes a chunk of any size, or none after a `send` step; copied where it has to be kept
   * @returns what to do next
   * @throws SocksError `handshake-over` after a request or a refusal
   */
  receive(bytes: Uint8Array): SocksServerStep {
    if (this.#stage === "over") {
      throw new SocksError(
        "handshake-over",
        "This SOCKS handshake has ended; begin a new one for another connection.",
      );
    }
    try {
      return this.#take(this.#partial.followedBy(bytes));
    } catch (error) {
      if (!(error instanceof SocksError)) throw error;
      const answers = this.#stage === "request4" || this.#stage === "request5";
      return this.#refuse(answers ? this.refused(error) : NO_BYTES, error);
    }
  }

  /**
   * The reply that grants the request; what follows it is the stream.
   *
   * @param bound the address to tell, or what was looked up
   * @default bound zeros, as tor tells
   */
  granted(bound: { readonly host: string; readonly port: number } = UNBOUND): Uint8Array {
    return encodeGranted(this.#version ?? "5", bound);
  }

  /**
   * The reply that refuses the request, in the client's own version.
   *
   * @param error what stood in the way
   */
  refused(error: unknown): Uint8Array {
    const version = this.#version ?? "5";
    const code = replyCodeOf(error, version, this.#options.extendedErrors ?? false);
    return encodeRefused(version, code);
  }

  #take(bytes: Uint8Array): SocksServerStep {
    if (this.#stage === "first") this.#begin(bytes);
    switch (this.#stage) {
      case "methods":
        return this.#takeMethods(bytes);
      case "password":
        return this.#takePassword(bytes);
      case "request4":
        return this.#takeRequest(bytes, decodeRequest4(bytes));
      case "request5":
        return this.#takeRequest(bytes, decodeRequest5(bytes));
      default:
        return { kind: "more" };
    }
  }

  #begin(bytes: Uint8Array): void {
    const [version] = bytes;
    if (version === SOCKS4) {
      this.#version = "4";
      this.#stage = "request4";
      if (this.#options.authenticate) throw noAcceptableMethod();
    } else if (version === SOCKS5) {
      this.#version = "5";
      this.#stage = "methods";
    } else if (version !== undefined) {
      throw malformedRequest("version", version);
    }
  }

  #takeMethods(bytes: Uint8Array): SocksServerStep {
    const decoded = decodeMethods(bytes);
    if (decoded === undefined) return this.#hold(bytes);
    // A client that offers a password wants it used: with tor it keeps its streams apart.
    if (decoded.value.includes(METHOD.password)) {
      return this.#send("password", METHOD.password, bytes, decoded);
    }
    if (decoded.value.includes(METHOD.none) && this.#options.authenticate === undefined) {
      return this.#send("request5", METHOD.none, bytes, decoded);
    }
    return this.#refuse(encodeMethodChoice(METHOD.refused), noAcceptableMethod());
  }

  #takePassword(bytes: Uint8Array): SocksServerStep {
    const decoded = decodePassword(bytes);
    if (decoded === undefined) return this.#hold(bytes);
    if (this.#options.authenticate?.(decoded.value) === false) {
      return this.#refuse(
        encodePasswordVerdict(false),
        new SocksError("auth-refused", "The client's user name or password is wrong."),
      );
    }
    this.#auth = decoded.value;
    this.#stage = "request5";
    this.#partial.hold(bytes.subarray(decoded.bytesRead));
    return { kind: "send", bytes: encodePasswordVerdict(true) };
  }

  #takeRequest(bytes: Uint8Array, decoded: Decoded<SocksRequest> | undefined): SocksServerStep {
    if (decoded === undefined) return this.#hold(bytes);
    const request = this.#auth ? { ...decoded.value, auth: this.#auth } : decoded.value;
    this.#stage = "over";
    this.#partial.hold(NO_BYTES);
    this.#version = replyVersionOf(request.version);
    return { kind: "request", request, rest: bytes.subarray(decoded.bytesRead) };
  }

  #send(
    next: "password" | "request5",
    method: number,
    bytes: Uint8Array,
    decoded: Decoded<Uint8Array>,
  ): SocksServerStep {
    this.#stage = next;
    this.#partial.hold(bytes.subarray(decoded.bytesRead));
    return { kind: "send", bytes: encodeMethodChoice(method) };
  }

  #refuse(bytes: Uint8Array, error: SocksError): SocksServerStep {
    this.#stage = "over";
    this.#partial.hold(NO_BYTES);
    return { kind: "refuse", bytes, error };
  }

  #hold(bytes: Uint8Array): SocksServerStep {
    this.#partial.hold(bytes);
    return { kind: "more" };
  }
}

function noAcceptableMethod(): SocksError {
  return new SocksError(
    "no-acceptable-method",
    "The client offers no way to authenticate that is taken here; it must send a user name and password.",
    { where: "peer" },
  );
}
