import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { StemMap, type StemSource } from "../../lib/dandelion/stem-map.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { uniformityRatio } from "../runtime/goodness-of-fit.ts";

/** Time for ten thousand runs of a property, on a machine that is busy with something else. */
const PROPERTY_MS_MAX = 60_000;

function mapOf(candidates: readonly number[], seed = 1, stems = 2): StemMap {
  const map = new StemMap({ stems, random: new SeededRandom(seed) });
  map.redraw(candidates);
  return map;
}

describe("stems", () => {
  test.each([0, -1, 1.5, Number.NaN])("a map of %p is refused", (stems) => {
    expect(() => new StemMap({ stems, random: new SeededRandom(1) })).toThrow(RangeError);
  });

  test("are two, of all the links, every pair as likely as another", () => {
    const counts = new Map<string, number>();
    const random = new SeededRandom(7);
    for (let draw = 0; draw < 20_000; draw++) {
      const map = new StemMap({ stems: 2, random });
      map.redraw([11, 12, 13, 14, 15]);
      const pair = map.stems.sort().join();
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    expect(counts.size).toBe(10);
    expect(uniformityRatio([...counts.values()])).toBeLessThan(1);
  });

  test("are as many as there are links, and no more; later ones fill the empty places", () => {
    const map = mapOf([]);
    expect(map.stems).toEqual([]);
    expect(map.stemFor("own")).toBeUndefined();
    expect(map.update([4])).toBe(true);
    expect(map.stems).toEqual([4]);
    expect(map.stemFor("own")).toBe(4);
    expect(map.update([4, 5])).toBe(true);
    expect(map.update([4, 5, 6, 7])).toBe(false);
    expect(map.stems).toEqual([4, 5]);
    expect(map.stemFor("own")).toBe(4);
  });

  test("that are gone are replaced, and who was sent there is sent to the new one", () => {
    const map = mapOf([1, 2]);
    const sources = [10, 11, 12, 13];
    const before = sources.map((source) => map.stemFor(source));
    expect(map.update([2, 3])).toBe(true);
    const after = sources.map((source) => map.stemFor(source));
    expect(after).toEqual(before.map((stem) => (stem === 1 ? 3 : stem)));
    expect(map.usage).toEqual([2, 2]);
  });

  test("that are gone without another leave their sources to the ones that are left", () => {
    const map = mapOf([1, 2]);
    for (const source of [10, 11, 12, 13]) map.stemFor(source);
    map.update([2]);
    expect([10, 11, 12, 13].map((source) => map.stemFor(source))).toEqual([2, 2, 2, 2]);
    expect(map.usage).toEqual([4]);
    map.update([]);
    expect(map.stemFor(10)).toBeUndefined();
  });

  test("are never the source itself", () => {
    const map = mapOf([1, 2]);
    for (let round = 0; round < 10; round++) {
      expect(map.stemFor(1)).toBe(2);
      expect(map.stemFor(2)).toBe(1);
    }
    expect(mapOf([1]).stemFor(1)).toBeUndefined();
  });

  test("chance decides among the least used, evenly", () => {
    const counts = new Map<number, number>();
    for (let seed = 0; seed < 4_000; seed++) {
      const stem = mapOf([1, 2], seed).stemFor("own") ?? 0;
      counts.set(stem, (counts.get(stem) ?? 0) + 1);
    }
    expect(uniformityRatio([counts.get(1) ?? 0, counts.get(2) ?? 0])).toBeLessThan(1);
  });

  test("own transactions are a source of their own, and count like any other", () => {
    const map = mapOf([1, 2]);
    const own = map.stemFor("own");
    const other = map.stemFor(10);
    expect(new Set([own, other])).toEqual(new Set([1, 2]));
    map.release("own");
    expect(map.sources).toBe(1);
    expect(map.stemFor(11)).toBe(own);
  });

  test("a source that is gone leaves its place to the next", () => {
    const map = mapOf([1, 2]);
    map.stemFor("own");
    const other = map.stemFor(10);
    for (let source = 11; source < 60; source++) {
      map.release(source - 1);
      expect(map.stemFor(source)).toBe(other);
    }
    expect(map.usage).toEqual([1, 1]);
  });

  test("an epoch forgets everything", () => {
    const map = mapOf([1, 2]);
    for (let source = 10; source < 20; source++) map.stemFor(source);
    map.redraw([3, 4]);
    expect(map.sources).toBe(0);
    expect(map.usage).toEqual([0, 0]);
    expect(map.stems.sort()).toEqual([3, 4]);
  });
});

describe("whatever joins, leaves and is sent", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("update" as const), links: fc.uniqueArray(fc.nat(7)) }),
    fc.record({ kind: fc.constant("ask" as const), source: fc.nat(12) }),
    fc.record({ kind: fc.constant("release" as const), source: fc.nat(12) }),
  );

  test(
    "the map is sticky, balanced and in bounds",
    () => {
      fc.assert(
        fc.property(
          fc.integer(),
          fc.integer({ min: 1, max: 4 }),
          fc.array(step, { maxLength: 40 }),
          (seed, stems, steps) => {
            const map = new StemMap({ stems, random: new SeededRandom(seed) });
            let links: readonly number[] = [];
            const sent = new Map<StemSource, number>();
            for (const one of steps) {
              if (one.kind === "update") {
                const before = map.stems;
                links = one.links;
                const changed = map.update(links);
                // Who is there stays; nobody is in who isn't there; no place stays empty needlessly.
                for (const stem of before) {
                  expect(map.stems.includes(stem)).toBe(links.includes(stem));
                }
                expect(new Set(map.stems).size).toBe(Math.min(stems, links.length));
                expect(map.stems.every((stem) => links.includes(stem))).toBe(true);
                expect(changed).toBe(before.join() !== map.stems.join());
                for (const [source, stem] of sent) if (!links.includes(stem)) sent.delete(source);
              } else if (one.kind === "release") {
                map.release(one.source);
                sent.delete(one.source);
              } else {
                const source = one.source === 12 ? "own" : one.source;
                const usage = new Map(
                  map.stems.map((stem, place) => [stem, map.usage[place] ?? 0]),
                );
                const known = map.sources;
                const stem = map.stemFor(source);
                expect(stem).not.toBe(source);
                const had = sent.get(source);
                if (had !== undefined) expect(stem).toBe(had);
                else if (stem !== undefined && map.sources > known) {
                  for (const [other, count] of usage) {
                    if (other !== source) expect(usage.get(stem) ?? 0).toBeLessThanOrEqual(count);
                  }
                }
                if (stem === undefined) expect(map.stems.every((one) => one === source)).toBe(true);
                else sent.set(source, stem);
              }
            }
            expect(map.sources).toBeLessThanOrEqual(13);
          },
        ),
        { numRuns: 10_000 },
      );
    },
    PROPERTY_MS_MAX,
  );

  test(
    "sources that aren't stems differ by one at the most between stems",
    () => {
      fc.assert(
        fc.property(fc.integer(), fc.integer({ min: 1, max: 200 }), (seed, sources) => {
          const map = mapOf([1, 2], seed);
          for (let source = 0; source < sources; source++) map.stemFor(100 + source);
          const [a = 0, b = 0] = map.usage;
          expect(Math.abs(a - b)).toBe(sources % 2);
        }),
        { numRuns: 2_000 },
      );
    },
    PROPERTY_MS_MAX,
  );
});
