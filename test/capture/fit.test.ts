import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { chiSquareFit, chiSquareTest, detectableEffect } from "../../lib/capture/fit-chi-square.ts";
import { ExpectationError } from "../../lib/capture/fit-error.ts";
import {
  kolmogorovCritical,
  kolmogorovTail,
  kolmogorovTest,
} from "../../lib/capture/fit-kolmogorov.ts";
import { fitIntervals, fitSizes, unseenShare } from "../../lib/capture/fit-report.ts";
import { formatSchedule, parseLaw, parseSchedule } from "../../lib/capture/fit-schedule.ts";
import { exponential, uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { monerodIntervals, relativeError, vectors } from "./statistics-vectors.ts";

const monero = parseSchedule("uniform 10s..15s, 3072 B");

describe("the Kolmogorov distance", () => {
  test("has SciPy's chances: exact ones to ten digits, those of the limit to four", () => {
    for (const [n = 0, distance = 0, expected = 0] of vectors.kolmogorov_tail) {
      const value = kolmogorovTail(n, distance);
      const error = Math.min(relativeError(value, expected), Math.abs(value - expected));
      expect(error).toBeLessThan(n <= 500 ? 1e-9 : expected < 0.5 ? 3e-5 : 2e-4);
    }
    expect(vectors.kolmogorov_tail.length).toBeGreaterThan(70);
  });

  test("has the values of publications", () => {
    // Marsaglia, Tsang and Wang 2003, section 3.
    expect(kolmogorovTail(10, 0.274)).toBeCloseTo(1 - 0.6284796154565, 12);
    // Miller 1956, table 1, two sides at 5 %.
    expect(kolmogorovCritical(10, 0.05)).toBeCloseTo(0.40925, 4);
    expect(kolmogorovCritical(20, 0.05)).toBeCloseTo(0.29408, 4);
    expect(kolmogorovCritical(100, 0.05)).toBeCloseTo(0.13403, 4);
    expect(kolmogorovCritical(207, 0.05)).toBeCloseTo(vectors.monerod.critical_5_percent, 6);
  });

  test("stays a chance, whatever comes", () => {
    const input = fc.tuple(fc.integer({ min: 1, max: 700 }), fc.double({ min: 0, max: 1 }));
    fc.assert(
      fc.property(
        input.filter(([, d]) => Number.isFinite(d)),
        ([n, d]) => {
          const chance = kolmogorovTail(n, d);
          return chance >= 0 && chance <= 1;
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("chi-square", () => {
  test("agrees with SciPy, and with what Mendel counted", () => {
    const { histogram, chi_square_10_bins } = vectors.monerod;
    const fit = chiSquareTest(histogram, new Array(10).fill(20.7));
    expect(fit.statistic).toBeCloseTo(chi_square_10_bins[0] ?? 0, 10);
    expect(fit.pValue).toBeCloseTo(chi_square_10_bins[1] ?? 0, 10);
    // Round yellow, round green, wrinkled yellow, wrinkled green against 9 : 3 : 3 : 1.
    const peas = chiSquareTest([315, 108, 101, 32], [312.75, 104.25, 104.25, 34.75]);
    expect(peas.statistic).toBeCloseTo(0.47, 2);
    expect(chiSquareFit([1, 2, 3], (x) => x / 4)).toBeUndefined();
  });

  test("knows what it would have found: Cohen's tables", () => {
    // Cohen 1988, tables 7.4: at 5 %, power 0.80, w = 0.3 takes 87 values with 1 degree.
    expect(detectableEffect(87, 1, 0.05, 0.8)).toBeCloseTo(0.3, 2);
    expect(detectableEffect(121, 3, 0.05, 0.8)).toBeCloseTo(0.3, 2);
  });
});

describe("a declared schedule", () => {
  test.each([
    ["uniform 10s..15s, 3072 B", { kind: "uniform", lowMs: 10_000, highMs: 15_000 }, 3_072],
    ["uniform(10s,15s)", { kind: "uniform", lowMs: 10_000, highMs: 15_000 }, undefined],
    ["uniform (250ms, 1m), 514 bytes", { kind: "uniform", lowMs: 250, highMs: 60_000 }, 514],
    ["poisson 5s", { kind: "poisson", meanMs: 5_000 }, undefined],
    ["exponential(1.5s)", { kind: "poisson", meanMs: 1_500 }, undefined],
    ["constant 12s, 3072, within 1ms", { kind: "constant", everyMs: 12_000 }, 3_072],
  ])("is read: %s", (text, law, frameBytes) => {
    const schedule = parseSchedule(text);
    expect(schedule.law).toEqual(law as typeof schedule.law);
    expect(schedule.frameBytes).toBe(frameBytes);
    expect(parseSchedule(formatSchedule(schedule))).toEqual(schedule);
  });

  test.each([
    "",
    "uniform",
    "uniform 15s..10s",
    "uniform 10s",
    "uniform 10..15",
    "poisson 0s",
    "poisson 1s..2s",
    "constant",
    "gauss 3s",
    "uniform 10s..15s, 0 B",
    "uniform 10s..15s, 3072 B, 3072 B",
    "uniform 10s..15s, soon",
    "uniform 10s..15s,",
  ])("is refused: '%s'", (text) => {
    expect(() => parseSchedule(text)).toThrow(ExpectationError);
  });

  test("any text is read or refused, nothing else", () => {
    const part = fc.constantFrom("uniform", "(", ")", ",", "..", "10s", " ", "3072 B", "within");
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 8 }), (parts) => {
        const law = parseLaw(parts.join(""));
        return law === undefined || law.kind.length > 0;
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("a fit", () => {
  test("of monerod's recorded noise: the distance of its description", () => {
    const first = monerodIntervals().slice(0, 207);
    const test = kolmogorovTest(
      first.toSorted((a, b) => a - b),
      (x) => (x - 10) / 5,
    );
    expect(test.distance.toFixed(3)).toBe("0.069");
    expect(test.distance).toBeCloseTo(vectors.monerod.kolmogorov[0] ?? 0, 12);
    expect(test.pValue).toBeCloseTo(vectors.monerod.kolmogorov[1] ?? 0, 9);
    // The description's 0.095 is the limit's 1.36 over the root of 207.
    expect(kolmogorovCritical(207, 0.05)).toBeWithin(0.0935, 0.0955);
    const fit = fitIntervals(
      first.map((s) => 1_000 * s),
      monero,
    );
    expect(fit.outcome).toBe("fits");
    expect(fit.detectable?.distance).toBeWithin(0.1, 0.15);
  });

  test("of the whole recording finds the two intervals that the law does not allow", () => {
    const fit = fitIntervals(
      monerodIntervals().map((s) => 1_000 * s),
      monero,
    );
    expect(fit).toMatchObject({ outcome: "deviates", count: 286, outside: 2 });
    expect(fit.outsideExamplesMs.map((ms) => ms / 1_000)).toEqual(vectors.monerod.outside);
    // The distance alone would have let them pass.
    expect(fit.pValue).toBeGreaterThan(0.05);
  });

  test("on too little data is none", () => {
    const few = monerodIntervals().slice(0, 40);
    const fit = fitIntervals(
      few.map((s) => 1_000 * s),
      monero,
    );
    expect(fit.outcome).toBe("inconclusive");
    expect(fit.reason).toContain("Too few intervals (40)");
    expect(fitIntervals([], monero).outcome).toBe("inconclusive");
    expect(fitIntervals([12_000], parseSchedule("constant 12s")).outcome).toBe("inconclusive");
  });

  test("of a schedule that is kept is called a deviation in 5 % of cases at most", () => {
    const random = new SeededRandom(11);
    let alarms = 0;
    for (let i = 0; i < 200; i++) {
      const values = Array.from({ length: 200 }, () => uniform(random, 10_000, 15_000));
      if (fitIntervals(values, monero).outcome === "deviates") alarms++;
    }
    // More than 18 of 200 have a chance of 0.4 % at 5 %.
    expect(alarms).toBeLessThanOrEqual(18);
  });

  test("finds what it says it would: four in five, of the least shift", () => {
    const random = new SeededRandom(12);
    const narrow = parseSchedule("uniform 10s..15s, within 1h");
    const shiftMs = fitIntervals(new Array(200).fill(12_000), narrow).detectable?.shiftMs ?? 0;
    expect(shiftMs).toBeWithin(500, 800);
    let found = 0;
    for (let i = 0; i < 100; i++) {
      const values = Array.from({ length: 200 }, () => shiftMs + uniform(random, 10_000, 15_000));
      if (fitIntervals(values, narrow).outcome === "deviates") found++;
    }
    expect(found).toBeGreaterThanOrEqual(80);
  });

  test("finds intervals that remember those before, though their law is right", () => {
    const random = new SeededRandom(13);
    let share = 0.5;
    const values = Array.from({ length: 500 }, () => {
      share = (share + 0.3 * uniform(random, 0, 1)) % 1;
      return 10_000 + 5_000 * share;
    });
    const fit = fitIntervals(values, monero);
    expect(fit.outcome).toBe("deviates");
    expect(fit.independence?.pValue).toBeLessThan(1e-6);
  });

  test("tells a Poisson schedule from another, and a constant one", () => {
    const random = new SeededRandom(14);
    const values = Array.from({ length: 500 }, () => exponential(random, 5_000));
    expect(fitIntervals(values, parseSchedule("poisson 5s")).outcome).toBe("fits");
    expect(fitIntervals(values, parseSchedule("poisson 7s")).outcome).toBe("deviates");
    const constant = parseSchedule("constant 12s, within 5ms");
    const steady = values.map((_, i) => 12_000 + (i % 3));
    expect(fitIntervals(steady, constant).outcome).toBe("fits");
    expect(fitIntervals([...steady, 12_006], constant).outcome).toBe("deviates");
  });

  test("of sizes says how many could differ unseen", () => {
    expect(fitSizes(new Array(100).fill(3_072), 3_072)).toMatchObject({
      outcome: "fits",
      other: 0,
    });
    expect(fitSizes(new Array(20).fill(3_072), 3_072).outcome).toBe("inconclusive");
    const other = fitSizes([3_072, 205, 205, 465], 3_072);
    expect(other).toMatchObject({ outcome: "deviates", other: 3, examples: [205, 465] });
    // Hanley and Lippman-Hand 1983: if nothing goes wrong, three over the count.
    expect(unseenShare(100)).toBeCloseTo(0.03, 3);
    expect(unseenShare(0)).toBe(1);
  });
});
