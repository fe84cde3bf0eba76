import { describe, expect, test } from "bun:test";
import type { FrameKind } from "../../lib/capture/labels.ts";
import { uniform, unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { measureKind, shownShare } from "./analysis.ts";
import { figureOf } from "./figure.ts";
import { KIND_NAMES, measuresOf, studyText } from "./page.ts";
import { type SegmentRecord, subjectsOf } from "./plan.ts";
import { type RecordedLink, type RecordedSubject, readFrames } from "./recorded.ts";
import { readStudySettings } from "./settings.ts";

const START_MS = 1_795_000_000_000;
const FRAMES = 100;
const ROOT = "/somewhere";

/** How late a frame leaves that has payload. */
type Fault = { readonly lateMs: number };

function stream(random: SeededRandom, { lateMs }: Fault): RecordedLink {
  const link: RecordedLink = {
    out: { timesMs: [START_MS - 1_000], bytes: [276], kinds: ["handshake"] },
    in: { timesMs: [START_MS - 900], bytes: [276], kinds: ["handshake"] },
  };
  let dueMs = START_MS;
  for (let i = 0; i < FRAMES; i++) {
    dueMs += uniform(random, 10_000, 15_000);
    const chance = unit(random);
    const kind: FrameKind = chance < 0.2 ? "payload" : chance < 0.25 ? "timed-sync" : "noise";
    link.out.timesMs.push(dueMs + uniform(random, 0, 2) + (kind === "payload" ? lateMs : 0));
    link.out.bytes.push(3_072);
    link.out.kinds.push(kind);
  }
  return link;
}

function subject(seed: number, fault: Fault): RecordedSubject {
  const random = new SeededRandom(seed);
  const streams = [stream(random, fault), stream(random, fault)];
  const packets = streams
    .flatMap(({ out }) => out.timesMs)
    .map((ms) => ms + uniform(random, 1, 5))
    .sort((a, b) => a - b);
  const toMs = START_MS + FRAMES * 15_000;
  return {
    ...{ kind: "after", name: `after-${seed}`, fromMs: START_MS, toMs, streams },
    guard: {
      out: { timesMs: packets, bytes: packets.map(() => 3_600), kinds: packets.map(() => "other") },
      in: { timesMs: [], bytes: [], kinds: [] },
    },
    ...{ outsideBytes: 0, transactions: 10 },
  };
}

function measured(fault: Fault) {
  const subjects = Array.from({ length: 6 }, (_, i) => subject(i + 1, fault));
  const measure = measureKind("after", subjects);
  if (measure === undefined) throw new Error("Nothing was measured.");
  return { subjects, measure };
}

const record: SegmentRecord = {
  schema: "anonctl.study-segment.v1",
  plan: {
    ...{ segment: 1, folder: "/x", binary: "/x/anonctl", measuredS: 60, warmUpS: 0 },
    counts: { monerod: 0, before: 0, after: 6, "after-default": 0 },
    ...{ transactionEveryS: 50, rareTransactionEveryS: 300, nodeOptions: [] },
  },
  programs: { after: "ab".repeat(32) },
  ...{ monerod: "Monero 0", tor: "Tor 0", fromMs: START_MS, toMs: START_MS + 60_000 },
  ...{ subjects: [], received: 0 },
};

describe("the study's analysis", () => {
  test("subjects whose payload looks like noise are not exposed, at either view", () => {
    const { measure } = measured({ lateMs: 0 });
    expect(measure).toMatchObject({ subjects: 6, guarded: 6, streams: 12, transactions: 60 });
    expect(sumOf(measure.frames)).toBe(12 * FRAMES);
    for (const view of ["tap", "guard"] as const) {
      const [best] = measure.families[view].payload?.detectors ?? [];
      expect(best?.pValue).toBeGreaterThan(0.01);
      expect(best?.high).toBeLessThan(0.6);
    }
  });

  test("payload that leaves late is found by all subjects together", () => {
    const { measure } = measured({ lateMs: 2_500 });
    const [best] = measure.families.tap.payload?.detectors ?? [];
    expect(best?.low).toBeGreaterThan(0.55);
    expect(best?.pValue).toBeLessThan(0.01);
  });

  test("timed syncs and what left before the measured time are no payload and no noise", () => {
    const { subjects } = measured({ lateMs: 0 });
    const late = subjects.map((one) => ({ ...one, fromMs: START_MS + 600_000 }));
    const whole = measureKind("after", subjects)?.frames;
    const half = measureKind("after", late)?.frames;
    expect(half?.noise).toBeLessThan((whole?.noise ?? 0) * 0.7);
    const family = measureKind("after", late)?.families.tap.payload;
    expect((family?.positives ?? 0) + (family?.negatives ?? 0)).toBeLessThanOrEqual(
      (half?.payload ?? 0) + (half?.noise ?? 0),
    );
  });

  test("a subject whose frames do not show at the guard link is left out there", () => {
    const whole = subject(1, { lateMs: 0 });
    const elsewhere: RecordedSubject = {
      ...whole,
      guard: { ...whole.guard, out: { timesMs: [], bytes: [], kinds: [] } },
    };
    expect(shownShare(whole)).toBe(1);
    expect(shownShare(elsewhere)).toBe(0);
    expect(measureKind("after", [whole, elsewhere])).toMatchObject({ subjects: 2, guarded: 1 });
  });
});

function sumOf(frames: Readonly<Record<string, number>>): number {
  return Object.values(frames).reduce((sum, count) => sum + count, 0);
}

describe("the study's files", () => {
  test("frames are read by the names of their columns, packets by whose port they left", () => {
    const text = [
      "link,from,to,side,unix_s,bytes,kind,interval_ms",
      "socks-tap-0,127.0.0.1:4,abc.onion:18083,out,100.5,276,handshake,",
      "socks-tap-0,127.0.0.1:4,abc.onion:18083,out,110.25,3072,noise,9750.0",
      "socks-tap-0,127.0.0.1:4,abc.onion:18083,in,111,205,timed-sync,",
      "interface-1,127.0.0.1:5001,127.0.0.1:40000,out,112,100,,",
      "interface-1,127.0.0.1:5001,127.0.0.1:40000,in,111.5,543,,",
      "interface-2,127.0.0.1:40002,127.0.0.1:5001,out,111.2,1086,,",
      "",
    ].join("\n");
    const { streams, guard } = readFrames(text, [40_000, 40_002]);
    expect(streams).toHaveLength(1);
    expect(streams[0]?.out).toEqual({
      timesMs: [100_500, 110_250],
      bytes: [276, 3_072],
      kinds: ["handshake", "noise"],
    });
    expect(streams[0]?.in.kinds).toEqual(["timed-sync"]);
    // Connection 1 is older than the capture, which took the relay for who began it.
    expect(guard.out).toMatchObject({ timesMs: [111_200, 111_500], bytes: [1_086, 543] });
    expect(guard.in).toMatchObject({ timesMs: [112_000], bytes: [100] });
    expect(() => readFrames("a,b\n", [])).toThrow('no column "link"');
  });

  test("the page has a row for each view, and a picture that is XML", () => {
    const { subjects, measure } = measured({ lateMs: 0 });
    const text = studyText([record], measuresOf(subjects), "study/auc.svg");
    expect(text).toContain("![AUC of every detector, with 95 % intervals](study/auc.svg)");
    const rows = text.split("\n").filter((line) => line.startsWith("| our node, streams reused"));
    expect(rows).toHaveLength(3);
    expect(rows.slice(0, 2).map((row) => row.split(" | ")[2])).toEqual(["tap", "guard link"]);
    const picture = figureOf([measure], KIND_NAMES);
    expect(picture).toStartWith("<svg ");
    expect(picture.match(/<circle/g)?.length).toBeGreaterThan(20);
    expect(picture).not.toContain("NaN");
  });

  test("kinds are mixed, and an older program is studied only where there is one", () => {
    const settings = readStudySettings(["--scale", "20", "--before", "old"], ROOT);
    if (settings === undefined) throw new Error("No settings were read.");
    const counts = { monerod: 1, before: 1, after: 2, "after-default": 1 };
    const plan = { ...settings.plan, counts, segment: 1, folder: "/x" };
    expect(subjectsOf(plan).map((one) => one.name)).toEqual([
      ...["monerod-1", "before-1", "after-1", "after-default-1", "after-2"],
    ]);
    const { before: _old, ...young } = settings.plan;
    const others = subjectsOf({ ...young, segment: 1, folder: "/x" });
    expect(others.some(({ kind }) => kind === "before")).toBe(false);
    expect(settings.plan.before).toBe("/somewhere/old");
    expect(settings.page).toBe("/somewhere/docs/study.md");
  });

  test("words that mean nothing are refused", () => {
    expect(() => readStudySettings(["--minutes", "0"], ROOT)).toThrow("from 1 to 120");
    expect(() => readStudySettings(["--hours", "1"], ROOT)).toThrow("hours");
    expect(readStudySettings(["--help"], ROOT)).toBeUndefined();
  });
});
