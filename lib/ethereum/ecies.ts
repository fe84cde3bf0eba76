import { createCipheriv, createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { RandomSource } from "../runtime/random.ts";
import { EthereumError } from "./error.ts";
import { drawPrivateKey, PUBLIC_KEY_BYTES, publicKeyOf, sharedSecret } from "./node-key.ts";

const POINT_BYTES = 1 + PUBLIC_KEY_BYTES;
const IV_BYTES = 16;
const TAG_BYTES = 32;
/** Half of what the key derivation gives: the cipher's key, then the material of the tag's. */
const HALF_KEY_BYTES = 16;

/** The first byte of a ciphertext: the mark of an uncompressed point. */
export const ECIES_FIRST_BYTE = 4;
/** How much longer a ciphertext is than its message. */
export const ECIES_OVERHEAD_BYTES = POINT_BYTES + IV_BYTES + TAG_BYTES;

/**
 * Seals a message for a key, as RLPx does: secp256k1, concat KDF over SHA-256, AES-128 in counter
 * mode, HMAC-SHA-256.
 *
 * @param publicKey of the receiver, 64 bytes
 * @param message what to seal
 * @param authData not part of the result, but covered by its tag
 * @param random gives the one-time key and the IV
 * @returns the ciphertext, longer by {@link ECIES_OVERHEAD_BYTES}
 * @throws EthereumError `key-invalid`
 * @see devp2p `rlpx.md`, "ECIES Encryption"
 */
export function sealEcies(
  publicKey: Uint8Array,
  message: Uint8Array,
  authData: Uint8Array,
  random: RandomSource,
): Uint8Array {
  const oneTimeKey = drawPrivateKey(random);
  const iv = random.bytes(IV_BYTES);
  const keys = deriveKeys(sharedSecret(oneTimeKey, publicKey));
  const cipher = createCipheriv("aes-128-ctr", keys.cipher, iv);
  const out = new Uint8Array(message.length + ECIES_OVERHEAD_BYTES);
  out[0] = ECIES_FIRST_BYTE;
  out.set(publicKeyOf(oneTimeKey), 1);
  out.set(iv, POINT_BYTES);
  out.set(cipher.update(message), POINT_BYTES + IV_BYTES);
  const end = out.length - TAG_BYTES;
  out.set(tagOf(keys.tag, out.subarray(POINT_BYTES, end), authData), end);
  return out;
}

/**
 * Opens a ciphertext.
 *
 * @param privateKey of the receiver, 32 bytes
 * @param sealed the ciphertext
 * @param authData what its tag covers besides
 * @returns the message
 * @throws EthereumError `not-rlpx` when it was not sealed for this key, or changed on the way
 */
export function openEcies(
  privateKey: Uint8Array,
  sealed: Uint8Array,
  authData: Uint8Array,
): Uint8Array {
  if (sealed.length < ECIES_OVERHEAD_BYTES || sealed[0] !== ECIES_FIRST_BYTE) throw notSealed();
  const end = sealed.length - TAG_BYTES;
  const keys = deriveKeys(secretOf(privateKey, sealed.subarray(1, POINT_BYTES)));
  const tag = tagOf(keys.tag, sealed.subarray(POINT_BYTES, end), authData);
  if (!timingSafeEqual(tag, sealed.subarray(end))) throw notSealed();
  const iv = sealed.subarray(POINT_BYTES, POINT_BYTES + IV_BYTES);
  const decipher = createCipheriv("aes-128-ctr", keys.cipher, iv);
  return Uint8Array.from(decipher.update(sealed.subarray(POINT_BYTES + IV_BYTES, end)));
}

function secretOf(privateKey: Uint8Array, point: Uint8Array): Uint8Array {
  try {
    return sharedSecret(privateKey, point);
  } catch (cause) {
    throw notSealed({ cause });
  }
}

function deriveKeys(secret: Uint8Array): { cipher: Uint8Array; tag: Uint8Array } {
  const counter = Uint8Array.of(0, 0, 0, 1);
  const derived = createHash("sha256").update(counter).update(secret).digest();
  const tag = createHash("sha256").update(derived.subarray(HALF_KEY_BYTES)).digest();
  return { cipher: derived.subarray(0, HALF_KEY_BYTES), tag };
}

function tagOf(key: Uint8Array, ivAndText: Uint8Array, authData: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(ivAndText).update(authData).digest();
}

function notSealed(options?: { cause?: unknown }): EthereumError {
  return new EthereumError(
    "not-rlpx",
    "The peer's answer is not sealed for us, so it is no Ethereum node; check the port.",
    options,
  );
}
