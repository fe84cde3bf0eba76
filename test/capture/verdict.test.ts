import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { DetectorResult, FamilyResult } from "../../lib/capture/detect-family.ts";
import { evidenceOf, familyChances } from "../../lib/capture/detect-permutation.ts";
import { ExpectationError } from "../../lib/capture/fit-error.ts";
import { fitIntervals, fitSizes } from "../../lib/capture/fit-report.ts";
import { LabelsError, parseLabels } from "../../lib/capture/labels.ts";
import {
  assertionExit,
  checkAssertions,
  parseAssertions,
} from "../../lib/capture/verdict-assertion.ts";
import { hidingCosts } from "../../lib/capture/verdict-costs.ts";
import { framesNeeded, judgeLink } from "../../lib/capture/verdict-link.ts";
import { shuffle } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { gaussian } from "./detect-synthetic.ts";
import { monerodIntervals } from "./statistics-vectors.ts";

function detector(low: number, high: number, pValue: number): DetectorResult {
  const auc = (low + high) / 2;
  const measured = { auc, standardError: (high - low) / 3.92, positives: 100, negatives: 400 };
  return { name: "size", auc, measured, low, high, jointLow: low, jointHigh: high, pValue };
}

const chance = new SeededRandom(9);

/** Draws of a link that gives nothing away: by chance, the best detector is as good as any. */
function draws(): Float64Array {
  return Float64Array.from(
    shuffle(
      chance,
      Array.from({ length: 999 }, (_, i) => i),
    ),
  );
}

/** A family whose best detector has a chance of its own. */
function family(...detectors: DetectorResult[]): FamilyResult {
  const least = Math.min(...detectors.map(({ pValue }) => pValue));
  return {
    subject: "payload",
    evidence: { seen: 999 - Math.round(1_000 * least - 1), byChance: draws() },
    name: "frames",
    positives: 100,
    negatives: 400,
    detectors,
    limit: 0.55,
    isRequired: true,
    framesEach: 1,
    method: "rotation",
    draws: 999,
  };
}

describe("a verdict", () => {
  test.each([
    ["hidden", [family(detector(0.5, 0.54, 0.6))]],
    ["inconclusive", [family(detector(0.5, 0.56, 0.6))]],
    ["exposed", [family(detector(0.53, 0.56, 0.001))]],
    ["exposed", [family(detector(0.5, 0.54, 0.6)), family(detector(0.51, 0.53, 0.02))]],
    // Two families: a chance of 0.03 in one of them is none of 0.05 in all.
    ["hidden", [family(detector(0.5, 0.54, 0.6)), family(detector(0.51, 0.53, 0.03))]],
    ["inconclusive", []],
    ["inconclusive", [{ ...family(detector(0.5, 0.5, 1)), isRequired: false }]],
  ] as const satisfies [string, FamilyResult[]][])("is %s", (verdict, families) => {
    expect(judgeLink(families).verdict).toBe(verdict);
  });

  test("that is inconclusive asks for more", () => {
    const { moreFrames, reasons } = judgeLink([family(detector(0.5, 0.56, 0.6))]).findings[0];
    expect(moreFrames).toBeGreaterThan(1_000);
    expect(reasons).toEqual([
      "Of frames, size tells most: AUC 0.530, 95 % interval 0.500 to 0.560, not below 0.550.",
    ]);
    expect(framesNeeded(0.55, 0.2, 10)).toBeWithin(500, 900);
    expect(framesNeeded(0.52, 0.2, 10)).toBeGreaterThan(6 * framesNeeded(0.55, 0.2, 10));
  });

  test("on payload is not that on timed syncs", () => {
    const payload = family(detector(0.5, 0.54, 0.6));
    const syncs = {
      ...family(detector(0.9, 1, 0.001)),
      subject: "timed-sync",
      name: "timed syncs",
    };
    const verdict = judgeLink([payload, syncs as FamilyResult]);
    expect(verdict).toMatchObject({ verdict: "exposed", exposedBy: ["timed-sync"] });
    expect(verdict.findings).toMatchObject([
      { subject: "payload", verdict: "hidden" },
      { subject: "timed-sync", verdict: "exposed", worst: { family: "timed syncs" } },
    ]);
    const quiet = { ...syncs, ...family(detector(0.5, 0.54, 0.6)), subject: "timed-sync" } as const;
    expect(judgeLink([payload, quiet])).toMatchObject({ verdict: "hidden", exposedBy: [] });
  });
});

describe("many families at once", () => {
  const random = new SeededRandom(8);
  const draw = () => Math.max(...Array.from({ length: 4 }, () => Math.abs(gaussian(random))));
  const evidence = (seen: number) => {
    return evidenceOf({
      ...{ deviations: [seen], pValues: [], method: "shuffle", draws: 999 },
      maxima: Float64Array.from({ length: 999 }, draw),
    });
  };

  test("one that shows is found among two hundred, however few draws there are", () => {
    const chances = familyChances([
      ...Array.from({ length: 200 }, () => evidence(draw())),
      evidence(7),
    ]);
    expect(chances.at(-1)).toBeLessThanOrEqual(0.002);
  });

  test("raise no more false alarms than one", () => {
    let alarms = 0;
    for (let i = 0; i < 200; i++) {
      const chances = familyChances(Array.from({ length: 20 }, () => evidence(draw())));
      if (Math.min(...chances) <= 0.05) alarms++;
    }
    expect(alarms).toBeWithin(2, 19);
  });

  test("of scores that are all equal show nothing", () => {
    const flat = evidenceOf({
      ...{ deviations: [0], pValues: [1], method: "shuffle", draws: 99 },
      maxima: new Float64Array(99),
    });
    expect(familyChances([flat])).toEqual([1]);
    expect(familyChances([])).toEqual([]);
  });
});

