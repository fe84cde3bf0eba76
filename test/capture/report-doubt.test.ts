import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { htmlOf } from "../../cli/noise-capture-html.ts";
import { look } from "../../cli/noise-capture-run.ts";
import { readNoiseCaptureSettings } from "../../cli/noise-capture-settings.ts";
import { describeReport } from "../../cli/noise-capture-text.ts";
import { CaptureMeter } from "../../lib/capture/capture.ts";
import { TcpFlow } from "../../lib/capture/flow.ts";
import { KEY_WORDS } from "../../lib/capture/flow-ends.ts";
import type { FrameKind } from "../../lib/capture/labels.ts";
import { PacketCounts } from "../../lib/capture/packet-decoder.ts";
import { buildReport, type ReportInput } from "../../lib/capture/report.ts";
import type { SeenDirection, SeenLink } from "../../lib/capture/report-input.ts";
import { disorderText, linksOfCapture } from "../../lib/capture/report-links.ts";
import type { NoiseReport } from "../../lib/capture/report-schema.ts";
import { TrafficShape, WAITING_MAX } from "../../lib/capture/shape.ts";
import { BinBudget } from "../../lib/capture/shape-rate.ts";
import { SERIES_SEGMENTS_MAX, SeriesPool } from "../../lib/capture/shape-series.ts";
import { parseAssertions } from "../../lib/capture/verdict-assertion.ts";
import { uniform, unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { CLIENT, frame, type MadePacket, pcap } from "./packets.ts";

const START_MS = 1_795_000_000_000;
/** The headers that `frame` makes. */
const HEADER_BYTES = 54;

function direction(
  timesMs: readonly number[],
  bytes: readonly number[],
  kinds?: readonly FrameKind[],
): SeenDirection {
  return {
    timesMs: Float64Array.from(timesMs),
    bytes: Uint32Array.from(bytes),
    kinds,
    ...{ isLevin: kinds !== undefined, unfinishedBytes: 0, droppedFrames: 0 },
  };
}

function link(id: string, view: SeenLink["view"], out: SeenDirection): SeenLink {
  const ends = { from: "a:1", to: "b:2", beganMs: START_MS, endedMs: undefined };
  return { id, view, ...ends, refusal: undefined, out, in: undefined };
}

function reportOf(
  links: readonly SeenLink[],
  assert: string,
  more: Partial<ReportInput> = {},
): NoiseReport {
  return buildReport({
    ...{ unixMs: START_MS, sources: [], links, labelsMs: undefined, schedule: undefined },
    ...{ assertions: parseAssertions(assert), side: "out", isMasked: false },
    ...more,
  });
}

const outcomes = ({ assertions }: NoiseReport): string[] =>
  assertions.map(({ outcome }) => outcome);

/** A perfect link at a tap, with payload in each fifth frame. */
function perfect(count: number, seed = 1): { timesMs: number[]; kinds: FrameKind[] } {
  const random = new SeededRandom(seed);
  const timesMs: number[] = [];
  const kinds: FrameKind[] = [];
  for (let i = 0, ms = START_MS; i < count; i++) {
    ms += uniform(random, 10_000, 15_000);
    timesMs.push(ms);
    kinds.push(unit(random) < 0.2 ? "payload" : "noise");
  }
  return { timesMs, kinds };
}

/** A packet of which only headers were captured. */
function packet(ms: number, port: number, sequence: number, payload: number): MadePacket {
  const bytes = frame({ source: [CLIENT[0], port], sequence, payload }).subarray(0, HEADER_BYTES);
  return { timeUs: Math.round(ms * 1_000), bytes, original: HEADER_BYTES + payload };
}

function captured(packets: readonly MadePacket[]): readonly SeenLink[] {
  const meter = new CaptureMeter();
  meter.reader.push(pcap(packets));
  return linksOfCapture(meter.measure(), "pcap");
}

/** A direction with more segments than are kept, as a capture has it. */
function long(segments: number, bytes: number): SeenLink {
  const shape = new TrafficShape({ bins: new BinBudget(), series: new SeriesPool() });
  const times = new Float64Array(WAITING_MAX);
  const sizes = new Uint32Array(WAITING_MAX).fill(bytes);
  for (let i = 0; i < segments; i += WAITING_MAX) {
    const count = Math.min(WAITING_MAX, segments - i);
    for (let j = 0; j < count; j++) times[j] = (START_MS + 30 * (i + j)) * 1_000;
    shape.add(times, sizes, 0, count);
  }
  const place = { id: 0, slot: 0, keys: new Int32Array(KEY_WORDS) };
  const flow = new TcpFlow(place, START_MS * 1_000, true, true);
  const flows = [{ flow, directions: [shape, undefined] as const }];
  const [made] = linksOfCapture({ flows, counts: new PacketCounts() }, "pcap");
  if (made === undefined) throw new Error("There is no link.");
  return made;
}

describe("connections of a capture", () => {
  test("are judged all, those too that are not told one by one", () => {
    const random = new SeededRandom(1);
    const packets = Array.from({ length: 160 }, (_, port) => {
      let ms = START_MS + port;
      const bytes = port < 100 ? 300 : 50;
      return Array.from({ length: 40 }, (__, i) => {
        ms += uniform(random, 10_000, 15_000);
        return packet(ms, 20_000 + port, i * bytes, bytes);
      });
    }).flat();
    packets.sort((a, b) => a.timeUs - b.timeUs);
    const report = reportOf(captured(packets), "frame=300 interval~uniform(10s,15s)");
    expect(outcomes(report)).toEqual(["fails", "holds"]);
    expect(report.assertions[0]?.reason).toBe("2400 of 6400 frames are not of 300 bytes.");
    expect(report.links_left_out).toBe(60);
  }, 60_000);
});

describe("frames that were not kept", () => {
  const { timesMs, kinds } = perfect(10_000);
  const tapped = link(
    "tap-0",
    "tap",
    direction(
      timesMs,
      timesMs.map(() => 3_072),
      kinds,
    ),
  );
  /** What the guard link shows of it, with a packet more for each payload. */
  const leak = timesMs.flatMap((ms, i) => (kinds[i] === "payload" ? [ms + 2, ms + 300] : [ms + 2]));
  const guard = (times: readonly number[]): SeenLink =>
    link(
      "interface-0",
      "capture",
      direction(
        times,
        times.map(() => 1_200),
      ),
    );
  const idle = link(
    "interface-1",
    "capture",
    direction(
      Array.from({ length: 60 }, (_, i) => START_MS + i * 1.8e6 + 77),
      new Array(60).fill(543),
    ),
  );
  const dropped = (one: SeenDirection): SeenDirection => ({
    ...one,
    ...{ timesMs: new Float64Array(0), bytes: new Uint32Array(0) },
    droppedFrames: one.timesMs.length,
  });
  const told = `${leak.length} frames in 1 direction were not kept, so that nothing could judge them`;

  test("of a declared size can't hold, and fail where their bytes show it", () => {
    const small = captured(
      Array.from({ length: 100 }, (_, i) => packet(START_MS + 12_000 * i, 20_001, 300 * i, 300)),
    );
    const count = SERIES_SEGMENTS_MAX + 65;
    const good = reportOf([long(count, 300), ...small], "frame=300 interval~constant(12s)");
    expect(outcomes(good)).toEqual(["inconclusive", "inconclusive"]);
    expect(good.assertions.every(({ reason }) => reason.startsWith(`${count} frames in 1`))).toBe(
      true,
    );
    const bad = reportOf([long(count, 50), ...small], "frame=300 interval~constant(12s)");
    expect(outcomes(bad)).toEqual(["fails", "inconclusive"]);
    expect(bad.assertions[0]?.reason).toBe(
      "The bytes of 1 direction whose frames were not kept are no multiple of 300.",
    );
    expect(outcomes(reportOf(small, "frame=300 interval~constant(12s)"))).toEqual([
      "holds",
      "holds",
    ]);
  }, 60_000);

  test("keep what is declared from fitting, of all and of each", () => {
    const out = { ...tapped.out, droppedFrames: 5 } as SeenDirection;
    const schedule = reportOf([{ ...tapped, out }], "frame=3072", {
      schedule: {
        ...{ law: { kind: "uniform", lowMs: 10_000, highMs: 15_000 }, toleranceMs: 10 },
        frameBytes: 3_072,
      },
    });
    const [each] = schedule.links[0]?.directions ?? [];
    for (const fits of [schedule.fits, each]) {
      expect(fits?.interval_fit).toMatchObject({ outcome: "inconclusive" });
      expect(fits?.size_fit?.reason).toStartWith("5 frames in 1 direction were not kept");
    }
    expect(each?.judgement).toMatchObject({ verdict: "inconclusive" });
    expect(outcomes(schedule)).toEqual(["inconclusive"]);
  }, 60_000);

  test("leave nothing hidden: neither on the judged side, nor in answers, nor in packets", () => {
    const whole = reportOf([tapped, guard(timesMs), idle], "auc<0.55");
    expect([whole.verdict, ...outcomes(whole)]).toEqual(["hidden", "holds"]);
    const blind = { ...guard(leak), out: dropped(guard(leak).out as SeenDirection) };
    const answers = { ...tapped, in: blind.out };
    for (const links of [[tapped, blind, idle], [tapped, blind], [answers]]) {
      const report = reportOf(links, "auc<0.55");
      expect([report.verdict, ...outcomes(report)]).toEqual(["inconclusive", "inconclusive"]);
      expect(report.more_frames).toBeNull();
      expect(report.findings[0]?.reasons[0]).toStartWith(told);
      expect(report.assertions[0]?.reason).toStartWith(told);
      expect(describeReport(report)).toContain(
        `    not kept   ${leak.length} frames, which nothing could judge`,
      );
      expect(htmlOf([{ name: "x", report }])).toContain(`<li>${told}`);
    }
  }, 120_000);

  test("take nothing back of what shows in those that were", () => {
    const out = { ...guard(leak).out, droppedFrames: 7 } as SeenDirection;
    const report = reportOf([tapped, { ...guard(leak), out }], "auc<0.55");
    expect([report.verdict, ...outcomes(report)]).toEqual(["exposed", "fails"]);
    expect(report.exposed_by).toEqual(["payload"]);
    expect(report.reasons.at(-1)).toStartWith("7 frames in 1 direction were not kept");
  }, 60_000);
});

describe("an assertion on detectors", () => {
  test("fails by what the packets show", () => {
    const { timesMs, kinds } = perfect(2_000);
    const sizes = timesMs.map(() => 3_072);
    const wire = timesMs.map((_, i) => (kinds[i] === "payload" ? 4_800 : 3_600));
    const links = [
      link("tap-0", "tap", direction(timesMs, sizes, kinds)),
      link("interface-0", "capture", direction(timesMs, wire)),
    ];
    const report = reportOf(links, "auc<0.55");
    expect([report.verdict, ...outcomes(report)]).toEqual(["exposed", "fails"]);
    expect(report.assertions[0]?.reason).toMatch(
      /^Bounds over all detectors of frames and of moments: 0\.9\d+ to 1\.000\.$/,
    );
  }, 60_000);

  test("takes labelled moments for what they are", () => {
    const { timesMs, kinds } = perfect(2_000);
    const sizes = timesMs.map((_, i) => (kinds[i] === "payload" ? 6_144 : 3_072));
    const wire = link("pcap-0", "capture", direction(timesMs, sizes));
    const labels = timesMs.filter((_, i) => kinds[i] === "payload").map((ms) => ms - 300);
    const report = reportOf([wire], "auc<0.55", { labelsMs: Float64Array.from(labels) });
    expect(report.verdict).toBe("exposed");
    expect(report.assertions[0]?.outcome).toBe("fails");
    expect(report.assertions[0]?.reason).toContain("labelled moments");
  }, 60_000);

  test("does not hold where one connection of fifty shows by itself", () => {
    const links = Array.from({ length: 50 }, (_, k) => {
      const { timesMs, kinds } = perfect(300, k);
      const sizes = kinds.map((kind) => (k === 17 && kind === "payload" ? 3_088 : 3_072));
      const later = timesMs.map((ms) => ms + 700_000 * k);
      return link(`tap-${k}`, "tap", direction(later, sizes, kinds));
    });
    const report = reportOf(links, "auc<0.6");
    expect(report.families[0]?.detectors.every(({ high }) => high < 0.6)).toBe(true);
    expect([report.verdict, ...outcomes(report)]).toEqual(["exposed", "fails"]);
    expect(report.assertions[0]?.reason).toContain("(connection ");
  }, 60_000);
});

describe("a clock that was set back", () => {
  let folder: string;
  const { timesMs } = perfect(600);
  const sixth = (times: readonly number[]): Float64Array =>
    Float64Array.from(times.filter((_, i) => i % 6 === 0)).sort();
  const packetsAt = (times: readonly number[]): MadePacket[] =>
    times.map((ms, i) => packet(ms, 20_000, 300 * i, 300));

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "anonctl-doubt-"));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test("by an hour lets nothing be said of times, either way", () => {
    const back = timesMs.map((ms, i) => (i < 300 ? ms : ms - 3_600_000));
    const links = captured(packetsAt(back));
    expect(links[0]?.out?.timesMs).toEqual(Float64Array.from(links[0]?.out?.timesMs ?? []).sort());
    const report = reportOf(links, "frame=300 interval~uniform(10s,15s) auc<0.55", {
      labelsMs: sixth(back),
      schedule: {
        ...{ law: { kind: "uniform", lowMs: 10_000, highMs: 15_000 }, toleranceMs: 10 },
        frameBytes: 300,
      },
    });
    expect([report.verdict, ...outcomes(report)]).toEqual(new Array(4).fill("inconclusive"));
    expect([report.exposed_by, report.p_value]).toEqual([[], 1]);
    expect(report.reasons).toEqual([
      expect.stringMatching(/^Times step back by up to 35\d\d\.\d s, so that no interval/),
    ]);
    expect(report.fits.interval_fit?.outcome).toBe("inconclusive");
    const [each] = report.links[0]?.directions ?? [];
    expect([each?.interval_fit?.outcome, each?.judgement?.verdict]).toEqual([
      "inconclusive",
      "inconclusive",
    ]);
    // A size needs no clock.
    expect(outcomes(reportOf(links, "frame=301"))).toEqual(["fails"]);
  }, 60_000);

  test("keeps detectors from failing as well", () => {
    const { kinds, timesMs: rising } = perfect(1_000);
    const sizes = kinds.map((kind) => (kind === "payload" ? 6_144 : 3_072));
    const seen = link("tap-0", "tap", direction(rising, sizes, kinds));
    const said = (stepBackMs: number): string[] => {
      const report = reportOf([{ ...seen, stepBackMs }], "auc<0.55");
      return [report.verdict, ...outcomes(report)];
    };
    expect(said(999)).toEqual(["exposed", "fails"]);
    expect(said(1_000)).toEqual(["inconclusive", "inconclusive"]);
  }, 60_000);

  test("is told as the source's trouble", async () => {
    const path = join(folder, "back.pcap");
    writeFileSync(path, pcap(packetsAt([0, 5_000, 2_000, 7_000].map((ms) => START_MS + ms))));
    const settings = readNoiseCaptureSettings({ pcap: path });
    const { sources, links } = await look(settings, new AbortController().signal);
    const told =
      "1 packet is older than the one before, by up to 3.0 s; the clock was set, or files were merged.";
    expect(sources[0]?.trouble).toBe(told);
    expect(describeReport(reportOf(links, "frame=300", { sources }))).toContain(told);
  });

  test("by little is mended: packets are sorted, and judged", () => {
    const packets = packetsAt(timesMs.flatMap((ms) => [ms, ms + 3]));
    // Of a connection without its start the first packet says where it begins.
    const mixed = packets.flatMap((_, i) => packets[i < 2 ? i : i ^ 1] ?? []);
    const [sorted, given] = [captured(packets), captured(mixed)];
    expect(given[0]?.out?.timesMs).toEqual(sorted[0]?.out?.timesMs as Float64Array);
    const report = reportOf(given, "frame=600 interval~uniform(10s,15s)");
    expect(outcomes(report)).toEqual(
      outcomes(reportOf(sorted, "frame=600 interval~uniform(10s,15s)")),
    );
    expect(disorderText({ backwards: 600, stepBackUs: 3_000 })).toBe(
      "600 packets are older than the one before, by up to 3.00 ms; those of a connection were sorted.",
    );
    expect(disorderText(new PacketCounts())).toBeUndefined();
  });
});
