import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TrafficShape, WAITING_MAX } from "../../lib/capture/shape.ts";
import { BURST_GAP_US, Bursts } from "../../lib/capture/shape-bursts.ts";
import {
  Distribution,
  INTERVAL_RESOLUTION,
  type Resolution,
  SIZE_RESOLUTION,
} from "../../lib/capture/shape-distribution.ts";
import { BinBudget, Rate } from "../../lib/capture/shape-rate.ts";
import { SERIES_SEGMENTS_MAX, SeriesPool } from "../../lib/capture/shape-series.ts";

/** A distribution of values that come in groups of some size. */
function distributionOf(
  values: readonly number[],
  resolution: Resolution,
  group = 7,
): Distribution {
  const distribution = new Distribution(resolution);
  const all = Float64Array.from(values);
  for (let at = 0; at < all.length; at += group) {
    distribution.add(all, at, Math.min(all.length, at + group));
  }
  return distribution;
}

describe("a distribution", () => {
  test("has the moments of its values, also far from zero", () => {
    const values = [4, 7, 13, 16].map((value) => 1e9 + value);
    const distribution = distributionOf(values, INTERVAL_RESOLUTION, 3);
    expect(distribution).toMatchObject({ count: 4, min: 1e9 + 4, max: 1e9 + 16, mean: 1e9 + 10 });
    // The sample variance of 4, 7, 13 and 16 is 30, wherever they are moved to.
    expect(distribution.deviation).toBeCloseTo(Math.sqrt(30), 9);
  });

  test("of nothing, and of one value", () => {
    const none = distributionOf([], SIZE_RESOLUTION);
    expect([none.count, none.mean, none.deviation, none.entropy]).toEqual([0, 0, 0, 0]);
    expect(none.quantile(0.5)).toBeUndefined();
    const one = distributionOf([3_072], SIZE_RESOLUTION);
    expect([one.deviation, one.entropy, one.quantile(0), one.quantile(1)]).toEqual([
      0, 0, 3_072, 3_072,
    ]);
  });

  test("has the entropy of its bins", () => {
    expect(distributionOf([1, 1, 2, 3], SIZE_RESOLUTION).entropy).toBe(1.5);
    const uniform = Array.from({ length: 32 }, (_, i) => i);
    expect(distributionOf(uniform, SIZE_RESOLUTION).entropy).toBeCloseTo(5, 12);
  });

  test.each([
    ["sizes", SIZE_RESOLUTION, 2 ** 17],
    ["intervals", INTERVAL_RESOLUTION, 2 ** 35],
  ])("keeps quantiles of %s within the width of a bin", (_name, resolution, max) => {
    const value = fc.oneof(fc.nat(100), fc.integer({ min: 0, max }));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 60 }), fc.nat(100), (values, cent) => {
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil((cent / 100) * sorted.length)) - 1] ?? 0;
        const found = distributionOf(values, resolution).quantile(cent / 100) ?? Number.NaN;
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact / 2 ** (resolution.bits + 1));
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    ["sizes", SIZE_RESOLUTION],
    ["intervals", INTERVAL_RESOLUTION],
  ])("has every value of %s in the bin that covers it", (_name, resolution) => {
    for (const value of [0, 1, 31, 32, 63, 64, 65, 1_500, 3_071, 3_072, 65_535, 262_143]) {
      const distribution = distributionOf([value], resolution);
      const bin = distribution.bins.indexOf(1);
      expect(distribution.binLow(bin)).toBeLessThanOrEqual(value);
      expect(distribution.binLow(bin + 1)).toBeGreaterThan(value);
    }
  });

  test("puts what lies beyond its last bin into that", () => {
    for (const value of [2 ** 36, 2 ** 50, 1e300, Number.MAX_VALUE]) {
      const { bins, count } = distributionOf([value], INTERVAL_RESOLUTION);
      expect([bins.at(-1), count]).toEqual([1, 1]);
    }
    expect(distributionOf([2 ** 36 - 1], INTERVAL_RESOLUTION).bins.at(-1)).toBe(1);
  });
});

describe("a rate", () => {
  const add = (rate: Rate, list: readonly (readonly [timeUs: number, bytes: number])[]): void => {
    const timesUs = Float64Array.from(list.map(([timeUs]) => timeUs));
    rate.add(timesUs, Uint32Array.from(list.map(([, bytes]) => bytes)), 0, list.length);
  };

  test("has bytes by the second, from the second of the first", () => {
    const rate = new Rate(new BinBudget());
    add(rate, [
      [5_900_000, 1],
      [6_000_000, 2],
      [6_999_999, 3],
      [9_000_000, 4],
      [6_500_000, 5],
    ]);
    expect([rate.originUs, rate.widthUs, ...rate.bytes]).toEqual([5e6, 1e6, 1, 10, 0, 0, 4]);
    add(rate, [[1_000_000, 7]]);
    rate.addOne(9_500_000, 2);
    expect([...rate.bytes]).toEqual([8, 10, 0, 0, 6]);
  });

  test("keeps its sum while it becomes longer and coarser", () => {
    const rate = new Rate(new BinBudget());
    for (let i = 0; i < 20_000; i++) rate.addOne(i * 1e6, 3);
    expect(rate.widthUs).toBe(8e6);
    expect(rate.bytes.length).toBe(2_500);
    expect(new Set(rate.bytes)).toEqual(new Set([24]));
    rate.addOne(1e25, 1);
    expect(rate.bytes.reduce((sum, bytes) => sum + bytes, 0)).toBe(60_001);
    expect(rate.bytes.length).toBeLessThanOrEqual(4_096);
  });

  test("becomes coarser instead of longer when others have taken all bins", () => {
    const budget = new BinBudget();
    expect(budget.take(2 ** 21)).toBe(true);
    const rate = new Rate(budget);
    for (let i = 0; i < 128; i++) rate.addOne(i * 1e6, 1);
    expect([rate.widthUs, rate.bytes.length]).toEqual([2e6, 64]);
    budget.giveBack(64);
    rate.addOne(128e6, 1);
    expect([rate.widthUs, rate.bytes.length]).toEqual([2e6, 65]);
    rate.release();
    expect(budget.take(64)).toBe(true);
  });
});

