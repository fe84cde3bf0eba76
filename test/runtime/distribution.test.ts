import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  exponential,
  integerBelow,
  poisson,
  sample,
  shuffle,
  uniform,
  unit,
} from "../../lib/runtime/distribution.ts";
import { type RandomSource, SeededRandom } from "../../lib/runtime/random.ts";
import { chiSquareRatio, kolmogorovSmirnovRatio, uniformityRatio } from "./goodness-of-fit.ts";

function draws<T>(count: number, draw: () => T): T[] {
  return Array.from({ length: count }, draw);
}

/** A source that gives the listed words in turn, and then fails. */
function scripted(...words: number[]): RandomSource {
  return {
    bytes: () => {
      throw new Error("No bytes in the script.");
    },
    uint32: () => {
      const word = words.shift();
      if (word === undefined) throw new Error("The script is at its end.");
      return word;
    },
  };
}

const ONES = 0xffff_ffff;

describe("unit and uniform", () => {
  test("fit the uniform distribution", () => {
    const random = new SeededRandom(1);
    const clamp = (value: number): number => Math.min(1, Math.max(0, value));
    expect(
      kolmogorovSmirnovRatio(
        draws(20_000, () => unit(random)),
        clamp,
      ),
    ).toBeLessThan(1);
    const noise = draws(20_000, () => uniform(random, 10_000, 15_000));
    expect(kolmogorovSmirnovRatio(noise, (ms) => clamp((ms - 10_000) / 5_000))).toBeLessThan(1);
    // The control: a range that is 3 % too short does not fit.
    const short = draws(20_000, () => uniform(random, 10_000, 14_850));
    expect(kolmogorovSmirnovRatio(short, (ms) => clamp((ms - 10_000) / 5_000))).toBeGreaterThan(1);
  });

  test("successive draws are independent", () => {
    const random = new SeededRandom(2);
    const cells = Array<number>(100).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const cell = 10 * Math.floor(10 * unit(random)) + Math.floor(10 * unit(random));
      cells[cell] = (cells[cell] ?? 0) + 1;
    }
    expect(uniformityRatio(cells)).toBeLessThan(1);
  });

  test("unit uses 53 bits and never reaches 1", () => {
    expect(unit(scripted(0, 0))).toBe(0);
    expect(unit(scripted(ONES, ONES))).toBe(1 - 2 ** -53);
    expect(unit(scripted(0, 1 << 6))).toBe(2 ** -53);
    expect(unit(scripted(0x8000_0000, 0))).toBe(0.5);
  });

  test("uniform begins at its low end", () => {
    expect(uniform(scripted(0, 0), 10, 15)).toBe(10);
    expect(uniform(scripted(0x8000_0000, 0), 10, 15)).toBe(12.5);
    expect(uniform(scripted(ONES, ONES), 10, 15)).toBeLessThanOrEqual(15);
    expect(uniform(scripted(5, 5), 7, 7)).toBe(7);
  });
});

describe("integerBelow", () => {
  /** 3/4 of the range: a remainder of a 32-bit draw makes the lowest third twice as likely. */
  const below = 3 * 2 ** 30;

  function thirds(draw: (random: RandomSource) => number): number[] {
    const random = new SeededRandom(3);
    const counts = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) {
      const third = Math.floor(draw(random) / 2 ** 30);
      counts[third] = (counts[third] ?? 0) + 1;
    }
    return counts;
  }

  test("has no bias, and a plain remainder is caught", () => {
    expect(uniformityRatio(thirds((random) => integerBelow(random, below)))).toBeLessThan(1);
    const remainder = (random: RandomSource): number => random.uint32() % below;
    expect(uniformityRatio(thirds(remainder))).toBeGreaterThan(10);
  });

  test("draws again exactly when a word lies beyond the last whole multiple", () => {
    expect(integerBelow(scripted(below - 1), below)).toBe(below - 1);
    expect(integerBelow(scripted(below, ONES, 5), below)).toBe(5);
    // 2^32 = 6 * 715,827,882 + 4: the top four words are not used.
    expect(integerBelow(scripted(ONES - 4), 6)).toBe(5);
    for (const word of [ONES - 3, ONES - 2, ONES - 1, ONES]) {
      expect(integerBelow(scripted(word, 8), 6)).toBe(2);
    }
    // A power of two divides the range: nothing is thrown away.
    expect(integerBelow(scripted(ONES), 2 ** 32)).toBe(ONES);
    expect(integerBelow(scripted(ONES), 256)).toBe(255);
    expect(integerBelow(scripted(ONES), 1)).toBe(0);
  });

  test.each([2, 3, 6, 7, 10, 250])("below %i every value is equally likely", (count) => {
    const random = new SeededRandom(count);
    const counts = Array<number>(count).fill(0);
    for (let i = 0; i < 100 * count; i++) {
      const value = integerBelow(random, count);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    expect(counts).toHaveLength(count);
    expect(uniformityRatio(counts)).toBeLessThan(1);
  });

  test("stays in its range for any bound", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), fc.integer(), (bound, seed) => {
        const value = integerBelow(new SeededRandom(seed), bound);
        expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
      }),
      { numRuns: 2_000, seed: 4 },
    );
  });

  test.each([0, -1, 1.5, 2 ** 32 + 1, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses %p",
    (bound) => {
      expect(() => integerBelow(new SeededRandom(1), bound)).toThrow(RangeError);
    },
  );
});

