import { describe, expect, test } from "bun:test";
import { aucOf } from "../../lib/capture/detect-auc.ts";
import { detectLink, detectLinks } from "../../lib/capture/detect-link.ts";
import { familyChances } from "../../lib/capture/detect-permutation.ts";
import { comparable, strataAmong, strataOf } from "../../lib/capture/detect-strata.ts";
import type { FrameKind, LabelledFrames } from "../../lib/capture/labels.ts";
import { judgeLink } from "../../lib/capture/verdict-link.ts";
import { integerBelow, uniform, unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

/** What is wished of a stream that gives nothing away. */
interface Wish {
  readonly count: number;
  /** Runs of frames with payload, and how long each is. */
  readonly runs: number;
  readonly run: number;
  /** The least interval of the other side's frames; it is silent without. */
  readonly answerMs?: number;
  readonly bytes?: number;
}

/** Frames at random intervals; what they carry has nothing to do with when they leave. */
function stream(random: SeededRandom, wish: Wish): LabelledFrames {
  const { count, runs, run, answerMs, bytes = 3_072 } = wish;
  let ms = 0;
  const timesMs = Float64Array.from({ length: count }, () => {
    ms += uniform(random, 10_000, 15_000);
    return ms;
  });
  const kinds = new Array<FrameKind>(count).fill("noise");
  for (let i = 0; i < runs; i++) {
    kinds.fill("fragment", ...span(1 + integerBelow(random, count - run - 1), run));
  }
  const answers: number[] = [];
  for (let at = 0; answerMs !== undefined && at < ms; ) {
    at += uniform(random, answerMs, 1.5 * answerMs);
    answers.push(at);
  }
  const frames = { timesMs, kinds, bytes: new Uint32Array(count).fill(bytes) };
  if (answerMs === undefined) return frames;
  return { ...frames, answers: { timesMs: answers, bytes: answers.map(() => 3_072) } };
}

function span(from: number, length: number): [number, number] {
  return [from, from + length];
}

/** How many of so many sets of perfect streams are called exposed. */
function alarms(trials: number, make: (random: SeededRandom) => LabelledFrames[]): number {
  let count = 0;
  for (let seed = 1; seed <= trials; seed++) {
    const random = new SeededRandom(seed);
    if (judgeLink(detectLinks(make(random), { random })).verdict === "exposed") count++;
  }
  return count;
}

/** Payload frames of a stream become longer. */
function leaky(frames: LabelledFrames): LabelledFrames {
  const bytes = Array.from(frames.bytes, (size, i) =>
    frames.kinds[i] === "noise" ? size : size + 16,
  );
  return { ...frames, bytes };
}

describe("a perfect link of few frames raises no more false alarms than stated", () => {
  // 5 % of 100, and what chance adds to that; with labels shuffled freely, 17 to 33.
  test.each([
    [60, 3, 5],
    [90, 2, 12],
    [150, 3, 12],
    [300, 6, 5],
  ])("%i frames, %i messages of %i fragments", (count, runs, run) => {
    expect(alarms(100, (random) => [stream(random, { count, runs, run })])).toBeLessThanOrEqual(10);
  });

  test("fewer than twenty frames never raise one", () => {
    // 24 of 100 where labels are shuffled.
    expect(alarms(100, (random) => [stream(random, { count: 18, runs: 1, run: 6 })])).toBe(0);
  });

  test("nor do detectors by themselves: few intervals leave chance out", () => {
    let outside = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const random = new SeededRandom(seed);
      const families = detectLink(stream(random, { count: 200, runs: 3, run: 12 }), { random });
      const [frames] = families;
      const found = frames?.detectors.find(({ name }) => name === "sample variance");
      if ((found?.low ?? 1) > 0.5) outside++;
    }
    expect(outside).toBeLessThanOrEqual(14);
  });
});

