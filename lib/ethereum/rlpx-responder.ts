import type { RandomSource } from "../runtime/random.ts";
import { ByteQueue } from "./byte-queue.ts";
import { drawPrivateKey, KEY_BYTES, publicKeyOf } from "./node-key.ts";
import { encodeRlp, rlpInteger } from "./rlp.ts";
import { deriveRlpxSecrets, RlpxFrames } from "./rlpx-frame.ts";
import { RlpxLink, type RlpxSelf, type RlpxStep } from "./rlpx-link.ts";
import {
  ephemeralSecret,
  HANDSHAKE_VERSION,
  openAuth,
  rlpxOver,
  sealHandshake,
  takePacket,
} from "./rlpx-packet.ts";

/** As whom to answer. */
export interface RlpxResponderOptions extends RlpxSelf {
  /** The key that our record names, 32 bytes. */
  readonly privateKey: Uint8Array;
  /** Gives the keys of this connection. */
  readonly random: RandomSource;
}

/** What the responder waits for. */
export type RlpxResponderStage = "auth" | "hello" | "over";

const NO_BYTES = new Uint8Array(0);

/**
 * The recipient's side of RLPx up to the other side's Hello, without a socket. It says nothing at
 * all until it has opened an auth packet, which takes its public key to write: who only finds the
 * port learns nothing. The format before EIP-8 is refused.
 *
 * @example
 * ```ts
 * const responder = new RlpxResponder({ privateKey, random: systemRandom });
 * responder.receive(bytes); // { kind: "more" }, { kind: "send", bytes } or { kind: "done", … }
 * ```
 * @see EIP-8; devp2p `rlpx.md`
 */
export class RlpxResponder {
  readonly #options: RlpxResponderOptions;
  readonly #publicKey: Uint8Array;
  readonly #queue = new ByteQueue();
  #stage: RlpxResponderStage = "auth";
  #link: RlpxLink | undefined;

  /**
   * @param options as whom to answer
   * @throws EthereumError `key-invalid`
   */
  constructor(options: RlpxResponderOptions) {
    this.#options = options;
    this.#publicKey = publicKeyOf(options.privateKey);
  }

  /** What the responder waits for. From `hello` on, the other side has shown that it knows us. */
  get stage(): RlpxResponderStage {
    return this.#stage;
  }

  /**
   * Takes the other side's next bytes.
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
      return this.#link === undefined ? this.#takeAuth() : this.#takeHello(this.#link);
    } catch (error) {
      this.#stage = "over";
      throw error;
    }
  }

  #takeAuth(): RlpxStep {
    const auth = takePacket(this.#queue, "auth");
    if (auth === undefined) return { kind: "more" };
    const { random, privateKey } = this.#options;
    const { publicKey, ephemeralKey, nonce } = openAuth(privateKey, auth);
    const ownEphemeralKey = drawPrivateKey(random);
    const ownNonce = random.bytes(KEY_BYTES);
    const version = rlpInteger(HANDSHAKE_VERSION);
    const body = encodeRlp([publicKeyOf(ownEphemeralKey), ownNonce, version]);
    const ack = sealHandshake(publicKey, body, random);
    const secrets = deriveRlpxSecrets({
      ephemeralSecret: ephemeralSecret(ownEphemeralKey, ephemeralKey),
      initiatorNonce: nonce,
      recipientNonce: ownNonce,
      auth,
      ack,
    });
    this.#link = new RlpxLink(publicKey, new RlpxFrames(secrets, "recipient"), this.#queue);
    this.#stage = "hello";
    const hello = this.#link.sealHello(this.#options, this.#publicKey);
    const bytes = new Uint8Array(ack.length + hello.length);
    bytes.set(ack);
    bytes.set(hello, ack.length);
    return { kind: "send", bytes };
  }

  #takeHello(link: RlpxLink): RlpxStep {
    const answer = link.takeAnswer();
    if (answer === undefined) return { kind: "more" };
    this.#stage = "over";
    return { kind: "done", answer, link };
  }
}
