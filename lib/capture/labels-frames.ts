import type { SeenTraffic } from "./labels.ts";

/** Segments this near to each other were written in one go. */
const TOGETHER_MS = 20;
/** The rest of a frame may wait for an acknowledgement (Nagle 1984); no round trip takes longer. */
const REST_MS_MAX = 1_000;

/** Frames as they can be told from segments. */
export interface RebuiltFrames {
  /** When the first byte of each was seen. */
  readonly timesMs: Float64Array;
  readonly bytes: Uint32Array;
}

/**
 * Rebuilds frames from the segments that they came in: TCP splits a frame where packets are smaller,
 * and joins frames that leave at once. A split frame would be several, of which a label marks only
 * one: then size alone would tell payload from noise where it does not.
 *
 * @param segments new payload by time, in one direction of a flow
 * @param frameBytes a frame's size where it is declared; without it, what came together is one frame
 */
export function framesOfSegments(
  segments: SeenTraffic,
  frameBytes: number | undefined,
): RebuiltFrames {
  const timesMs: number[] = [];
  const bytes: number[] = [];
  let rest: Rest | undefined;
  const settle = (): void => {
    if (rest === undefined) return;
    // What came with a frame and is none makes that frame longer, as an observer sees it.
    if (rest.isBehindFrame) (bytes[bytes.length - 1] as number) += rest.bytes;
    else {
      timesMs.push(rest.timeMs);
      bytes.push(rest.bytes);
    }
    rest = undefined;
  };
  for (const group of groupsOf(segments)) {
    const isWhole =
      rest !== undefined &&
      frameBytes !== undefined &&
      group.firstMs - rest.lastMs <= REST_MS_MAX &&
      (rest.bytes + sumOf(segments, group.from, group.to)) % frameBytes === 0;
    if (!isWhole) settle();
    let have = rest?.bytes ?? 0;
    let startMs = rest?.timeMs ?? group.firstMs;
    let isBehindFrame = false;
    for (let i = group.from; i < group.to; i++) {
      const timeMs = segments.timesMs[i] as number;
      if (have === 0) startMs = timeMs;
      have += segments.bytes[i] as number;
      for (; frameBytes !== undefined && have >= frameBytes; have -= frameBytes) {
        timesMs.push(startMs);
        bytes.push(frameBytes);
        startMs = timeMs;
        isBehindFrame = true;
      }
    }
    rest =
      have > 0 ? { timeMs: startMs, lastMs: group.lastMs, bytes: have, isBehindFrame } : undefined;
  }
  settle();
  return { timesMs: Float64Array.from(timesMs), bytes: Uint32Array.from(bytes) };
}

/** Bytes that are no whole frame yet. */
interface Rest {
  readonly timeMs: number;
  readonly lastMs: number;
  readonly bytes: number;
  /** Whether a whole frame came with them. */
  readonly isBehindFrame: boolean;
}

interface Group {
  readonly from: number;
  readonly to: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

function* groupsOf({ timesMs }: SeenTraffic): Generator<Group> {
  let from = 0;
  for (let i = 1; i <= timesMs.length; i++) {
    const lastMs = timesMs[i - 1] as number;
    if (i < timesMs.length && (timesMs[i] as number) - lastMs <= TOGETHER_MS) continue;
    yield { from, to: i, firstMs: timesMs[from] as number, lastMs };
    from = i;
  }
}

function sumOf({ bytes }: SeenTraffic, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += bytes[i] as number;
  return sum;
}
