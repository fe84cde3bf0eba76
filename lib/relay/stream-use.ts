import type { LinkId } from "./event.ts";

/** Whose transactions a stream of an anonymity zone has carried. */
export type StreamUse =
  /** One of a wallet's. */
  | { readonly kind: "wallet"; readonly id: string }
  /** Those of one peer, known by the link on which it sent them. */
  | { readonly kind: "peer"; readonly source: LinkId };

/**
 * What became of the one transaction that a stream may carry.
 *
 * - `fresh`: no frame has left on it; it must not begin with a transaction;
 * - `warm`: it carries noise, and may take a transaction;
 * - `used`: it has carried one.
 */
export type StreamState = "fresh" | "warm" | "used";

/** What each stream of a zone has carried: one transaction of a wallet's, or those of one peer. */
export class StreamUses {
  readonly #uses = new Map<LinkId, StreamUse>();

  /**
   * What a stream has carried; undefined for nothing.
   *
   * @param link the stream
   */
  of(link: LinkId): StreamUse | undefined {
    return this.#uses.get(link);
  }

  /**
   * A stream is given something to carry.
   *
   * @param link the stream
   * @param use whose
   */
  take(link: LinkId, use: StreamUse): void {
    this.#uses.set(link, use);
  }

  /**
   * Forgets streams that are gone.
   *
   * @param ready those that are not
   */
  keep(ready: ReadonlySet<LinkId>): void {
    for (const link of this.#uses.keys()) if (!ready.has(link)) this.#uses.delete(link);
  }
}
