/** Segments of one direction that are kept one by one; a longer direction has only its figures. */
export const SERIES_SEGMENTS_MAX = 200_000;
/** Segments of all flows that are kept one by one, 12 bytes each. */
const POOL_SEGMENTS_MAX = 2 ** 22;
/** Segments that are given out at once. */
const CHUNK_SEGMENTS = 64;
/** Segments for which memory is taken at once. */
const SLAB_SEGMENTS = 2 ** 12;
const CHUNKS_A_SLAB = SLAB_SEGMENTS / CHUNK_SEGMENTS;
const CHUNKS_MAX = POOL_SEGMENTS_MAX / CHUNK_SEGMENTS;
const NO_CHUNK = -1;

/** The segments of one direction of a flow, one by one. */
export interface FlowSeries {
  /** When each was seen, microseconds since 1970, in the order of the capture. */
  readonly timesUs: Float64Array;
  /** New payload bytes of each; never 0. */
  readonly bytes: Uint32Array;
}

interface Slab {
  readonly timesUs: Float64Array;
  readonly bytes: Uint32Array;
}

/** Memory for the segments of all flows: bounded, taken as needed, without waste as series grow. */
export class SeriesPool {
  readonly #slabs: Slab[] = [];
  /** The chunk that follows each chunk, in a series or among those free. */
  #following = new Int32Array(CHUNKS_A_SLAB);
  #free = NO_CHUNK;
  #made = 0;

  /** Starts a series. */
  series(): SeriesBuilder {
    return new SeriesBuilder(this);
  }

  /** @returns a chunk, or NO_CHUNK when the pool is used up */
  take(): number {
    let chunk = this.#free;
    if (chunk !== NO_CHUNK) this.#free = this.#following[chunk] as number;
    else if (this.#made < CHUNKS_MAX) chunk = this.#made++;
    else return NO_CHUNK;
    if (Math.floor(chunk / CHUNKS_A_SLAB) === this.#slabs.length) {
      this.#slabs.push({
        timesUs: new Float64Array(SLAB_SEGMENTS),
        bytes: new Uint32Array(SLAB_SEGMENTS),
      });
    }
    if (chunk === this.#following.length) {
      const following = new Int32Array(chunk * 2);
      following.set(this.#following);
      this.#following = following;
    }
    this.#following[chunk] = NO_CHUNK;
    return chunk;
  }

  /** Gives a whole series of chunks back. */
  giveBack(first: number, last: number): void {
    this.#following[last] = this.#free;
    this.#free = first;
  }

  link(chunk: number, following: number): void {
    this.#following[chunk] = following;
  }

  following(chunk: number): number {
    return this.#following[chunk] as number;
  }

  slabOf(chunk: number): Slab {
    return this.#slabs[Math.floor(chunk / CHUNKS_A_SLAB)] as Slab;
  }
}

/** One direction's segments as they come. */
export class SeriesBuilder {
  /** How many segments are kept. */
  length = 0;
  /** Whether there were too many, so that none is kept. */
  isDropped = false;
  readonly #pool: SeriesPool;
  #slab: Slab | undefined;
  /** Where the next segment goes in the slab, and how many still fit behind it. */
  #at = 0;
  #left = 0;
  #first = NO_CHUNK;
  #last = NO_CHUNK;

  /** @param pool where memory comes from */
  constructor(pool: SeriesPool) {
    this.#pool = pool;
  }

  /**
   * Keeps segments. A series that becomes too long, or finds the pool used up, is dropped.
   *
   * @param timesUs holds when each was seen
   * @param bytes holds the new payload of each
   * @param from index of the first in both
   * @param to index behind the last
   */
  add(timesUs: Float64Array, bytes: Uint32Array, from: number, to: number): void {
    for (let i = from; i < to; ) {
      if (this.#left === 0 && !this.#grow()) return;
      const slab = this.#slab as Slab;
      const end = Math.min(to, i + this.#left);
      let at = this.#at;
      for (let j = i; j < end; j++, at++) {
        slab.timesUs[at] = timesUs[j] as number;
        slab.bytes[at] = bytes[j] as number;
      }
      this.#at = at;
      this.#left -= end - i;
      this.length += end - i;
      i = end;
    }
  }

  /** Gives the memory back. */
  drop(): void {
    if (this.#first !== NO_CHUNK) this.#pool.giveBack(this.#first, this.#last);
    this.#first = NO_CHUNK;
    this.#last = NO_CHUNK;
    this.#left = 0;
    this.length = 0;
    this.isDropped = true;
  }

  /** A copy of what was kept; undefined for a series that was dropped. */
  build(): FlowSeries | undefined {
    if (this.isDropped) return undefined;
    const timesUs = new Float64Array(this.length);
    const bytes = new Uint32Array(this.length);
    let chunk = this.#first;
    for (let to = 0; to < this.length; to += CHUNK_SEGMENTS) {
      const slab = this.#pool.slabOf(chunk);
      const from = (chunk % CHUNKS_A_SLAB) * CHUNK_SEGMENTS;
      const end = from + Math.min(CHUNK_SEGMENTS, this.length - to);
      timesUs.set(slab.timesUs.subarray(from, end), to);
      bytes.set(slab.bytes.subarray(from, end), to);
      chunk = this.#pool.following(chunk);
    }
    return { timesUs, bytes };
  }

  #grow(): boolean {
    if (this.isDropped) return false;
    const chunk = this.length >= SERIES_SEGMENTS_MAX ? NO_CHUNK : this.#pool.take();
    if (chunk === NO_CHUNK) {
      this.drop();
      return false;
    }
    if (this.#first === NO_CHUNK) this.#first = chunk;
    else this.#pool.link(this.#last, chunk);
    this.#last = chunk;
    this.#slab = this.#pool.slabOf(chunk);
    this.#at = (chunk % CHUNKS_A_SLAB) * CHUNK_SEGMENTS;
    this.#left = CHUNK_SEGMENTS;
    return true;
  }
}
