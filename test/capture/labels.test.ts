import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { detectLink } from "../../lib/capture/detect-link.ts";
import { LabelsError } from "../../lib/capture/labels.ts";
import { framesOfSegments } from "../../lib/capture/labels-frames.ts";
import { parseTicks, ticksOf } from "../../lib/capture/labels-ticks.ts";
import { judgeLink } from "../../lib/capture/verdict-link.ts";
import { uniform, unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { gaussian, syntheticLink } from "./detect-synthetic.ts";

const FRAME = 3_072;

function frames(segments: readonly (readonly [ms: number, bytes: number])[], size?: number) {
  const { timesMs, bytes } = framesOfSegments(
    { timesMs: segments.map(([ms]) => ms), bytes: segments.map(([, length]) => length) },
    size,
  );
  return Array.from(timesMs, (ms, i) => [ms, bytes[i]]);
}

describe("frames are told from segments", () => {
  test.each<[string, [number, number][], number | undefined, [number, number][]]>([
    ["nothing", [], FRAME, []],
    [
      "one a segment",
      [
        [0, FRAME],
        [12_000, FRAME],
      ],
      FRAME,
      [
        [0, FRAME],
        [12_000, FRAME],
      ],
    ],
    [
      "split by a small network",
      [
        [0, 1_448],
        [0.1, 1_448],
        [0.2, 176],
      ],
      FRAME,
      [[0, FRAME]],
    ],
    [
      "split, size not declared",
      [
        [0, 1_448],
        [0.1, 1_448],
        [0.2, 176],
      ],
      undefined,
      [[0, FRAME]],
    ],
    [
      "joined: two left at once",
      [[0, 2 * FRAME]],
      FRAME,
      [
        [0, FRAME],
        [0, FRAME],
      ],
    ],
    [
      "joined and split",
      [
        [0, 1_448],
        [1, 1_448],
        [2, 1_448],
        [3, 1_448],
        [4, 352],
      ],
      FRAME,
      [
        [0, FRAME],
        [2, FRAME],
      ],
    ],
    [
      "a rest that waited for an acknowledgement",
      [
        [0, 2_896],
        [40, 176],
        [300, FRAME],
      ],
      FRAME,
      [
        [0, FRAME],
        [300, FRAME],
      ],
    ],
    ["16 bytes too many", [[0, FRAME + 16]], FRAME, [[0, FRAME + 16]]],
    [
      "16 bytes behind it",
      [
        [0, FRAME],
        [5, 16],
      ],
      FRAME,
      [[0, FRAME + 16]],
    ],
    [
      "a timed sync in clear",
      [
        [0, 205],
        [400, FRAME],
      ],
      FRAME,
      [
        [0, 205],
        [400, FRAME],
      ],
    ],
    [
      "a frame that never ends",
      [
        [0, 1_448],
        [5_000, FRAME],
      ],
      FRAME,
      [
        [0, 1_448],
        [5_000, FRAME],
      ],
    ],
  ])("%s", (_, segments, size, wanted) => {
    expect(frames(segments, size)).toEqual(wanted);
  });

  test("no byte is lost or made up, and time does not go back", () => {
    const segment = fc.tuple(
      fc.integer({ min: 0, max: 2_000 }),
      fc.integer({ min: 1, max: 9_000 }),
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 40 }), fc.boolean(), (list, isDeclared) => {
        let ms = 0;
        const segments = list.map(([gap, bytes]) => {
          ms += gap;
          return [ms, bytes] as const;
        });
        const rebuilt = frames(segments, isDeclared ? FRAME : undefined);
        const sum = (all: readonly (readonly (number | undefined)[])[]) =>
          all.reduce((total, [, bytes = 0]) => total + bytes, 0);
        expect(sum(rebuilt)).toBe(sum(segments));
        rebuilt.forEach(([at = 0], i) => {
          expect(at).toBeGreaterThanOrEqual(rebuilt[i - 1]?.[0] ?? 0);
        });
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("ticks", () => {
  test("are read, by channel", () => {
    const text = "# due\n1795305272.884581 b\n\n 1795305257.979386\ta # first\r\n1795305300 b\n";
    expect(parseTicks(text).map((one) => Array.from(one))).toEqual([
      [1_795_305_272_884.581, 1_795_305_300_000],
      [1_795_305_257_979.386],
    ]);
    expect(parseTicks("1.5\n1")).toEqual([Float64Array.of(1_000, 1_500)]);
  });

  test.each([
    ["", "holds none"],
    ["1.5\nnoon\n", "Line 2 of the ticks is none: write seconds since 1970"],
    ["1 a b", "Line 1"],
    ["-3", "Line 1"],
  ])("are refused: %j", (text, message) => {
    expect(() => parseTicks(text)).toThrow(LabelsError);
    expect(() => parseTicks(text)).toThrow(message);
  });

  test("too many channels are refused", () => {
    const text = Array.from({ length: 5_000 }, (_, i) => `1 ${i}`).join("\n");
    expect(() => parseTicks(text)).toThrow("4096 channels");
  });

  test("any text is read or refused", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          return parseTicks(text).length > 0;
        } catch (error) {
          return error instanceof LabelsError;
        }
      }),
      { numRuns: 5_000 },
    );
  });

  /** Two channels, each with frames some tenths of a millisecond after its ticks. */
  function channels(seed: number, count: number) {
    const random = new SeededRandom(seed);
    const channel = () => {
      let ms = 1_795_000_000_000;
      const ticks = Float64Array.from({ length: count }, () => (ms += uniform(random, 10e3, 15e3)));
      return { ticks, timesMs: ticks.map((tick) => tick + 0.3 + 0.2 * unit(random)) };
    };
    return [channel(), channel()] as const;
  }

  test("are found for each frame, of the link's own channel", () => {
    const [a, b] = channels(1, 300);
    expect(ticksOf(b.timesMs, () => true, [a.ticks, b.ticks])).toEqual(b.ticks);
    expect(ticksOf(a.timesMs, () => true, [a.ticks, b.ticks])).toEqual(a.ticks);
    // The ticks of another link are none.
    expect(ticksOf(a.timesMs, () => true, [b.ticks])).toBeUndefined();
    expect(ticksOf(a.timesMs, () => true, [])).toBeUndefined();
    expect(ticksOf(new Float64Array(1), () => true, [a.ticks])).toBeUndefined();
  });

  test("that a frame lacks make it as late as one can be", () => {
    const [{ ticks, timesMs }] = channels(2, 100);
    const extra = Float64Array.from([...timesMs, (timesMs[50] ?? 0) + 4_000]).sort();
    const due = ticksOf(extra, () => true, [ticks]);
    expect((extra[51] ?? 0) - (due?.[51] ?? 0)).toBe(1_000);
  });

  test("payload that leaves 1 ms late shows by them in 150 frames: AUC of 0.95", () => {
    const random = new SeededRandom(3);
    const link = syntheticLink(random, 150, { payloadLateMs: 1 });
    // What the sender writes down differs from its ticks by what writing takes.
    const ticks = syntheticLink(new SeededRandom(3), 150, { payloadLateMs: 1, knowsTicks: true });
    const log = Float64Array.from(ticks.ticksMs ?? [], (ms) => ms + 0.1 * gaussian(random));
    const ticksMs = ticksOf(Float64Array.from(link.timesMs), () => true, [log]);
    if (ticksMs === undefined) throw new Error("No ticks were found.");
    const verdictOf = (frames: Parameters<typeof detectLink>[0]) => {
      const families = detectLink(frames, { random });
      const late = families[0]?.detectors.find(({ name }) => name === "lateness");
      return { ...judgeLink(families), auc: late?.auc ?? 0 };
    };
    const known = verdictOf({ ...link, ticksMs });
    expect(known.verdict).toBe("exposed");
    expect(known.auc).toBeGreaterThanOrEqual(0.95);
    expect(verdictOf(link).verdict).not.toBe("exposed");
  });
});
