import { describe, expect, test } from "bun:test";
import { readLabels } from "../../lib/capture/labels-reading.ts";
import { buildReport, type ReportInput } from "../../lib/capture/report.ts";
import type { SeenDirection, SeenLink } from "../../lib/capture/report-input.ts";
import { withTold } from "../../lib/capture/report-labels.ts";
import { exponential, uniform, unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

const START_MS = 1_795_000_000_000;

function frames(seed: number, count: number, lowMs = 10_000, highMs = 15_000): Float64Array {
  const random = new SeededRandom(seed);
  let ms = START_MS;
  return Float64Array.from({ length: count }, () => (ms += uniform(random, lowMs, highMs)));
}

/** Moments that know of no frame, as many a span as wanted. */
function moments(seed: number, count: number, within: Float64Array): Float64Array {
  const random = new SeededRandom(seed);
  const [from, to] = [within[0] ?? 0, within.at(-1) ?? 0];
  return Float64Array.from({ length: count }, () => uniform(random, from, to)).sort();
}

function everyFifth(timesMs: Float64Array, jitterMs = 0): Float64Array {
  const random = new SeededRandom(9);
  return timesMs.filter((_, i) => i % 5 === 2).map((ms) => ms - jitterMs * unit(random));
}

function direction(timesMs: Float64Array): SeenDirection {
  return {
    ...{ timesMs, bytes: new Uint32Array(timesMs.length).fill(3_072) },
    ...{ isLevin: false, unfinishedBytes: 0, droppedFrames: 0 },
  };
}

function link(out: Float64Array | undefined, back?: Float64Array): SeenLink {
  return {
    ...{ id: "pcap-0", view: "capture", from: "10.0.0.1:5", to: "10.0.0.2:9001" },
    ...{ beganMs: START_MS, endedMs: undefined, refusal: undefined },
    ...{ out: out && direction(out), in: back && direction(back) },
  };
}

function input(seen: SeenLink, labelsMs: Float64Array, side: ReportInput["side"] = "out") {
  return {
    ...{ unixMs: START_MS, sources: [], links: [seen], labelsMs, schedule: undefined },
    ...{ assertions: [], side, isMasked: false },
  } satisfies ReportInput;
}

describe("labels are read as", () => {
  const slow = frames(1, 600);
  const fast = frames(2, 20_000, 25, 35);
  const constant = Float64Array.from({ length: 2_000 }, (_, i) => START_MS + 1_000 * i);

  test.each<[string, "frames" | "moments" | "unclear", Float64Array, Float64Array]>([
    ["those of frames", "frames", slow, everyFifth(slow, 15)],
    ["those of all frames of a constant rhythm", "frames", constant, constant],
    ["those of frames in quick succession", "frames", fast, everyFifth(fast)],
    ["any", "moments", slow, moments(3, 300, slow)],
    ["any, where a frame is always near", "moments", fast, moments(4, 300, fast)],
    ["any in a constant rhythm", "moments", constant, moments(5, 300, constant)],
    ["a few, one of them near a frame by accident", "moments", slow, slow.slice(7, 8)],
    ["half of them of frames", "unclear", slow, half(slow)],
    ["of frames too quick for their clock", "moments", fast, everyFifth(fast, 30)],
  ])("%s: %s", (name, kind, framesMs, labelsMs) => {
    const more = name.startsWith("a few") ? moments(6, 6, framesMs) : new Float64Array();
    const all = Float64Array.from([...labelsMs, ...more]).sort();
    expect(readLabels(framesMs, all).kind).toBe(kind);
  });

  function half(timesMs: Float64Array): Float64Array {
    return everyFifth(timesMs).map((ms, i) => (i % 2 === 0 ? ms : ms + 4_000));
  }

  test("moments in 200 of 200 links, whatever their rhythm", () => {
    for (let seed = 100; seed < 300; seed++) {
      const random = new SeededRandom(seed);
      const lowMs = 20 * 1.03 ** (seed - 100);
      const seen = frames(seed, 400, lowMs, 1.5 * lowMs);
      const labels = moments(seed, 5 + Math.floor(exponential(random, 100)), seen);
      expect([seed, readLabels(seen, labels).kind]).toEqual([seed, "moments"]);
    }
  });
});

describe("labels of a capture", () => {
  const seen = frames(11, 3_000);
  const inside = everyFifth(seen);
  const last = seen.at(-1) ?? 0;
  const later = Float64Array.from({ length: 150 }, (_, i) => last + 50_000 * (i + 1));

  test("that go on after it say no more, and expose no perfect link", () => {
    const all = Float64Array.from([...inside, ...later]);
    const before = Float64Array.from([...later.map((ms) => ms - 2 * (last - START_MS)), ...all]);
    const plain = buildReport(input(link(seen), inside));
    expect(plain.verdict).not.toBe("exposed");
    for (const labelsMs of [all, before.sort()]) {
      const report = buildReport(input(link(seen), labelsMs));
      expect(report.moments).toEqual([]);
      expect(report.links[0]?.directions[0]?.kinds?.payload).toBe(inside.length);
      expect([report.verdict, report.p_value]).toEqual([plain.verdict, plain.p_value]);
    }
  }, 60_000);

  test("of which none lies within it, or half are near a frame, are told to be of no use", () => {
    const outside = input(link(seen), later);
    expect(withTold([link(seen)], outside).trouble).toBe(
      "of its 150 times none lies within the capture",
    );
    const report = buildReport(outside);
    expect([report.verdict, report.moments]).toEqual(["inconclusive", []]);
    const mixed = inside.map((ms, i) => (i % 2 === 0 ? ms : ms + 4_000));
    const told = withTold([link(seen)], input(link(seen), mixed));
    expect(told.momentsMs).toBeUndefined();
    expect(told.trouble).toContain("50 % are within 20 ms of a frame, and by accident 0 %");
    expect(withTold([link(seen)], input(link(seen), inside)).trouble).toBeUndefined();
    const oneWay = withTold([link(seen)], input(link(seen), inside, "in"));
    expect(oneWay.trouble).toBe("no frame of the side that is judged was kept");
    expect(withTold([], input(link(seen), inside)).trouble).toBeUndefined();
  }, 60_000);

  test("that are transactions make no frames of a busy link", () => {
    const busy = frames(12, 60_000, 25, 35);
    const report = buildReport(input(link(busy), moments(13, 100, busy)));
    expect(report.links[0]?.directions[0]?.kinds).toBeNull();
    expect([report.costs, report.families]).toEqual([null, []]);
    expect(report.moments[0]?.positives).toBeGreaterThan(50);
    expect(report.verdict).not.toBe("exposed");
  }, 60_000);

  test("are those of the side that is judged", () => {
    const other = frames(14, 200, 60_000, 90_000);
    const back = buildReport(input(link(other, seen), inside, "in"));
    const [out, answers] = back.links[0]?.directions ?? [];
    expect([out?.kinds, answers?.kinds?.payload]).toEqual([null, inside.length]);
    expect(back.families[0]?.positives).toBeGreaterThan(500);
    const both = buildReport(input(link(other, seen), inside, "both"));
    expect(both.links[0]?.directions.map(({ kinds }) => kinds?.payload)).toEqual([
      undefined,
      inside.length,
    ]);
  }, 60_000);

  test("may be anything where a tap knows what frames were", () => {
    const tap: SeenLink = {
      ...link(undefined),
      view: "tap",
      out: {
        ...direction(seen),
        kinds: Array.from(seen, (_, i) => (i % 5 === 2 ? "payload" : "noise")),
      },
    };
    const mixed = inside.map((ms, i) => (i % 2 === 0 ? ms : ms - 4_000));
    const { momentsMs, trouble } = withTold([tap], input(tap, mixed));
    expect([momentsMs?.length, trouble]).toEqual([mixed.length, undefined]);
  });
});
