import type { Direction } from "./flush.ts";

/** What happened, as the router is told. A transaction is known by its id, a link by its number. */
export type DandelionEvent =
  /**
   * A link is ready, or what is known of it changed. `stems`: whether its peer may be given stems;
   * monerod asks for a height that is about its own. Links that others opened never are.
   */
  | {
      readonly kind: "joined";
      readonly link: number;
      readonly direction: Direction;
      readonly stems: boolean;
    }
  /** A link is gone. Its number never comes back. */
  | { readonly kind: "left"; readonly link: number }
  /** A wallet of this node's own submitted a transaction. */
  | { readonly kind: "local"; readonly id: string }
  /** A transaction of an anonymity zone has waited long enough and goes to the public one. */
  | { readonly kind: "forward"; readonly id: string }
  /** A peer passed a stem. */
  | { readonly kind: "stem"; readonly id: string; readonly link: number }
  /** A peer fluffed; without a link: a peer of another zone did, for all to see. */
  | { readonly kind: "fluff"; readonly id: string; readonly link?: number }
  /** It was seen in public otherwise, in a block or in another daemon's pool: nothing to do. */
  | { readonly kind: "seen"; readonly id: string }
  /** A stem that an effect asked for didn't leave, not one byte of it. */
  | { readonly kind: "unsent"; readonly id: string; readonly link: number }
  /** A local transaction of an earlier run had been sent as a stem; what was left of its embargo. */
  | { readonly kind: "restored"; readonly id: string; readonly embargoLeftMs: number }
  /** A transaction that was in public is to be told again: no block has it yet. */
  | { readonly kind: "again"; readonly id: string }
  /** The caller gave a transaction up and has its bytes no more: it goes nowhere from now on. */
  | { readonly kind: "forgotten"; readonly id: string };

/** Why a transaction became public. */
export type PublicCause =
  /** A peer fluffed it. */
  | "heard"
  /** It was seen in public otherwise. */
  | "seen"
  /** The epoch fluffs stems of others. */
  | "fluff-epoch"
  /** It came as a stem a second time. */
  | "loop"
  /** Nobody fluffed it in time: somewhere on its stem it was swallowed. */
  | "embargo"
  /** It came as a stem, and there is nobody to pass it to. */
  | "no-stem"
  /** Too many stems are under way to keep an embargo for this one. */
  | "full";

/** Why a transaction waits. */
export type HeldReason =
  /** This node's own, and no outbound link may be given stems: fluffing it here would show where it began. */
  | "no-stem"
  /** There is no link to send it to, or none but the one that it came from. */
  | "no-link";

/** What is to be done. */
export type DandelionEffect =
  /**
   * Send one stem on a link, now. Once `embargoAt` (milliseconds) is past without a sighting in
   * public, the router fluffs it.
   */
  | {
      readonly kind: "stem";
      readonly id: string;
      readonly link: number;
      readonly embargoAt: number;
    }
  /** Send transactions as fluff on a link, now and in one message. */
  | { readonly kind: "fluff"; readonly link: number; readonly ids: readonly string[] }
  /** From now on the transaction is public: it may show. */
  | { readonly kind: "public"; readonly id: string; readonly cause: PublicCause }
  /** The transaction waits until a link joins. */
  | { readonly kind: "held"; readonly id: string; readonly reason: HeldReason }
  /** There is no room for the transaction: the router does not know it. */
  | { readonly kind: "refused"; readonly id: string };

/** How a transaction stands. */
export type DandelionStanding =
  | { readonly kind: "held"; readonly reason: HeldReason }
  /** Passed on; `link` is unknown after a restart. */
  | { readonly kind: "stem"; readonly link?: number; readonly embargoAt: number }
  | { readonly kind: "public" };
