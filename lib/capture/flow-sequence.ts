/** Holes that are remembered a direction: more at once are no reordering but loss. */
const HOLES_MAX = 16;
/**
 * A jump beyond it is no loss: the largest window that TCP can announce.
 *
 * Source: RFC 7323 section 2.3.
 */
const WINDOW_BYTES_MAX = 2 ** 30;

/**
 * One direction of a TCP connection: which bytes of it were seen before, so that none counts twice.
 * Holds no payload, and the same few bytes however long the connection is.
 *
 * Sequence numbers are 32-bit, kept as signed; differences wrap as TCP's do.
 */
export class SequenceTrack {
  /** Bytes that came again. */
  retransmittedBytes = 0;
  /** Segments that brought nothing but bytes seen before. */
  retransmissions = 0;
  /** Segments that brought both. */
  overlaps = 0;
  /** Segments that filled a hole. */
  reordered = 0;
  /** Probes of an idle connection: an old byte, or none, just before what is awaited. */
  keepAlives = 0;
  /** Jumps that no window allows: another connection, of which the start was missed. */
  jumps = 0;
  /** Whether a FIN was seen. */
  isFinished = false;
  /** Whether any segment was seen; `initial` and `next` mean something then. */
  isStarted = false;
  /** Sequence number of the SYN; of use when `hasInitial`. */
  initial = 0;
  hasInitial = false;
  /** Sequence number behind the last byte seen. */
  next = 0;
  /** Holes given up, in bytes. */
  #lostBytes = 0;
  #lostGaps = 0;
  /** Pairs of start and length, as many as `#holeCount`. */
  #holes: Int32Array | undefined;
  #holeCount = 0;

  /** Holes in what was seen, filled ones apart. */
  get gaps(): number {
    return this.#lostGaps + this.#holeCount;
  }

  /** Bytes that were never seen though later ones were. */
  get gapBytes(): number {
    let bytes = this.#lostBytes;
    for (let i = 0; i < this.#holeCount; i++) bytes += this.#holes?.[2 * i + 1] ?? 0;
    return bytes;
  }

  /**
   * Takes a SYN.
   *
   * @param sequence its sequence number
   */
  synchronise(sequence: number): void {
    this.initial = sequence | 0;
    this.hasInitial = true;
    this.isStarted = true;
    this.next = (sequence + 1) | 0;
  }

  /**
   * Takes a segment's payload.
   *
   * @param sequence sequence number of its first byte
   * @param length its bytes
   * @returns how many of them were not seen before
   */
  segment(sequence: number, length: number): number {
    if (!this.isStarted) {
      this.isStarted = true;
      this.next = (sequence + length) | 0;
      return length;
    }
    const ahead = (sequence - this.next) | 0;
    if (ahead === 0) {
      this.next = (sequence + length) | 0;
      return length;
    }
    return this.#outOfOrder(sequence | 0, length, ahead);
  }

  /**
   * Takes a FIN, which has a sequence number of its own.
   *
   * @param sequence that number
   */
  finish(sequence: number): void {
    this.isFinished = true;
    if ((sequence | 0) === this.next) this.next = (this.next + 1) | 0;
  }

  #outOfOrder(sequence: number, length: number, ahead: number): number {
    if (ahead >= WINDOW_BYTES_MAX || ahead < -WINDOW_BYTES_MAX) {
      this.jumps++;
      this.#abandonHoles();
      this.next = (sequence + length) | 0;
      return length;
    }
    if (ahead > 0) {
      // A probe or a bare acknowledgement shows as well that bytes are missing.
      this.#addHole(this.next, ahead);
      this.next = (sequence + length) | 0;
      return length;
    }
    if (ahead === -1 && length <= 1) {
      this.keepAlives++;
      return 0;
    }
    if (length === 0) return 0;
    const beyond = Math.max(0, ahead + length);
    const filled = this.#fill(sequence, length - beyond);
    if (beyond > 0) this.next = (sequence + length) | 0;
    const fresh = filled + beyond;
    this.retransmittedBytes += length - fresh;
    if (filled > 0) this.reordered++;
    if (fresh === 0) this.retransmissions++;
    else if (fresh < length) this.overlaps++;
    return fresh;
  }

  #abandonHoles(): void {
    this.#lostBytes = this.gapBytes;
    this.#lostGaps = this.gaps;
    this.#holeCount = 0;
  }

  #addHole(start: number, length: number): void {
    this.#holes ??= new Int32Array(2 * HOLES_MAX);
    if (this.#holeCount === HOLES_MAX) this.#loseOldest(this.#holes);
    this.#holes[2 * this.#holeCount] = start;
    this.#holes[2 * this.#holeCount + 1] = length;
    this.#holeCount++;
  }

  #loseOldest(holes: Int32Array): void {
    this.#lostBytes += holes[1] as number;
    this.#lostGaps++;
    holes.copyWithin(0, 2, 2 * this.#holeCount);
    this.#holeCount--;
  }

  /** @returns how many bytes of the range lie in holes, which lose them */
  #fill(sequence: number, length: number): number {
    const holes = this.#holes;
    if (holes === undefined) return 0;
    let filled = 0;
    for (let i = this.#holeCount - 1; i >= 0; i--) {
      const start = holes[2 * i] as number;
      const size = holes[2 * i + 1] as number;
      const from = Math.max(0, (sequence - start) | 0);
      const to = Math.min(size, (sequence + length - start) | 0);
      if (to <= from) continue;
      filled += to - from;
      this.#cut(holes, i, from, to);
    }
    return filled;
  }

  /** Takes the part from `from` to `to` out of a hole: nothing, one rest or two are left. */
  #cut(holes: Int32Array, i: number, from: number, to: number): void {
    const start = holes[2 * i] as number;
    const size = holes[2 * i + 1] as number;
    if (from > 0) {
      holes[2 * i + 1] = from;
      if (to < size) this.#insertHole(holes, i + 1, (start + to) | 0, size - to);
      return;
    }
    if (to < size) {
      holes[2 * i] = (start + to) | 0;
      holes[2 * i + 1] = size - to;
      return;
    }
    holes.copyWithin(2 * i, 2 * i + 2, 2 * this.#holeCount);
    this.#holeCount--;
  }

  #insertHole(holes: Int32Array, i: number, start: number, length: number): void {
    let place = i;
    if (this.#holeCount === HOLES_MAX) {
      this.#loseOldest(holes);
      place--;
    }
    holes.copyWithin(2 * place + 2, 2 * place, 2 * this.#holeCount);
    holes[2 * place] = start;
    holes[2 * place + 1] = length;
    this.#holeCount++;
  }
}
