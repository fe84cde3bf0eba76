import { type SegmentConsumer, TcpFlow } from "./flow.ts";
import { FlowTable, NO_SLOT } from "./flow-table.ts";

/**
 * Flows that are followed at once. One that carries payload both ways takes up to 30 kB with all
 * its figures: this many stay below 130 MB.
 */
export const FLOWS_MAX = 4_096;

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;

/**
 * Rebuilds TCP flows out of packets: who began them, what bytes are new, where one connection ends
 * and another takes its ports. Of flows beyond {@link FLOWS_MAX} the busiest are followed.
 */
export class FlowTracker {
  /** Flows that were let go to make room. */
  evicted = 0;
  readonly #table: FlowTable;
  readonly #consumer: SegmentConsumer;
  readonly #flows: TcpFlow[] = [];
  #begun = 0;

  /**
   * @param consumer what flows carry goes there
   * @param flowsMax how many are followed at once
   */
  constructor(consumer: SegmentConsumer, flowsMax: number = FLOWS_MAX) {
    this.#consumer = consumer;
    this.#table = new FlowTable(flowsMax, (slot) => this.#evict(slot));
  }

  /** Flows that began, those let go included. */
  get begun(): number {
    return this.#begun;
  }

  /** The flows that are followed, ended ones too, in the order in which they began. */
  flows(): readonly TcpFlow[] {
    return [...this.#flows].sort((a, b) => a.id - b.id);
  }

  /** Where the key of an IPv6 packet goes before {@link FlowTracker.segment6}. */
  get key6(): Int32Array {
    return this.#table.sought;
  }

  /**
   * Takes a TCP packet over IPv4.
   *
   * @param low address of the lower end
   * @param high address of the higher end
   * @param ports port of the lower end in the upper half, of the higher in the lower half
   * @param isFromLow whether the lower end sent it
   * @param sequence its sequence number
   * @param flags its flags
   * @param length its payload's bytes
   * @param timeUs when it was seen
   * @param wireBytes the whole packet
   */
  segment4(
    low: number,
    high: number,
    ports: number,
    isFromLow: boolean,
    sequence: number,
    flags: number,
    length: number,
    timeUs: number,
    wireBytes: number,
  ): void {
    const slot = this.#table.find4(low, high, ports);
    let flow = slot === NO_SLOT ? undefined : this.#flows[slot];
    if (flow === undefined || ((flags & SYN) !== 0 && isAnother(flow, isFromLow, sequence))) {
      this.#table.seek4(low, high, ports);
      flow = this.#begin(slot, isFromLow, flags, timeUs);
    }
    if (flow === undefined) this.#consumer.onUnfollowed(length, wireBytes);
    else this.#segment(flow, isFromLow, sequence, flags, length, timeUs, wireBytes);
  }

  /**
   * Takes a TCP packet over IPv6, whose key stands in {@link FlowTracker.key6}.
   *
   * @param isFromLow as in {@link FlowTracker.segment4}, and so all others
   */
  segment6(
    isFromLow: boolean,
    sequence: number,
    flags: number,
    length: number,
    timeUs: number,
    wireBytes: number,
  ): void {
    const slot = this.#table.find6();
    let flow = slot === NO_SLOT ? undefined : this.#flows[slot];
    if (flow === undefined || ((flags & SYN) !== 0 && isAnother(flow, isFromLow, sequence))) {
      flow = this.#begin(slot, isFromLow, flags, timeUs);
    }
    if (flow === undefined) this.#consumer.onUnfollowed(length, wireBytes);
    else this.#segment(flow, isFromLow, sequence, flags, length, timeUs, wireBytes);
  }

  /** @param earlier slot of a flow between the same ports; it gives way when there is no room */
  #begin(earlier: number, isFromLow: boolean, flags: number, timeUs: number): TcpFlow | undefined {
    const table = this.#table;
    let slot = table.insert();
    if (slot === NO_SLOT) {
      if (earlier === NO_SLOT) return undefined;
      this.#evict(earlier);
      slot = earlier;
    }
    // Only the answer to a SYN is known to come from the other end.
    const isAnswer = (flags & SYN) !== 0 && (flags & 0x10) !== 0;
    const place = { id: this.#begun++, slot, keys: table.keys };
    const flow = new TcpFlow(place, timeUs, isFromLow !== isAnswer, (flags & SYN) !== 0);
    this.#flows[slot] = flow;
    this.#consumer.onFlow(flow);
    return flow;
  }

  #evict(slot: number): void {
    const flow = this.#flows[slot];
    if (flow === undefined) return;
    this.evicted++;
    this.#consumer.onEvict(flow);
  }

  #segment(
    flow: TcpFlow,
    isFromLow: boolean,
    sequence: number,
    flags: number,
    length: number,
    timeUs: number,
    wireBytes: number,
  ): void {
    const direction = isFromLow === flow.isLowFirst ? 0 : 1;
    const track = direction === 0 ? flow.forward : flow.backward;
    if (timeUs > flow.endedUs) flow.endedUs = timeUs;
    if (direction === 0) {
      flow.forwardPackets++;
      flow.forwardWireBytes += wireBytes;
    } else {
      flow.backwardPackets++;
      flow.backwardWireBytes += wireBytes;
    }
    let newBytes = 0;
    if ((flags & (SYN | FIN | RST)) === 0) newBytes = track.segment(sequence, length);
    else if ((flags & RST) !== 0) flow.isReset = true;
    else {
      const first = (flags & SYN) !== 0 ? sequence + 1 : sequence;
      if ((flags & SYN) !== 0 && !track.isStarted) track.synchronise(sequence);
      // A FIN that comes again, alone, would look like a probe.
      if (!track.isFinished || length > 0) newBytes = track.segment(first, length);
      if ((flags & FIN) !== 0) track.finish(first + length);
    }
    this.#consumer.onSegment(flow, direction, timeUs, newBytes, wireBytes);
  }
}

/** Whether a SYN begins another connection between the same ports, or is one seen before. */
function isAnother(flow: TcpFlow, isFromLow: boolean, sequence: number): boolean {
  const track = isFromLow === flow.isLowFirst ? flow.forward : flow.backward;
  return track.isStarted && !(track.hasInitial && track.initial === (sequence | 0));
}
