import type { RandomSource } from "../runtime/random.ts";
import { ByteQueue } from "./byte-queue.ts";
import { ECIES_FIRST_BYTE, ECIES_OVERHEAD_BYTES, openEcies, sealEcies } from "./ecies.ts";
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
import {
  drawPrivateKey,
  KEY_BYTES,
  PUBLIC_KEY_BYTES,
  publicKeyOf,
  sharedSecret,
  signRecoverably,
} from "./node-key.ts";
import { decodeRlpPrefix, encodeRlp, readRlpList, readRlpString, rlpInteger } from "./rlp.ts";
import {
  deriveRlpxSecrets,
  FRAME_HEADER_BYTES,
  frameBodyBytes,
  RlpxFrames,
  signedToken,
} from "./rlpx-frame.ts";

/** Whom to greet, and as whom. */
export interface RlpxGreetingOptions {
  /** The key that the node must hold, 64 bytes: from its enode or its record. */
  readonly remotePublicKey: Uint8Array;
  /** Gives our own keys, which are new each time, so that two greetings have nothing in common. */
  readonly random: RandomSource;
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

/** What the initiator does next. */
export type RlpxStep =
  /** Write these bytes, then call `receive()` again: more may be waiting. */
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "more" }
  | {
      readonly kind: "done";
      readonly answer: RlpxAnswer;
      /** A Disconnect, to be written before the stream is closed. */
      readonly farewell: Uint8Array;
    };

/** What the initiator waits for. */
export type RlpxStage = "ack" | "header" | "body" | "over";

const SIZE_BYTES = 2;
const HANDSHAKE_VERSION = 4;
/** EIP-8: 100 to 300 bytes of junk, so that the packet differs from the old format's length. */
const JUNK_BYTES_MIN = 100;
const JUNK_BYTES_SPREAD = 201;
/** Key, nonce and version as RLP, each with its length, in a list. */
const ACK_BODY_BYTES_MIN = PUBLIC_KEY_BYTES + KEY_BYTES + 5;
/**
 * Largest ack looked at. Nodes send up to 530 bytes; a text or a TLS record, read as a size, is
 * larger, so that it is told at once.
 */
export const ACK_BYTES_MAX = 2_048;
/** Largest message before the Hello is over, its number included; go-ethereum's bound. */
export const HELLO_BYTES_MAX = 2_049;
const NO_BYTES = new Uint8Array(0);

/**
 * The initiator's side of RLPx up to the other side's Hello, without a socket. The answer is proof
 * of identity: only who holds the key of `remotePublicKey` can open our first packet, and only who
 * opened it can seal a frame that we can open.
 *
 * @example
 * ```ts
 * const initiator = new RlpxInitiator({ remotePublicKey, random: systemRandom });
 * initiator.start(); // the auth packet
 * initiator.receive(bytes); // { kind: "send", bytes }, { kind: "more" } or { kind: "done", … }
 * ```
 * @see EIP-8; devp2p `rlpx.md`
 */
export class RlpxInitiator {
  readonly #options: RlpxGreetingOptions;
  readonly #staticKey: Uint8Array;
  readonly #ephemeralKey: Uint8Array;
  readonly #nonce: Uint8Array;
  readonly #auth: Uint8Array;
  readonly #queue = new ByteQueue();
  #stage: RlpxStage = "ack";
  #frames: RlpxFrames | undefined;
  #messageBytes = 0;

