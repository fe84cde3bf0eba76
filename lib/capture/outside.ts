import { type FlowEnd, flowEnd, KEY_WORDS } from "./flow-ends.ts";
import { FlowTable, NO_SLOT } from "./flow-table.ts";

/** Pairs of ends that are told apart; the packets of all others are counted together. */
const PAIRS_MAX = 1_024;

/** Traffic between two ends that is no TCP flow: evidence of what else a machine says. */
export interface OutsidePair {
  /** The IP protocol's number: 17 UDP, 1 ICMP, 58 ICMPv6. */
  readonly protocol: number;
  /** The end with the lower address; its port is 0 but with UDP. */
  readonly low: FlowEnd;
  readonly high: FlowEnd;
  /** Packets from the lower end and from the higher one. */
  readonly packets: readonly [number, number];
  /** Their bytes on the wire. */
  readonly wireBytes: readonly [number, number];
  /** When the first and the last was seen, microseconds since 1970. */
  readonly firstUs: number;
  readonly lastUs: number;
}

/** Counts packets by pairs of ends, without keeping any of their contents. */
export class OutsidePairs {
  /** Packets of pairs for which there was no room. */
  unlistedPackets = 0;
  readonly #protocol: number | undefined;
  readonly #figures = new Float64Array(PAIRS_MAX * 6);
  readonly #table = new FlowTable(PAIRS_MAX, (slot) => {
    const figures = this.#figures.subarray(slot * 6, slot * 6 + 6);
    this.unlistedPackets += (figures[0] as number) + (figures[1] as number);
    figures.fill(0);
  });

  /** @param protocol of all packets; undefined when the ports of the key say it */
  constructor(protocol: number | undefined) {
    this.#protocol = protocol;
  }

  /** Where the key goes before {@link OutsidePairs.count}. */
  get key(): Int32Array {
    return this.#table.sought;
  }

  /**
   * Counts a packet whose key stands in {@link OutsidePairs.key}.
   *
   * @param isFromLow whether the lower end sent it
   * @param timeUs when it was seen
   * @param wireBytes the whole packet
   */
  count(isFromLow: boolean, timeUs: number, wireBytes: number): void {
    let slot = this.#table.find6();
    if (slot === NO_SLOT) {
      slot = this.#table.insert();
      if (slot === NO_SLOT) {
        this.unlistedPackets++;
        return;
      }
      this.#figures[slot * 6 + 4] = timeUs;
    }
    const figures = this.#figures;
    const at = slot * 6;
    const side = isFromLow ? at : at + 1;
    (figures[side] as number)++;
    (figures[side + 2] as number) += wireBytes;
    figures[at + 5] = timeUs;
  }

  /** The pairs that were seen, the busiest first. */
  list(): readonly OutsidePair[] {
    const pairs = Array.from({ length: this.#table.used }, (_, slot) => this.#pair(slot));
    return pairs.sort((a, b) => b.packets[0] + b.packets[1] - a.packets[0] - a.packets[1]);
  }

  #pair(slot: number): OutsidePair {
    const { keys } = this.#table;
    const at = slot * KEY_WORDS;
    const [a = 0, b = 0, c = 0, d = 0, firstUs = 0, lastUs = 0] = this.#figures.subarray(
      slot * 6,
      slot * 6 + 6,
    );
    const low = flowEnd(keys, at, false);
    const high = flowEnd(keys, at, true);
    return {
      protocol: this.#protocol ?? high.port,
      low: this.#protocol === undefined ? { ...low, port: 0 } : low,
      high: this.#protocol === undefined ? { ...high, port: 0 } : high,
      packets: [a, b],
      wireBytes: [c, d],
      firstUs,
      lastUs,
    };
  }
}
