import { createHash } from "node:crypto";
import { base32nopad } from "@scure/base";
import { decodeI2pBase64, encodeI2pBase64 } from "./base64.ts";
import { I2pError } from "./error.ts";

/** Encryption key, signing key and the certificate's head: every destination begins with these. */
const FIXED_BYTES = 387;
/** Where the certificate's kind stands. */
const CERTIFICATE_KIND_AT = 384;
/** Where the length of the certificate's rest stands, two bytes, big-endian. */
const CERTIFICATE_LENGTH_AT = 385;
/** The signing key ends before the certificate and grows towards the front. */
const SIGNING_KEY_END = CERTIFICATE_KIND_AT;
const CERTIFICATE_NONE = 0;
const CERTIFICATE_KEY = 5;
/** A key certificate holds at least the two types, two bytes each. */
const KEY_CERTIFICATE_BYTES_MIN = 4;
/** The largest certificate that any pair of types needs is far below this. */
const CERTIFICATE_BYTES_MAX = 4_096;

/** Signature type of Ed25519, the one that new destinations have. */
export const SIGNATURE_ED25519 = 7;

/**
 * An I2P destination: the public keys that name a service.
 *
 * @see https://geti2p.net/spec/common-structures#destination
 */
export class Destination {
  readonly #bytes: Uint8Array;
  /** How it signs: 0 DSA, 7 Ed25519, 11 RedDSA, and others. */
  readonly signatureType: number;
  /** What its own encryption key is: 0 ElGamal, 4 X25519. Lease sets bring keys of their own. */
  readonly encryptionType: number;

  private constructor(bytes: Uint8Array, signatureType: number, encryptionType: number) {
    this.#bytes = bytes;
    this.signatureType = signatureType;
    this.encryptionType = encryptionType;
  }

  /**
   * Reads a destination as SAM and hosts files write it.
   *
   * @param text I2P base64
   * @throws I2pError `base64-invalid` or `destination-invalid`
   */
  static parse(text: string): Destination {
    return Destination.from(decodeI2pBase64(text));
  }

  /**
   * Reads a destination and nothing else.
   *
   * @param bytes copied
   * @throws I2pError `destination-invalid`
   */
  static from(bytes: Uint8Array): Destination {
    const destination = Destination.atStartOf(bytes);
    const length = destination.#bytes.length;
    if (length === bytes.length) return destination;
    throw invalid(`has ${bytes.length - length} bytes too many; is it a private key?`);
  }

  /**
   * Reads the destination with which the bytes begin, such as a private key's.
   *
   * @param bytes the beginning is copied
   * @throws I2pError `destination-invalid`
   */
  static atStartOf(bytes: Uint8Array): Destination {
    if (bytes.length < FIXED_BYTES) {
      throw invalid(`has ${bytes.length} bytes; the shortest has ${FIXED_BYTES}`);
    }
    const kind = bytes[CERTIFICATE_KIND_AT] ?? 0;
    const length = uint16(bytes, CERTIFICATE_LENGTH_AT);
    if (length > CERTIFICATE_BYTES_MAX || bytes.length < FIXED_BYTES + length) {
      throw invalid(`is cut off: its certificate has ${length} bytes`);
    }
    if (kind === CERTIFICATE_NONE && length === 0) {
      return new Destination(bytes.slice(0, FIXED_BYTES), 0, 0);
    }
    if (kind !== CERTIFICATE_KEY || length < KEY_CERTIFICATE_BYTES_MIN) {
      throw invalid(`has a certificate of kind ${kind} with ${length} bytes, which is not in use`);
    }
    const whole = bytes.slice(0, FIXED_BYTES + length);
    return new Destination(whole, uint16(bytes, FIXED_BYTES), uint16(bytes, FIXED_BYTES + 2));
  }

  /** A copy of its bytes: 387, or more with a certificate. */
  get bytes(): Uint8Array {
    return this.#bytes.slice();
  }

  /** Its short name, which finds it: 52 characters and `.b32.i2p`, lower case. */
  get name(): string {
    return `${base32nopad.encode(this.hash).toLowerCase()}.b32.i2p`;
  }

  /** The SHA-256 of its bytes, under which the network knows it. */
  get hash(): Uint8Array {
    return new Uint8Array(createHash("sha256").update(this.#bytes).digest());
  }

  /** Its Ed25519 public key, 32 bytes; undefined where it signs in another way. */
  get ed25519Key(): Uint8Array | undefined {
    if (this.signatureType !== SIGNATURE_ED25519) return undefined;
    return this.#bytes.slice(SIGNING_KEY_END - 32, SIGNING_KEY_END);
  }

  /**
   * Whether both are the same service.
   *
   * @param other any destination
   */
  equals(other: Destination): boolean {
    return Buffer.compare(this.#bytes, other.#bytes) === 0;
  }

  /** The whole destination in I2P base64, 516 characters or more. */
  toString(): string {
    return encodeI2pBase64(this.#bytes);
  }

  /** The same text as `toString`. */
  toJSON(): string {
    return this.toString();
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function invalid(what: string): I2pError {
  return new I2pError("destination-invalid", `The I2P destination ${what}.`);
}
