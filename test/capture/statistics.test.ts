import { describe, expect, test } from "bun:test";
import { periodogram } from "../../lib/capture/statistics-fourier.ts";
import { eventPeriods } from "../../lib/capture/statistics-periods.ts";
import { autocorrelation, ljungBox } from "../../lib/capture/statistics-serial.ts";
import {
  chiSquareCritical,
  chiSquareTail,
  logGamma,
  noncentralChiSquareTail,
  normalCdf,
  normalQuantile,
} from "../../lib/capture/statistics-special.ts";
import {
  binsFor,
  entropyBits,
  histogram,
  intervals,
  moments,
  summarize,
} from "../../lib/capture/statistics-summary.ts";
import { unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom, systemRandom } from "../../lib/runtime/random.ts";
import { syntheticLink } from "./detect-synthetic.ts";
import { monerodIntervals, relativeError, vectors } from "./statistics-vectors.ts";

/** NIST's numerical accuracy data: a value, then 1,000 that lie a tenth below and above in turn. */
const nist = (base: number): number[] => [
  base + 0.2,
  ...Array.from({ length: 1_000 }, (_, i) => base + (i % 2 === 0 ? 0.1 : 0.3)),
];

/** Michelson's speeds of light of 1879 less 299,000 km/s (NIST: Michelso). */
const michelson = [
  850, 740, 900, 1070, 930, 850, 950, 980, 980, 880, 1000, 980, 930, 650, 760, 810, 1000, 1000, 960,
  960, 960, 940, 960, 940, 880, 800, 850, 880, 900, 840, 830, 790, 810, 880, 880, 830, 800, 790,
  760, 800, 880, 880, 880, 860, 720, 720, 620, 860, 970, 950, 880, 910, 850, 870, 840, 840, 850,
  840, 840, 840, 890, 810, 810, 820, 800, 770, 760, 740, 750, 760, 910, 920, 890, 860, 880, 720,
  840, 850, 850, 780, 890, 840, 780, 810, 760, 810, 790, 810, 820, 850, 870, 870, 810, 740, 810,
  940, 950, 800, 810, 870,
].map((value) => 299 + value / 1_000);

describe("special functions agree with SciPy", () => {
  test.each([
    ["logGamma", vectors.log_gamma, ([x = 0]) => logGamma(x), 1e-13],
    ["chiSquareTail", vectors.chi_square_tail, ([x = 0, k = 0]) => chiSquareTail(x, k), 1e-10],
    [
      "chiSquareCritical",
      vectors.chi_square_critical,
      ([p = 0, k = 0]) => chiSquareCritical(p, k),
      1e-10,
    ],
    [
      "noncentralChiSquareTail",
      vectors.noncentral_tail,
      ([x = 0, k = 0, nc = 0]) => noncentralChiSquareTail(x, k, nc),
      1e-10,
    ],
    ["normalCdf", vectors.normal_cdf, ([z = 0]) => normalCdf(z), 1e-11],
    ["normalQuantile", vectors.normal_quantile, ([p = 0]) => normalQuantile(p), 1e-11],
  ] as const satisfies [string, number[][], (row: number[]) => number, number][])(
    "%s",
    (_name, rows, f, error) => {
      expect(rows.length).toBeGreaterThan(3);
      for (const row of rows) {
        const expected = row.at(-1) ?? Number.NaN;
        const value = f(row.slice(0, -1));
        expect(Math.min(relativeError(value, expected), Math.abs(value - expected))).toBeLessThan(
          error,
        );
      }
    },
  );
});

