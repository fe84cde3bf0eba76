import type { AnonymityZone } from "../address/zone.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { LinkId } from "./event.ts";
import { drawForwardDelay, type ForwardDelay, moneroForwardDelay } from "./forward-delay.ts";

/**
 * How far a transaction has come, from what it began with to what all may know. It only rises.
 *
 * @see monero `src/cryptonote_protocol/enums.h`, `relay_method`
 */
export const broadcastStates = ["none", "local", "forward", "stem", "fluff"] as const;
/** One of them. */
export type BroadcastState = (typeof broadcastStates)[number];

/** What the rules are made from. */
export interface BroadcastOptions {
  /** The anonymity zones that are configured, whether they have a peer or not. */
  readonly anonymityZones: readonly AnonymityZone[];
  /** Whether there is a public zone. */
  readonly hasPublic: boolean;
  readonly random: RandomSource;
  /** @default moneroForwardDelay */
  readonly forwardDelay?: ForwardDelay;
  /**
   * The anonymity zones in which a peer's transaction goes on at once to the zone's other peers, as
   * the proposal has it.
   * @default none, as monerod
   */
  readonly sharedIn?: readonly AnonymityZone[];
}

/** What the rules are told. A transaction is known by its id. */
export type BroadcastEvent =
  /** A wallet submitted it. */
  | { readonly kind: "submitted"; readonly id: string }
  /** A peer of an anonymity zone sent it. */
  | {
      readonly kind: "heard-hidden";
      readonly id: string;
      readonly zone: AnonymityZone;
      readonly link: LinkId;
      readonly fluff: boolean;
    }
  /** A peer of the public zone sent it. */
  | {
      readonly kind: "heard-public";
      readonly id: string;
      readonly link: LinkId;
      readonly fluff: boolean;
    }
  /** The public zone passed it on as a stem. */
  | { readonly kind: "passed"; readonly id: string }
  /** It is public. */
  | { readonly kind: "published"; readonly id: string }
  /** Its wallet needs it no more, or nobody does. One that is public still shows. */
  | { readonly kind: "forgotten"; readonly id: string };

/** What the rules allow. */
export type BroadcastEffect =
  /** It goes to peers of an anonymity zone, and waits as long as there is none. */
  | { readonly kind: "hide"; readonly id: string }
  /** It goes on in the public zone, by Dandelion++; with a link where one of its peers sent it. */
  | {
      readonly kind: "route";
      readonly id: string;
      readonly as: "local" | "forward" | "stem" | "fluff";
      readonly link?: LinkId;
    }
  /** It goes at once to the other peers of the anonymity zone that it came from. */
  | {
      readonly kind: "share";
      readonly id: string;
      readonly zone: AnonymityZone;
      readonly except: LinkId;
    }
  /** From now on it may show. */
  | { readonly kind: "show"; readonly id: string };

/**
 * Transactions of peers that are remembered, the oldest forgotten first: as many as the public
 * zone's router remembers.
 */
export const BROADCAST_KNOWN_MAX = 32_768;
/** Of these, those that wait for their forward delay; more are not taken. */
export const FORWARDS_WAITING_MAX = 2_000;

interface Entry {
  state: BroadcastState;
  /** A wallet's is never forgotten on its own. */
  isLocal: boolean;
}

/**
 * Where a transaction may go, by where it came from. Pure: events and the time go in, what is
 * allowed comes out.
 *
 * - A wallet's goes to the anonymity zones where any is configured, and to the public one only
 *   where there is none. That a zone has no peer changes nothing: it waits.
 * - What came over an anonymity zone goes to the public one, after a random delay where its sender
 *   said stem. This holds for a wallet's own too when a peer sends it back: whoever is not its
 *   origin would pass it on, and staying silent would be the answer to a peer that tries out every
 *   onion service for the origin.
 * - What came in public never goes into an anonymity zone.
 * - It shows once it is public.
 *
 * @see monero `src/cryptonote_protocol/levin_notify.cpp`, `notify::send_txs`;
 *   `src/cryptonote_core/tx_pool.cpp`, `add_tx`
 */
export class Broadcast {
  readonly #options: BroadcastOptions;
  readonly #known = new Map<string, Entry>();
  readonly #dueAt = new Map<string, number>();
  #wakeAt: number | undefined = Number.POSITIVE_INFINITY;
  #peers = 0;

  /** @param options the zones and their delay */
  constructor(options: BroadcastOptions) {
    this.#options = options;
  }

