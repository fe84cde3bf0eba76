import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { CaptureMeasure } from "../../lib/capture/capture.ts";
import { FlowTable, NO_SLOT } from "../../lib/capture/flow-table.ts";
import { CLIENT, FLAG, ipv6, type MadeSegment, pcap, SERVER, segment, tcp } from "./packets.ts";
import { measured } from "./seen.ts";

const { fin, syn, rst, ack } = FLAG;
const forth = (made: MadeSegment): MadeSegment => made;
const back = (made: MadeSegment): MadeSegment => ({ source: SERVER, target: CLIENT, ...made });

/** Measures packets that are a millisecond apart. */
function passed(segments: readonly MadeSegment[], flowsMax?: number): CaptureMeasure {
  const packets = segments.map((made, i) => ({ timeUs: 1e6 + 1_000 * i, bytes: segment(made) }));
  return measured(pcap(packets, 101), flowsMax);
}

/** What matters of each flow. */
const outline = ({ flows }: CaptureMeasure): unknown[] =>
  flows.map(({ flow, directions: [there, back_] }) => [
    flow.initiator.port,
    flow.state,
    flow.isStartSeen,
    there?.bytes ?? 0,
    back_?.bytes ?? 0,
  ]);

describe("a connection", () => {
  const whole = [
    forth({ flags: syn, sequence: 99 }),
    back({ flags: syn | ack, sequence: 499 }),
    forth({ sequence: 100 }),
    forth({ sequence: 100, payload: 30 }),
    back({ sequence: 500, payload: 40 }),
    back({ sequence: 540, payload: 2, flags: fin | ack }),
    forth({ sequence: 130, flags: fin | ack }),
    back({ sequence: 543 }),
    forth({ sequence: 131 }),
  ];

  test("is followed from SYN to FIN", () => {
    const { flows, progress, counts } = passed(whole);
    expect(outline({ flows } as CaptureMeasure)).toEqual([[40_000, "closed", true, 30, 42]]);
    expect(flows[0]?.flow).toMatchObject({
      forwardPackets: 5,
      backwardPackets: 4,
      forwardWireBytes: 230,
      backwardWireBytes: 202,
      beganUs: 1e6,
      endedUs: 1_008_000,
    });
    expect(
      flows[0]?.flow.tracks.map(({ gaps, retransmissions, keepAlives }) => [
        gaps,
        retransmissions,
        keepAlives,
      ]),
    ).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect([progress.packets, counts.tcp]).toEqual([9, 9]);
  });

  test("is one flow though its SYN comes twice", () => {
    expect(outline(passed([...whole.slice(0, 2), ...whole]))).toEqual([
      [40_000, "closed", true, 30, 42],
    ]);
  });

  test("is not thought idle when its FIN comes again", () => {
    const { flows } = passed([...whole, whole[6] ?? {}, whole[5] ?? {}]);
    expect(
      flows[0]?.flow.tracks.map(({ keepAlives, retransmissions }) => [keepAlives, retransmissions]),
    ).toEqual([
      [0, 0],
      [0, 1],
    ]);
  });

  test("ends where another takes its ports", () => {
    const again = whole.map((made) => ({ ...made, sequence: (made.sequence ?? 0) + 70_000 }));
    expect(outline(passed([...whole, ...again]))).toEqual([
      [40_000, "closed", true, 30, 42],
      [40_000, "closed", true, 30, 42],
    ]);
  });

  test("ends where another takes its ports the other way round", () => {
    const other = [
      back({ flags: syn, sequence: 9_000 }),
      forth({ flags: syn | ack, sequence: 8_000 }),
      back({ sequence: 9_001, payload: 3 }),
    ];
    expect(outline(passed([...whole, ...other]))).toEqual([
      [40_000, "closed", true, 30, 42],
      [18_084, "open", true, 3, 0],
    ]);
  });

  test("ends by a RST, whatever number that has", () => {
    const cut = [...whole.slice(0, 4), back({ flags: rst, sequence: 1 })];
    const { flows } = passed(cut);
    expect(flows[0]?.flow.state).toBe("reset");
    expect(flows[0]?.flow.tracks[1]).toMatchObject({ jumps: 0, retransmissions: 0, gaps: 0 });
  });

  test("whose SYN was missed began where its answer goes", () => {
    expect(outline(passed(whole.slice(1)))).toEqual([[40_000, "closed", true, 30, 42]]);
  });

  test("whose start was missed began where it was first heard", () => {
    expect(outline(passed(whole.slice(4)))).toEqual([[18_084, "closed", false, 42, 0]]);
  });

  test("may carry payload in its SYN", () => {
    const { flows } = passed([
      forth({ flags: syn, sequence: 99, payload: 5 }),
      forth({ sequence: 100, payload: 8 }),
    ]);
    expect(flows[0]?.directions[0]?.bytes).toBe(8);
    expect(flows[0]?.flow.tracks[0].overlaps).toBe(1);
  });

  test("between one address and itself has two directions all the same", () => {
    const low = ["127.0.0.1", 1_000] as const;
    const high = ["127.0.0.1", 2_000] as const;
    expect(
      outline(
        passed([
          { source: high, target: low, flags: syn, sequence: 9 },
          { source: low, target: high, sequence: 50, payload: 4 },
          { source: high, target: low, sequence: 10, payload: 6 },
        ]),
      ),
    ).toEqual([[2_000, "open", true, 6, 4]]);
  });

  test("over IPv6 is kept apart from others by every part of its key", () => {
    const address = (last: number): Uint8Array => new Uint8Array(16).fill(1).fill(last, 15);
    const packet = (from: number, to: number, ports: readonly [number, number]): Uint8Array =>
      ipv6(
        address(from),
        address(to),
        6,
        tcp({ source: ["", ports[0]], target: ["", ports[1]], payload: 1 }),
      );
    const made = [
      packet(1, 2, [5, 6]),
      packet(2, 1, [6, 5]),
      packet(2, 1, [5, 6]),
      packet(1, 3, [5, 6]),
      packet(1, 2, [5, 7]),
    ];
    const { flows } = measured(
      pcap(
        made.map((bytes, i) => ({ timeUs: i, bytes })),
        101,
      ),
    );
    expect(flows.map(({ directions }) => directions.map((shape) => shape?.segments ?? 0))).toEqual([
      [1, 1],
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
  });
});

describe("flows beyond those that can be followed", () => {
  const busy = Array.from({ length: 20 }, (_, i) => forth({ sequence: i * 10, payload: 10 }));
  const scan = (count: number): MadeSegment[] =>
    Array.from({ length: count }, (_, i) => forth({ source: ["10.0.0.9", 1_000 + i], payload: 7 }));

  test("do not drive out a busy one; they are summed up", () => {
    const { flows, other, counts } = passed(
      [...busy, ...scan(2_000), forth({ sequence: 200, payload: 1 })],
      8,
    );
    expect(flows.length).toBe(8);
    expect(flows[0]?.directions[0]).toMatchObject({ bytes: 201, segments: 21 });
    const { evictedFlows, ...sums } = other;
    expect(evictedFlows).toBeGreaterThan(50);
    expect(sums).toEqual({ packets: 1_993, payloadBytes: 1_993 * 7, wireBytes: 1_993 * 47 });
    expect(counts.tcp).toBe(2_021);
  });

  test("drive out one that was heard once, when they are busier", () => {
    const { flows } = passed([...scan(8), ...busy], 8);
    expect(flows.at(-1)?.directions[0]).toMatchObject({ bytes: 50, segments: 5 });
  });

  test("give way to the next connection between the same ports", () => {
    const syns = [1_000, 90_000].map((sequence) => forth({ flags: syn, sequence }));
    const [first = {}, second = {}] = syns;
    const data = [first, forth({ sequence: 1_001, payload: 5 })];
    const next = [second, forth({ sequence: 90_001, payload: 6 })];
    const { flows, other } = passed([...data, ...scan(1), ...next], 1);
    expect(flows[0]?.directions[0]?.bytes).toBe(6);
    expect(other).toMatchObject({ evictedFlows: 1, packets: 3, payloadBytes: 12 });
  });

  test("leave every packet of the others counted once, though all are equally busy", () => {
    const rounds = Array.from({ length: 30 }, (_, round) =>
      scan(16).map((made) => ({ ...made, sequence: 7 * round })),
    );
    const { flows, other } = passed(rounds.flat(), 8);
    const followed = flows.map(({ directions: [there] }) => there?.segments ?? 0);
    expect(followed.filter((segments) => segments === 30).length).toBeGreaterThanOrEqual(6);
    expect(followed.reduce((sum, segments) => sum + segments, 0) + other.packets).toBe(480);
  });

  test("leave a table that finds what it holds, and nothing else", () => {
    const key = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(7));
    fc.assert(
      fc.property(
        fc.array(key, { maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        (keys, size) => {
          const held = new Map<string, number>();
          const nameOf = new Map<number, string>();
          const table = new FlowTable(size, (slot) => {
            const name = nameOf.get(slot);
            if (name !== undefined && held.get(name) === slot) held.delete(name);
          });
          for (const [low, high, ports] of keys) {
            const name = `${low} ${high} ${ports}`;
            const slot = table.find4(low, high, ports);
            expect(slot).toBe(held.get(name) ?? NO_SLOT);
            // Every third flow is followed by another of the same ends.
            if (slot !== NO_SLOT && ports % 3 !== 0) continue;
            table.seek4(low, high, ports);
            const taken = table.insert();
            if (taken === NO_SLOT) continue;
            nameOf.set(taken, name);
            held.set(name, taken);
            expect(table.find6()).toBe(taken);
          }
          for (const [name, slot] of held) {
            const [low = 0, high = 0, ports = 0] = name.split(" ").map(Number);
            expect(table.find4(low, high, ports)).toBe(slot);
          }
          expect(table.used).toBeLessThanOrEqual(size);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
