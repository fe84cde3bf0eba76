import type { Address } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import { integerBelow, uniform } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import { type Link, TIMED_SYNC_MS } from "./link.ts";
import type { ZoneOptions } from "./zone-options.ts";

/**
 * Wait from the zone's first peer to the first telling, in timed syncs. Soon after it a peer would see
 * a nameless stream and the one that names us begin together, and know the one by the other.
 */
const FIRST_SYNCS = { low: 10, high: 30 } as const;
/** Wait from one telling to the next. */
const AGAIN_MS = { low: 600_000, high: 1_800_000 } as const;
/**
 * Wait after a stream that came to nothing; it doubles up to the wait between two tellings. Peers that
 * never ask are no rarity: a relay like this one does not.
 */
const FAILED_MS = { low: 30_000, high: 120_000 } as const;
/** How long the peer may take to ask for our peers: two of monerod's timed syncs and some more. */
const ASKED_MS_MAX = 150_000;
/** How long the stream stays after the telling, so that its end is no part of it. */
const AFTER_MS = { low: 2_000, high: 20_000 } as const;
/** Outbound links at the most below which none is spared for telling. */
export const ANNOUNCING_OUTBOUND_MIN = 3;

/**
 * Whether a place among the zone's links is spared for telling its own address.
 *
 * @param zone the zone's settings
 */
export function sparesForAnnouncing<Z extends Zone>(zone: ZoneOptions<Z>): boolean {
  return zone.ownAddress !== undefined && zone.outboundMax >= ANNOUNCING_OUTBOUND_MIN;
}

/**
 * Links of a zone that may carry transactions, at the most.
 *
 * @param zone the zone's settings
 */
export function carryingMax<Z extends Zone>(zone: ZoneOptions<Z>): number {
  return zone.outboundMax - (sparesForAnnouncing(zone) ? 1 : 0);
}

/** What telling the zone's own address is made from. */
export interface ZoneAnnouncingOptions<Z extends Zone> {
  readonly zone: ZoneOptions<Z>;
  readonly random: RandomSource;
  /** The zone's links; looked at, never changed. */
  readonly links: () => Iterable<Link<Z>>;
}

/**
 * When and whom the zone tells its own address: on a stream that is for that alone. A stream that
 * comes out of a proxy does not say whose it is; one on which we said our address would, and with
 * it whose the wallet's transaction is that it carries.
 */
export class ZoneAnnouncing<Z extends Zone> {
  readonly #zone: ZoneOptions<Z>;
  readonly #random: RandomSource;
  readonly #links: () => Iterable<Link<Z>>;
  /** When the next stream is wanted; undefined while the zone has had no peer. */
  #at: number | undefined;
  #link: Link<Z> | undefined;
  #isTold = false;
  #failures = 0;
  /** When the stream that is there is given up. */
  #closeAt = Number.POSITIVE_INFINITY;

  /** @param options the zone's settings, chance and links */
  constructor({ zone, random, links }: ZoneAnnouncingOptions<Z>) {
    this.#zone = zone;
    this.#random = random;
    this.#links = links;
  }

  /** When `next` or `over` wants to be called, in milliseconds; infinite when nothing is due. */
  get wakeAt(): number {
    if (this.#link !== undefined) return this.#closeAt;
    return this.#at ?? Number.POSITIVE_INFINITY;
  }

  /**
   * A link of the zone that may carry transactions is ready.
   *
   * @param now milliseconds
   */
  ready(now: number): void {
    if (!sparesForAnnouncing(this.#zone)) return;
    const { timedSyncMs = TIMED_SYNC_MS } = this.#zone;
    this.#at ??= now + timedSyncMs * uniform(this.#random, FIRST_SYNCS.low, FIRST_SYNCS.high);
  }

  /**
   * Whom to dial for a telling now.
   *
   * @param now milliseconds
   * @returns one of the zone's peers; undefined where none is wanted or there
   */
  next(now: number): Address<Z> | undefined {
    if (this.#link !== undefined || this.#at === undefined || this.#at > now) return undefined;
    const peers: Address<Z>[] = [];
    for (const { direction, phase, address } of this.#links()) {
      if (direction === "outbound" && phase === "ready" && address !== undefined)
        peers.push(address);
    }
    this.#retry(now);
    return peers.length === 0 ? undefined : peers[integerBelow(this.#random, peers.length)];
  }

  /**
   * The stream for it is being dialed.
   *
   * @param link the stream
   * @param now milliseconds
   */
  begin(link: Link<Z>, now: number): void {
    this.#link = link;
    this.#isTold = false;
    this.#closeAt = now + ASKED_MS_MAX;
  }

  /**
   * The peer was told.
   *
   * @param link the stream
   * @param now milliseconds
   */
  told(link: Link<Z>, now: number): void {
    if (this.#link !== link) return;
    this.#isTold = true;
    this.#failures = 0;
    this.#closeAt = now + uniform(this.#random, AFTER_MS.low, AFTER_MS.high);
    this.#again(AGAIN_MS, now);
  }

  /**
   * A link is gone.
   *
   * @param link any of the zone's
   * @param now milliseconds
   */
  gone(link: Link<Z>, now: number): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#closeAt = Number.POSITIVE_INFINITY;
    if (this.#isTold) return;
    this.#failures++;
    this.#retry(now);
  }

  /**
   * The stream whose time is over.
   *
   * @param now milliseconds
   */
  over(now: number): Link<Z> | undefined {
    return this.#closeAt <= now ? this.#link : undefined;
  }

  #retry(now: number): void {
    const times = 2 ** Math.min(this.#failures, 20);
    const low = Math.min(AGAIN_MS.low, FAILED_MS.low * times);
    const high = Math.min(AGAIN_MS.high, FAILED_MS.high * times);
    this.#again({ low, high }, now);
  }

  #again({ low, high }: { readonly low: number; readonly high: number }, now: number): void {
    this.#at = now + uniform(this.#random, low, high);
  }
}