describe("streams that differ for reasons of their own", () => {
  test("are not exposed by being judged together", () => {
    // One with much payload and a slow peer, one with little and a fast one: 18 of 40, where the
    // frames of one are compared with those of the other.
    const wishes = [
      { count: 200, runs: 40, run: 1, answerMs: 10_000 },
      { count: 200, runs: 10, run: 1, answerMs: 3_000 },
    ];
    const make = (random: SeededRandom) => wishes.map((wish) => stream(random, wish));
    expect(alarms(40, make)).toBeLessThanOrEqual(5);
  });

  test("are not exposed where many are short, and carry one message each at the most", () => {
    const make = (random: SeededRandom) =>
      Array.from({ length: 20 }, () => {
        const isBusy = unit(random) < 0.5;
        const answerMs = isBusy ? 3_000 : 12_000;
        return stream(random, { count: 30, runs: isBusy ? 1 : 0, run: 4, answerMs });
      });
    expect(alarms(40, make)).toBeLessThanOrEqual(5);
  });

  test("do not hide what shows in each of them", () => {
    const random = new SeededRandom(5);
    const streams = Array.from({ length: 8 }, (_, i) =>
      leaky(stream(random, { count: 40, runs: 2, run: 1, bytes: 1_000 + 100 * i })),
    );
    const families = detectLinks(streams, { random });
    expect(judgeLink(families).verdict).toBe("exposed");
    const [best] = families[0]?.detectors ?? [];
    expect(best).toMatchObject({ name: "size", auc: 1 });
    expect(best?.pValue).toBeLessThan(0.01);
  });

  test("a single stream of few frames shows what it shows", () => {
    const random = new SeededRandom(6);
    const families = detectLink(leaky(stream(random, { count: 44, runs: 6, run: 1 })), { random });
    expect(judgeLink(families).verdict).toBe("exposed");
    expect(families[0]).toMatchObject({ method: "rotation", draws: 41 });
  });
});

describe("cases of several streams", () => {
  const labels = Uint8Array.of(1, 0, 0, 1, 0, 1, 0, 0);
  const streams = [7, 7, 7, 3, 3, 5, 6, 8];

  test("are put together; those that are alone with each other", () => {
    const strata = strataOf(streams, labels.length);
    expect(strata.map((places) => [...places])).toEqual([
      [0, 1, 2],
      [3, 4],
      [5, 6, 7],
    ]);
    expect(comparable(strata, Uint8Array.of(0, 0, 0, 1, 0, 1, 1, 1))).toEqual([
      Uint32Array.of(3, 4),
    ]);
    const among = strataAmong(strata, Uint32Array.of(0, 2, 3, 5, 7), labels.length);
    expect(among.map((places) => [...places])).toEqual([[0, 1], [3, 4], [2]]);
  });

  test("have the area of each stream, by its weight", () => {
    const strata = strataOf(streams, labels.length);
    // Areas of 0.5, 1 and 0; weights of 2/4, 1/3 and 2/4. Between streams, scores say nothing.
    const { auc, positives, negatives } = aucOf([20, 10, 30, 900, 800, 1, 2, 3], labels, strata);
    expect(auc).toBeCloseTo((0.5 * 0.5 + 1 / 3) / (4 / 3), 12);
    expect([positives, negatives]).toEqual([3, 5]);
  });

  test("have an error as wide as areas scatter", () => {
    const random = new SeededRandom(7);
    const areas = Array.from({ length: 300 }, () => {
      const many = Uint8Array.from({ length: 600 }, (_, i) => (i % 30 === 7 ? 1 : 0));
      const strata = strataOf(
        Array.from(many, (_, i) => Math.floor(i / 30)),
        many.length,
      );
      const scores = Array.from(many, (_, i) => Math.floor(i / 30) + unit(random));
      const { auc, standardError } = aucOf(scores, many, strata);
      return ((auc - 0.5) / standardError) ** 2;
    });
    expect(areas.reduce((sum, one) => sum + one / 300, 0)).toBeWithin(0.75, 1.2);
  });
});

test("a family of few draws reaches no smaller chance than these have", () => {
  const few = { seen: 9, byChance: Float64Array.from({ length: 19 }, (_, i) => i / 10) };
  const many = { seen: 0, byChance: Float64Array.from({ length: 999 }, (_, i) => i / 500) };
  expect(familyChances([few, many])[0]).toBeCloseTo(1 / 20, 12);
  expect(familyChances([few, { ...many, seen: 9.5 }])[1]).toBeCloseTo(1 / 1_000, 12);
});
