import { type Cipheriv, createCipheriv, timingSafeEqual } from "node:crypto";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { EthereumError } from "./error.ts";
import { KEY_BYTES } from "./node-key.ts";

/** A frame's header and the tag over it. */
export const FRAME_HEADER_BYTES = 32;
const BLOCK_BYTES = 16;
const SIZE_BYTES = 3;
/** RLP of two zeros: capability and context, which no implementation uses. */
const UNUSED_HEADER_FIELDS = Uint8Array.of(0xc2, 0x80, 0x80);

type KeccakState = ReturnType<typeof keccak_256.create>;

/** What both ends know after the handshake. */
export interface RlpxSecrets {
  readonly aesSecret: Uint8Array;
  readonly macSecret: Uint8Array;
  /** State of the tags on what the initiator sends. */
  readonly initiatorMac: KeccakState;
  /** State of the tags on what the recipient sends. */
  readonly recipientMac: KeccakState;
}

/** What the secrets are derived from. */
export interface RlpxHandshake {
  /** Product of the two ephemeral keys, 32 bytes. */
  readonly ephemeralSecret: Uint8Array;
  /** 32 bytes each. */
  readonly initiatorNonce: Uint8Array;
  readonly recipientNonce: Uint8Array;
  /** The two handshake packets as they were sent, with their size. */
  readonly auth: Uint8Array;
  readonly ack: Uint8Array;
}

/**
 * Derives the secrets of a connection.
 *
 * @param handshake what was exchanged
 * @see devp2p `rlpx.md`, "Initial Handshake"
 */
export function deriveRlpxSecrets(handshake: RlpxHandshake): RlpxSecrets {
  const { ephemeralSecret, initiatorNonce, recipientNonce, auth, ack } = handshake;
  const nonces = keccak(recipientNonce, initiatorNonce);
  const shared = keccak(ephemeralSecret, nonces);
  const aesSecret = keccak(ephemeralSecret, shared);
  const macSecret = keccak(ephemeralSecret, aesSecret);
  return {
    aesSecret,
    macSecret,
    initiatorMac: keccak_256.create().update(xor(macSecret, recipientNonce)).update(auth),
    recipientMac: keccak_256.create().update(xor(macSecret, initiatorNonce)).update(ack),
  };
}

function keccak(first: Uint8Array, second: Uint8Array): Uint8Array {
  return keccak_256.create().update(first).update(second).digest();
}

function xor(first: Uint8Array, second: Uint8Array): Uint8Array {
  return first.map((byte, at) => byte ^ (second[at] ?? 0));
}

/** One direction's cipher and tag. */
class Direction {
  readonly #cipher: Cipheriv;
  readonly #macCipher: Cipheriv;
  readonly #mac: KeccakState;

  constructor(aesSecret: Uint8Array, macSecret: Uint8Array, mac: KeccakState) {
    // Counter mode: the same operation seals and opens. Each direction counts from zero.
    this.#cipher = createCipheriv("aes-256-ctr", aesSecret, new Uint8Array(BLOCK_BYTES));
    this.#macCipher = createCipheriv("aes-256-ecb", macSecret, null).setAutoPadding(false);
    this.#mac = mac.clone();
  }

  crypt(bytes: Uint8Array): Uint8Array {
    return this.#cipher.update(bytes);
  }

  headerTag(ciphertext: Uint8Array): Uint8Array {
    return this.#tag(ciphertext);
  }

  bodyTag(ciphertext: Uint8Array): Uint8Array {
    this.#mac.update(ciphertext);
    return this.#tag(this.#digest());
  }

  #tag(seed: Uint8Array): Uint8Array {
    this.#mac.update(xor(this.#macCipher.update(this.#digest()), seed));
    return this.#digest();
  }

  #digest(): Uint8Array {
    return this.#mac.clone().digest().slice(0, BLOCK_BYTES);
  }
}

