import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  drawEmbargo,
  type EmbargoSchedule,
  formatEmbargo,
  moneroEmbargo,
  paperEmbargo,
  paperEmbargoMean,
  parseEmbargo,
} from "../../lib/dandelion/embargo.ts";
import { drawEpoch, moneroDandelionEpoch } from "../../lib/dandelion/epoch.ts";
import { DandelionError } from "../../lib/dandelion/error.ts";
import { type Direction, drawFlushDelay } from "../../lib/dandelion/flush.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { chiSquareRatio, kolmogorovSmirnovRatio } from "../runtime/goodness-of-fit.ts";

const DRAWS = 20_000;

function draws<T>(seed: number, draw: (random: SeededRandom) => T): T[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: DRAWS }, () => draw(random));
}

/** Chi-square of counts against a Poisson distribution, tails merged; below 1 they fit. */
function poissonRatio(counts: readonly number[], mean: number): number {
  const shares: number[] = [];
  let share = Math.exp(-mean);
  for (let count = 0; count < mean * 4 + 20; count++) {
    shares.push(share);
    share *= mean / (count + 1);
  }
  const expected: number[] = [0];
  const binOf: number[] = [];
  for (const one of shares) {
    binOf.push(expected.length - 1);
    const sum = (expected.at(-1) ?? 0) + one * counts.length;
    expected[expected.length - 1] = sum;
    if (sum >= 50) expected.push(0);
  }
  // What is left of the upper tail goes to the last full bin.
  const rest = expected.pop() ?? 0;
  const last = expected.length - 1;
  expected[last] = (expected[last] ?? 0) + rest;
  const observed = Array<number>(expected.length).fill(0);
  for (const count of counts) {
    const bin = Math.min(binOf[count] ?? last, last);
    observed[bin] = (observed[bin] ?? 0) + 1;
  }
  return chiSquareRatio(observed, expected);
}

describe("epochs as monerod has them", () => {
  const epochs = draws(1, (random) => drawEpoch(moneroDandelionEpoch, random, 5_000));

  test("last 10 min + U[0, 30] s", () => {
    const lengths = epochs.map((epoch) => epoch.endsAt - 5_000);
    expect(
      kolmogorovSmirnovRatio(lengths, (ms) => Math.min(1, Math.max(0, (ms - 600_000) / 30_000))),
    ).toBeLessThan(1);
  });

  test("one in five fluffs, whatever its length", () => {
    const fluffing = epochs.filter((epoch) => epoch.fluff);
    expect(
      chiSquareRatio([fluffing.length, DRAWS - fluffing.length], [DRAWS * 0.2, DRAWS * 0.8]),
    ).toBeLessThan(1);
    expect(
      kolmogorovSmirnovRatio(
        fluffing.map((epoch) => epoch.endsAt - 605_000),
        (ms) => Math.min(1, Math.max(0, ms / 30_000)),
      ),
    ).toBeLessThan(1);
  });

  test.each([0, 100])("%d percent is never and always", (fluffPercent) => {
    const some = draws(2, (random) =>
      drawEpoch({ ...moneroDandelionEpoch, fluffPercent }, random, 0),
    );
    expect(some.every((epoch) => epoch.fluff === (fluffPercent === 100))).toBe(true);
  });
});

describe("flush delays as monerod has them", () => {
  test.each<[Direction, number]>([
    ["in", 20],
    ["out", 10],
  ])("%s: Poisson(%d) quarter seconds", (direction, mean) => {
    const delays = draws(3, (random) => drawFlushDelay(direction, random));
    expect(delays.every((ms) => ms % 250 === 0)).toBe(true);
    expect(
      poissonRatio(
        delays.map((ms) => ms / 250),
        mean,
      ),
    ).toBeLessThan(1);
    // Not a neighbouring distribution: the test would see it.
    expect(
      poissonRatio(
        delays.map((ms) => ms / 250),
        mean * 1.02,
      ),
    ).toBeGreaterThan(1);
  });
});

describe("embargoes", () => {
  test("monerod's are Poisson(39) whole seconds", () => {
    const embargoes = draws(4, (random) => drawEmbargo(moneroEmbargo, random));
    expect(embargoes.every((ms) => ms % 1_000 === 0)).toBe(true);
    expect(
      poissonRatio(
        embargoes.map((ms) => ms / 1_000),
        39,
      ),
    ).toBeLessThan(1);
    expect(
      poissonRatio(
        embargoes.map((ms) => ms / 1_000),
        39.5,
      ),
    ).toBeGreaterThan(1);
  });

  test("the paper's are exponential", () => {
    const embargoes = draws(5, (random) => drawEmbargo(paperEmbargo, random));
    expect(
      kolmogorovSmirnovRatio(embargoes, (ms) => -Math.expm1(-ms / paperEmbargo.meanMs)),
    ).toBeLessThan(1);
  });

  test("the paper's mean, and where monerod's 39 s is from", () => {
    const path = { hops: 5, risk: 0.1, hopMs: 175 };
    expect(paperEmbargoMean(path)).toBeCloseTo(16_609.64, 1);
    expect(paperEmbargo).toEqual({ kind: "exponential", meanMs: 16_610 });
    // Decimal instead of natural logarithm, rounded up to whole seconds.
    expect(Math.ceil((paperEmbargoMean(path) * Math.LN10) / 1_000)).toBe(39);
  });

  test.each<[string, EmbargoSchedule]>([
    ["poisson:39s", { kind: "poisson", meanMs: 39_000 }],
    [" exponential:16.6s ", { kind: "exponential", meanMs: 16_600 }],
    ["exponential:10m", { kind: "exponential", meanMs: 600_000 }],
  ])("%p is read", (text, schedule) => {
    expect(parseEmbargo(text)).toEqual(schedule);
  });

  test.each([
    ["", "is not known"],
    ["39s", "is not known"],
    ["uniform:39s", "is not known"],
    ["poisson:39", "is not known"],
    ["poisson:-39s", "is not known"],
    ["poisson:999ms", "from 1s to 10m"],
    ["exponential:11m", "from 1s to 10m"],
  ])("%p is refused, by name", (text, words) => {
    const parse = (): EmbargoSchedule => parseEmbargo(text);
    expect(parse).toThrow(DandelionError);
    expect(parse).toThrow(words);
    if (text !== "") expect(parse).toThrow(text);
  });

  test("text and schedule, round", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("poisson" as const, "exponential" as const),
        fc.integer({ min: 1_000, max: 600_000 }),
        (kind, meanMs) => {
          expect(parseEmbargo(formatEmbargo({ kind, meanMs }))).toEqual({ kind, meanMs });
        },
      ),
      { numRuns: 10_000 },
    );
  }, 60_000);
});
