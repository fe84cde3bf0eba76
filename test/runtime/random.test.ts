import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type RandomSource, SeededRandom, systemRandom } from "../../lib/runtime/random.ts";
import { uniformityRatio } from "./goodness-of-fit.ts";

/** xoshiro128** 1.1 and splitmix32 by their papers, in arithmetic without wrap-around. */
function* reference(seed: number): Generator<number> {
  const mask = 0xffff_ffffn;
  const rotate = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask;
  let state = BigInt(seed >>> 0);
  const split = (): bigint => {
    state = (state + 0x9e37_79b9n) & mask;
    let z = state;
    z = ((z ^ (z >> 16n)) * 0x85eb_ca6bn) & mask;
    z = ((z ^ (z >> 13n)) * 0xc2b2_ae35n) & mask;
    return z ^ (z >> 16n);
  };
  const s: [bigint, bigint, bigint, bigint] = [split(), split(), split(), split() | 1n];
  for (;;) {
    yield Number((rotate((s[1] * 5n) & mask, 7n) * 9n) & mask);
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11n);
  }
}

/** Counts how often each of the 32 bits is set. */
function bitCounts(random: RandomSource, words: number): number[] {
  const counts = Array<number>(32).fill(0);
  for (let i = 0; i < words; i++) {
    const word = random.uint32();
    for (let bit = 0; bit < 32; bit++) counts[bit] = (counts[bit] ?? 0) + ((word >>> bit) & 1);
  }
  return counts;
}

describe("a seeded source", () => {
  test("is the published generator", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new SeededRandom(seed);
        let left = 40;
        for (const word of reference(seed)) {
          expect(random.uint32()).toBe(word);
          if (--left === 0) break;
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test("replays from its seed, and only the low 32 bits of that count", () => {
    const run = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 50 }, () => random.uint32());
    };
    expect(run(42)).toEqual(run(42));
    expect(run(42)).toEqual(run(42 + 2 ** 32));
    expect(run(42)).not.toEqual(run(43));
    expect(new Set(run(0)).size).toBeGreaterThan(45);
  });

  test("bytes are its words, low byte first, cut to length", () => {
    for (const length of [0, 1, 2, 3, 4, 5, 31, 32, 33]) {
      const words = new SeededRandom(7);
      const expected: number[] = [];
      while (expected.length < length) {
        const word = words.uint32();
        expected.push(word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24);
      }
      expect([...new SeededRandom(7).bytes(length)]).toEqual(expected.slice(0, length));
    }
  });

  test("its bytes are uniform", () => {
    const counts = Array<number>(256).fill(0);
    for (const byte of new SeededRandom(8).bytes(100_000)) counts[byte] = (counts[byte] ?? 0) + 1;
    expect(uniformityRatio(counts)).toBeLessThan(1);
  });
});

describe("the system's source", () => {
  test("gives words of 32 bits, each bit set half of the time", () => {
    const words = 10_000;
    for (const count of bitCounts(systemRandom, words)) {
      // Six standard deviations: by chance once in sixteen million runs.
      expect(Math.abs(count - words / 2)).toBeLessThan(6 * Math.sqrt(words / 4));
    }
  });

  test("does not repeat itself, also where its pool is filled again", () => {
    const words = Array.from({ length: 5_000 }, () => systemRandom.uint32());
    expect(new Set(words).size).toBeGreaterThan(4_990);
    expect(words.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)).toBe(true);
  });

  test("gives as many bytes as asked for, fresh ones each time", () => {
    for (const length of [0, 1, 16, 5_000]) expect(systemRandom.bytes(length)).toHaveLength(length);
    expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
    const kept = systemRandom.bytes(16);
    const copy = Uint8Array.from(kept);
    systemRandom.bytes(16);
    systemRandom.uint32();
    expect(kept).toEqual(copy);
  });
});
