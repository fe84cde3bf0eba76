import type { DescriptorSight } from "./classify.ts";
import type { Failure } from "./layer.ts";

/** What tor's control port is asked in the course of a probe. */
export interface TorSight {
  /**
   * Settles when tor is ready to be asked; undefined, or why it is not fit. Never rejects.
   * `onProgress` is told in a sentence how far it is.
   */
  bootstrapped(
    signal: AbortSignal,
    onProgress: (text: string) => void,
  ): Promise<Failure | undefined>;
  /** Begins to follow the descriptor of a service. */
  follow(host: string): FollowedDescriptor;
  /** Has the descriptor fetched, to learn why a stream failed. Never rejects. */
  fetch(host: string, signal: AbortSignal): Promise<DescriptorSight | undefined>;
}

/** A descriptor that is being followed. */
export interface FollowedDescriptor {
  /** What was seen since. */
  sight(): DescriptorSight | undefined;
  /** The same, once a fetch that is under way has ended; waits a moment at the most. */
  settled(): Promise<DescriptorSight | undefined>;
  stop(): void;
}
