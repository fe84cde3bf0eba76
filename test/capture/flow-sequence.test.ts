import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SequenceTrack } from "../../lib/capture/flow-sequence.ts";

const NEAR_WRAP = 0xffff_ff00;

/** Takes segments relative to a start, after a SYN. */
function taken(
  start: number,
  segments: readonly (readonly [from: number, length: number])[],
): { track: SequenceTrack; fresh: number[] } {
  const track = new SequenceTrack();
  track.synchronise(start);
  const fresh = segments.map(([from, length]) => track.segment(start + 1 + from, length));
  return { track, fresh };
}

describe.each([
  ["in the middle of the numbers", 1_000_000],
  ["across the wrap", NEAR_WRAP],
  ["across the change of sign", 0x7fff_ff80],
])("a direction %s", (_name, start) => {
  test("in order is new", () => {
    const { track, fresh } = taken(start, [
      [0, 100],
      [100, 0],
      [100, 300],
      [400, 1],
    ]);
    expect(fresh).toEqual([100, 0, 300, 1]);
    expect(track).toMatchObject({ gaps: 0, gapBytes: 0, retransmissions: 0 });
  });

  test("counts nothing twice", () => {
    const { track, fresh } = taken(start, [
      [0, 100],
      [0, 100],
      [50, 50],
      [50, 100],
      [0, 400],
    ]);
    expect(fresh).toEqual([100, 0, 0, 50, 250]);
    expect(track).toMatchObject({ retransmissions: 2, overlaps: 2, retransmittedBytes: 350 });
  });

  test("tells bytes that come late from bytes that come again", () => {
    const { track, fresh } = taken(start, [
      [0, 100],
      [200, 100],
      [100, 50],
      [120, 100],
      [0, 300],
    ]);
    expect(fresh).toEqual([100, 100, 50, 50, 0]);
    expect(track).toMatchObject({ reordered: 2, overlaps: 1, retransmissions: 1, gapBytes: 0 });
  });

  test("tells what is missing", () => {
    const { track } = taken(start, [
      [0, 100],
      [150, 50],
      [300, 50],
      [160, 1],
    ]);
    expect(track).toMatchObject({ gaps: 2, gapBytes: 150, retransmissions: 1 });
  });

  test("cuts a hole in two when its middle comes", () => {
    const { track, fresh } = taken(start, [
      [0, 10],
      [100, 10],
      [40, 20],
      [30, 50],
      [0, 110],
    ]);
    expect(fresh).toEqual([10, 10, 20, 30, 40]);
    expect(track).toMatchObject({ gaps: 0, gapBytes: 0 });
  });

  test("sees by a bare acknowledgement that something is missing", () => {
    const { track, fresh } = taken(start, [
      [0, 10],
      [60, 0],
      [10, 50],
      [60, 5],
    ]);
    expect(fresh).toEqual([10, 0, 50, 5]);
    expect(track).toMatchObject({ gaps: 0, reordered: 1 });
  });

  test("knows probes of an idle connection", () => {
    const { track, fresh } = taken(start, [
      [0, 10],
      [9, 1],
      [9, 0],
    ]);
    expect(fresh).toEqual([10, 0, 0]);
    expect(track).toMatchObject({ keepAlives: 2, retransmissions: 0, retransmittedBytes: 0 });
  });

  test("takes the number of a FIN into account", () => {
    const { track } = taken(start, [[0, 10]]);
    track.finish(start + 11);
    track.finish(start + 11);
    expect(track.segment(start + 12, 0)).toBe(0);
    expect(track).toMatchObject({ isFinished: true, gaps: 0, keepAlives: 0 });
  });
});

describe("a direction", () => {
  test("whose start was missed begins where it is first seen", () => {
    const track = new SequenceTrack();
    expect(track.segment(5_000, 10)).toBe(10);
    expect(track.segment(4_000, 10)).toBe(0);
    expect(track).toMatchObject({ gaps: 0, retransmissions: 1 });
  });

  test("that jumps further than any window starts anew, its holes lost", () => {
    const { track, fresh } = taken(0, [
      [0, 10],
      [20, 10],
      [2 ** 31, 10],
      [2 ** 31 + 10, 5],
    ]);
    expect(fresh).toEqual([10, 10, 10, 5]);
    expect(track).toMatchObject({ jumps: 1, gaps: 1, gapBytes: 10 });
  });

  test("with more holes than are remembered gives the oldest up", () => {
    const holes = Array.from({ length: 40 }, (_, i) => [10 + 20 * i, 10] as const);
    const { track } = taken(0, holes);
    expect(track).toMatchObject({ gaps: 40, gapBytes: 400 });
    expect(track.segment(1, 10)).toBe(0);
    expect(track.segment(1 + 20 * 39, 10)).toBe(10);
    expect(track).toMatchObject({ gaps: 39, gapBytes: 390 });
  });

  test("agrees with one that marks every byte, whatever comes in whatever order", () => {
    const pieces = fc.array(fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 60 })), {
      maxLength: 16,
    });
    fc.assert(
      fc.property(pieces, fc.constantFrom(0, NEAR_WRAP, 0x7fff_ff80), (segments, start) => {
        const seen = new Set<number>();
        let end = 0;
        let expected = 0;
        let probes = 0;
        const track = new SequenceTrack();
        track.synchronise(start);
        for (const [from, length] of segments) {
          const isProbe = length === 1 && from === end - 1;
          const before = seen.size;
          for (let i = from; i < from + length; i++) seen.add(i);
          if (isProbe) probes++;
          else expected += length - (seen.size - before);
          end = Math.max(end, from + length);
          const fresh = track.segment(start + 1 + from, length);
          // A probe of a byte that was never seen cannot be told from one that was.
          if (isProbe && seen.size > before) return;
          expect(fresh).toBe(seen.size - before);
        }
        expect(track.gapBytes).toBe(end - seen.size);
        expect(track.retransmittedBytes).toBe(expected);
        expect(track.keepAlives).toBe(probes);
      }),
      { numRuns: 10_000 },
    );
  });
});