describe("bursts", () => {
  const burstsOf = (list: readonly (readonly [timeUs: number, bytes: number])[]): Bursts => {
    const bursts = new Bursts();
    const timesUs = Float64Array.from(list.map(([timeUs]) => timeUs));
    const bytes = Uint32Array.from(list.map(([, length]) => length));
    // In two parts, as a burst may be cut by when it is measured.
    const half = list.length >> 1;
    bursts.add(timesUs, bytes, 0, half);
    bursts.add(timesUs, bytes, half, list.length);
    return bursts;
  };

  test("are parted by silence", () => {
    const second = BURST_GAP_US + 50;
    const bursts = burstsOf([
      [0, 1],
      [50, 2],
      [second + 1, 3],
      [3e6, 4],
      [3e6 + 1, 5],
      [3e6 + 2, 6],
    ]);
    expect(bursts.count).toBe(3);
    expect(bursts.largest()).toEqual([
      { startUs: 0, endUs: 50, bytes: 3, segments: 2 },
      { startUs: 3e6, endUs: 3e6 + 2, bytes: 15, segments: 3 },
    ]);
    expect(
      burstsOf([
        [0, 1],
        [BURST_GAP_US, 1],
      ]).count,
    ).toBe(1);
  });

  test("are listed by size, and only the largest of them", () => {
    const list = Array.from({ length: 100 }, (_, i): (readonly [number, number])[] => [
      [i * 1e6, ((i * 37) % 100) + 1],
      [i * 1e6 + 5, 0],
    ]);
    const bursts = burstsOf([...list.flat(), [1e9, 1]]);
    expect(bursts.count).toBe(101);
    const listed = bursts.largest();
    expect(listed.map(({ bytes }) => bytes).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 32 }, (_, i) => 69 + i),
    );
    expect(listed.map(({ startUs }) => startUs)).toEqual(
      listed.map(({ startUs }) => startUs).sort((a, b) => a - b),
    );
  });
});

describe("a shape", () => {
  const memory = () => ({ bins: new BinBudget(), series: new SeriesPool() });
  const fill = (shape: TrafficShape, count: number, from = 0): void => {
    for (let at = from; at < from + count; at += WAITING_MAX) {
      const length = Math.min(WAITING_MAX, from + count - at);
      const timesUs = Float64Array.from({ length }, (_, i) => 1e15 + (at + i) * 10);
      shape.add(
        timesUs,
        Uint32Array.from({ length }, (_, i) => 1 + ((at + i) % 9)),
        0,
        length,
      );
    }
  };

  test("keeps its segments one by one while they are not too many", () => {
    const shape = new TrafficShape(memory());
    fill(shape, SERIES_SEGMENTS_MAX);
    expect(shape.series?.timesUs.length).toBe(SERIES_SEGMENTS_MAX);
    expect(shape.series?.timesUs[12_345]).toBe(1e15 + 123_450);
    expect(shape.series?.bytes[12_345]).toBe(1 + (12_345 % 9));
    expect(shape.intervals).toMatchObject({
      count: SERIES_SEGMENTS_MAX - 1,
      mean: 10,
      min: 10,
      max: 10,
    });
    fill(shape, 1, SERIES_SEGMENTS_MAX);
    expect(shape.series).toBeUndefined();
    expect(shape.segments).toBe(SERIES_SEGMENTS_MAX + 1);
  });

  test("leaves its memory to others", () => {
    const shared = memory();
    const lengths = Array.from({ length: 30 }, () => {
      const shape = new TrafficShape(shared);
      fill(shape, 150_000);
      const length = shape.series?.bytes.length;
      shape.release();
      return length;
    });
    // More segments in all than the pool has: each found what the one before had given back.
    expect(new Set(lengths)).toEqual(new Set([150_000]));
  });

  test("goes without its segments when others have used the pool up", () => {
    const shared = memory();
    const shapes = Array.from({ length: 30 }, () => {
      const shape = new TrafficShape(shared);
      fill(shape, 150_000);
      return shape;
    });
    expect(shapes.filter(({ series }) => series !== undefined).length).toBe(27);
    expect(shapes.every(({ segments }) => segments === 150_000)).toBe(true);
  });

  test("takes a clock that steps back as an interval of nothing", () => {
    const shape = new TrafficShape(memory());
    shape.add(Float64Array.of(9e6, 5e6, 6e6), Uint32Array.of(1, 1, 1), 0, 3);
    expect(shape.intervals).toMatchObject({ count: 2, min: 0, max: 1e6 });
    expect(shape).toMatchObject({ firstUs: 9e6, lastUs: 6e6, bytes: 3 });
  });
});
