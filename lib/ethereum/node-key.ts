import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import type { RandomSource } from "../runtime/random.ts";
import { EthereumError } from "./error.ts";

/** A public key as Ethereum's network writes it: x and y, without the leading 04. */
export const PUBLIC_KEY_BYTES = 64;
/** A public key as records hold it: the sign of y, and x. */
export const COMPRESSED_KEY_BYTES = 33;
/** A private key, a nonce, a hash. */
export const KEY_BYTES = 32;
/** Draws for a private key: one in 2^127 is out of range, so a second is never needed. */
const DRAWS_MAX = 8;

/**
 * The public key of a private key.
 *
 * @param privateKey 32 bytes
 * @returns x and y, 64 bytes
 * @throws EthereumError `key-invalid`
 */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  if (!secp256k1.utils.isValidSecretKey(privateKey)) throw invalidKey("private");
  return secp256k1.getPublicKey(privateKey, false).slice(1);
}

/**
 * A fresh private key.
 *
 * @param random where it comes from
 * @throws RangeError when the source gives nothing usable
 */
export function drawPrivateKey(random: RandomSource): Uint8Array {
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    const key = random.bytes(KEY_BYTES);
    if (secp256k1.utils.isValidSecretKey(key)) return key;
  }
  throw new RangeError("The random source gave no private key; it must be broken.");
}

/**
 * A node's id, by which the network's tables sort it.
 *
 * @param publicKey x and y, 64 bytes
 * @returns 32 bytes
 * @see EIP-778, identity scheme "v4"
 */
export function nodeIdOf(publicKey: Uint8Array): Uint8Array {
  return keccak_256(publicKey);
}

/**
 * Insists on a point of the curve.
 *
 * @param publicKey x and y, 64 bytes
 * @throws EthereumError `key-invalid`
 */
export function checkPublicKey(publicKey: Uint8Array): void {
  if (!secp256k1.utils.isValidPublicKey(withPrefix(publicKey), false)) throw invalidKey("public");
}

/**
 * A public key as records hold it.
 *
 * @param publicKey x and y, 64 bytes
 * @returns 33 bytes
 */
export function compressKey(publicKey: Uint8Array): Uint8Array {
  const out = new Uint8Array(COMPRESSED_KEY_BYTES);
  out[0] = ((publicKey[PUBLIC_KEY_BYTES - 1] ?? 0) & 1) === 1 ? 3 : 2;
  out.set(publicKey.subarray(0, KEY_BYTES), 1);
  return out;
}

/**
 * The whole key of a compressed one.
 *
 * @param compressed 33 bytes
 * @returns x and y, 64 bytes
 * @throws EthereumError `key-invalid`
 */
export function expandKey(compressed: Uint8Array): Uint8Array {
  if (!secp256k1.utils.isValidPublicKey(compressed, true)) throw invalidKey("public");
  return secp256k1.Point.fromBytes(compressed).toBytes(false).slice(1);
}

/**
 * What two key pairs have in common: the x coordinate of their product.
 *
 * @param privateKey ours, 32 bytes
 * @param publicKey theirs, x and y, 64 bytes
 * @returns 32 bytes
 * @throws EthereumError `key-invalid` when the public key is not on the curve
 */
export function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  checkPublicKey(publicKey);
  return secp256k1.getSharedSecret(privateKey, withPrefix(publicKey), true).slice(1);
}

/**
 * Signs a hash, the same way each time (RFC 6979).
 *
 * @param hash 32 bytes
 * @param privateKey 32 bytes
 * @returns r, s and the number with which the public key can be recovered: 65 bytes
 */
export function signRecoverably(hash: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const signed = secp256k1.sign(hash, privateKey, { prehash: false, format: "recovered" });
  const out = new Uint8Array(signed.length);
  out.set(signed.subarray(1));
  out[signed.length - 1] = signed[0] ?? 0;
  return out;
}

/**
 * The key with which a hash was signed.
 *
 * @param signature as {@link signRecoverably} gives it, 65 bytes
 * @param hash 32 bytes
 * @returns x and y, 64 bytes
 * @throws EthereumError `key-invalid` when no key signs like that
 */
export function recoverKey(signature: Uint8Array, hash: Uint8Array): Uint8Array {
  const leading = new Uint8Array(signature.length);
  leading[0] = signature[signature.length - 1] ?? 0;
  leading.set(signature.subarray(0, -1), 1);
  try {
    return expandKey(secp256k1.recoverPublicKey(leading, hash, { prehash: false }));
  } catch (cause) {
    throw new EthereumError("key-invalid", "A signature is not one of secp256k1.", { cause });
  }
}

/**
 * Whether a signature over a hash is that of a key.
 *
 * @param signature r and s, 64 bytes
 * @param hash 32 bytes
 * @param compressed the key, 33 bytes
 */
export function isSignedBy(
  signature: Uint8Array,
  hash: Uint8Array,
  compressed: Uint8Array,
): boolean {
  // A large s is as good here: go-ethereum, whose records these mostly are, takes both.
  return secp256k1.verify(signature, hash, compressed, { prehash: false, lowS: false });
}

function withPrefix(publicKey: Uint8Array): Uint8Array {
  const out = new Uint8Array(publicKey.length + 1);
  out[0] = 4;
  out.set(publicKey, 1);
  return out;
}

function invalidKey(kind: "private" | "public"): EthereumError {
  return new EthereumError("key-invalid", `A ${kind} key is not one of secp256k1; copy it again.`);
}
