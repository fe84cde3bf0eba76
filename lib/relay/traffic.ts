import { type Zone, zones } from "../address/zone.ts";

/** Bytes and messages or frames that crossed a link, for status. */
export interface LinkTraffic {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly framesOut: number;
}

/** Bytes that crossed all links of a zone so far, those that are gone among them. */
export interface ZoneTraffic {
  bytesIn: number;
  bytesOut: number;
}

/** Counts what crosses one link, for it and for its zone. */
export class LinkMeter implements LinkTraffic {
  bytesIn = 0;
  bytesOut = 0;
  framesOut = 0;
  readonly #zone: ZoneTraffic;

  /** @param zone the sum of the link's zone */
  constructor(zone: ZoneTraffic) {
    this.#zone = zone;
  }

  /** Something was read. @param bytes how many */
  read(bytes: number): void {
    this.bytesIn += bytes;
    this.#zone.bytesIn += bytes;
  }

  /** A message or a frame was written. @param bytes how many */
  wrote(bytes: number): void {
    this.bytesOut += bytes;
    this.framesOut++;
    this.#zone.bytesOut += bytes;
  }
}

/** What crossed the links of every zone since the node started. */
export class TrafficSums {
  readonly #zones = new Map<Zone, ZoneTraffic>(
    zones.map((zone) => [zone, { bytesIn: 0, bytesOut: 0 }]),
  );

  /**
   * One zone's sum, which goes on.
   *
   * @param zone which
   */
  of(zone: Zone): ZoneTraffic {
    const sum = this.#zones.get(zone);
    if (sum === undefined) throw new RangeError(`There is no zone ${zone}.`);
    return sum;
  }
}
