import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeCapture } from "../../bench/capture-file.ts";
import { CaptureMeter, readCaptureFile, readCaptureStream } from "../../lib/capture/capture.ts";
import { split } from "../levin/mutation.ts";
import { frame, pcap } from "./packets.ts";

const packets = Array.from({ length: 5 }, (_, i) => ({
  timeUs: 1e6 + i,
  bytes: frame({ sequence: 10 * i, payload: 10 }),
}));

describe("a capture", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "anonctl-capture-"));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test("is read from a file", async () => {
    const path = join(folder, "small.pcap");
    writeFileSync(path, pcap(packets));
    const meter = new CaptureMeter();
    const told: number[] = [];
    const progress = await readCaptureFile(path, meter.reader, {
      onProgress: (now) => told.push(now.packets),
    });
    expect(progress.packets).toBe(5);
    expect(told).toEqual([5]);
    expect(meter.measure().flows[0]?.directions[0]).toMatchObject({ bytes: 50, segments: 5 });
  });

  test("is read from a stream, and can be measured while it comes", async () => {
    const meter = new CaptureMeter();
    const seen: number[] = [];
    async function* stream(): AsyncGenerator<Uint8Array> {
      for (const piece of split(pcap(packets), [30, 100, 101, 300])) yield piece;
    }
    const progress = await readCaptureStream(stream(), meter.reader, {
      onProgress: () => {
        seen.push(meter.measure().flows[0]?.directions[0]?.segments ?? 0);
      },
    });
    expect(progress.packets).toBe(5);
    expect(seen).toEqual([0, 0, 0, 3, 5]);
  });

  test("is left where the caller wants, without an error", async () => {
    const controller = new AbortController();
    const meter = new CaptureMeter();
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield pcap(packets);
      controller.abort();
      for (;;) yield new Uint8Array(1);
    }
    const options = { signal: controller.signal };
    expect((await readCaptureStream(endless(), meter.reader, options)).packets).toBe(5);
    const path = join(folder, "never.pcap");
    writeFileSync(path, pcap(packets));
    const other = new CaptureMeter();
    expect((await readCaptureFile(path, other.reader, options)).packets).toBe(0);
  });

  test("of many flows is measured to the byte", async () => {
    const path = join(folder, "many.pcap");
    const made = writeCapture(path, { packets: 60_000, flows: 500, seed: 3 });
    const meter = new CaptureMeter();
    await readCaptureFile(path, meter.reader);
    const { flows, counts } = meter.measure();
    const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
    expect(flows.length).toBe(500);
    expect(counts.tcp).toBe(60_000);
    const shapes = flows.flatMap(({ directions }) => directions.flatMap((shape) => shape ?? []));
    const tracks = flows.flatMap(({ flow }) => flow.tracks);
    expect(sum(shapes.map(({ bytes }) => bytes))).toBe(made.newBytes);
    expect(sum(tracks.map((track) => track.retransmittedBytes))).toBe(made.retransmittedBytes);
    expect(sum(tracks.map((track) => track.gapBytes))).toBe(0);
    for (const shape of shapes) {
      const { timesUs = [], bytes = [] } = shape.series ?? {};
      expect(timesUs.length).toBe(shape.segments);
      expect(sum([...bytes])).toBe(shape.bytes);
      expect(sum([...shape.rate.bytes])).toBe(shape.bytes);
    }
  });
});
