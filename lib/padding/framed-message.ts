/**
 * Which of a channel's two queues a message waits in. `control` (timed syncs and their answers)
 * goes first, also between the fragments of a `payload`: a peer gives up on an unanswered timed
 * sync after 120 s while a large transaction takes up to 20 ticks, and control that payload could
 * delay would be an answer whose time tells of payload. Only between the fragments of one that has
 * begun do they take turns, since it has to be through when its stream ends.
 */
export type Lane = "control" | "payload";

/** A message that was cut into frames before its tick. */
export interface FramedMessage {
  /** What the caller knows it by; comes back when it has left or could not. */
  readonly tag: string;
  /** Which queue it waits in. */
  readonly lane: Lane;
  /** One or more buffers, each exactly as long as the channel's frames. */
  readonly frames: readonly Uint8Array[];
}