describe("exponential", () => {
  test.each([2.5, 5, 39])("fits with mean %p", (mean) => {
    const random = new SeededRandom(5);
    const waits = draws(20_000, () => exponential(random, mean));
    expect(kolmogorovSmirnovRatio(waits, (wait) => 1 - Math.exp(-wait / mean))).toBeLessThan(1);
    // The control: a mean that is 5 % off does not fit.
    const off = mean * 1.05;
    expect(kolmogorovSmirnovRatio(waits, (wait) => 1 - Math.exp(-wait / off))).toBeGreaterThan(1);
  });

  test("is never negative and never infinite", () => {
    expect(exponential(scripted(0, 0), 5)).toBe(0);
    expect(exponential(scripted(ONES, ONES), 5)).toBeCloseTo(5 * 53 * Math.LN2, 6);
  });
});

describe("poisson", () => {
  /** Probabilities of 0, 1, 2 … up to a count that is all but impossible. */
  function probabilities(mean: number): number[] {
    const list: number[] = [];
    const last = Math.ceil(mean + 12 * Math.sqrt(mean) + 12);
    let logarithm = -mean;
    for (let count = 0; count <= last; count++) {
      list.push(Math.exp(logarithm));
      logarithm += Math.log(mean) - Math.log(count + 1);
    }
    return list;
  }

  /** Chi-square with neighbouring counts merged until each bin expects 20 draws or more. */
  function fit(counts: readonly number[], mean: number): number {
    const observed: number[] = [];
    const expected: number[] = [];
    let wanted = 0;
    let found = 0;
    let rest = counts.length;
    for (const [count, probability] of probabilities(mean).entries()) {
      wanted += probability * counts.length;
      found += counts.filter((drawn) => drawn === count).length;
      if (wanted < 20 || rest - wanted < 20) continue;
      observed.push(found);
      expected.push(wanted);
      rest -= wanted;
      wanted = 0;
      found = 0;
    }
    const seen = observed.reduce((sum, count) => sum + count, 0);
    observed.push(counts.length - seen);
    expected.push(rest);
    return chiSquareRatio(observed, expected);
  }

  test.each([0.5, 5, 10, 20, 22, 39])("fits with mean %p", (mean) => {
    const random = new SeededRandom(6);
    const counts = draws(10_000, () => poisson(random, mean));
    expect(fit(counts, mean)).toBeLessThan(1);
    // The control: a mean that is 10 % off does not fit.
    expect(fit(counts, mean * 1.1)).toBeGreaterThan(1);
  });

  test("fits where the draw is split in two", () => {
    const random = new SeededRandom(7);
    const counts = draws(3_000, () => poisson(random, 700));
    expect(fit(counts, 700)).toBeLessThan(1);
    expect(fit(counts, 710)).toBeGreaterThan(1);
  });

  test("a mean of zero gives zero", () => {
    expect(draws(100, () => poisson(new SeededRandom(8), 0))).toEqual(Array(100).fill(0));
  });

  test.each([-1, 10_001, Number.NaN, Number.POSITIVE_INFINITY])("refuses mean %p", (mean) => {
    expect(() => poisson(new SeededRandom(1), mean)).toThrow(RangeError);
  });
});

describe("shuffle and sample", () => {
  const items = ["a", "b", "c", "d"];

  function orders(order: (random: RandomSource) => string[]): number[] {
    const random = new SeededRandom(9);
    const counts = new Map<string, number>();
    for (let i = 0; i < 12_000; i++) {
      const text = order(random).join("");
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
    return [...counts.values()];
  }

  test("every order is equally likely, and swapping with any place is caught", () => {
    const counts = orders((random) => shuffle(random, items));
    expect(counts).toHaveLength(24);
    expect(uniformityRatio(counts)).toBeLessThan(1);
    const naive = orders((random) => {
      const list = [...items];
      for (let i = 0; i < list.length; i++) {
        const j = integerBelow(random, list.length);
        [list[i], list[j]] = [list[j] ?? "", list[i] ?? ""];
      }
      return list;
    });
    expect(uniformityRatio(naive)).toBeGreaterThan(2);
  });

  test("every choice of two, in either order, is equally likely", () => {
    const counts = orders((random) => sample(random, items, 2));
    expect(counts).toHaveLength(12);
    expect(uniformityRatio(counts)).toBeLessThan(1);
  });

  test("a shuffle keeps the items, a sample takes different ones; both leave the list alone", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.nat(30), fc.integer(), (list, count, seed) => {
        const before = [...list];
        const random = new SeededRandom(seed);
        expect(shuffle(random, list).sort()).toEqual([...list].sort());
        const places = sample(random, [...list.keys()], count);
        expect(new Set(places).size).toBe(Math.min(count, list.length));
        expect(places.every((place) => place in list)).toBe(true);
        expect(list).toEqual(before);
      }),
      { numRuns: 1_000, seed: 10 },
    );
  });
});