describe("a summary", () => {
  test.each([
    ["NumAcc1", [10_000_001, 10_000_003, 10_000_002], 10_000_002, 1, -0.5],
    ["NumAcc2", nist(1), 1.2, 0.1, -0.999],
    ["NumAcc3", nist(1_000_000), 1_000_000.2, 0.1, -0.999],
    ["NumAcc4", nist(10_000_000), 10_000_000.2, 0.1, -0.999],
    ["Michelso", michelson, 299.8524, 0.0790105478190518, 0.535199668621283],
  ])("has NIST's certified values: %s", (_name, values, mean, deviation, lag1) => {
    const summary = moments(values);
    expect(relativeError(summary.mean, mean)).toBeLessThan(1e-15);
    // A double holds a tenth next to ten million to nine digits only.
    expect(relativeError(summary.deviation, deviation)).toBeLessThan(1e-8);
    expect(relativeError(autocorrelation(values, 1)[0] ?? 0, lag1)).toBeLessThan(1e-8);
  });

  test("of monerod's recorded noise is that of its description, and NumPy's", () => {
    const all = monerodIntervals();
    expect(all).toHaveLength(vectors.monerod.all);
    const first = all.slice(0, vectors.monerod.count);
    const summary = summarize(first);
    if (summary === undefined) throw new Error("The recording is empty.");
    // As described: 207 intervals, 10.007 s to 14.989 s, mean 12.598 s, deviation 1.374 s.
    expect(summary).toMatchObject({ count: 207, min: 10.0071, max: 14.9892 });
    expect(summary.mean.toFixed(3)).toBe("12.598");
    const ofAll = summary.deviation * Math.sqrt(206 / 207);
    expect(ofAll.toFixed(3)).toBe("1.374");
    expect(summary.mean).toBeCloseTo(vectors.monerod.mean, 12);
    expect(summary.deviation).toBeCloseTo(vectors.monerod.deviation_sample, 12);
    expect(ofAll).toBeCloseTo(vectors.monerod.deviation_population, 12);
    summary.quantiles.forEach(({ value }, i) => {
      expect(value).toBeCloseTo(vectors.monerod.quantiles[i] ?? 0, 12);
    });
    const { counts } = histogram(first, { low: 10, width: 0.5, count: 10 });
    expect(counts).toEqual(vectors.monerod.histogram);
    expect(entropyBits(counts)).toBeCloseTo(vectors.monerod.entropy_bits, 12);
    Array.from(autocorrelation(first, 5)).forEach((value, i) => {
      expect(value).toBeCloseTo(vectors.monerod.autocorrelation[i] ?? 0, 12);
    });
  });

  test("of nothing, of one value, of equal values", () => {
    expect(summarize([])).toBeUndefined();
    expect(summarize([3])).toMatchObject({ min: 3, mean: 3, max: 3, deviation: 0, entropyBits: 0 });
    expect(histogram([3, 3, 3])).toEqual({ low: 3, width: 1, counts: [3] });
    expect(autocorrelation([3, 3, 3], 2)).toEqual(new Float64Array(2));
    expect(intervals([1, 4, 9])).toEqual(Float64Array.of(3, 5));
    expect(intervals([])).toHaveLength(0);
  });

  test("has bins for any values, never too many", () => {
    const values = [0, 0, 0, 0, 1e9];
    expect(binsFor(values).count).toBe(128);
    expect(histogram(values).counts.reduce((sum, count) => sum + count)).toBe(5);
  });
});

describe("what hangs together in time", () => {
  test("agrees with NumPy and SciPy", () => {
    const { values, periodogram_256, ljung_box_10 } = vectors.serial;
    Array.from(autocorrelation(values, 10)).forEach((value, i) => {
      expect(value).toBeCloseTo(vectors.serial.autocorrelation[i] ?? 0, 12);
    });
    const { statistic, pValue } = ljungBox(values, 10);
    expect(statistic).toBeCloseTo(ljung_box_10[0] ?? 0, 8);
    expect(relativeError(pValue, ljung_box_10[1] ?? 0)).toBeLessThan(1e-8);
    const powers = periodogram(values, 256);
    expect(powers).toHaveLength(129);
    powers.forEach((power, i) => {
      expect(power).toBeCloseTo(periodogram_256[i] ?? Number.NaN, 10);
    });
  });

  test("a timed sync every 60 s shows among noise at random intervals", () => {
    const random = new SeededRandom(7);
    const link = syntheticLink(random, 288, { syncEveryMs: 60_000 });
    const found = eventPeriods(link.timesMs, 5_000, random);
    // The sync's own timer adds half a second on average.
    expect(found?.peaks[0]?.periodMs).toBeWithin(60_000, 61_000);
    expect(found?.peaks[0]?.pValue).toBeLessThan(1e-6);
  });

  test("noise alone has no period, in 19 of 20 links or so", () => {
    let alarms = 0;
    for (let seed = 0; seed < 20; seed++) {
      const random = new SeededRandom(seed);
      const link = syntheticLink(random, 288);
      if ((eventPeriods(link.timesMs, 5_000, random)?.peaks.length ?? 1) > 0) alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(1);
  });

  test("a constant interval shows as itself, once", () => {
    const random = new SeededRandom(3);
    const times = Array.from({ length: 400 }, (_, i) => 12_000 * i + unit(random));
    const peaks = eventPeriods(times, 5_000, random)?.peaks ?? [];
    expect(peaks[0]?.periodMs).toBeWithin(11_980, 12_020);
    expect(peaks).toHaveLength(1);
  });

  test("too little to tell is said to be so", () => {
    expect(eventPeriods([1, 2, 3], 1, systemRandom)).toBeUndefined();
    expect(eventPeriods(new Array(50).fill(7), 1, systemRandom)).toBeUndefined();
  });
});
