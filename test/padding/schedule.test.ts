import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PaddingError } from "../../lib/padding/error.ts";
import {
  drawInterval,
  formatSchedule,
  meanInterval,
  moneroSchedule,
  type NoiseSchedule,
  parseSchedule,
} from "../../lib/padding/schedule.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { kolmogorovSmirnovRatio } from "../runtime/goodness-of-fit.ts";

/** Time for ten thousand runs of a property, on a machine that is busy with something else. */
const PROPERTY_MS_MAX = 60_000;

const DRAWS = 20_000;

function draws(schedule: NoiseSchedule, seed: number): number[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: DRAWS }, () => drawInterval(schedule, random));
}

const uniformCdf =
  (low: number, high: number) =>
  (value: number): number =>
    Math.min(1, Math.max(0, (value - low) / (high - low)));

describe("reading a schedule", () => {
  test.each<[string, NoiseSchedule]>([
    ["uniform:10s..15s", { kind: "uniform", lowMs: 10_000, highMs: 15_000 }],
    ["uniform 10s..15s", { kind: "uniform", lowMs: 10_000, highMs: 15_000 }],
    ["  uniform:1ms..0.5m  ", { kind: "uniform", lowMs: 1, highMs: 30_000 }],
    ["uniform:10s..10s", { kind: "uniform", lowMs: 10_000, highMs: 10_000 }],
    ["poisson:12.5s", { kind: "poisson", meanMs: 12_500 }],
    ["constant:250ms", { kind: "constant", everyMs: 250 }],
  ])("%s", (text, schedule) => {
    expect(parseSchedule(text)).toEqual(schedule);
  });

  test.each([
    ["", "is not known"],
    ["uniform", "is not known"],
    ["uniform:10s", "is not known"],
    ["uniform:10s..", "is not known"],
    ["uniform:10s..15s..20s", "is not known"],
    ["uniform:10..15", "is not known"],
    ["poisson:1s..2s", "is not known"],
    ["Uniform:10s..15s", "is not known"],
    ["gauss:10s", "is not known"],
    ["constant:-1s", "is not known"],
    ["constant:1e3s", "is not known"],
    ["uniform:15s..10s", "ends before it begins"],
    ["constant:0s", "from 1ms to 30s"],
    ["poisson:31s", "from 1ms to 30s"],
    ["uniform:10s..31s", "from 1ms to 30s"],
  ])("%p is refused, by name", (text, words) => {
    const parse = (): NoiseSchedule => parseSchedule(text);
    expect(parse).toThrow(PaddingError);
    expect(parse).toThrow(words);
    expect(parse).toThrow(`"${text}"`);
  });

  test(
    "any text is a schedule or a PaddingError, never a crash",
    () => {
      const pieces = fc.constantFrom(
        "uniform",
        "poisson",
        "constant",
        ":",
        "..",
        "10s",
        "1ms",
        " ",
      );
      const text = fc.oneof(
        fc.string(),
        fc.array(pieces).map((parts) => parts.join("")),
      );
      fc.assert(
        fc.property(text, (written) => {
          try {
            expect(meanInterval(parseSchedule(written))).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(PaddingError);
          }
        }),
        { numRuns: 10_000 },
      );
    },
    PROPERTY_MS_MAX,
  );

  test(
    "what is printed is read back as the same schedule",
    () => {
      const wait = fc.oneof(
        fc.integer({ min: 1, max: 30_000 }).map((ms) => `${ms}ms`),
        fc.integer({ min: 1_000, max: 30_000_000 }).map((us) => `${(us / 1e6).toFixed(6)}s`),
        fc.integer({ min: 17, max: 500_000 }).map((part) => `${(part / 1e6).toFixed(6)}m`),
      );
      const text = fc.oneof(
        fc
          .tuple(fc.constantFrom("poisson", "constant"), wait)
          .map(([kind, one]) => `${kind}:${one}`),
        fc.tuple(wait, wait).map(([low, high]) => `uniform:${low}..${high}`),
      );
      fc.assert(
        fc.property(text, (written) => {
          let schedule: NoiseSchedule;
          try {
            schedule = parseSchedule(written);
          } catch (error) {
            // Only the bounds may be the wrong way round.
            expect(String(error)).toMatch(/ends before it begins|from 1ms to 30s/);
            return;
          }
          expect(parseSchedule(formatSchedule(schedule))).toEqual(schedule);
        }),
        { numRuns: 10_000 },
      );
    },
    PROPERTY_MS_MAX,
  );
});

describe("drawn intervals", () => {
  test("monerod's schedule is U(10 s, 15 s)", () => {
    const waits = draws(moneroSchedule, 20_240);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(10_000);
    expect(Math.max(...waits)).toBeLessThan(15_000);
    expect(kolmogorovSmirnovRatio(waits, uniformCdf(10_000, 15_000))).toBeLessThan(1);
    expect(meanInterval(moneroSchedule)).toBe(12_500);
  });

  test("the test of fit would tell U(10 s, 14.8 s) and half a second of delay apart", () => {
    const short = draws({ kind: "uniform", lowMs: 10_000, highMs: 14_800 }, 20_241);
    expect(kolmogorovSmirnovRatio(short, uniformCdf(10_000, 15_000))).toBeGreaterThan(1);
    const late = draws(moneroSchedule, 20_242).map((wait) => wait + 500);
    expect(kolmogorovSmirnovRatio(late, uniformCdf(10_000, 15_000))).toBeGreaterThan(1);
  });

  test("a Poisson schedule waits exponentially, and never over 45 s", () => {
    const schedule: NoiseSchedule = { kind: "poisson", meanMs: 12_500 };
    const waits = draws(schedule, 20_243);
    const below = (value: number): number => -Math.expm1(-value / 12_500);
    const exponentialCdf = (value: number): number => below(value) / below(45_000);
    expect(kolmogorovSmirnovRatio(waits, exponentialCdf)).toBeLessThan(1);
    expect(kolmogorovSmirnovRatio(waits, uniformCdf(0, 25_000))).toBeGreaterThan(1);
    // The source of chance that draws the longest wait there is.
    const longest = { bytes: (n: number) => new Uint8Array(n), uint32: () => 0xffff_ffff };
    expect(drawInterval(schedule, longest)).toBeWithin(44_999, 45_001);
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    expect(Math.abs(mean / meanInterval(schedule) - 1)).toBeLessThan(0.03);
  });

  test("a constant schedule is constant", () => {
    expect(new Set(draws({ kind: "constant", everyMs: 777 }, 1))).toEqual(new Set([777]));
    expect(meanInterval({ kind: "constant", everyMs: 777 })).toBe(777);
  });

  test("the same seed draws the same waits", () => {
    expect(draws(moneroSchedule, 9)).toEqual(draws(moneroSchedule, 9));
    expect(draws(moneroSchedule, 9)).not.toEqual(draws(moneroSchedule, 10));
  });
});
