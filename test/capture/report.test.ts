import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSchedule } from "../../lib/capture/fit-schedule.ts";
import type { FrameKind } from "../../lib/capture/labels.ts";
import { buildReport, type ReportInput } from "../../lib/capture/report.ts";
import type { SeenDirection, SeenLink } from "../../lib/capture/report-input.ts";
import { withLabels } from "../../lib/capture/report-labels.ts";
import { masked } from "../../lib/capture/report-links.ts";
import { noiseReportJsonSchema, noiseReportSchema } from "../../lib/capture/report-schema.ts";
import { parseAssertions } from "../../lib/capture/verdict-assertion.ts";
import { uniform, unit } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

const START_MS = 1_795_000_000_000;

interface Fault {
  /** Payload leaves so much later. */
  readonly lateMs?: number;
  /** Payload is so much longer. */
  readonly longer?: number;
  /** A timed sync of 205 bytes a minute, beside the noise. */
  readonly syncs?: boolean;
}

/** A link on monerod's schedule, one frame in ten with payload. */
function direction(frames: number, seed: number, fault: Fault = {}): SeenDirection {
  const random = new SeededRandom(seed);
  const seen: { ms: number; bytes: number; kind: FrameKind }[] = [];
  let ms = START_MS;
  for (let i = 0; i < frames; i++) {
    ms += uniform(random, 10_000, 15_000);
    const isReal = unit(random) < 0.1;
    seen.push({
      ms: ms + (isReal ? (fault.lateMs ?? 0) : 0),
      bytes: 3_072 + (isReal ? (fault.longer ?? 0) : 0),
      kind: isReal ? "payload" : "noise",
    });
  }
  if (fault.syncs === true) {
    for (let at = START_MS + 60_000; at < ms; at += 60_000) {
      seen.push({ ms: at, bytes: 205, kind: "timed-sync" });
    }
  }
  seen.push({ ms: START_MS, bytes: 333, kind: "handshake" });
  seen.sort((a, b) => a.ms - b.ms);
  return {
    timesMs: Float64Array.from(seen, (one) => one.ms),
    bytes: Uint32Array.from(seen, (one) => one.bytes),
    kinds: seen.map((one) => one.kind),
    ...{ isLevin: true, unfinishedBytes: 0, droppedFrames: 0 },
  };
}

function link(out: SeenDirection, more: Partial<SeenLink> = {}): SeenLink {
  return {
    ...{ id: "socks-tap-0", view: "socks-tap", from: "127.0.0.1:5", to: "a.onion:18083" },
    ...{ beganMs: START_MS, endedMs: undefined, refusal: undefined, out, in: undefined },
    ...more,
  };
}

function input(links: readonly SeenLink[], more: Partial<ReportInput> = {}): ReportInput {
  return {
    ...{ unixMs: START_MS, links, labelsMs: undefined, assertions: [], side: "out" },
    sources: [{ kind: "socks-tap", place: "x", flows: 1, packets: undefined, trouble: undefined }],
    schedule: parseSchedule("uniform 10s..15s, 3072 B"),
    isMasked: false,
    ...more,
  };
}

const ALL = parseAssertions("frame=3072 interval~uniform(10s,15s) auc<0.55");

