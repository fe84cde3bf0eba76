/** A longer silence ends a burst: ten times what a kernel or a relay takes to hand bytes on. */
export const BURST_GAP_US = 100_000;
/** Bursts that are listed: the largest. */
const LISTED_MAX = 32;
const FIELDS = 4;

/** Segments that followed each other within {@link BURST_GAP_US}. */
export interface Burst {
  /** When its first segment was seen, microseconds since 1970. */
  readonly startUs: number;
  /** When its last one was. */
  readonly endUs: number;
  /** New payload bytes. */
  readonly bytes: number;
  readonly segments: number;
}

/** The bursts of one direction: how many there were, and the largest of them. */
export class Bursts {
  /** Bursts that have ended, single segments too. */
  ended = 0;
  #startUs = 0;
  #endUs = 0;
  #bytes = 0;
  #segments = 0;
  /** Made at the first burst of several segments: most short flows have none. */
  #listed: Float64Array | undefined;
  #listedCount = 0;
  /** Which of them is the smallest, and how small, once the list is full. */
  #least = 0;
  #leastBytes = -1;

  /**
   * Takes segments in a row.
   *
   * @param timesUs holds when each was seen
   * @param bytes holds the new payload of each
   * @param from index of the first in both
   * @param to index behind the last
   */
  add(timesUs: Float64Array, bytes: Uint32Array, from: number, to: number): void {
    // In variables, not in fields: this loop sees every segment there is.
    let startUs = this.#startUs;
    let endUs = this.#endUs;
    let sum = this.#bytes;
    let segments = this.#segments;
    for (let i = from; i < to; i++) {
      const timeUs = timesUs[i] as number;
      if (segments > 0 && timeUs - endUs <= BURST_GAP_US) {
        sum += bytes[i] as number;
        segments++;
      } else {
        if (segments > 0) this.ended++;
        if (segments > 1 && sum > this.#leastBytes) this.#list(startUs, endUs, sum, segments);
        startUs = timeUs;
        sum = bytes[i] as number;
        segments = 1;
      }
      endUs = timeUs;
    }
    this.#startUs = startUs;
    this.#endUs = endUs;
    this.#bytes = sum;
    this.#segments = segments;
  }

  /** Every burst, the one under way too. */
  get count(): number {
    return this.ended + (this.#segments > 0 ? 1 : 0);
  }

  /** The largest bursts of two or more segments, in the order of time. */
  largest(): readonly Burst[] {
    const listed = this.#listed ?? new Float64Array(0);
    const bursts = Array.from({ length: this.#listedCount }, (_, i): Burst => {
      const [startUs = 0, endUs = 0, bytes = 0, segments = 0] = listed.subarray(i * FIELDS);
      return { startUs, endUs, bytes, segments };
    });
    if (this.#segments > 1) {
      bursts.push({
        startUs: this.#startUs,
        endUs: this.#endUs,
        bytes: this.#bytes,
        segments: this.#segments,
      });
    }
    return bursts.sort((a, b) => a.startUs - b.startUs);
  }

  #list(startUs: number, endUs: number, bytes: number, segments: number): void {
    this.#listed ??= new Float64Array(LISTED_MAX * FIELDS);
    const listed = this.#listed;
    const place = (this.#listedCount < LISTED_MAX ? this.#listedCount++ : this.#least) * FIELDS;
    listed[place] = startUs;
    listed[place + 1] = endUs;
    listed[place + 2] = bytes;
    listed[place + 3] = segments;
    if (this.#listedCount < LISTED_MAX) return;
    let least = 0;
    let leastBytes = listed[2] as number;
    for (let i = 1; i < LISTED_MAX; i++) {
      const other = listed[i * FIELDS + 2] as number;
      if (other < leastBytes) {
        least = i;
        leastBytes = other;
      }
    }
    this.#least = least;
    this.#leastBytes = leastBytes;
  }
}
