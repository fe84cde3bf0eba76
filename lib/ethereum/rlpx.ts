import type { RandomSource } from "../runtime/random.ts";
import { ByteQueue } from "./byte-queue.ts";
import {
  drawPrivateKey,
  KEY_BYTES,
  publicKeyOf,
  sharedSecret,
  signRecoverably,
} from "./node-key.ts";
import { encodeRlp, rlpInteger } from "./rlp.ts";
import { deriveRlpxSecrets, RlpxFrames, signedToken } from "./rlpx-frame.ts";
import { RlpxLink, type RlpxSelf, type RlpxStep } from "./rlpx-link.ts";
import {
  ephemeralSecret,
  HANDSHAKE_VERSION,
  openAck,
  rlpxOver,
  sealHandshake,
  takePacket,
} from "./rlpx-packet.ts";

/** Whom to greet, and as whom. */
export interface RlpxGreetingOptions extends RlpxSelf {
  /** The key that the node must hold, 64 bytes: from its enode or its record. */
  readonly remotePublicKey: Uint8Array;
  /** Gives the keys of this connection. */
  readonly random: RandomSource;
  /**
   * Our own key, 32 bytes, for a node that is to be known again.
   * @default a new one, so that two greetings have nothing in common
   */
  readonly privateKey?: Uint8Array | undefined;
}

/** What the initiator waits for. */
export type RlpxStage = "ack" | "hello" | "over";

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
  #link: RlpxLink | undefined;

  /**
   * @param options whom to greet
   * @throws EthereumError `key-invalid` when the node's key, or ours, is not one of the curve
   */
  constructor(options: RlpxGreetingOptions) {
    const { random, remotePublicKey } = options;
    this.#options = options;
    this.#staticKey = options.privateKey ?? drawPrivateKey(random);
    this.#ephemeralKey = drawPrivateKey(random);
    this.#nonce = random.bytes(KEY_BYTES);
    const publicKey = publicKeyOf(this.#staticKey);
    const secret = sharedSecret(this.#staticKey, remotePublicKey);
    const body = encodeRlp([
      signRecoverably(signedToken(secret, this.#nonce), this.#ephemeralKey),
      publicKey,
      this.#nonce,
      rlpInteger(HANDSHAKE_VERSION),
    ]);
    this.#auth = sealHandshake(remotePublicKey, body, random);
  }

  /** What the initiator waits for. From `hello` on, the other side has sent its ack. */
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
    if (this.#stage === "over") throw rlpxOver();
    this.#queue.push(bytes);
    try {
      return this.#link === undefined ? this.#takeAck() : this.#takeHello(this.#link);
    } catch (error) {
      this.#stage = "over";
      throw error;
    }
  }

  #takeAck(): RlpxStep {
    const ack = takePacket(this.#queue, "ack");
    if (ack === undefined) return { kind: "more" };
    const { publicKey, nonce } = openAck(this.#staticKey, ack);
    const secrets = deriveRlpxSecrets({
      ephemeralSecret: ephemeralSecret(this.#ephemeralKey, publicKey),
      initiatorNonce: this.#nonce,
      recipientNonce: nonce,
      auth: this.#auth,
      ack,
    });
    const frames = new RlpxFrames(secrets, "initiator");
    this.#link = new RlpxLink(this.#options.remotePublicKey, frames, this.#queue);
    this.#stage = "hello";
    const hello = this.#link.sealHello(this.#options, publicKeyOf(this.#staticKey));
    return { kind: "send", bytes: hello };
  }

  #takeHello(link: RlpxLink): RlpxStep {
    const answer = link.takeAnswer();
    if (answer === undefined) return { kind: "more" };
    this.#stage = "over";
    return { kind: "done", answer, link };
  }
}
