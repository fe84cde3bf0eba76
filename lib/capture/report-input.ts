import type { FrameKind } from "./labels.ts";
import type { TrafficShape } from "./shape.ts";

/** One direction of a connection as it was seen, from whatever source. */
export interface SeenDirection {
  /** When each frame or segment was seen, milliseconds since 1970, rising. */
  readonly timesMs: Float64Array;
  readonly bytes: Uint32Array;
  /** What each frame was; undefined where nobody knows. */
  readonly kinds?: readonly FrameKind[] | undefined;
  /** Whether `kinds` come from Levin itself, so that a handshake is known. */
  readonly isLevin: boolean;
  readonly unfinishedBytes: number;
  readonly droppedFrames: number;
  /** Figures of a direction with too many segments to keep them: then there are no times. */
  readonly shape?: TrafficShape | undefined;
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
}

/** Where links were seen. */
export interface SeenSource {
  readonly kind: "tap" | "socks-tap" | "pcap" | "interface";
  readonly place: string;
  readonly flows: number;
  readonly packets: number | undefined;
  readonly trouble: string | undefined;
}

/** Bytes of a direction. */
export function bytesOf(direction: SeenDirection | undefined): number {
  if (direction === undefined) return 0;
  if (direction.shape !== undefined) return direction.shape.bytes;
  return direction.bytes.reduce((sum, bytes) => sum + bytes, 0);
}
