import { inspect } from "node:util";
import { x25519 } from "@noble/curves/ed25519.js";
import { base32nopad } from "@scure/base";
import { onionPublicKey } from "../address/onion.ts";
import type { RandomSource } from "../runtime/random.ts";
import { TorError } from "./error.ts";

/** Bytes of an x25519 key, secret or public. */
export const CLIENT_KEY_BYTES = 32;
const BASE32_CHARACTERS = 52;

/**
 * A client's key for an onion service that answers only clients it knows. It prints as its public
 * half; the secret comes out only by `secret()` and the forms made from it.
 *
 * @see rend-spec-v3, appendix G; tor(1), "CLIENT AUTHORIZATION"
 */
export class ClientAuthKey {
  /** What the service must know, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly #secret: Uint8Array;

  private constructor(secret: Uint8Array) {
    this.#secret = secret;
    this.publicKey = Uint8Array.from(x25519.getPublicKey(secret));
  }

  /**
   * A new key.
   *
   * @param random where it comes from
   */
  static generate(random: RandomSource): ClientAuthKey {
    return new ClientAuthKey(Uint8Array.from(random.bytes(CLIENT_KEY_BYTES)));
  }

  /**
   * @param secret 32 bytes; copied
   * @throws TorError `key-invalid`
   */
  static fromSecret(secret: Uint8Array): ClientAuthKey {
    if (secret.length !== CLIENT_KEY_BYTES) {
      throw new TorError(
        "key-invalid",
        `A client's x25519 key has ${CLIENT_KEY_BYTES} bytes, not ${secret.length}; check the key.`,
      );
    }
    return new ClientAuthKey(Uint8Array.from(secret));
  }

  /** The secret itself, 32 bytes: a copy. */
  secret(): Uint8Array {
    return Uint8Array.from(this.#secret);
  }

  /** The secret itself in the words of ONION_CLIENT_AUTH_ADD: "x25519:" and base64. */
  blob(): string {
    return `x25519:${Buffer.from(this.#secret).toString("base64")}`;
  }

  /** Whether another key is the same one. */
  equals(other: ClientAuthKey): boolean {
    return Buffer.compare(this.#secret, other.#secret) === 0;
  }

  /** What may be shown. */
  toString(): string {
    return `ClientAuthKey(public ${clientKeyText(this.publicKey)}, secret not shown)`;
  }

  /** What may be shown. */
  toJSON(): { publicKey: string; secret: "not shown" } {
    return { publicKey: clientKeyText(this.publicKey), secret: "not shown" };
  }

  /** What may be shown. */
  [inspect.custom](): string {
    return this.toString();
  }
}

/**
 * An x25519 key as tor's files and ADD_ONION's ClientAuthV3 write it.
 *
 * @param key 32 bytes
 * @returns 52 characters of base32, upper case
 */
export function clientKeyText(key: Uint8Array): string {
  return base32nopad.encode(key);
}

/**
 * Reads an x25519 key as tor's files write it.
 *
 * @param text 52 characters of base32, in either case
 * @returns 32 bytes
 * @throws TorError `key-invalid`; the text is not quoted, since it may be a secret
 */
export function parseClientKeyText(text: string): Uint8Array {
  const upper = text.toUpperCase();
  if (!/^[A-Z2-7]{52}$/.test(upper)) {
    throw new TorError(
      "key-invalid",
      `A client's key is ${BASE32_CHARACTERS} characters of base32; copy it again.`,
    );
  }
  try {
    return base32nopad.decode(upper);
  } catch (cause) {
    throw new TorError("key-invalid", "A client's key is damaged; copy it again.", { cause });
  }
}

/**
 * The service's side: a file in its `authorized_clients` folder, named `<client>.auth`.
 *
 * @param publicKey the client's public key, 32 bytes
 * @returns `descriptor:x25519:<base32>` and a line end
 */
export function authorizedClientFile(publicKey: Uint8Array): string {
  return `descriptor:x25519:${clientKeyText(publicKey)}\n`;
}

/**
 * Reads the service's side.
 *
 * @param text what the file holds
 * @returns the client's public key, 32 bytes
 * @throws TorError `key-invalid`
 */
export function parseAuthorizedClientFile(text: string): Uint8Array {
  const [type, curve, key, ...more] = text.trim().split(":");
  if (type !== "descriptor" || curve !== "x25519" || key === undefined || more.length > 0) {
    throw new TorError(
      "key-invalid",
      'A service\'s line for a client reads "descriptor:x25519:" and the key; copy it again.',
    );
  }
  return parseClientKeyText(key);
}

/**
 * The client's side: a file in tor's ClientOnionAuthDir, named `<anything>.auth_private`. It holds
 * the secret.
 *
 * @param address the service's name, with ".onion"
 * @param key the client's key
 * @returns `<56 characters>:descriptor:x25519:<base32>` and a line end
 */
export function clientCredentialFile(address: string, key: ClientAuthKey): string {
  onionPublicKey(address);
  const service = address.slice(0, -".onion".length);
  return `${service}:descriptor:x25519:${clientKeyText(key.secret())}\n`;
}

/**
 * Reads the client's side.
 *
 * @param text what the file holds
 * @returns the service's name with ".onion", and the key
 * @throws TorError `key-invalid`; AddressError where the service's name is none
 */
export function parseClientCredentialFile(text: string): {
  address: string;
  key: ClientAuthKey;
} {
  const [service = "", type, curve, key, ...more] = text.trim().split(":");
  if (type !== "descriptor" || curve !== "x25519" || key === undefined || more.length > 0) {
    throw new TorError(
      "key-invalid",
      'A client\'s line for a service reads "<service>:descriptor:x25519:" and the key; copy it again.',
    );
  }
  const address = `${service}.onion`;
  onionPublicKey(address);
  return { address, key: ClientAuthKey.fromSecret(parseClientKeyText(key)) };
}
