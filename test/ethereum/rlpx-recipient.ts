import { ByteQueue } from "../../lib/ethereum/byte-queue.ts";
import { publicKeyOf, sharedSecret } from "../../lib/ethereum/node-key.ts";
import { encodeRlp, rlpInteger } from "../../lib/ethereum/rlp.ts";
import {
  deriveRlpxSecrets,
  FRAME_HEADER_BYTES,
  frameBodyBytes,
  RlpxFrames,
} from "../../lib/ethereum/rlpx-frame.ts";
import { openAuth, sealHandshake } from "../../lib/ethereum/rlpx-packet.ts";
import type { RandomSource } from "../../lib/runtime/random.ts";

/** The other side of an RLPx conversation, which does as the test tells it. */
export class RlpxRecipient {
  readonly #privateKey: Uint8Array;
  readonly #random: RandomSource;
  readonly #queue = new ByteQueue();
  #frames: RlpxFrames | undefined;

  constructor(privateKey: Uint8Array, random: RandomSource) {
    this.#privateKey = privateKey;
    this.#random = random;
  }

  /** Takes the auth packet and gives the ack. */
  answer(auth: Uint8Array): Uint8Array {
    const { publicKey, ephemeralKey, nonce } = openAuth(this.#privateKey, auth);
    const ownEphemeralKey = this.#random.bytes(32);
    const ownNonce = this.#random.bytes(32);
    const body = encodeRlp([publicKeyOf(ownEphemeralKey), ownNonce, rlpInteger(4)]);
    const ack = sealHandshake(publicKey, body, this.#random);
    const secrets = deriveRlpxSecrets({
      ephemeralSecret: sharedSecret(ownEphemeralKey, ephemeralKey),
      initiatorNonce: nonce,
      recipientNonce: ownNonce,
      auth,
      ack,
    });
    this.#frames = new RlpxFrames(secrets, "recipient");
    return ack;
  }

  /** Seals a message; only after {@link answer}. */
  seal(message: Uint8Array): Uint8Array {
    return this.#open().seal(message);
  }

  /** Opens the next of the initiator's frames. */
  open(bytes: Uint8Array): Uint8Array {
    this.#queue.push(bytes);
    const frames = this.#open();
    const length = frames.openHeader(this.#take(FRAME_HEADER_BYTES));
    return frames.openBody(this.#take(frameBodyBytes(length)), length);
  }

  #open(): RlpxFrames {
    if (this.#frames === undefined) throw new Error("There was no auth packet yet.");
    return this.#frames;
  }

  #take(length: number): Uint8Array {
    const taken = this.#queue.take(length);
    if (taken === undefined) throw new Error(`The frame lacks ${length} bytes.`);
    return taken;
  }
}
