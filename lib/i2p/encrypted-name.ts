import { crc32 } from "node:zlib";
import { base32nopad } from "@scure/base";
import { I2pError } from "./error.ts";

/** Base32 characters of the name of a service with an encrypted lease set, without its suffix. */
export const ENCRYPTED_NAME_CHARACTERS = 56;
const SUFFIX = ".b32.i2p";
const KEY_BYTES = 32;
/** Flags and the two signature types, hidden under a checksum of the key. */
const HEAD_BYTES = 3;
const FLAG_SECRET = 0b010;
const FLAG_CLIENT_AUTH = 0b100;
/** Signature type of RedDSA, the only one for blinded keys. */
const SIGNATURE_RED_DSA = 11;
/** The signature types whose keys can be blinded: Ed25519 and RedDSA. */
const blindable: ReadonlySet<number> = new Set([7, SIGNATURE_RED_DSA]);

/** What the name of a service with an encrypted lease set ("b33") says. */
export interface EncryptedName {
  /** Whether its lease set can only be found with a secret besides the name. */
  readonly needsSecret: boolean;
  /** Whether its lease set can only be read with a client's key. */
  readonly needsClientAuth: boolean;
  /** Signature type of the key: 7 or 11. */
  readonly signatureType: number;
  /** The service's public signing key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * Reads the name of a service with an encrypted lease set.
 *
 * @param name 56 characters and `.b32.i2p`, lower case
 * @throws I2pError `encrypted-name-invalid` with what is wrong, a mistyped letter among it
 * @see https://geti2p.net/spec/b32encrypted
 */
export function parseEncryptedName(name: string): EncryptedName {
  const label = name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : "";
  if (label.length !== ENCRYPTED_NAME_CHARACTERS || !/^[a-z2-7]+$/.test(label)) {
    throw invalid(name, `is not ${ENCRYPTED_NAME_CHARACTERS} of a-z and 2-7 before "${SUFFIX}"`);
  }
  const bytes = base32nopad.decode(label.toUpperCase());
  const publicKey = bytes.slice(HEAD_BYTES);
  const [flags = 0, signatureType = 0, blindedType = 0] = maskHead(bytes, publicKey);
  const known = (flags & ~(FLAG_SECRET | FLAG_CLIENT_AUTH)) === 0;
  if (!known || !blindable.has(signatureType) || blindedType !== SIGNATURE_RED_DSA) {
    throw invalid(name, "has a wrong checksum; a letter is mistyped, so copy the name again");
  }
  return {
    needsSecret: (flags & FLAG_SECRET) !== 0,
    needsClientAuth: (flags & FLAG_CLIENT_AUTH) !== 0,
    signatureType,
    publicKey,
  };
}

/**
 * The name of a service with an encrypted lease set.
 *
 * @param parts what the name says
 * @returns 56 characters and `.b32.i2p`, lower case
 * @throws RangeError when the key is not 32 bytes
 * @see https://geti2p.net/spec/b32encrypted
 */
export function formatEncryptedName(parts: EncryptedName): string {
  const { needsSecret, needsClientAuth, signatureType, publicKey } = parts;
  if (publicKey.length !== KEY_BYTES) {
    throw new RangeError(`A service's signing key has 32 bytes, not ${publicKey.length}.`);
  }
  const flags = (needsSecret ? FLAG_SECRET : 0) | (needsClientAuth ? FLAG_CLIENT_AUTH : 0);
  const bytes = new Uint8Array(HEAD_BYTES + KEY_BYTES);
  bytes.set([flags, signatureType, SIGNATURE_RED_DSA]);
  bytes.set(maskHead(bytes, publicKey));
  bytes.set(publicKey, HEAD_BYTES);
  return `${base32nopad.encode(bytes).toLowerCase()}${SUFFIX}`;
}

/** Mixes the low three bytes of the key's checksum in, or out again. */
function maskHead(bytes: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const checksum = crc32(publicKey);
  return bytes.slice(0, HEAD_BYTES).map((byte, index) => byte ^ (checksum >>> (8 * index)));
}

function invalid(name: string, what: string): I2pError {
  const shown = name.length > 2 * ENCRYPTED_NAME_CHARACTERS ? `${name.slice(0, 64)}…` : name;
  return new I2pError("encrypted-name-invalid", `The name "${shown}" ${what}.`);
}
