import { describe, expect, test } from "bun:test";
import { buildReport, type ReportInput } from "../../lib/capture/report.ts";
import type { SeenDirection, SeenLink } from "../../lib/capture/report-input.ts";
import { momentFamilies } from "../../lib/capture/report-moments.ts";
import { judgeLink } from "../../lib/capture/verdict-link.ts";
import { exponential, uniform } from "../../lib/runtime/distribution.ts";
import { type RandomSource, SeededRandom } from "../../lib/runtime/random.ts";

const START_MS = 1_795_000_000_000;
const FRAME = 3_072;

/** What a link does when a transaction is handed over, beside its ticks. */
type Answer = (moment: number, random: RandomSource) => readonly number[];

function direction(timesMs: readonly number[]): SeenDirection {
  return {
    timesMs: Float64Array.from(timesMs).sort(),
    bytes: new Uint32Array(timesMs.length).fill(FRAME),
    ...{ isLevin: false, unfinishedBytes: 0, droppedFrames: 0 },
  };
}

function packets(out: SeenDirection | undefined, back?: SeenDirection): SeenLink {
  return {
    ...{ id: "pcap-0", view: "capture", from: "10.0.0.1:5", to: "10.0.0.2:9001" },
    ...{ beganMs: START_MS, endedMs: undefined, refusal: undefined, out, in: back },
  };
}

function ticks(random: RandomSource, toMs: number): number[] {
  const times: number[] = [];
  for (let ms = START_MS; ms < toMs; ms += uniform(random, 10_000, 15_000)) times.push(ms);
  return times;
}

/** Transactions some way apart, or in bursts of five. */
function handedOver(random: RandomSource, count: number, inBursts = false): Float64Array {
  let ms = START_MS + 100_000;
  return Float64Array.from({ length: count }, (_, i) => {
    if (!inBursts) ms += 30_000 + exponential(random, 60_000);
    else ms += i % 5 === 0 ? exponential(random, 450_000) : 2_000;
    return ms;
  });
}

function watched(seed: number, labels: number, answer: Answer = () => [], inBursts = false) {
  const random = new SeededRandom(seed);
  const labelsMs = handedOver(random, labels, inBursts);
  const endMs = (labelsMs.at(-1) ?? START_MS) + 100_000;
  const more = [...labelsMs].flatMap((ms) => [...answer(ms, random)]);
  return { labelsMs, link: packets(direction([...ticks(random, endMs), ...more])), random };
}

function judged(seed: number, labels: number, answer?: Answer, inBursts?: boolean) {
  const { labelsMs, link, random } = watched(seed, labels, answer, inBursts);
  const families = momentFamilies([link], { labelsMs, random, limit: undefined, side: "out" });
  return { families, ...judgeLink(families) };
}

function input(links: readonly SeenLink[], labelsMs: Float64Array): ReportInput {
  return {
    ...{ unixMs: START_MS, sources: [], links, labelsMs, schedule: undefined, assertions: [] },
    ...{ side: "out", isMasked: false },
  };
}

describe("labelled moments", () => {
  test.each<[string, Answer]>([
    ["1.5 s after each", (ms) => [ms + 1_500]],
    ["up to 15 s after each", (ms, random) => [ms + uniform(random, 0, 15_000)]],
    ["40 s after each", (ms) => [ms + 40_000]],
  ])("with a frame more %s are exposed", (_, answer) => {
    const { verdict, families } = judged(1, 150, answer);
    expect(verdict).toBe("exposed");
    expect(families[0]?.detectors[0]?.pValue).toBeLessThan(0.01);
  });

  test("of a link that gives nothing away are hidden, by as many labels as it asked for", () => {
    const few = judged(2, 100);
    const [{ moreLabels, moreFrames }] = few.findings;
    expect([few.verdict, moreFrames]).toEqual(["inconclusive", undefined]);
    expect(moreLabels).toBeWithin(200, 2_500);
    expect(judged(2, 2_500).verdict).toBe("hidden");
  }, 60_000);

  // Over 2,000 such links it was 4.3 %; twice as many with bursts, were each label to count.
  test.each([
    ["by themselves", 40, false],
    ["in bursts of five", 100, true],
  ])(
    "%s raise no more than 5 %% of false alarms over 120 perfect links",
    (_, labels, inBursts) => {
      let alarms = 0;
      for (let seed = 1_000; seed < 1_120; seed++) {
        const { verdict, families } = judged(seed, labels, undefined, inBursts);
        expect(families).toHaveLength(1);
        if (verdict === "exposed") alarms++;
      }
      expect(alarms).toBeLessThanOrEqual(6);
    },
    60_000,
  );

  test("say over which spans somebody looked, and how many more labels it takes", () => {
    const { labelsMs, link } = watched(3, 100);
    const report = buildReport(input([link], labelsMs));
    const [family] = report.moments;
    expect(family?.name).toMatch(/^labelled moments, over 1 s, 12\.\d s and (49|50)(\.\d)? s$/);
    expect(report.reasons.join(" ")).toContain("Of labelled moments, over 1 s, 12.");
    expect([report.verdict, report.more_frames]).toEqual(["inconclusive", null]);
    expect(report.more_labels).toBeWithin(200, 2_500);
    expect(report.findings[0]?.more_labels).toBe(report.more_labels);
  });

  test("are looked at by the rhythm of the side that is judged, out or in", () => {
    const { labelsMs, link, random } = watched(4, 100, (ms) => [ms + 1_500]);
    const acknowledged = (link.out?.timesMs ?? new Float64Array()).map((ms) => ms + 40);
    const reversed = packets(direction([...acknowledged].filter((_, i) => i % 4 === 0)), link.out);
    const rules = { labelsMs, random, limit: undefined };
    const back = momentFamilies([reversed], { ...rules, side: "in" });
    expect(back[0]?.name).toMatch(/over 1 s, 11\.\d s and 4[4-7](\.\d)? s$/);
    expect(judgeLink(back).verdict).toBe("exposed");
    const alone = momentFamilies([packets(undefined, link.out)], { ...rules, side: "in" });
    expect(judgeLink(alone).verdict).toBe("exposed");
  });

  test("of a short capture are looked at for as long as it has room", () => {
    const { labelsMs, link, random } = watched(5, 6);
    const [family] = momentFamilies([link], {
      ...{ labelsMs, random, limit: undefined, side: "out" },
    });
    const longMs = (link.out?.timesMs.at(-1) ?? 0) - (link.out?.timesMs[0] ?? 0);
    const spans = [...(family?.name.matchAll(/([\d.]+) s/g) ?? [])].map(([, text]) => Number(text));
    expect(Math.max(...spans)).toBeLessThanOrEqual((0.0501 * longMs) / 1_000);
    expect(family?.positives).toBeGreaterThanOrEqual(5);
  });
});
