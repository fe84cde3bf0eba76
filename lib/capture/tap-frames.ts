import { FRAME_KINDS, type FrameKind } from "./labels.ts";

/** Frames of all flows that are kept one by one, 13 bytes each. */
const FRAMES_MAX = 2 ** 22;
const FRAMES_START = 64;

/** Room that the logs of all flows share. */
export class FrameRoom {
  #left: number;

  /** @param frames how many may be kept in all */
  constructor(frames: number = FRAMES_MAX) {
    this.#left = frames;
  }

  /**
   * Asks for room.
   *
   * @param frames for how many
   * @returns whether there is so much
   */
  take(frames: number): boolean {
    if (frames > this.#left) return false;
    this.#left -= frames;
    return true;
  }
}

/** What one side sent on a tapped flow, frame by frame, with the truth about each. */
export interface LoggedFrames {
  /** When the first byte of each passed, milliseconds since 1970 with microseconds. */
  readonly timesMs: Float64Array;
  /** How long each was, header included. */
  readonly bytes: Uint32Array;
  readonly kinds: readonly FrameKind[];
}

/** Frames as they pass; of more than there is room for, the first are kept. */
export class FrameLog {
  /** Frames for which there was no room. */
  dropped = 0;
  #length = 0;
  #timesMs = new Float64Array(0);
  #bytes = new Uint32Array(0);
  #kinds = new Uint8Array(0);
  readonly #room: FrameRoom;

  /** @param room shared with other logs */
  constructor(room: FrameRoom) {
    this.#room = room;
  }

  /** Frames that are kept. */
  get length(): number {
    return this.#length;
  }

  /**
   * Keeps a frame.
   *
   * @param timeMs when it passed, milliseconds since 1970
   * @param bytes how long it was
   * @param kind what it was
   */
  add(timeMs: number, bytes: number, kind: FrameKind): void {
    if (this.#length === this.#bytes.length && !this.#grow()) {
      this.dropped++;
      return;
    }
    this.#timesMs[this.#length] = timeMs;
    this.#bytes[this.#length] = bytes;
    this.#kinds[this.#length] = FRAME_KINDS.indexOf(kind);
    this.#length++;
  }

  /** A copy of what was kept. */
  frames(): LoggedFrames {
    return {
      timesMs: this.#timesMs.slice(0, this.#length),
      bytes: this.#bytes.slice(0, this.#length),
      kinds: Array.from(
        this.#kinds.subarray(0, this.#length),
        (kind) => FRAME_KINDS[kind] ?? "other",
      ),
    };
  }

  #grow(): boolean {
    const more = Math.max(FRAMES_START, this.#bytes.length);
    if (!this.#room.take(more)) return false;
    const size = this.#bytes.length + more;
    const timesMs = new Float64Array(size);
    const bytes = new Uint32Array(size);
    const kinds = new Uint8Array(size);
    timesMs.set(this.#timesMs);
    bytes.set(this.#bytes);
    kinds.set(this.#kinds);
    this.#timesMs = timesMs;
    this.#bytes = bytes;
    this.#kinds = kinds;
    return true;
  }
}
