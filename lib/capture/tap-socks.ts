import {
  type Decoded,
  decodeMethodChoice,
  decodeMethods,
  decodePassword,
  decodePasswordVerdict,
  METHOD,
  replyVersionOf,
  SOCKS4,
  SOCKS5,
  type SocksRequest,
} from "../socks/message.ts";
import { decodeReply } from "../socks/reply.ts";
import { decodeRequest4, decodeRequest5 } from "../socks/request.ts";

/** More than one side of a handshake has; what is longer is none. */
const HELD_BYTES_MAX = 4_096;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/** What of a chunk, and of bytes held before it, belongs to the stream itself. */
export interface StreamBytes {
  readonly fromClient: Uint8Array;
  readonly fromProxy: Uint8Array;
}

/**
 * Listens in on a SOCKS 4, 4a or 5 handshake without taking part in it: both directions go in, and
 * what comes out is the request, and where in each direction the stream begins.
 */
export class SocksSight {
  /** What the client asked for; undefined until it has. */
  request: SocksRequest | undefined;
  /** Why there will be no stream; undefined while there may be one. */
  refusal: string | undefined;
  #client: "version" | "methods" | "password" | "request4" | "request5" | "stream" = "version";
  #proxy: "choice" | "verdict" | "reply" | "stream" = "choice";
  #method: number | undefined;
  #clientHeld = NO_BYTES;
  #proxyHeld = NO_BYTES;

  /**
   * Takes what one side sent.
   *
   * @param side who sent it
   * @param chunk its next bytes; not kept
   */
  take(side: "client" | "proxy", chunk: Uint8Array): StreamBytes {
    if (this.refusal !== undefined) return { fromClient: NO_BYTES, fromProxy: NO_BYTES };
    if (side === "client") this.#clientHeld = joined(this.#clientHeld, chunk);
    else this.#proxyHeld = joined(this.#proxyHeld, chunk);
    try {
      while (this.#stepClient() || this.#stepProxy());
    } catch (error) {
      this.#refuse(error instanceof Error ? error.message : String(error));
    }
    if (Math.max(this.#heldBytes("client"), this.#heldBytes("proxy")) > HELD_BYTES_MAX) {
      this.#refuse("This is no SOCKS handshake.");
    }
    return { fromClient: this.#released("client"), fromProxy: this.#released("proxy") };
  }

  #stepClient(): boolean {
    const bytes = this.#clientHeld;
    switch (this.#client) {
      case "version": {
        const [version] = bytes;
        if (version === undefined) return false;
        if (version !== SOCKS4 && version !== SOCKS5) throw new Error("This is no SOCKS.");
        this.#client = version === SOCKS4 ? "request4" : "methods";
        if (version === SOCKS4) this.#proxy = "reply";
        return true;
      }
      case "methods":
        return this.#passClient(decodeMethods(bytes), "password") !== undefined;
      case "password":
        // What follows the methods hangs on which of them the proxy chose.
        if (this.#method === undefined) return false;
        if (this.#method !== METHOD.password) {
          this.#client = "request5";
          return true;
        }
        return this.#passClient(decodePassword(bytes), "request5") !== undefined;
      case "request4":
      case "request5": {
        const decode = this.#client === "request4" ? decodeRequest4 : decodeRequest5;
        this.request = this.#passClient(decode(bytes), "stream");
        return this.request !== undefined;
      }
      case "stream":
        return false;
    }
  }

  #stepProxy(): boolean {
    const bytes = this.#proxyHeld;
    switch (this.#proxy) {
      case "choice": {
        const decoded = this.#client === "version" ? undefined : decodeMethodChoice(bytes);
        if (decoded === undefined) return false;
        this.#method = decoded.value;
        if (decoded.value === METHOD.refused) throw new Error("The proxy took no method.");
        this.#proxy = decoded.value === METHOD.password ? "verdict" : "reply";
        this.#proxyHeld = bytes.subarray(decoded.bytesRead);
        return true;
      }
      case "verdict": {
        const decoded = decodePasswordVerdict(bytes);
        if (decoded === undefined) return false;
        if (!decoded.value) throw new Error("The proxy refused the password.");
        this.#proxy = "reply";
        this.#proxyHeld = bytes.subarray(decoded.bytesRead);
        return true;
      }
      case "reply": {
        if (this.request === undefined) return false;
        const version = replyVersionOf(this.request.version);
        const decoded = decodeReply(version, bytes, this.request);
        if (decoded === undefined) return false;
        this.#proxy = "stream";
        this.#proxyHeld = bytes.subarray(decoded.bytesRead);
        return true;
      }
      case "stream":
        return false;
    }
  }

  #passClient<T>(
    decoded: Decoded<T> | undefined,
    next: "password" | "request5" | "stream",
  ): T | undefined {
    if (decoded === undefined) return undefined;
    this.#clientHeld = this.#clientHeld.subarray(decoded.bytesRead);
    this.#client = next;
    return decoded.value;
  }

  #refuse(why: string): void {
    this.refusal = why;
    this.#clientHeld = NO_BYTES;
    this.#proxyHeld = NO_BYTES;
  }

  #heldBytes(side: "client" | "proxy"): number {
    if (side === "client") return this.#client === "stream" ? 0 : this.#clientHeld.length;
    return this.#proxy === "stream" ? 0 : this.#proxyHeld.length;
  }

  /**
   * What a side that is past its handshake has sent. What is held else is copied, and not by slice,
   * which of a Buffer makes a view.
   */
  #released(side: "client" | "proxy"): Uint8Array {
    if (side === "client") {
      const bytes = this.#clientHeld;
      const isPast = this.#client === "stream";
      this.#clientHeld = isPast ? NO_BYTES : new Uint8Array(bytes);
      return isPast ? bytes : NO_BYTES;
    }
    const bytes = this.#proxyHeld;
    const isPast = this.#proxy === "stream";
    this.#proxyHeld = isPast ? NO_BYTES : new Uint8Array(bytes);
    return isPast ? bytes : NO_BYTES;
  }
}

function joined(held: Uint8Array, chunk: Uint8Array): Uint8Array {
  if (held.length === 0) return chunk;
  const bytes = new Uint8Array(held.length + chunk.length);
  bytes.set(held);
  bytes.set(chunk, held.length);
  return bytes;
}