describe("assertions", () => {
  const all = "frame=3072 interval~uniform(10s, 15s) auc<0.55";
  const measure = (sizes: number[], seconds: number[], frames?: { low: number; high: number }) => ({
    sizes: (frameBytes: number) => fitSizes(sizes, frameBytes),
    intervals: (law: ReturnType<typeof lawOf>) =>
      fitIntervals(
        seconds.map((s) => 1_000 * s),
        { law, frameBytes: undefined, toleranceMs: 10 },
      ),
    detectors: frames && { ...frames, of: ["frames"] },
    doubt: { unkept: undefined, clock: undefined },
  });
  function lawOf() {
    const found = parseAssertions("interval~uniform(10s,15s)")[0];
    if (found?.kind !== "interval") throw new Error("The assertion is of no interval.");
    return found.law;
  }

  test("are read", () => {
    expect(parseAssertions(all)).toEqual([
      { kind: "frame", bytes: 3_072 },
      { kind: "interval", law: { kind: "uniform", lowMs: 10_000, highMs: 15_000 } },
      { kind: "auc", below: 0.55 },
    ]);
    expect(parseAssertions("auc<1")).toEqual([{ kind: "auc", below: 1 }]);
  });

  test.each([
    "",
    "frame",
    "frame=0",
    "frame~3072",
    "auc<0.5",
    "auc<2",
    "auc=0.6",
    "interval~normal(3s)",
    "interval=uniform(10s,15s)",
    "auc<0.6 auc<0.7",
  ])("are refused: '%s'", (text) => {
    expect(() => parseAssertions(text)).toThrow(ExpectationError);
  });

  test("have the exit code of the worst", () => {
    const good = monerodIntervals().slice(0, 207);
    const sizes = new Array(207).fill(3_072);
    const check = (...measured: Parameters<typeof measure>) => {
      const results = checkAssertions(parseAssertions(all), measure(...measured));
      return [assertionExit(results), ...results.map(({ outcome }) => outcome)];
    };
    expect(check(sizes, good, { low: 0.5, high: 0.54 })).toEqual([0, "holds", "holds", "holds"]);
    expect(check(sizes, good, { low: 0.5, high: 0.56 })).toEqual([
      4,
      "holds",
      "holds",
      "inconclusive",
    ]);
    expect(check(sizes, good)).toEqual([4, "holds", "holds", "inconclusive"]);
    expect(check(sizes, good.slice(0, 20), { low: 0.6, high: 0.7 })).toEqual([
      1,
      "holds",
      "inconclusive",
      "fails",
    ]);
    expect(check([205, ...sizes], monerodIntervals())).toEqual([
      1,
      "fails",
      "fails",
      "inconclusive",
    ]);
    expect(checkAssertions(parseAssertions(all), measure(sizes, good)).map((r) => r.text)).toEqual([
      "frame=3072",
      "interval~uniform(10s,15s)",
      "auc<0.55",
    ]);
  });
});

describe("labels", () => {
  test("are read in any order, with comments", () => {
    const text = "# sent\n1795305272.884581\n\n 1795305257.979386  # the first\r\n1795305300\n";
    expect(Array.from(parseLabels(text))).toEqual([
      1_795_305_257_979.386, 1_795_305_272_884.581, 1_795_305_300_000,
    ]);
  });

  test.each([
    ["", "hold no time"],
    ["1.5\nnoon\n", "Line 2 of the labels is no time: write seconds since 1970, such as"],
    ["-3", "Line 1"],
    ["1e9", "Line 1"],
    ["1795305257,5", "Line 1"],
  ])("are refused: %j", (text, message) => {
    expect(() => parseLabels(text)).toThrow(LabelsError);
    expect(() => parseLabels(text)).toThrow(message);
  });

  test("any text is read or refused", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          return parseLabels(text).length > 0;
        } catch (error) {
          return error instanceof LabelsError;
        }
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("costs", () => {
  const frames = {
    timesMs: [0, 12_000, 25_000, 37_500],
    bytes: [276, 3_072, 3_072, 3_072],
    kinds: ["handshake", "noise", "payload", "noise"] as const,
  };

  test("count noise and padding, and how long payload waited", () => {
    const costs = hidingCosts(frames, {
      usefulBytes: 2_166,
      waits: { fromMs: [20_000], toMs: [25_000] },
    });
    expect(costs).toMatchObject({ bytes: 9_216, noiseBytes: 6_144, usefulBytes: 2_166 });
    expect(costs.overheadPercent).toBeCloseTo((100 * 7_050) / 2_166, 9);
    expect(costs.bytesASecond).toBeCloseTo(9_216 / 25.5, 9);
    expect(costs.latencyMs).toMatchObject({ count: 1, mean: 5_000 });
  });

  test("of a link without payload have no percentage", () => {
    expect(hidingCosts({ timesMs: [], bytes: [], kinds: [] })).toEqual({
      bytes: 0,
      noiseBytes: 0,
      usefulBytes: 0,
      overheadPercent: undefined,
      bytesASecond: 0,
      latencyMs: undefined,
    });
    expect(hidingCosts(frames).overheadPercent).toBeCloseTo(200, 12);
  });
});
