import { createPrivateKey, createPublicKey } from "node:crypto";
import { decodeI2pBase64, encodeI2pBase64 } from "./base64.ts";
import { Destination } from "./destination.ts";
import { I2pError } from "./error.ts";

/** Bytes of the private encryption key, by the destination's type: ElGamal, X25519. */
const encryptionKeyBytes: ReadonlyMap<number, number> = new Map([
  [0, 256],
  [4, 32],
]);

/** Bytes of the private signing key, by the destination's type. */
const signingKeyBytes: ReadonlyMap<number, number> = new Map([
  [0, 20],
  [1, 32],
  [2, 48],
  [3, 66],
  [7, 32],
  [11, 32],
]);

/** What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_ED25519 = Uint8Array.from(Buffer.from("302e020100300506032b657004220420", "hex"));
const ED25519_BYTES = 32;

/** The name under which Node, Bun and Deno look for an object's own way to be shown. */
const SHOWN = Symbol.for("nodejs.util.inspect.custom");

/**
 * A destination with its private keys: who holds it *is* the service. Printed, logged, put into
 * JSON or into a text it shows only which service it belongs to; `reveal` alone gives the key.
 *
 * @see https://geti2p.net/en/docs/api/samv3, "Destination key generation"
 */
export class PrivateDestination {
  /** The public part, with which the private one begins. */
  readonly destination: Destination;
  readonly #bytes: Uint8Array;

  private constructor(destination: Destination, bytes: Uint8Array) {
    this.destination = destination;
    this.#bytes = bytes;
  }

  /**
   * Reads the text that SAM gives as `PRIV` and takes as `DESTINATION`.
   *
   * @param text I2P base64
   * @throws I2pError as `from`, or `base64-invalid`
   */
  static parse(text: string): PrivateDestination {
    return PrivateDestination.from(decodeI2pBase64(text.trim()));
  }

  /**
   * Reads a destination, its private encryption key and its private signing key, one after the
   * other, as a router's key files hold them too. An Ed25519 pair is checked to be one.
   *
   * @param bytes copied
   * @throws I2pError `destination-invalid` or `private-key-invalid`; no message holds a key
   */
  static from(bytes: Uint8Array): PrivateDestination {
    const destination = Destination.atStartOf(bytes);
    const publicBytes = destination.bytes.length;
    const encryption = encryptionKeyBytes.get(destination.encryptionType);
    const signing = signingKeyBytes.get(destination.signatureType);
    if (encryption === undefined || signing === undefined) {
      throw invalid(
        `has signature type ${destination.signatureType} and encryption type ${destination.encryptionType}, which are not supported; make one with signature type 7`,
      );
    }
    const wanted = publicBytes + encryption + signing;
    if (bytes.length === publicBytes) {
      throw invalid("holds the public part only; give the longer text with the private keys");
    }
    if (bytes.length !== wanted) {
      throw invalid(`has ${bytes.length} bytes where its types ask for ${wanted}; copy it again`);
    }
    checkPair(destination, bytes.subarray(publicBytes + encryption));
    return new PrivateDestination(destination, bytes.slice());
  }

  /** The private keys themselves, in I2P base64: to be stored, or sent to the user's own router. */
  reveal(): string {
    return encodeI2pBase64(this.#bytes);
  }

  /** Names the service and hides the key. */
  toString(): string {
    return `[private key of ${this.destination.name}]`;
  }

  /** The same text as `toString`. */
  toJSON(): string {
    return this.toString();
  }

  [SHOWN](): string {
    return this.toString();
  }
}

/** A key with one wrong byte makes a service that nobody can reach, and no router says why. */
function checkPair(destination: Destination, signing: Uint8Array): void {
  const wanted = destination.ed25519Key;
  if (wanted === undefined) return;
  if (signing.every((byte) => byte === 0)) {
    throw invalid("is an offline-signed one, which is not supported; give the whole key");
  }
  const key = new Uint8Array(PKCS8_ED25519.length + ED25519_BYTES);
  key.set(PKCS8_ED25519);
  key.set(signing, PKCS8_ED25519.length);
  const pair = createPublicKey(
    createPrivateKey({ key: Buffer.from(key.buffer), format: "der", type: "pkcs8" }),
  );
  const found = pair.export({ format: "der", type: "spki" }).subarray(-ED25519_BYTES);
  if (Buffer.compare(found, wanted) === 0) return;
  throw invalid("does not fit its public part; it was damaged, so copy it again");
}

function invalid(what: string): I2pError {
  return new I2pError("private-key-invalid", `The I2P private key ${what}.`);
}