describe("a report", () => {
  test("of a perfect link says hidden, and that its schedule is kept", () => {
    const report = buildReport(input([link(direction(10_000, 1))], { assertions: ALL }));
    expect(report.verdict).toBe("hidden");
    expect(report.assertions.map(({ outcome }) => outcome)).toEqual(["holds", "holds", "holds"]);
    const [out] = report.links[0]?.directions ?? [];
    expect(out).toMatchObject({ outside_bytes: 0, frame_bytes: 3_072 });
    expect(out?.interval_fit?.outcome).toBe("fits");
    expect(out?.size_fit?.outcome).toBe("fits");
    expect(out?.intervals_ms.summary?.mean).toBeCloseTo(12_500, -2);
    expect(out?.costs?.bytes_a_second).toBeCloseTo(3_072 / 12.5, -1);
    expect(report.elapsed_s).toBeCloseTo(125_000, -4);
  }, 60_000);

  test.each<[string, Fault, string]>([
    ["payload 16 bytes longer", { longer: 16 }, "size"],
    ["payload 4 s late", { lateMs: 4_000 }, ""],
    ["timed syncs outside the noise", { syncs: true }, ""],
  ])(
    "of a link with %s says exposed",
    (_, fault, detector) => {
      const report = buildReport(input([link(direction(2_000, 2, fault))]));
      expect(report.verdict).toBe("exposed");
      expect(report.exposed_by).toEqual([fault.syncs === true ? "timed-sync" : "payload"]);
      expect(report.reasons.join(" ")).toContain(detector);
    },
    60_000,
  );

  test("judges payload by itself where timed syncs show", () => {
    const report = buildReport(input([link(direction(10_000, 11, { syncs: true }))]));
    expect(report.findings).toMatchObject([
      { subject: "payload", verdict: "hidden" },
      { subject: "timed-sync", verdict: "exposed", worst: { family: "timed syncs", auc: 1 } },
    ]);
    expect(report.families.map(({ subject, name }) => [subject, name])).toEqual([
      ["payload", "frames"],
      ["timed-sync", "timed syncs"],
      ["payload", "windows of 10 intervals"],
      ["payload", "windows of 100 intervals"],
    ]);
  }, 60_000);

  /** Streams of forty frames, each with one transaction at the most. */
  function streams(count: number, fault: Fault = {}): SeenLink[] {
    return Array.from({ length: count }, (_, i) => {
      const seen = direction(40, 100 + i, fault);
      let had = false;
      const kinds = (seen.kinds ?? []).map((kind) => {
        const isSecond = kind === "payload" && had;
        had ||= kind === "payload";
        return isSecond ? "noise" : kind;
      });
      const bytes = seen.bytes.map((length, k) => (kinds[k] === "noise" ? 3_072 : length));
      const apartMs = 500_000 * i;
      const timesMs = seen.timesMs.map((ms) => ms + apartMs);
      return link({ ...seen, kinds, bytes, timesMs }, { id: `s-${i}` });
    });
  }

  test("of many streams with little payload each judges them together", () => {
    const report = buildReport(input(streams(250), { assertions: parseAssertions("auc<0.62") }));
    expect(report.links.every(({ directions }) => directions[0]?.families.length === 0)).toBe(true);
    expect([report.verdict, report.links_left_out]).toEqual(["hidden", 150]);
    // All of them count, those too that are not told one by one.
    expect(report.families[0]?.positives).toBeGreaterThan(200);
    expect(report.assertions[0]?.outcome).toBe("holds");
    const faulty = buildReport(input(streams(60, { longer: 16 })));
    expect(faulty).toMatchObject({ verdict: "exposed", exposed_by: ["payload"] });
    expect(faulty.families[0]?.detectors[0]).toMatchObject({ name: "size", auc: 1 });
  }, 60_000);

  test("finds the one connection of fifty that shows", () => {
    const links = Array.from({ length: 50 }, (_, i) =>
      link(direction(300, 300 + i, i === 17 ? { longer: 16 } : {}), { id: `c-${i}` }),
    );
    const report = buildReport(input(links));
    expect(report).toMatchObject({ verdict: "exposed", exposed_by: ["payload"] });
    expect(report.reasons.join(" ")).toMatch(/\(connection \d+, out\), size tells most/);
  }, 60_000);

  test("sums all connections, in bins of their own", () => {
    const links = [link(direction(50, 15)), link(direction(400, 16)), link(direction(3, 17))];
    const { totals, links: told } = buildReport(input(links));
    const [out, back] = totals;
    const bytes = told.map(({ directions }) => directions[0]?.bytes ?? 0);
    expect([out?.bytes, out?.frames]).toEqual([bytes.reduce((a, b) => a + b), 456]);
    expect(out?.rate.bytes.reduce((a, b) => a + b)).toBe(out?.bytes ?? 0);
    expect(out?.rate.start_unix_s).toBe(START_MS / 1_000);
    expect(back).toMatchObject({ frames: 0, bytes: 0 });
  });

  test("counts what payload waited, from the moments at which it was handed over", () => {
    const seen = direction(600, 12);
    const sent = Array.from(seen.timesMs).filter((_, i) => seen.kinds?.[i] === "payload");
    const labelsMs = Float64Array.from(sent, (ms) => ms - 7_000);
    const { costs } = buildReport(input([link(seen)], { labelsMs }));
    expect(costs?.latency_ms).toMatchObject({ count: sent.length, max: 7_000, median: 7_000 });
    expect(costs?.noise_bytes).toBe(3_072 * (600 - sent.length));
    expect(costs?.overhead_percent).toBeCloseTo((100 * (600 - sent.length)) / sent.length, 9);
    expect(buildReport(input([link(seen)])).costs?.latency_ms).toBeNull();
  }, 60_000);

  test("takes lateness from the sender's own ticks where they are known", () => {
    const seen = direction(400, 13);
    const late = seen.timesMs.map((ms, i) => ms + (seen.kinds?.[i] === "payload" ? 1 : 0));
    const ticks = [Float64Array.from(seen.timesMs)];
    const report = buildReport(input([link({ ...seen, timesMs: late })], { ticks }));
    expect(report.links[0]?.directions[0]?.ticks_known).toBe(true);
    expect(report.findings[0]).toMatchObject({
      verdict: "exposed",
      worst: { detector: "lateness" },
    });
    const blind = buildReport(input([link({ ...seen, timesMs: late })]));
    expect(blind.links[0]?.directions[0]?.ticks_known).toBe(false);
    expect(blind.verdict).not.toBe("exposed");
  }, 60_000);

  test("tells bytes outside of frames, and the minute of the timed syncs", () => {
    const report = buildReport(input([link(direction(2_000, 3, { syncs: true }))]));
    const [out] = report.links[0]?.directions ?? [];
    expect(out?.outside_bytes).toBe(205 * (out?.kinds?.["timed-sync"] ?? 0));
    expect(out?.size_fit?.outcome).toBe("deviates");
    expect(out?.periods[0]?.period_s).toBeCloseTo(60, 1);
  }, 60_000);

  test("of too little is inconclusive, and so are its assertions", () => {
    const report = buildReport(input([link(direction(30, 4))], { assertions: ALL }));
    expect(report.verdict).toBe("inconclusive");
    expect(report.assertions.map(({ outcome }) => outcome)).toContain("inconclusive");
    expect(buildReport(input([])).verdict).toBe("inconclusive");
  });

  test("of the same capture is the same report, and what its schema describes", () => {
    const links = [link({ ...direction(600, 5) }, { in: direction(600, 6) })];
    const report = buildReport(input(links, { side: "both" }));
    expect(buildReport(input(links, { side: "both" }))).toEqual(report);
    expect(noiseReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
    expect(noiseReportSchema.safeParse({ ...report, more: 1 }).success).toBe(false);
  }, 60_000);

  test("pairs a tap's truth with packets elsewhere, by time", () => {
    const truth = direction(1_500, 7);
    const wire = (leak: boolean): SeenLink => {
      const times = Array.from(truth.timesMs).flatMap((ms, i) =>
        leak && truth.kinds?.[i] === "payload" ? [ms + 2, ms + 30] : [ms + 2],
      );
      return link(
        {
          ...{ timesMs: Float64Array.from(times), bytes: new Uint32Array(times.length).fill(600) },
          ...{ isLevin: false, unfinishedBytes: 0, droppedFrames: 0 },
        },
        { id: "interface-0", view: "capture" },
      );
    };
    const leaky = buildReport(input([link(truth), wire(true)]));
    expect(leaky.moments[0]?.detectors[0]?.auc).toBeGreaterThan(0.99);
    expect(leaky.verdict).toBe("exposed");
    const tight = buildReport(input([link(truth), wire(false)]));
    expect(tight.moments[0]?.detectors[0]?.p_value).toBeGreaterThan(0.01);
    expect(tight.verdict).not.toBe("exposed");
  }, 60_000);

  test("names every address the same way when they are masked, and no real one", () => {
    const links = [
      link(direction(40, 8)),
      link(direction(40, 9), { id: "b", refusal: "a.onion:18083 is not published" }),
    ];
    const report = buildReport(input(masked(links), { isMasked: true }));
    expect(JSON.stringify(report)).not.toContain("onion");
    expect(JSON.stringify(report)).not.toContain("127.0.0.1");
    expect(new Set(report.links.map(({ to }) => to))).toEqual(new Set(["host-2:18083"]));
    expect(masked(links)[0]?.from).toBe("host-1:5");
  });
});

describe("labels of a capture", () => {
  const { kinds, ...bare } = direction(200, 10);
  const payload = Float64Array.from(bare.timesMs).filter((_, i) => kinds?.[i] === "payload");

  test("that are the times of frames tell what those were", () => {
    const [found] =
      withLabels(
        [bare],
        payload.map((ms) => ms - 3),
      ) ?? [];
    const wanted = kinds?.map((kind) => (kind === "payload" ? "payload" : "noise"));
    expect(found?.kinds).toEqual(wanted as FrameKind[]);
  });

  test("that are of frames on several links tell each its own", () => {
    const other = direction(200, 14);
    const both = [bare, { ...other, kinds: undefined }];
    const marked = Array.from(other.timesMs).filter((_, i) => other.kinds?.[i] === "payload");
    const labels = Float64Array.from([...payload, ...marked]).sort();
    const found = withLabels(both, labels)?.map((one) => one?.kinds);
    const wanted = [kinds, other.kinds].map((all) =>
      all?.map((kind) => (kind === "payload" ? "payload" : "noise")),
    );
    expect(found).toEqual(wanted as FrameKind[][]);
  });

  test("of frames that a small network splits do not make their size tell", () => {
    const split = Array.from(bare.timesMs).flatMap((ms) => [ms, ms + 0.1, ms + 0.2]);
    const wire = {
      ...bare,
      timesMs: Float64Array.from(split),
      bytes: Uint32Array.from(split, (_, i) => [1_448, 1_448, 176][i % 3] ?? 0),
    };
    const seen = link(wire, { view: "capture" });
    const report = buildReport(input([seen], { labelsMs: payload }));
    const [out] = report.links[0]?.directions ?? [];
    expect([out?.frames, out?.sizes.summary?.min]).toEqual([bare.timesMs.length, 3_072]);
    expect(out?.kinds?.payload).toBe(payload.length);
    expect(report.families[0]?.detectors.find(({ name }) => name === "size")?.auc).toBeLessThan(
      0.51,
    );
    // Labels that are times of frames are no moments of something else.
    expect([report.moments, report.costs?.latency_ms]).toEqual([[], null]);
    expect(report.verdict).not.toBe("exposed");
  });

  test("that are times of something else tell nothing of frames", () => {
    expect(
      withLabels(
        [bare],
        payload.map((ms) => ms + 4_000),
      ),
    ).toBeUndefined();
  });
});

test("the schema in the repository is the one that zod gives", () => {
  const file = join(import.meta.dir, "../../schema/noise-capture.v1.schema.json");
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(
    JSON.parse(JSON.stringify(noiseReportJsonSchema())),
  );
});
