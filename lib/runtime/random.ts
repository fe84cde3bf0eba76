import { randomFillSync } from "node:crypto";

/** The only door to chance. Engines take one as an argument; nothing else draws. */
export interface RandomSource {
  /**
   * @param length how many bytes, 0 or more
   * @returns fresh random bytes
   */
  bytes(length: number): Uint8Array;
  /** A uniform 32-bit unsigned integer. */
  uint32(): number;
}

/** How many 32-bit words the operating system is asked for at once. */
const POOL_WORDS = 1_024;

class SystemRandom implements RandomSource {
  readonly #pool = new Uint32Array(POOL_WORDS);
  #used = POOL_WORDS;

  bytes(length: number): Uint8Array {
    return randomFillSync(new Uint8Array(length));
  }

  uint32(): number {
    if (this.#used >= POOL_WORDS) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const at = this.#used++;
    const word = this.#pool[at] ?? 0;
    // What was drawn is not kept.
    this.#pool[at] = 0;
    return word;
  }
}

/** The operating system's cryptographic generator: what everything uses outside tests. */
export const systemRandom: RandomSource = new SystemRandom();

/**
 * A replayable generator for tests and simulations: the same seed gives the same run.
 * It is predictable by design and must never guard anything.
 *
 * Source: xoshiro128** 1.1 (Blackman, Vigna), seeded by splitmix32.
 */
export class SeededRandom implements RandomSource {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any number; its low 32 bits count */
  constructor(seed: number) {
    let state = seed >>> 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const word = this.uint32();
      for (let j = 0; j < 4 && i + j < length; j++) out[i + j] = word >>> (8 * j);
    }
    return out;
  }
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