  /**
   * @param options whom to greet
   * @throws EthereumError `key-invalid` when the node's key is not one of the curve
   */
  constructor(options: RlpxGreetingOptions) {
    const { random, remotePublicKey } = options;
    this.#options = options;
    this.#staticKey = drawPrivateKey(random);
    this.#ephemeralKey = drawPrivateKey(random);
    this.#nonce = random.bytes(KEY_BYTES);
    const secret = sharedSecret(this.#staticKey, remotePublicKey);
    const body = encodeRlp([
      signRecoverably(signedToken(secret, this.#nonce), this.#ephemeralKey),
      publicKeyOf(this.#staticKey),
      this.#nonce,
      rlpInteger(HANDSHAKE_VERSION),
    ]);
    this.#auth = sealHandshake(remotePublicKey, body, random);
  }

  /** What the initiator waits for. From `header` on, the other side has sent its ack. */
  get stage(): RlpxStage {
    return this.#stage;
  }

  /** The bytes with which the conversation begins. */
  start(): Uint8Array {
    return this.#auth;
  }

  /**
   * Takes the node's next bytes.
   *
   * @param bytes a chunk of any size, which is copied; none to go on after a `send`
   * @returns what to do next
   * @throws EthereumError `not-rlpx`, `frame-mac`, `frame-too-large`, `message-malformed`,
   *   `message-unexpected`, `hello-identity`; `handshake-over` after an end
   */
  receive(bytes: Uint8Array = NO_BYTES): RlpxStep {
    if (this.#stage === "over") {
      throw new EthereumError(
        "handshake-over",
        "This RLPx handshake has ended; begin a new one for another connection.",
      );
    }
    this.#queue.push(bytes);
    try {
      return this.#step();
    } catch (error) {
      this.#stage = "over";
      throw error;
    }
  }

  #step(): RlpxStep {
    if (this.#stage === "ack") return this.#takeAck();
    if (this.#frames === undefined) return { kind: "more" };
    if (this.#stage === "header") {
      const header = this.#queue.take(FRAME_HEADER_BYTES);
      if (header === undefined) return { kind: "more" };
      this.#messageBytes = this.#frames.openHeader(header);
      if (this.#messageBytes > HELLO_BYTES_MAX) throw tooLarge(this.#messageBytes);
      this.#stage = "body";
    }
    const body = this.#queue.take(frameBodyBytes(this.#messageBytes));
    if (body === undefined) return { kind: "more" };
    return this.#takeMessage(this.#frames, this.#frames.openBody(body, this.#messageBytes));
  }

  #takeAck(): RlpxStep {
    const size = checkedSize(this.#queue);
    const ack = size === undefined ? undefined : this.#queue.take(SIZE_BYTES + size);
    if (ack === undefined) return { kind: "more" };
    const { publicKey, nonce } = openAck(this.#staticKey, ack);
    const secrets = deriveRlpxSecrets({
      ephemeralSecret: ephemeralSecret(this.#ephemeralKey, publicKey),
      initiatorNonce: this.#nonce,
      recipientNonce: nonce,
      auth: this.#auth,
      ack,
    });
    this.#frames = new RlpxFrames(secrets, "initiator");
    this.#stage = "header";
    const hello = encodeHello({
      protocolVersion: P2P_VERSION,
      clientId: this.#options.clientId ?? "",
      capabilities: this.#options.capabilities ?? [],
      listenPort: 0,
      publicKey: publicKeyOf(this.#staticKey),
    });
    return { kind: "send", bytes: this.#frames.seal(hello) };
  }

  #takeMessage(frames: RlpxFrames, bytes: Uint8Array): RlpxStep {
    const message = decodeMessage(bytes);
    if (message.kind !== "hello" && message.kind !== "disconnect") {
      throw new EthereumError(
        "message-unexpected",
        `The peer sent a message (${message.kind}) before its Hello; it breaks the protocol.`,
      );
    }
    if (message.kind === "hello") this.#checkKey(message.hello);
    this.#stage = "over";
    const version = message.kind === "hello" ? message.hello.protocolVersion : undefined;
    const farewell = frames.seal(encodeDisconnect(CLIENT_QUITTING, version));
    return { kind: "done", answer: message, farewell };
  }

  #checkKey(hello: Hello): void {
    if (Buffer.from(hello.publicKey).equals(this.#options.remotePublicKey)) return;
    throw new EthereumError(
      "hello-identity",
      "The peer's Hello names another key than the one it holds; it breaks the protocol.",
    );
  }
}

/**
 * Seals a body of the handshake, with junk after it and its size before it.
 *
 * @param publicKey of the receiver, 64 bytes
 * @param body RLP of auth or ack
 * @param random gives the junk and the one-time key
 * @returns the packet as it is sent
 * @throws EthereumError `key-invalid`
 * @see EIP-8, "auth-packet" and "ack-packet"
 */
export function sealHandshake(
  publicKey: Uint8Array,
  body: Uint8Array,
  random: RandomSource,
): Uint8Array {
  const junk = random.bytes(JUNK_BYTES_MIN + (random.uint32() % JUNK_BYTES_SPREAD));
  const message = new Uint8Array(body.length + junk.length);
  message.set(body);
  message.set(junk, body.length);
  const size = message.length + ECIES_OVERHEAD_BYTES;
  const packet = new Uint8Array(SIZE_BYTES + size);
  packet.set([size >>> 8, size]);
  packet.set(sealEcies(publicKey, message, packet.subarray(0, SIZE_BYTES), random), SIZE_BYTES);
  return packet;
}

/**
 * Opens the recipient's ack; its version, further fields and what follows the list are ignored.
 *
 * @param privateKey the initiator's static key, 32 bytes
 * @param ack the packet as it was sent
 * @returns the recipient's ephemeral key, 64 bytes, and nonce, 32 bytes
 * @throws EthereumError `not-rlpx`
 * @see EIP-8
 */
export function openAck(
  privateKey: Uint8Array,
  ack: Uint8Array,
): { readonly publicKey: Uint8Array; readonly nonce: Uint8Array } {
  const size = ack.subarray(0, SIZE_BYTES);
  const message = openEcies(privateKey, ack.subarray(SIZE_BYTES), size);
  try {
    const fields = readRlpList(decodeRlpPrefix(message).item);
    return {
      publicKey: readRlpString(fields[0], PUBLIC_KEY_BYTES),
      nonce: readRlpString(fields[1], KEY_BYTES),
    };
  } catch (cause) {
    throw notRlpx("its ack can't be read", { cause });
  }
}

/** The size of an ack, once it is there; what can't be one is refused at its first bytes. */
function checkedSize(queue: ByteQueue): number | undefined {
  const high = queue.peek(0);
  const low = queue.peek(1);
  if (high === undefined || low === undefined) return undefined;
  const size = high * 256 + low;
  if (size < ECIES_OVERHEAD_BYTES + ACK_BODY_BYTES_MIN || SIZE_BYTES + size > ACK_BYTES_MAX) {
    throw notRlpx(`its answer begins as no ack does, with ${hexOf(high, low)}`);
  }
  const mark = queue.peek(SIZE_BYTES);
  if (mark !== undefined && mark !== ECIES_FIRST_BYTE) {
    throw notRlpx(`its answer begins as no ack does, with ${hexOf(high, low, mark)}`);
  }
  return size;
}

function ephemeralSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  try {
    return sharedSecret(privateKey, publicKey);
  } catch (cause) {
    throw notRlpx("its ephemeral key is not one of secp256k1", { cause });
  }
}

function hexOf(...bytes: number[]): string {
  return Buffer.from(bytes).toString("hex");
}

function notRlpx(what: string, options?: { cause?: unknown }): EthereumError {
  return new EthereumError(
    "not-rlpx",
    `The peer does not speak RLPx: ${what}; check the port.`,
    options,
  );
}

function tooLarge(bytes: number): EthereumError {
  return new EthereumError(
    "frame-too-large",
    `The peer's first message has ${bytes} bytes, ${HELLO_BYTES_MAX} are allowed; it breaks the protocol.`,
  );
}
