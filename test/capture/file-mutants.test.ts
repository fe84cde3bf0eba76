import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CaptureMeter } from "../../lib/capture/capture.ts";
import { CaptureError } from "../../lib/capture/error.ts";
import { elementsAllocated } from "../levin/allocation.ts";
import { mutated, RUNS, split } from "../levin/mutation.ts";
import {
  ethernet,
  FLAG,
  frame,
  ipv4,
  ipv6,
  type MadePacket,
  PcapngWriter,
  pcap,
  tcp,
  udp,
} from "./packets.ts";

/** A buffer of 1 MiB, and the tables; what a single claimed length could add is far more. */
const ELEMENTS_MAX = 2_500_000;

const address = new Uint8Array(16).fill(3);
const sixes = ipv6(
  address,
  address.map((byte) => byte + 1),
  0,
  Uint8Array.from([...[6, 0, 0, 0, 0, 0, 0, 0], ...tcp({ sequence: 1, payload: 20 })]),
);
const packets: readonly MadePacket[] = [
  frame({ flags: FLAG.syn, sequence: 0xffff_fff0 }),
  frame({ sequence: 0xffff_fff1, payload: 40 }),
  frame({ sequence: 60, payload: 12 }),
  frame({ sequence: 20, payload: 30, flags: FLAG.fin | FLAG.ack }),
  ethernet(0x86dd, sixes, [0x8100]),
  ethernet(0x0800, ipv4("10.0.0.1", "192.0.2.53", 17, udp(40_000, 53, 12))),
  ethernet(0x0806, new Uint8Array(28)),
].map((bytes, i) => ({ timeUs: 1_750_000_000_000_000 + i * 70_000, bytes }));

const classics = [false, true].flatMap((isBigEndian) =>
  [1, 113, 276, 0, 101].map((linkType) =>
    pcap(packets, linkType, { isBigEndian, isNanoseconds: linkType === 1 }),
  ),
);

const sections = [false, true].map((isBigEndian) => {
  const writer = new PcapngWriter({ isBigEndian })
    .interface(1, [
      [2, [101, 116, 104]],
      [9, [9]],
      [14, [0, 0, 0, 1, 0, 0, 0, 0]],
    ])
    .interface(101, [], 262_144);
  for (const [i, { timeUs, bytes }] of packets.entries()) {
    if (i % 4 === 0) writer.simple(bytes);
    else if (i % 4 === 1) writer.obsolete(i % 2, timeUs, bytes);
    else writer.enhanced(0, timeUs * 1_000, bytes);
  }
  return writer.block(5, new Uint8Array(20)).done();
});
const ng = [...sections, Uint8Array.from(sections.flatMap((section) => [...section]))];

/** Measures bytes that may be anything, and checks that the figures agree with each other. */
function measureAnything(file: Uint8Array, cuts: readonly number[]): boolean {
  const meter = new CaptureMeter({ flowsMax: 4 });
  let isWhole = true;
  try {
    for (const piece of split(file, cuts)) meter.reader.push(piece);
    meter.reader.end();
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error;
    expect(error.offset).toBeLessThanOrEqual(file.length);
    expect(error.read.packets).toBe(meter.reader.progress.packets);
    isWhole = false;
  }
  const { progress, counts, flows, other } = meter.measure();
  const { tcp: segments, udp: datagrams, icmp, otherIp, fragments, arp, notIp, malformed } = counts;
  expect(segments + datagrams + icmp + otherIp + fragments + arp + notIp + malformed).toBe(
    progress.packets - progress.foreignPackets,
  );
  let followed = other.packets;
  let newBytes = other.payloadBytes;
  for (const { flow, directions } of flows) {
    followed += flow.forwardPackets + flow.backwardPackets;
    for (const shape of directions) {
      newBytes += shape?.bytes ?? 0;
      if (shape === undefined) continue;
      const figures = [shape.sizes.deviation, shape.intervals.mean, shape.intervals.deviation];
      expect(figures.every((figure) => Number.isFinite(figure) && figure >= 0)).toBe(true);
      expect(shape.series?.bytes.length).toBe(shape.segments);
    }
  }
  expect(followed).toBe(segments);
  expect(newBytes).toBeLessThanOrEqual(counts.wireBytes);
  return isWhole;
}

describe.each([
  ["classic captures", classics],
  ["pcapng captures", ng],
])("mutants of %s", (_name, originals) => {
  test("are measured or refused, in bounded memory", () => {
    for (const original of originals) expect(measureAnything(original, [])).toBe(true);
    let whole = 0;
    let refused = 0;
    fc.assert(
      fc.property(mutated(originals), fc.array(fc.nat(), { maxLength: 3 }), (file, cuts) => {
        let isWhole: boolean | undefined;
        let fault: unknown;
        const elements = elementsAllocated(() => {
          try {
            isWhole = measureAnything(file, cuts);
          } catch (error) {
            fault = error;
          }
        });
        if (fault !== undefined) throw fault;
        if (isWhole) whole++;
        else refused++;
        expect(elements).toBeLessThan(ELEMENTS_MAX);
      }),
      { numRuns: RUNS },
    );
    // Both ways were taken often, or nothing was tried.
    expect(Math.min(whole, refused)).toBeGreaterThan(RUNS / 20);
  });
});
