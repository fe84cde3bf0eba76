import { type Direction, type FlowEnd, flowEnd, KEY_WORDS } from "./flow-ends.ts";
import { SequenceTrack } from "./flow-sequence.ts";

/** How a flow ended, as far as was seen. */
export type FlowState = "open" | "half-closed" | "closed" | "reset";

/** One TCP connection as it was seen passing; made once, changed in place by its packets. */
export class TcpFlow {
  /** Counts flows from 0 in the order in which they began; never used twice. */
  readonly id: number;
  /** Its place in the table; given to another flow once this one has been evicted. */
  readonly slot: number;
  /** What was seen of the bytes from the end that began it, and of those back. */
  readonly forward = new SequenceTrack();
  readonly backward = new SequenceTrack();
  /** When its first packet was seen, microseconds since 1970. */
  readonly beganUs: number;
  /** Whether its start was seen; else the end that spoke first counts as the one that began it. */
  readonly isStartSeen: boolean;
  /** When its last packet was seen. */
  endedUs: number;
  /** Whether a RST was seen. */
  isReset = false;
  /** Packets from the end that began it, and back; those without payload too. */
  forwardPackets = 0;
  backwardPackets = 0;
  /** Their bytes on the wire, all headers included. */
  forwardWireBytes = 0;
  backwardWireBytes = 0;
  /** Whether the lower end of the key is the one that began it. */
  readonly isLowFirst: boolean;
  readonly #key: Int32Array;

  /**
   * @param place its number and slot, and its table's keys
   * @param beganUs when its first packet was seen
   * @param isLowFirst whether the lower end of the key began it
   * @param isStartSeen whether its first packet had a SYN
   */
  constructor(
    place: { readonly id: number; readonly slot: number; readonly keys: Int32Array },
    beganUs: number,
    isLowFirst: boolean,
    isStartSeen: boolean,
  ) {
    this.id = place.id;
    this.slot = place.slot;
    this.#key = place.keys.slice(place.slot * KEY_WORDS, (place.slot + 1) * KEY_WORDS);
    this.beganUs = beganUs;
    this.endedUs = beganUs;
    this.isLowFirst = isLowFirst;
    this.isStartSeen = isStartSeen;
  }

  /** The end that began it: where direction 0 comes from. */
  get initiator(): FlowEnd {
    return flowEnd(this.#key, 0, !this.isLowFirst);
  }

  /** The other end. */
  get responder(): FlowEnd {
    return flowEnd(this.#key, 0, this.isLowFirst);
  }

  /** Both tracks, by direction. */
  get tracks(): readonly [SequenceTrack, SequenceTrack] {
    return [this.forward, this.backward];
  }

  /** Whether it was seen to end, and how. */
  get state(): FlowState {
    if (this.isReset) return "reset";
    const finished = this.tracks.filter((track) => track.isFinished).length;
    if (finished === 2) return "closed";
    return finished === 1 ? "half-closed" : "open";
  }
}

/** Takes what flows carry, segment by segment, as a capture is read. */
export interface SegmentConsumer {
  /**
   * A flow began.
   *
   * @param flow it is the same object in all calls
   */
  onFlow(flow: TcpFlow): void;
  /**
   * A TCP packet was seen.
   *
   * @param flow which it belongs to
   * @param direction 0 from the end that began the flow, 1 towards it
   * @param timeUs when, microseconds since 1970
   * @param newBytes payload that was not seen before; often 0
   * @param wireBytes the whole packet, headers included
   */
  onSegment(
    flow: TcpFlow,
    direction: Direction,
    timeUs: number,
    newBytes: number,
    wireBytes: number,
  ): void;
  /**
   * A flow made room for another: no more is heard of it.
   *
   * @param flow whose slot is free now
   */
  onEvict(flow: TcpFlow): void;
  /**
   * A packet was seen of a flow for which there is no room.
   *
   * @param payloadBytes its payload, seen before or not
   * @param wireBytes the whole packet
   */
  onUnfollowed(payloadBytes: number, wireBytes: number): void;
}