  /** When `wake` wants to be called, in milliseconds; infinite while nothing waits. */
  get wakeAt(): number {
    if (this.#wakeAt === undefined) {
      let at = Number.POSITIVE_INFINITY;
      for (const dueAt of this.#dueAt.values()) at = Math.min(at, dueAt);
      this.#wakeAt = at;
    }
    return this.#wakeAt;
  }

  /** Where a wallet's transaction goes. */
  get localPath(): "hide" | "route" | undefined {
    if (this.#options.anonymityZones.length > 0) return "hide";
    return this.#options.hasPublic ? "route" : undefined;
  }

  /**
   * How far a transaction has come.
   *
   * @param id its id
   */
  state(id: string): BroadcastState {
    return this.#known.get(id)?.state ?? "none";
  }

  /** Transactions that may show, in the order in which they became known. */
  *shown(): Iterable<string> {
    for (const [id, { state }] of this.#known) if (state === "fluff") yield id;
  }

  /**
   * Something happened to a transaction.
   *
   * @param event what
   * @param now milliseconds
   * @returns what is allowed now, in order
   */
  handle(event: BroadcastEvent, now: number): BroadcastEffect[] {
    const { id } = event;
    switch (event.kind) {
      case "submitted":
        return this.#submit(id);
      case "heard-hidden":
        return this.#hearHidden(event, now);
      case "heard-public":
        return this.#hearPublic(event);
      case "passed":
        this.#raise(id, "stem");
        return [];
      case "published":
        return this.#raise(id, "fluff") ? [{ kind: "show", id }] : [];
      case "forgotten":
        this.#letGo(id);
        return [];
    }
  }

  /**
   * Lets those go whose delay is over.
   *
   * @param now milliseconds
   */
  wake(now: number): BroadcastEffect[] {
    if (now < this.wakeAt) return [];
    const due = [...this.#dueAt].filter(([, at]) => at <= now).sort(([, a], [, b]) => a - b);
    for (const [id] of due) this.#dueAt.delete(id);
    this.#wakeAt = undefined;
    return due.map(([id]) => ({ kind: "route", id, as: "forward" }));
  }

  #submit(id: string): BroadcastEffect[] {
    const known = this.#known.get(id);
    if (known?.isLocal === true) return [];
    if (known !== undefined) this.#peers--;
    this.#known.set(id, { state: known?.state ?? "none", isLocal: true });
    this.#raise(id, "local");
    const path = this.localPath;
    if (path === "hide") return [{ kind: "hide", id }];
    return path === "route" ? [{ kind: "route", id, as: "local" }] : [];
  }

  #hearHidden(
    event: Extract<BroadcastEvent, { kind: "heard-hidden" }>,
    now: number,
  ): BroadcastEffect[] {
    const { id, zone, link, fluff } = event;
    const { hasPublic, sharedIn = [], random, forwardDelay = moneroForwardDelay } = this.#options;
    const before = this.state(id);
    if (fluff) {
      if (before === "fluff") return [];
      this.#note(id);
      this.#stopWaiting(id);
      return hasPublic ? [{ kind: "route", id, as: "fluff" }] : [];
    }
    if (rank(before) >= rank("forward") || this.#dueAt.size >= FORWARDS_WAITING_MAX) return [];
    this.#note(id);
    this.#raise(id, "forward");
    if (hasPublic) {
      this.#dueAt.set(id, now + drawForwardDelay(forwardDelay, random));
      this.#wakeAt = undefined;
    }
    return sharedIn.includes(zone) ? [{ kind: "share", id, zone, except: link }] : [];
  }

  #hearPublic({
    id,
    link,
    fluff,
  }: Extract<BroadcastEvent, { kind: "heard-public" }>): BroadcastEffect[] {
    this.#note(id);
    // In public it is on its way already: a delay would only tell that we knew it before.
    this.#stopWaiting(id);
    if (!fluff) this.#raise(id, "stem");
    return [{ kind: "route", id, as: fluff ? "fluff" : "stem", link }];
  }

  #stopWaiting(id: string): void {
    if (this.#dueAt.delete(id)) this.#wakeAt = undefined;
  }

  #letGo(id: string): void {
    const known = this.#known.get(id);
    if (known?.state !== "fluff") {
      this.#forget(id);
    } else if (known.isLocal) {
      known.isLocal = false;
      this.#peers++;
      this.#evict();
    }
  }

  #note(id: string): void {
    if (this.#known.has(id)) return;
    this.#known.set(id, { state: "none", isLocal: false });
    this.#peers++;
    this.#evict();
  }

  #evict(): void {
    if (this.#peers <= BROADCAST_KNOWN_MAX) return;
    for (const [oldest, { isLocal }] of this.#known) {
      if (isLocal || this.#dueAt.has(oldest)) continue;
      this.#forget(oldest);
      return;
    }
  }

  #forget(id: string): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    this.#known.delete(id);
    this.#stopWaiting(id);
    if (!known.isLocal) this.#peers--;
  }

  /** Returns whether it rose. */
  #raise(id: string, state: BroadcastState): boolean {
    const known = this.#known.get(id);
    if (known === undefined || rank(state) <= rank(known.state)) return false;
    known.state = state;
    return true;
  }
}

function rank(state: BroadcastState): number {
  return broadcastStates.indexOf(state);
}
