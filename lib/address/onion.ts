import { createHash } from "node:crypto";
import { base32nopad } from "@scure/base";
import { AddressError } from "./error.ts";

/** Base32 characters of a v3 onion name without its suffix. */
export const ONION_V3_CHARACTERS = 56;
/** Base32 characters of the v2 names that Tor dropped in 2021. */
const ONION_V2_CHARACTERS = 16;
const ONION_VERSION = 3;
const KEY_BYTES = 32;
const NAME_BYTES = 35;

/**
 * The name of the v3 onion service that holds a key.
 *
 * @param publicKey the service's Ed25519 public key, 32 bytes
 * @returns `<56 base32 characters>.onion`, lower case
 * @throws RangeError when the key is not 32 bytes
 * @see rend-spec-v3, section 6 [ONIONADDRESS]
 */
export function onionName(publicKey: Uint8Array): string {
  if (publicKey.length !== KEY_BYTES) {
    throw new RangeError(`An onion service's public key has 32 bytes, not ${publicKey.length}.`);
  }
  const bytes = new Uint8Array(NAME_BYTES);
  bytes.set(publicKey);
  bytes.set(onionChecksum(publicKey), KEY_BYTES);
  bytes[NAME_BYTES - 1] = ONION_VERSION;
  return `${base32nopad.encode(bytes).toLowerCase()}.onion`;
}

/**
 * The key in a v3 onion name, checked as rend-spec-v3 asks.
 *
 * @param name `<56 characters>.onion`, lower case
 * @returns the service's Ed25519 public key, 32 bytes
 * @throws AddressError `onion-v2`, `onion-length`, `onion-alphabet`, `upper-case`, `onion-version`
 *   or `onion-checksum`
 */
export function onionPublicKey(name: string): Uint8Array {
  const label = onionLabel(name);
  if (label !== label.toLowerCase()) {
    throw new AddressError(
      "upper-case",
      `"${name}" has upper-case letters; write it in lower case.`,
    );
  }
  checkAlphabet(name, label);
  const bytes = base32nopad.decode(label.toUpperCase());
  const version = bytes[NAME_BYTES - 1];
  const key = bytes.slice(0, KEY_BYTES);
  const [first, second] = onionChecksum(key);
  if (version !== ONION_VERSION) {
    throw new AddressError(
      "onion-version",
      `"${name}" has version byte ${version}; only version 3 onion names are in use.`,
    );
  }
  if (bytes[KEY_BYTES] !== first || bytes[KEY_BYTES + 1] !== second) {
    throw new AddressError(
      "onion-checksum",
      `"${name}" has a wrong checksum; a letter is mistyped, so copy the name again.`,
    );
  }
  return key;
}

/**
 * Checks an onion name as loosely as monerod and gethrelay do: 56 characters of base32 in either
 * case, with no look at version or checksum. For reading what others accept, never for writing.
 *
 * @param name `<56 characters>.onion`
 * @throws AddressError `onion-v2`, `onion-length` or `onion-alphabet`
 * @see monero `src/net/tor_address.cpp`, `host_check`
 */
export function checkOnionLeniently(name: string): void {
  checkAlphabet(name, onionLabel(name), /^[a-z2-7]*$/i);
}

function onionLabel(name: string): string {
  const label = name.slice(0, -".onion".length);
  if (label.length === ONION_V2_CHARACTERS) {
    throw new AddressError(
      "onion-v2",
      `"${name}" is a version 2 onion name, which Tor no longer carries; ask for its 56-letter one.`,
    );
  }
  if (label.length !== ONION_V3_CHARACTERS) {
    throw new AddressError(
      "onion-length",
      `"${name}" has ${label.length} characters before ".onion"; a version 3 name has 56.`,
    );
  }
  return label;
}

function checkAlphabet(name: string, label: string, alphabet = /^[a-z2-7]*$/): void {
  if (alphabet.test(label)) return;
  throw new AddressError(
    "onion-alphabet",
    `"${name}" holds a character outside a-z and 2-7; copy the name again.`,
  );
}

function onionChecksum(key: Uint8Array): Uint8Array {
  const hash = createHash("sha3-256");
  hash.update(".onion checksum").update(key).update(Uint8Array.of(ONION_VERSION));
  return hash.digest().subarray(0, 2);
}