/** The frames of a connection whose handshake is over: seals ours, opens theirs, in order. */
export class RlpxFrames {
  readonly #out: Direction;
  readonly #in: Direction;

  /**
   * @param secrets of the connection
   * @param role which end we are
   */
  constructor(secrets: RlpxSecrets, role: "initiator" | "recipient") {
    const { aesSecret, macSecret, initiatorMac, recipientMac } = secrets;
    const [ours, theirs] =
      role === "initiator" ? [initiatorMac, recipientMac] : [recipientMac, initiatorMac];
    this.#out = new Direction(aesSecret, macSecret, ours);
    this.#in = new Direction(aesSecret, macSecret, theirs);
  }

  /**
   * Seals a message.
   *
   * @param message at most 2^24 - 1 bytes
   * @returns the frame: header, tag, padded body, tag
   */
  seal(message: Uint8Array): Uint8Array {
    const bodyEnd = FRAME_HEADER_BYTES + paddedBytes(message.length);
    const out = new Uint8Array(bodyEnd + BLOCK_BYTES);
    const header = new Uint8Array(BLOCK_BYTES);
    header.set([message.length >>> 16, message.length >>> 8, message.length]);
    header.set(UNUSED_HEADER_FIELDS, SIZE_BYTES);
    const sealedHeader = this.#out.crypt(header);
    out.set(sealedHeader);
    out.set(this.#out.headerTag(sealedHeader), BLOCK_BYTES);
    const body = new Uint8Array(paddedBytes(message.length));
    body.set(message);
    const sealedBody = this.#out.crypt(body);
    out.set(sealedBody, FRAME_HEADER_BYTES);
    out.set(this.#out.bodyTag(sealedBody), bodyEnd);
    return out;
  }

  /**
   * Opens a header.
   *
   * @param sealed {@link FRAME_HEADER_BYTES} bytes
   * @returns the length of the message that follows; see {@link frameBodyBytes}
   * @throws EthereumError `frame-mac`
   */
  openHeader(sealed: Uint8Array): number {
    const ciphertext = sealed.subarray(0, BLOCK_BYTES);
    checkTag(this.#in.headerTag(ciphertext), sealed.subarray(BLOCK_BYTES));
    const [high = 0, middle = 0, low = 0] = this.#in.crypt(ciphertext);
    return (high << 16) | (middle << 8) | low;
  }

  /**
   * Opens a body.
   *
   * @param sealed the padded body and its tag
   * @param messageBytes what the header said
   * @returns the message
   * @throws EthereumError `frame-mac`
   */
  openBody(sealed: Uint8Array, messageBytes: number): Uint8Array {
    const ciphertext = sealed.subarray(0, sealed.length - BLOCK_BYTES);
    checkTag(this.#in.bodyTag(ciphertext), sealed.subarray(sealed.length - BLOCK_BYTES));
    return Uint8Array.from(this.#in.crypt(ciphertext).subarray(0, messageBytes));
  }
}

/**
 * How many bytes follow a header.
 *
 * @param messageBytes what the header said
 */
export function frameBodyBytes(messageBytes: number): number {
  return paddedBytes(messageBytes) + BLOCK_BYTES;
}

function paddedBytes(length: number): number {
  return Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;
}

function checkTag(expected: Uint8Array, found: Uint8Array): void {
  if (expected.length === found.length && timingSafeEqual(expected, found)) return;
  throw new EthereumError(
    "frame-mac",
    "A frame of the peer is not sealed with our common secret, so its identity is not proven.",
  );
}

/**
 * What the initiator's handshake signs: the static secret hidden under the nonce.
 *
 * @param staticSecret product of the static keys, 32 bytes
 * @param nonce the initiator's, 32 bytes
 */
export function signedToken(staticSecret: Uint8Array, nonce: Uint8Array): Uint8Array {
  return xor(staticSecret.subarray(0, KEY_BYTES), nonce);
}
