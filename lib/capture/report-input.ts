import type { FrameKind } from "./labels.ts";
import type { TrafficShape } from "./shape.ts";

/** One direction of a connection as it was seen, from whatever source. */
export interface SeenDirection {
  /** When each frame or segment was seen, milliseconds since 1970, rising: it is searched by halves. */
  readonly timesMs: Float64Array;
  readonly bytes: Uint32Array;
  /** What each frame was; undefined where nobody knows. */
  readonly kinds?: readonly FrameKind[] | undefined;
  /** Whether `kinds` come from Levin itself, so that a handshake is known. */
  readonly isLevin: boolean;
  readonly unfinishedBytes: number;
  /** Frames that were not kept one by one, so that nothing can judge them. */
  readonly droppedFrames: number;
  /** What of its segments came again, or never; undefined at a tap, which sees no segments. */
  readonly tcp?: SeenTcp | undefined;
  /** Figures of a direction with too many segments to keep them: then there are no times. */
  readonly shape?: TrafficShape | undefined;
}

/** What TCP did in one direction. */
export interface SeenTcp {
  readonly retransmissions: number;
  readonly retransmittedBytes: number;
  /** Segments that brought bytes seen before together with new ones. */
  readonly overlaps: number;
  /** Segments that filled a gap. */
  readonly reordered: number;
  /** Stretches that never came, and their bytes. */
  readonly gaps: number;
  readonly gapBytes: number;
}

/** One connection as it was seen. */
export interface SeenLink {
  readonly id: string;
  readonly view: "tap" | "socks-tap" | "capture";
  readonly from: string;
  readonly to: string;
  readonly beganMs: number;
  readonly endedMs: number | undefined;
  readonly refusal: string | undefined;
  readonly out: SeenDirection | undefined;
  readonly in: SeenDirection | undefined;
  /** The greatest step back of the clock by which it was seen; nothing where that only rises. */
  readonly stepBackMs?: number | undefined;
}

/** Where links were seen. */
export interface SeenSource {
  readonly kind: "tap" | "socks-tap" | "pcap" | "interface";
  readonly place: string;
  readonly flows: number;
  readonly packets: number | undefined;
  readonly trouble: string | undefined;
  /** Packets outside TCP; undefined where packets are not seen. */
  readonly outside?: { readonly udp: number; readonly other: number } | undefined;
}

/** Bytes of a direction. */
export function bytesOf(direction: SeenDirection | undefined): number {
  if (direction === undefined) return 0;
  if (direction.shape !== undefined) return direction.shape.bytes;
  return direction.bytes.reduce((sum, bytes) => sum + bytes, 0);
}
