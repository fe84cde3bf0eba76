import { Fault } from "../runtime/fault.ts";

/** Each way in which a peer book can fail its user. */
export type PeersErrorCode =
  | "store-directory"
  | "store-unreadable"
  | "store-busy"
  | "store-version"
  | "store-network"
  | "store-failed"
  | "wrong-zone"
  | "bad-limit";

/** A peer book that can't be opened or written, or was asked what it must not do. */
export class PeersError extends Fault<PeersErrorCode> {}

/**
 * What another error says, for a message that quotes it.
 *
 * @param error anything that was thrown
 */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
