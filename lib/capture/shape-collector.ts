import type { SegmentConsumer, TcpFlow } from "./flow.ts";
import type { Direction } from "./flow-ends.ts";
import { type FlowShape, type OtherFlows, TrafficShape, WAITING_MAX } from "./shape.ts";
import { BinBudget } from "./shape-rate.ts";
import { SeriesPool } from "./shape-series.ts";

/** Directions for which there is room at first. */
const SIDES_START = 64;

/**
 * Measures the shape of every flow that is followed, and the sums of those let go. A side is one
 * direction of a flow: twice its slot, and one more for the direction back.
 */
export class ShapeCollector implements SegmentConsumer {
  readonly #memory = { bins: new BinBudget(), series: new SeriesPool() };
  readonly #flows: TcpFlow[] = [];
  readonly #shapes: (TrafficShape | undefined)[] = [];
  #waiting = new Uint8Array(SIDES_START);
  /** Pairs of time and new payload: both in one line of the processor's cache. */
  #segments = new Float64Array(2 * SIDES_START * WAITING_MAX);
  /** The same for one side, apart. */
  readonly #timesUs = new Float64Array(WAITING_MAX);
  readonly #bytes = new Uint32Array(WAITING_MAX);
  #evictedFlows = 0;
  #otherPackets = 0;
  #otherPayloadBytes = 0;
  #otherWireBytes = 0;

  onFlow(flow: TcpFlow): void {
    this.#flows[flow.slot] = flow;
    if (2 * flow.slot >= this.#waiting.length) this.#makeRoom();
  }

  onSegment(flow: TcpFlow, direction: Direction, timeUs: number, newBytes: number): void {
    if (newBytes === 0) return;
    const side = 2 * flow.slot + direction;
    const waiting = this.#waiting[side] as number;
    const at = 2 * (side * WAITING_MAX + waiting);
    this.#segments[at] = timeUs;
    this.#segments[at + 1] = newBytes;
    this.#waiting[side] = waiting + 1;
    if (waiting + 1 === WAITING_MAX) this.#settle(side);
  }

  onEvict(flow: TcpFlow): void {
    this.#evictedFlows++;
    this.#otherPackets += flow.forwardPackets + flow.backwardPackets;
    this.#otherWireBytes += flow.forwardWireBytes + flow.backwardWireBytes;
    for (const side of [2 * flow.slot, 2 * flow.slot + 1]) {
      const shape = this.#settle(side);
      this.#otherPayloadBytes += shape?.bytes ?? 0;
      shape?.release();
      this.#shapes[side] = undefined;
    }
  }

  onUnfollowed(payloadBytes: number, wireBytes: number): void {
    this.#otherPackets++;
    this.#otherPayloadBytes += payloadBytes;
    this.#otherWireBytes += wireBytes;
  }

  /** The flows that are followed, ended ones too, in the order in which they began. */
  flows(): readonly FlowShape[] {
    return this.#flows
      .map(
        (flow): FlowShape => ({
          flow,
          directions: [this.#settle(2 * flow.slot), this.#settle(2 * flow.slot + 1)],
        }),
      )
      .sort((a, b) => a.flow.id - b.flow.id);
  }

  /** The flows for which there was no room. */
  get other(): OtherFlows {
    return {
      evictedFlows: this.#evictedFlows,
      packets: this.#otherPackets,
      payloadBytes: this.#otherPayloadBytes,
      wireBytes: this.#otherWireBytes,
    };
  }

  /** Measures what waits. @returns the side's shape, undefined while it has carried nothing */
  #settle(side: number): TrafficShape | undefined {
    const waiting = this.#waiting[side] as number;
    let shape = this.#shapes[side];
    if (waiting === 0) return shape;
    if (shape === undefined) {
      shape = new TrafficShape(this.#memory);
      this.#shapes[side] = shape;
    }
    const from = 2 * side * WAITING_MAX;
    for (let i = 0; i < waiting; i++) {
      this.#timesUs[i] = this.#segments[from + 2 * i] as number;
      this.#bytes[i] = this.#segments[from + 2 * i + 1] as number;
    }
    shape.add(this.#timesUs, this.#bytes, 0, waiting);
    this.#waiting[side] = 0;
    return shape;
  }

  #makeRoom(): void {
    const sides = this.#waiting.length * 2;
    const waiting = new Uint8Array(sides);
    const segments = new Float64Array(2 * sides * WAITING_MAX);
    waiting.set(this.#waiting);
    segments.set(this.#segments);
    this.#waiting = waiting;
    this.#segments = segments;
  }
}
