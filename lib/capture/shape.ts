import type { TcpFlow } from "./flow.ts";
import type { Direction } from "./flow-ends.ts";
import { Bursts } from "./shape-bursts.ts";
import { Distribution, INTERVAL_RESOLUTION, SIZE_RESOLUTION } from "./shape-distribution.ts";
import { type BinBudget, Rate } from "./shape-rate.ts";
import type { FlowSeries, SeriesBuilder, SeriesPool } from "./shape-series.ts";

/**
 * Segments of one direction that wait to be measured together. Packets of many flows come mixed:
 * one at a time, each would fetch its flow's figures from memory, which takes longer than to
 * measure it.
 */
export const WAITING_MAX = 64;

/** Where values stand before they are counted. */
const gapsUs = new Float64Array(WAITING_MAX);
const lengths = new Float64Array(WAITING_MAX);

/**
 * The shape of one direction of a flow: what an observer sees of it who cannot read it. Segments
 * are packets that brought payload not seen before. Its memory is bounded.
 */
export class TrafficShape {
  /** New payload bytes. */
  bytes = 0;
  /** When the first and the last segment was seen, microseconds since 1970. */
  firstUs = 0;
  lastUs = 0;
  /** New payload bytes of segments. */
  readonly sizes = new Distribution(SIZE_RESOLUTION);
  /** Microseconds from a segment to the next. */
  readonly intervals = new Distribution(INTERVAL_RESOLUTION);
  /** New payload bytes by time. */
  readonly rate: Rate;
  readonly bursts = new Bursts();
  readonly #series: SeriesBuilder;

  /**
   * @param memory what all shapes of a capture share
   */
  constructor(memory: { readonly bins: BinBudget; readonly series: SeriesPool }) {
    this.rate = new Rate(memory.bins);
    this.#series = memory.series.series();
  }

  /** How many segments. */
  get segments(): number {
    return this.sizes.count;
  }

  /** Every segment by itself; undefined for a direction with too many to keep them. */
  get series(): FlowSeries | undefined {
    return this.#series.build();
  }

  /**
   * Takes segments in a row.
   *
   * @param timesUs holds when each was seen; a time before the last counts as an interval of 0
   * @param bytes holds the new payload of each, 1 or more
   * @param from index of the first in both
   * @param to index behind the last, at most {@link WAITING_MAX} later
   */
  add(timesUs: Float64Array, bytes: Uint32Array, from: number, to: number): void {
    if (this.sizes.count === 0) this.firstUs = timesUs[from] as number;
    let lastUs = this.sizes.count === 0 ? this.firstUs : this.lastUs;
    let newBytes = 0;
    for (let i = from; i < to; i++) {
      const timeUs = timesUs[i] as number;
      gapsUs[i - from] = timeUs > lastUs ? timeUs - lastUs : 0;
      lastUs = timeUs;
      const length = bytes[i] as number;
      lengths[i - from] = length;
      newBytes += length;
    }
    this.lastUs = lastUs;
    this.bytes += newBytes;
    // The first segment of all has no interval before it.
    this.intervals.add(gapsUs, this.sizes.count === 0 ? 1 : 0, to - from);
    this.sizes.add(lengths, 0, to - from);
    this.rate.add(timesUs, bytes, from, to);
    this.bursts.add(timesUs, bytes, from, to);
    this.#series.add(timesUs, bytes, from, to);
  }

  /** Gives back what is shared; the shape is of no use after it. */
  release(): void {
    this.rate.release();
    this.#series.drop();
  }
}

/** A flow and the shapes of what it carried. */
export interface FlowShape {
  readonly flow: TcpFlow;
  /** Undefined for a direction that carried no payload. */
  readonly directions: readonly [TrafficShape | undefined, TrafficShape | undefined];
}

/** What is known of flows for which there was no room, all together. */
export interface OtherFlows {
  /** Flows that were followed for a while and made room. */
  readonly evictedFlows: number;
  /** Packets of flows that were not followed, or not to their end. */
  readonly packets: number;
  /** Their payload; while a flow is not followed, what comes again counts again. */
  readonly payloadBytes: number;
  readonly wireBytes: number;
}

/** Which direction of a {@link FlowShape} is which. */
export const DIRECTION = { forward: 0, backward: 1 } as const satisfies Record<string, Direction>;
