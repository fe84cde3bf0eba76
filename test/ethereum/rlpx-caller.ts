import { publicKeyOf, sharedSecret, signRecoverably } from "../../lib/ethereum/node-key.ts";
import { encodeRlp, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { deriveRlpxSecrets, RlpxFrames, signedToken } from "../../lib/ethereum/rlpx-frame.ts";
import { openAck, sealHandshake } from "../../lib/ethereum/rlpx-packet.ts";
import type { RandomSource } from "../../lib/runtime/random.ts";

/** The beginning side of an RLPx conversation, which says what the test tells it. */
export class RlpxCaller {
  /** The packet with which it begins. */
  readonly auth: Uint8Array;
  readonly #privateKey: Uint8Array;
  readonly #ephemeralKey: Uint8Array;
  readonly #nonce: Uint8Array;
  #frames: RlpxFrames | undefined;

  constructor(privateKey: Uint8Array, remotePublicKey: Uint8Array, random: RandomSource) {
    this.#privateKey = privateKey;
    this.#ephemeralKey = random.bytes(32);
    this.#nonce = random.bytes(32);
    const token = signedToken(sharedSecret(privateKey, remotePublicKey), this.#nonce);
    const signature = signRecoverably(token, this.#ephemeralKey);
    const body = encodeRlp([signature, publicKeyOf(privateKey), this.#nonce, rlpInteger(4)]);
    this.auth = sealHandshake(remotePublicKey, body, random);
  }

  /** Takes the ack, and whatever comes after it. */
  takeAnswer(bytes: Uint8Array): void {
    const ack = bytes.slice(0, 2 + (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0));
    const { publicKey, nonce } = openAck(this.#privateKey, ack);
    const secrets = deriveRlpxSecrets({
      ephemeralSecret: sharedSecret(this.#ephemeralKey, publicKey),
      initiatorNonce: this.#nonce,
      recipientNonce: nonce,
      auth: this.auth,
      ack,
    });
    this.#frames = new RlpxFrames(secrets, "initiator");
  }

  /** Seals a message; only after {@link takeAnswer}. */
  seal(message: Uint8Array): Uint8Array {
    if (this.#frames === undefined) throw new Error("There was no ack yet.");
    return this.#frames.seal(message);
  }
}
