import { firstAbove } from "./detect-auc.ts";
import { isReal, type LabelledFrames } from "./labels.ts";
import { type Summary, sorted, summarize } from "./statistics-summary.ts";

/** What hiding costs. */
export interface HidingCosts {
  /** Bytes of all frames after the handshake. */
  readonly bytes: number;
  /** Bytes of frames that hide others. */
  readonly noiseBytes: number;
  /** Bytes that would have gone without noise, and without padding where that is known. */
  readonly usefulBytes: number;
  /** What is sent beyond that, as a share of it; undefined where nothing useful went. */
  readonly overheadPercent: number | undefined;
  /** Bytes a second, over the time from the first frame to the last; 0 for fewer than two. */
  readonly bytesASecond: number;
  /** How long payload waited for its tick, in milliseconds; undefined where it is not known. */
  readonly latencyMs: Summary | undefined;
}

/** What is known of the payload beyond its frames. */
export interface PayloadFacts {
  /** Bytes of payload as they would have gone without padding; its frames' bytes without it. */
  readonly usefulBytes?: number;
  /** When payload was handed over and when it left, in the same order and clock. */
  readonly waits?: {
    readonly fromMs: ArrayLike<number>;
    readonly toMs: ArrayLike<number>;
  };
}

/** A transaction that takes longer than that was not sent, or another one's frame was found. */
const WAIT_MS_MAX = 3_600_000;

/**
 * How long payload waited: from each moment at which it was handed over to the next frame with
 * payload on any link.
 *
 * @param fromMs when it was handed over, rising
 * @param framesMs when frames with payload left, in any order
 * @returns for {@link hidingCosts}; moments after which no such frame came in an hour are left out
 */
export function payloadWaits(
  fromMs: Float64Array,
  framesMs: Float64Array,
): NonNullable<PayloadFacts["waits"]> {
  const rising = sorted(framesMs);
  const pairs = Array.from(fromMs, (ms) => [ms, rising[firstAbove(rising, ms, false)]] as const);
  const found = pairs.filter(([ms, frame]) => frame !== undefined && frame - ms <= WAIT_MS_MAX);
  return {
    fromMs: found.map(([ms]) => ms),
    toMs: found.map(([ms, frame]) => frame ?? ms),
  };
}

/**
 * What noise and padding cost on a link, in bytes and in time.
 *
 * @param frames what one side sent
 * @param facts what is known of its payload
 */
export function hidingCosts(frames: LabelledFrames, facts: PayloadFacts = {}): HidingCosts {
  let bytes = 0;
  let noiseBytes = 0;
  let realBytes = 0;
  let firstMs: number | undefined;
  let lastMs = 0;
  frames.kinds.forEach((kind, i) => {
    if (kind === "handshake") return;
    const length = frames.bytes[i] as number;
    bytes += length;
    if (kind === "noise") noiseBytes += length;
    if (isReal(kind)) realBytes += length;
    lastMs = frames.timesMs[i] as number;
    firstMs ??= lastMs;
  });
  const usefulBytes = facts.usefulBytes ?? realBytes;
  const seconds = (lastMs - (firstMs ?? lastMs)) / 1_000;
  const { waits } = facts;
  return {
    bytes,
    noiseBytes,
    usefulBytes,
    overheadPercent: usefulBytes > 0 ? (100 * (bytes - usefulBytes)) / usefulBytes : undefined,
    bytesASecond: seconds > 0 ? bytes / seconds : 0,
    latencyMs:
      waits === undefined
        ? undefined
        : summarize(Float64Array.from(waits.toMs, (toMs, i) => toMs - (waits.fromMs[i] as number))),
  };
}
