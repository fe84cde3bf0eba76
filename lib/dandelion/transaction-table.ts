import type { DandelionStanding, PublicCause } from "./event.ts";

/**
 * Local transactions that are not public yet. A wallet makes one in seconds, a minute later it is
 * public.
 */
export const LOCAL_MAX = 1_024;
/**
 * Stems of others under an embargo, of all links: with monerod's embargo, a hundred a second for
 * as long as it lasts; the whole network makes one in three seconds.
 */
export const PASSED_STEMS_MAX = 4_096;
/** Of these, from one link: a flooding peer must not be able to fill the table for the others. */
export const PASSED_STEMS_LINK_MAX = 256;
/** Transactions that are not told to anyone yet, or not public: those above, and what leaves soon. */
export const OPEN_MAX = 8_192;
/** Public transactions that are remembered, so as not to be passed on twice: about a day's. */
export const SETTLED_MAX = 32_768;

/** Where an open transaction came from. */
export type Origin =
  | { readonly kind: "local" }
  | { readonly kind: "forward" }
  | { readonly kind: "link"; readonly link: number };

/** How an open transaction stands. */
export type OpenStanding =
  /** Not decided yet. */
  | { readonly kind: "new" }
  | Exclude<DandelionStanding, { kind: "public" }>
  /** Public; whoever is told of it first has not been told yet. */
  | { readonly kind: "untold"; readonly except: number | undefined; readonly queued: number }
  /** To be public, but nobody is there to be told. `cause` is undefined where it was public before. */
  | {
      readonly kind: "unheard";
      readonly except: number | undefined;
      readonly cause: PublicCause | undefined;
    };

/** A transaction that the router still has a duty to. */
export interface OpenTransaction {
  readonly id: string;
  readonly origin: Origin;
  readonly standing: OpenStanding;
}

/**
 * The router's transactions, in bounds. Open ones are never forgotten; settled ones (public, and
 * somebody has been told or told us) are, the oldest first.
 */
export class TransactionTable {
  readonly #open = new Map<string, OpenTransaction>();
  readonly #settled = new Set<string>();
  /** Those that wait for a link. */
  readonly #held = new Set<string>();
  #local = 0;
  #passed = 0;
  readonly #passedByLink = new Map<number, number>();
  /** The earliest embargo's end, or undefined when it has to be looked for again. */
  #wakeAt: number | undefined = Number.POSITIVE_INFINITY;

  /** How many are not settled. */
  get openCount(): number {
    return this.#open.size;
  }

  /** How many settled ones are remembered. */
  get settledCount(): number {
    return this.#settled.size;
  }

  /** How many stems of others are under an embargo. */
  get passedCount(): number {
    return this.#passed;
  }

  /** Those that wait for a link, oldest first. */
  get held(): string[] {
    return [...this.#held];
  }

  /** When the next embargo ends, in milliseconds; infinite while there is none. */
  get wakeAt(): number {
    if (this.#wakeAt === undefined) {
      let at = Number.POSITIVE_INFINITY;
      for (const { standing } of this.#open.values()) {
        if (standing.kind === "stem") at = Math.min(at, standing.embargoAt);
      }
      this.#wakeAt = at;
    }
    return this.#wakeAt;
  }

  /**
   * An open transaction.
   *
   * @param id its id
   */
  open(id: string): OpenTransaction | undefined {
    return this.#open.get(id);
  }

  /**
   * Whether a transaction is settled, and remembered.
   *
   * @param id its id
   */
  isSettled(id: string): boolean {
    return this.#settled.has(id);
  }

  /**
   * Whether there is room for one more of an origin to be held or put under an embargo.
   *
   * @param origin where it comes from
   */
  hasRoom(origin: Origin): boolean {
    if (origin.kind === "local") return this.#local < LOCAL_MAX;
    if (this.#passed >= PASSED_STEMS_MAX) return false;
    return (
      origin.kind === "forward" ||
      (this.#passedByLink.get(origin.link) ?? 0) < PASSED_STEMS_LINK_MAX
    );
  }

  /** Whether there is room for another open transaction of others; one's own always find some. */
  get hasOpenRoom(): boolean {
    return this.#open.size < OPEN_MAX;
  }

  /**
   * Records how a transaction stands; it need not have been known.
   *
   * @param id its id
   * @param origin where it comes from
   * @param standing how it stands from now on
   */
  set(id: string, origin: Origin, standing: OpenStanding): void {
    const before = this.#open.get(id);
    if (before !== undefined) this.#uncount(before);
    this.#settled.delete(id);
    const transaction = { id, origin, standing };
    this.#open.set(id, transaction);
    this.#count(transaction);
  }

  /**
   * Takes a transaction out of the table.
   *
   * @param id its id; it need not have been known
   */
  forget(id: string): void {
    const before = this.#open.get(id);
    if (before !== undefined) this.#uncount(before);
    this.#open.delete(id);
    this.#settled.delete(id);
  }

  /**
   * There is no duty left to a transaction.
   *
   * @param id its id; it need not have been known
   */
  settle(id: string): void {
    if (this.#settled.has(id)) return;
    this.forget(id);
    this.#settled.add(id);
    if (this.#settled.size <= SETTLED_MAX) return;
    for (const oldest of this.#settled) {
      this.#settled.delete(oldest);
      break;
    }
  }

  /**
   * Transactions whose embargo is over, in the order in which they became open.
   *
   * @param now milliseconds
   */
  overdue(now: number): OpenTransaction[] {
    if (now < this.wakeAt) return [];
    return [...this.#open.values()].filter(
      ({ standing }) => standing.kind === "stem" && standing.embargoAt <= now,
    );
  }

  /**
   * How a transaction stands, as the router's caller may know it.
   *
   * @param id its id
   * @returns undefined for one that isn't known, or is forgotten
   */
  standing(id: string): DandelionStanding | undefined {
    const standing = this.#open.get(id)?.standing;
    switch (standing?.kind) {
      case undefined:
      case "new":
        return this.#settled.has(id) ? { kind: "public" } : undefined;
      case "held":
      case "stem":
        return standing;
      case "untold":
        return { kind: "public" };
      case "unheard":
        return standing.cause === undefined
          ? { kind: "public" }
          : { kind: "held", reason: "no-link" };
    }
  }

  #count({ id, origin, standing }: OpenTransaction): void {
    if (standing.kind === "held" || standing.kind === "unheard") this.#held.add(id);
    if (standing.kind === "stem" && this.#wakeAt !== undefined) {
      this.#wakeAt = Math.min(this.#wakeAt, standing.embargoAt);
    }
    this.#shift(origin, standing, 1);
  }

  #uncount({ id, origin, standing }: OpenTransaction): void {
    this.#held.delete(id);
    if (standing.kind === "stem" && standing.embargoAt === this.#wakeAt) this.#wakeAt = undefined;
    this.#shift(origin, standing, -1);
  }

  #shift(origin: Origin, standing: OpenStanding, by: 1 | -1): void {
    if (standing.kind !== "held" && standing.kind !== "stem") return;
    if (origin.kind === "local") {
      this.#local += by;
      return;
    }
    this.#passed += by;
    if (origin.kind === "forward") return;
    const count = (this.#passedByLink.get(origin.link) ?? 0) + by;
    if (count === 0) this.#passedByLink.delete(origin.link);
    else this.#passedByLink.set(origin.link, count);
  }
}
