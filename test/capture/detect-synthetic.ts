import type { FrameKind, LabelledFrames } from "../../lib/capture/labels.ts";
import { unit } from "../../lib/runtime/distribution.ts";
import type { RandomSource } from "../../lib/runtime/random.ts";

/** What is wrong with a link; nothing where all is left out. */
export interface LinkFaults {
  /** Interval between ticks in ms; uniform from 10 s to 15 s without it. */
  readonly constantMs?: number;
  /** Deviation of the interval itself, in ms. */
  readonly spreadMs?: number;
  /** Deviation of what the sender adds to a tick, in ms. */
  readonly jitterMs?: number;
  /** As `jitterMs`, in stretches with payload. */
  readonly payloadJitterMs?: number;
  /** Payload comes in stretches of so many frames; anywhere without it. */
  readonly stretch?: number;
  readonly payloadLateMs?: number;
  readonly payloadExtraBytes?: number;
  /** Share of payload frames that an extra packet of 100 bytes follows. */
  readonly burstShare?: number;
  /** A timed sync outside the frames that often. */
  readonly syncEveryMs?: number;
  readonly payloadShare?: number;
  /** Whether the observer knows when each frame was due. */
  readonly knowsTicks?: boolean;
}

/** A standard normal draw (Box and Muller). */
export function gaussian(random: RandomSource): number {
  return Math.sqrt(-2 * Math.log(1 - unit(random))) * Math.cos(2 * Math.PI * unit(random));
}

/** A link of so many frames at ticks, with faults. */
export function syntheticLink(
  random: RandomSource,
  count: number,
  faults: LinkFaults = {},
): LabelledFrames {
  const frames: { timeMs: number; tickMs: number; bytes: number; kind: FrameKind }[] = [];
  let tickMs = 0;
  let syncMs = (faults.syncEveryMs ?? Number.POSITIVE_INFINITY) * unit(random);
  for (let i = 0; i < count; i++) {
    tickMs += faults.constantMs ?? 10_000 + 5_000 * unit(random);
    tickMs += (faults.spreadMs ?? 0) * gaussian(random);
    const isBusy = faults.stretch === undefined || Math.floor(i / faults.stretch) % 2 === 1;
    const isPayload = isBusy && unit(random) < (faults.payloadShare ?? 0.2);
    const isShaken = faults.stretch === undefined ? isPayload : isBusy;
    const jitterMs = (isShaken ? faults.payloadJitterMs : undefined) ?? faults.jitterMs ?? 0.2;
    const late = isPayload ? (faults.payloadLateMs ?? 0) : 0;
    const extra = isPayload ? (faults.payloadExtraBytes ?? 0) : 0;
    const timeMs = tickMs + jitterMs * gaussian(random) + late;
    for (; syncMs < timeMs; syncMs += (faults.syncEveryMs ?? 0) + 1_000 * unit(random)) {
      frames.push({ timeMs: syncMs, tickMs: syncMs, bytes: 205, kind: "timed-sync" });
    }
    const kind = isPayload ? "payload" : "noise";
    frames.push({ timeMs, tickMs, bytes: 3_072 + extra, kind });
    if (isPayload && unit(random) < (faults.burstShare ?? 0)) {
      const burstMs = timeMs + 50 * unit(random);
      frames.push({ timeMs: burstMs, tickMs: burstMs, bytes: 100, kind: "other" });
    }
  }
  frames.sort((a, b) => a.timeMs - b.timeMs);
  return {
    timesMs: Float64Array.from(frames, (one) => one.timeMs),
    bytes: Uint32Array.from(frames, (one) => one.bytes),
    kinds: frames.map((one) => one.kind),
    ...(faults.knowsTicks === true
      ? { ticksMs: Float64Array.from(frames, (one) => one.tickMs) }
      : {}),
  };
}
