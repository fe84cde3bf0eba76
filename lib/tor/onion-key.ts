import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { ed25519 } from "@noble/curves/ed25519.js";
import { onionName } from "../address/onion.ts";
import type { RandomSource } from "../runtime/random.ts";
import { TorError } from "./error.ts";

/** Bytes of an Ed25519 seed, as most programs keep a key. */
export const SEED_BYTES = 32;
/** Bytes of an Ed25519 key as tor keeps it: the scalar, then the second half of the seed's hash. */
export const EXPANDED_KEY_BYTES = 64;
const SCALAR_BYTES = 32;

/**
 * The secret key of a v3 onion service. It prints as its address; the secret comes out only by
 * `expanded()` and `blob()`.
 *
 * @see rend-spec-v3, appendix A; tor `ed25519_secret_key_t`
 */
export class OnionKey {
  /** The service's Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The service's name, `<56 characters>.onion`, computed here. */
  readonly address: string;
  readonly #expanded: Uint8Array;

  private constructor(expanded: Uint8Array) {
    this.#expanded = expanded;
    this.publicKey = publicKeyOf(expanded);
    this.address = onionName(this.publicKey);
  }

  /**
   * A new key.
   *
   * @param random where it comes from
   */
  static generate(random: RandomSource): OnionKey {
    return OnionKey.fromSeed(random.bytes(SEED_BYTES));
  }

  /**
   * The key of a seed, as RFC 8032 expands it. There is no way back.
   *
   * @param seed 32 bytes
   * @throws TorError `key-invalid`
   * @see RFC 8032, section 5.1.5
   */
  static fromSeed(seed: Uint8Array): OnionKey {
    if (seed.length !== SEED_BYTES) {
      throw new TorError(
        "key-invalid",
        `An Ed25519 seed has ${SEED_BYTES} bytes, not ${seed.length}; check the key.`,
      );
    }
    const expanded = Uint8Array.from(createHash("sha512").update(seed).digest());
    expanded[0] = (expanded[0] ?? 0) & 0xf8;
    expanded[31] = ((expanded[31] ?? 0) & 0x3f) | 0x40;
    return new OnionKey(expanded);
  }

  /**
   * The key as tor keeps it.
   *
   * @param expanded 64 bytes; copied
   * @throws TorError `key-invalid` also where the scalar is not clamped as tor's keys are
   */
  static fromExpanded(expanded: Uint8Array): OnionKey {
    if (expanded.length !== EXPANDED_KEY_BYTES) {
      throw new TorError(
        "key-invalid",
        `Tor's form of an onion service's key has ${EXPANDED_KEY_BYTES} bytes, not ${expanded.length}; check the key.`,
      );
    }
    const [low = 0, high = 0] = [expanded[0], expanded[31]];
    if ((low & 0x07) !== 0 || (high & 0xc0) !== 0x40) {
      throw new TorError(
        "key-invalid",
        "The onion service's key is no Ed25519 key in tor's form; a seed is given as 32 bytes.",
      );
    }
    return new OnionKey(Uint8Array.from(expanded));
  }

  /**
   * The key in the words of ADD_ONION.
   *
   * @param blob base64 of 64 bytes, also behind "ED25519-V3:"
   * @throws TorError `key-invalid`
   */
  static fromBlob(blob: string): OnionKey {
    const text = blob.replace(/^ED25519-V3:/, "");
    const bytes = Buffer.from(text, "base64");
    if (bytes.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, "")) {
      throw new TorError("key-invalid", "The onion service's key is not base64; copy it again.");
    }
    return OnionKey.fromExpanded(bytes);
  }

  /** The secret itself, 64 bytes: a copy. */
  expanded(): Uint8Array {
    return Uint8Array.from(this.#expanded);
  }

  /** The secret itself in the words of ADD_ONION: "ED25519-V3:" and base64. */
  blob(): string {
    return `ED25519-V3:${Buffer.from(this.#expanded).toString("base64")}`;
  }

  /** Whether another key is the same one. */
  equals(other: OnionKey): boolean {
    return Buffer.compare(this.#expanded, other.#expanded) === 0;
  }

  /** What may be shown. */
  toString(): string {
    return `OnionKey(${this.address}, secret not shown)`;
  }

  /** What may be shown. */
  toJSON(): { address: string; secret: "not shown" } {
    return { address: this.address, secret: "not shown" };
  }

  /** What may be shown. */
  [inspect.custom](): string {
    return this.toString();
  }
}

function publicKeyOf(expanded: Uint8Array): Uint8Array {
  let scalar = 0n;
  for (let at = SCALAR_BYTES - 1; at >= 0; at--)
    scalar = (scalar << 8n) | BigInt(expanded[at] ?? 0);
  const { Point } = ed25519;
  // Only multiples of the group's order give zero, and no clamped scalar is one in practice.
  return Uint8Array.from(Point.BASE.multiply(scalar % Point.Fn.ORDER).toBytes());
}
