import { ByteQueue } from "./byte-queue.ts";
import { EthereumError } from "./error.ts";
import {
  type Capability,
  CLIENT_QUITTING,
  type DisconnectReason,
  decodeMessage,
  encodeDisconnect,
  encodeHello,
  type Hello,
  P2P_VERSION,
} from "./hello.ts";
import { FRAME_HEADER_BYTES, frameBodyBytes, type RlpxFrames } from "./rlpx-frame.ts";

/** As whom we speak to a node. */
export interface RlpxSelf {
  /**
   * What we call our program. Nothing by default: it is for the user to name it.
   * @default ""
   */
  readonly clientId?: string | undefined;
  /**
   * What we claim to speak.
   * @default nothing, upon which most nodes take their leave after their Hello
   */
  readonly capabilities?: readonly Capability[] | undefined;
}

/** How a node that holds its key answered. */
export type RlpxAnswer =
  | { readonly kind: "hello"; readonly hello: Hello }
  /** It is alive and holds its key, and does not want us now. */
  | { readonly kind: "disconnect"; readonly reason: DisconnectReason };

/** What one side of a handshake does next. */
export type RlpxStep =
  /** Write these bytes, then call `receive()` again: more may be waiting. */
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "more" }
  | {
      readonly kind: "done";
      readonly answer: RlpxAnswer;
      /** For what follows: a session, or a Disconnect to be written before the stream is closed. */
      readonly link: RlpxLink;
    };

/** Largest message before the Hello is over, its number included; go-ethereum's bound. */
export const HELLO_BYTES_MAX = 2_049;

/** A connection whose secrets are agreed on: messages in and out, no socket. */
export class RlpxLink {
  /** The other side's key, 64 bytes. */
  readonly remotePublicKey: Uint8Array;
  readonly #frames: RlpxFrames;
  readonly #queue: ByteQueue;
  #messageBytes: number | undefined;
  #remoteVersion: number | undefined;

  /**
   * @param remotePublicKey the other side's key, 64 bytes
   * @param frames of this connection
   * @param queue what has come in, with all that will
   */
  constructor(remotePublicKey: Uint8Array, frames: RlpxFrames, queue: ByteQueue = new ByteQueue()) {
    this.remotePublicKey = remotePublicKey;
    this.#frames = frames;
    this.#queue = queue;
  }

  /** The other side's version of the base protocol, once its Hello is there. */
  get remoteVersion(): number | undefined {
    return this.#remoteVersion;
  }

  /**
   * Takes bytes in.
   *
   * @param bytes a chunk of any size, which is copied
   */
  push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
  }

  /**
   * The next message.
   *
   * @param bytesMax the largest to be taken
   * @returns number and content; undefined until it is whole
   * @throws EthereumError `frame-mac`, `frame-too-large`
   */
  next(bytesMax: number): Uint8Array | undefined {
    if (this.#messageBytes === undefined) {
      const header = this.#queue.take(FRAME_HEADER_BYTES);
      if (header === undefined) return undefined;
      const messageBytes = this.#frames.openHeader(header);
      if (messageBytes > bytesMax) throw tooLarge(messageBytes, bytesMax);
      this.#messageBytes = messageBytes;
    }
    const body = this.#queue.take(frameBodyBytes(this.#messageBytes));
    if (body === undefined) return undefined;
    const message = this.#frames.openBody(body, this.#messageBytes);
    this.#messageBytes = undefined;
    return message;
  }

  /**
   * The other side's first message.
   *
   * @returns its Hello or Disconnect; undefined until it is whole
   * @throws EthereumError `frame-mac`, `frame-too-large`, `message-malformed`,
   *   `message-unexpected`, `hello-identity`
   */
  takeAnswer(): RlpxAnswer | undefined {
    const bytes = this.next(HELLO_BYTES_MAX);
    if (bytes === undefined) return undefined;
    const message = decodeMessage(bytes);
    if (message.kind !== "hello" && message.kind !== "disconnect") {
      throw new EthereumError(
        "message-unexpected",
        `The peer sent a message (${message.kind}) before its Hello; it breaks the protocol.`,
      );
    }
    if (message.kind === "hello") {
      this.#checkKey(message.hello);
      this.#remoteVersion = message.hello.protocolVersion;
    }
    return message;
  }

  /**
   * Seals a message, which must then be sent, and before any other.
   *
   * @param message number and content
   */
  seal(message: Uint8Array): Uint8Array {
    return this.#frames.seal(message);
  }

  /**
   * Seals our Hello.
   *
   * @param self as whom we speak
   * @param publicKey our key, 64 bytes
   */
  sealHello(self: RlpxSelf, publicKey: Uint8Array): Uint8Array {
    const hello = encodeHello({
      protocolVersion: P2P_VERSION,
      clientId: self.clientId ?? "",
      capabilities: self.capabilities ?? [],
      listenPort: 0,
      publicKey,
    });
    return this.seal(hello);
  }

  /**
   * Seals a Disconnect, to be written before the stream is closed.
   *
   * @param code why
   */
  farewell(code: number = CLIENT_QUITTING): Uint8Array {
    return this.seal(encodeDisconnect(code, this.#remoteVersion));
  }

  #checkKey(hello: Hello): void {
    if (Buffer.from(hello.publicKey).equals(this.remotePublicKey)) return;
    throw new EthereumError(
      "hello-identity",
      "The peer's Hello names another key than the one it holds; it breaks the protocol.",
    );
  }
}

function tooLarge(bytes: number, bytesMax: number): EthereumError {
  return new EthereumError(
    "frame-too-large",
    `A message of the peer has ${bytes} bytes, ${bytesMax} are allowed; it breaks the protocol.`,
  );
}
