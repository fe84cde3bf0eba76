import type { LinkId } from "./event.ts";

/**
 * What all guests of a zone together may make us hold of messages that have not ended: eight of the
 * longest, or a transaction of twenty frames of each of 256 guests.
 */
export const UNFINISHED_BYTES_MAX = 16_777_216;
/** What those among them may that have not shaken hands: a page each of two thousand. */
export const STRANGERS_UNFINISHED_BYTES_MAX = 8_388_608;

interface Holding {
  bytes: number;
  isStranger: boolean;
}

/**
 * How much of unfinished messages is held for the guests of one zone. Where it is too much, whoever
 * holds most has to go: to make an honest guest that one, all others must hold as much, which is
 * little each.
 */
export class UnfinishedBytes {
  readonly #bytesMax: number;
  readonly #strangersMax: number;
  readonly #holdings = new Map<LinkId, Holding>();
  #bytes = 0;
  #strangersBytes = 0;

  /**
   * @param bytesMax of all guests
   * @param strangersMax of those that have not shaken hands
   */
  constructor(bytesMax = UNFINISHED_BYTES_MAX, strangersMax = STRANGERS_UNFINISHED_BYTES_MAX) {
    this.#bytesMax = bytesMax;
    this.#strangersMax = strangersMax;
  }

  /** What is held for all of them, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A guest's reader holds so much now.
   *
   * @param link the guest's; one that is not known yet is a stranger
   * @param bytes what it holds
   * @returns the guest that is to be closed, or undefined where there is room
   */
  set(link: LinkId, bytes: number): LinkId | undefined {
    const holding = this.#holdings.get(link) ?? { bytes: 0, isStranger: true };
    const more = bytes - holding.bytes;
    holding.bytes = bytes;
    this.#holdings.set(link, holding);
    this.#bytes += more;
    if (holding.isStranger) this.#strangersBytes += more;
    if (more <= 0) return undefined;
    if (this.#strangersBytes > this.#strangersMax) return this.#largest(true);
    return this.#bytes > this.#bytesMax ? this.#largest(false) : undefined;
  }

  /**
   * A guest shook hands.
   *
   * @param link the guest's
   */
  shakeHands(link: LinkId): void {
    const holding = this.#holdings.get(link);
    if (holding === undefined) this.#holdings.set(link, { bytes: 0, isStranger: false });
    else if (holding.isStranger) {
      holding.isStranger = false;
      this.#strangersBytes -= holding.bytes;
    }
  }

  /**
   * A guest is gone.
   *
   * @param link the guest's
   */
  leave(link: LinkId): void {
    const holding = this.#holdings.get(link);
    if (holding === undefined) return;
    this.#holdings.delete(link);
    this.#bytes -= holding.bytes;
    if (holding.isStranger) this.#strangersBytes -= holding.bytes;
  }

  #largest(ofStrangers: boolean): LinkId | undefined {
    let found: LinkId | undefined;
    let most = 0;
    for (const [link, { bytes, isStranger }] of this.#holdings) {
      if (bytes <= most || (ofStrangers && !isStranger)) continue;
      most = bytes;
      found = link;
    }
    return found;
  }
}
