import { type Address, formatAddress, isOfZone } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import type { PeerEntry } from "../monero/message.ts";
import { uniform } from "../runtime/distribution.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import type { RandomSource } from "../runtime/random.ts";
import { type DialTarget, dialTargets, newTarget, recordFailure } from "./dial-target.ts";
import type { BookEffect } from "./event.ts";
import type { Link } from "./link.ts";
import { carryingMax } from "./zone-announcing.ts";
import { ZoneAsking } from "./zone-asking.ts";
import type { ZoneOptions } from "./zone-options.ts";

/** A link that lasted this long shows that its peer works, so its back-off starts afresh. */
export const LASTING_LINK_MS = 60_000;
/** Peers out of the book that are dialed at once: each dial is a circuit of Tor's, or a tunnel. */
export const BOOK_DIALS_MAX = 4;
/**
 * Pause between two peers out of the book. monerod looks once a second; a random pause keeps our
 * dials from having a beat of their own, and nothing but links and time decides when it ends.
 */
const DIAL_PAUSE_MS = { low: 1_000, high: 5_000 } as const;
/** Pause after the book had nobody. */
const EMPTY_PAUSE_MS = { low: 30_000, high: 60_000 } as const;
/** Where our own proxy is what fails, the pauses double up to this. */
const LOCAL_PAUSE_MS_MAX = 10_000;
/** How long something that was heard shows that the zone's network works: two timed syncs. */
const EVIDENCE_MS = 120_000;
/** A peer that the user gave keeps its place among the links until it failed so often in a row. */
const PLACE_FAILURES_MAX = 3;
/** Peers that are passed over at once because nobody knows whether they or the network failed. */
const PASSED_OVER_MAX = 256;

/** What a zone's dialing is made from. */
export interface ZoneDialingOptions<Z extends Zone> {
  readonly zone: ZoneOptions<Z>;
  readonly random: RandomSource;
  /** The zone's links; looked at, never changed. */
  readonly links: () => Iterable<Link<Z>>;
  /** Where requests to the book go. */
  readonly emit: (effect: BookEffect<Z>) => void;
}

/**
 * Whom a zone dials, and when: first those that the user gave, then peers out of the book, one
 * after another at random pauses, until there are as many outbound links as there may be. With
 * exclusive peers the book is neither read nor written.
 */
export class ZoneDialing<Z extends Zone> {
  /** Whether peers are looked for beyond those that the user gave. */
  readonly usesBook: boolean;
  readonly #zone: ZoneOptions<Z>;
  readonly #random: RandomSource;
  readonly #links: () => Iterable<Link<Z>>;
  readonly #emit: (effect: BookEffect<Z>) => void;
  readonly #given: readonly DialTarget<Z>[];
  readonly #asking: ZoneAsking<Z>;
  readonly #found: DialTarget<Z>[] = [];
  readonly #passedOver = new Set<string>();
  /** Links of its own; one place is spared for telling the zone's address. */
  readonly #placesMax: number;
  #pickAt: number;
  #localFailures = 0;

  /**
   * @param options the zone's settings, links and chance
   * @param now milliseconds
   */
  constructor({ zone, random, links, emit }: ZoneDialingOptions<Z>, now: number) {
    this.#zone = zone;
    this.#random = random;
    this.#links = links;
    this.#emit = emit;
    const targets = dialTargets(zone.targets, now);
    this.#given = targets.filter(({ kind }) => kind !== "seed-node");
    this.#asking = new ZoneAsking(
      targets.filter(({ kind }) => kind === "seed-node"),
      random,
    );
    this.#placesMax = carryingMax(zone);
    const isExclusive = this.#given.some(({ kind }) => kind === "exclusive");
    this.usesBook = zone.hasBook === true && !isExclusive;
    this.#pickAt = this.usesBook ? now + uniform(random, 0, DIAL_PAUSE_MS.low) : now;
  }

  /** Whom the zone dials or is linked with: those that the user gave first, to be asked last. */
  get targets(): readonly DialTarget<Z>[] {
    return [...this.#kept(), ...this.#asking.targets];
  }

  /** Outbound links at the most. */
  get outboundMax(): number {
    return this.#zone.outboundMax;
  }

  /** When `next` or `ask` wants to be called; infinite when nothing is due. */
  get wakeAt(): number {
    let at = this.#mayPick() ? this.#pickAt : Number.POSITIVE_INFINITY;
    if (!this.#mayDial()) return at;
    for (const { link, dialAt } of this.#kept()) if (link === undefined) at = Math.min(at, dialAt);
    return Math.min(at, this.#toAsk()?.dialAt ?? at);
  }

  /**
   * Whom to dial now.
   *
   * @param now milliseconds
   * @returns undefined where nobody is due; the caller puts a link on what it gets
   */
  next(now: number): DialTarget<Z> | undefined {
    if (!this.#mayDial()) return undefined;
    const kept = this.#kept().find(({ link, dialAt }) => link === undefined && dialAt <= now);
    if (kept !== undefined) return kept;
    const asked = this.#toAsk();
    return asked !== undefined && asked.dialAt <= now ? asked : undefined;
  }

  /**
   * When a target without a link is dialed.
   *
   * @param target one of the zone's
   * @returns undefined for one of those to be asked whose turn it is not
   */
  dialAtOf(target: DialTarget<Z>): number | undefined {
    const isAsked = this.#asking.targets.includes(target);
    return isAsked && this.#toAsk() !== target ? undefined : target.dialAt;
  }

  /**
   * Asks the book for a peer, where there is a place for one and the pause is over.
   *
   * @param now milliseconds
   */
  ask(now: number): void {
    if (!this.#mayPick() || this.#pickAt > now) return;
    this.#pause(DIAL_PAUSE_MS, now);
    this.#emit({
      ...{ kind: "find-peer", zone: this.#zone.zone, outboundMax: this.#zone.outboundMax },
      linked: this.targets.flatMap(({ link, kind, address }) =>
        link !== undefined || kind === "book" || kind === "seed" ? [formatAddress(address)] : [],
      ),
      passedOver: [...this.#passedOver],
      seeds: this.#mayTakeSeeds(),
    });
  }

  /**
   * Takes what the book answered.
   *
   * @param found a peer, undefined where it has none that may be dialed
   * @param now milliseconds
   */
  take(
    found: { readonly address: Address; readonly isSeed: boolean } | undefined,
    now: number,
  ): void {
    if (!this.usesBook) return;
    if (found === undefined) {
      this.#asking.want();
      this.#passedOver.clear();
      // Where somebody was not asked yet who may know others, there may soon be more.
      this.#pause(this.#mayTakeSeeds() ? EMPTY_PAUSE_MS : DIAL_PAUSE_MS, now);
      return;
    }
    this.#asking.enough();
    const { address, isSeed } = found;
    const known = this.targets.find((target) => target.address.host === address.host);
    if (known !== undefined || address.host === this.#zone.ownAddress?.host) {
      this.#passOver(address);
      // Another port of a peer that the user gave is that peer.
      if (known !== undefined && known.link === undefined && known.kind !== "seed-node")
        known.dialAt = Math.min(known.dialAt, now);
    } else if (isOfZone(address, this.#zone.zone) && this.#mayPick()) {
      this.#found.push(newTarget(address, isSeed ? "seed" : "book", now));
    }
  }

  /**
   * A peer list came in an answer of a peer that was dialed.
   *
   * @param link on which it came
   * @param entries checked to be of the zone
   * @param now milliseconds
   */
  heard({ address: source }: Link<Z>, entries: readonly PeerEntry[], now: number): void {
    if (!this.usesBook || source === undefined || entries.length === 0) return;
    const { zone, ownAddress } = this.#zone;
    const own = ownAddress === undefined ? {} : { own: ownAddress };
    this.#emit({ kind: "peers-heard", zone, source, entries, ...own });
    const { low, high } = DIAL_PAUSE_MS;
    this.#pickAt = Math.min(this.#pickAt, now + uniform(this.#random, low, high));
  }

  /**
   * A peer that was dialed answered our handshake, and its list was heard.
   *
   * @param link the link to it
   * @param now milliseconds
   * @returns whether nothing more is wanted of it: then the link is to be closed, which is no fault
   *   of its peer's
   */
  asked({ target }: Link<Z>, now: number): boolean {
    if (target === undefined || !this.#asking.answered(target, now)) return false;
    this.#pause(DIAL_PAUSE_MS, now);
    return true;
  }

  /**
   * A peer that was dialed answered our handshake.
   *
   * @param link the link to it
   */
  answered({ target }: Link<Z>): void {
    if (target === undefined) return;
    target.trouble = undefined;
    this.#localFailures = 0;
    this.#passedOver.clear();
    this.#tellBook("peer-answered", target);
  }

  /**
   * A peer answered a timed sync: after a while its link counts as a lasting one.
   *
   * @param link the link to it
   * @param now milliseconds
   */
  synced(link: Link<Z>, now: number): void {
    const { target } = link;
    if (target === undefined || link.lasting || now - link.phaseAt < LASTING_LINK_MS) return;
    link.lasting = true;
    if (target.kind !== "seed") this.#tellBook("peer-lasted", target);
  }

  /**
   * A link to a peer is gone, or never came to be.
   *
   * @param link taken off the zone's links already
   * @param where whose fault it is
   * @param reason in words for the user
   * @param now milliseconds
   * @returns whether the log should tell of it: of a peer that stays away once, not at every attempt
   */
  lost(link: Link<Z>, where: FaultPlace, reason: string, now: number): boolean {
    const { target } = link;
    if (target === undefined) return false;
    const wasReady = link.phase === "ready";
    const lasted = wasReady && now - link.phaseAt >= LASTING_LINK_MS;
    if (lasted) target.failures = 0;
    const isNews = target.trouble !== reason;
    recordFailure(target, where, reason, this.#random, now);
    if (!lasted && this.#isPeersFault(link, where, now)) this.#tellBook("peer-failed", target);
    const at = this.#found.indexOf(target);
    if (at < 0) {
      // Others may be asked in its place.
      if (target.kind === "seed-node") this.#pause(DIAL_PAUSE_MS, now);
      return isNews;
    }
    this.#found.splice(at, 1);
    if (where === "local") {
      const wait = Math.min(LOCAL_PAUSE_MS_MAX, DIAL_PAUSE_MS.low * 2 ** this.#localFailures);
      this.#localFailures = Math.min(this.#localFailures + 1, 20);
      this.#pause({ low: wait / 2, high: wait }, now);
    } else if (!wasReady) this.#passOver(target.address);
    return wasReady;
  }

  /**
   * A link was closed because its epoch is over, which says nothing of its peer: whom the user gave
   * is dialed again, and in place of another the book is asked.
   *
   * @param link taken off the zone's links already
   * @param now milliseconds
   */
  retired({ target }: Link<Z>, now: number): void {
    if (target === undefined) return;
    target.link = undefined;
    target.failures = 0;
    target.dialAt = now + uniform(this.#random, DIAL_PAUSE_MS.low, DIAL_PAUSE_MS.high);
    const at = this.#found.indexOf(target);
    if (at < 0) return;
    this.#found.splice(at, 1);
    this.#pickAt = Math.min(this.#pickAt, target.dialAt);
  }

  /**
   * That a dial failed says something of the peer only where the way to it is known to work: else
   * an hour without Tor would put the whole book aside.
   */
  #isPeersFault({ phase }: Link<Z>, where: FaultPlace, now: number): boolean {
    if (where === "peer") return true;
    if (where !== "network" || phase === "ready") return false;
    if (phase === "handshaking") return true;
    for (const other of this.#links()) {
      if (other.phase === "ready" && other.heardAt >= now - EVIDENCE_MS) return true;
    }
    return false;
  }

  #tellBook(
    kind: "peer-answered" | "peer-lasted" | "peer-failed",
    { address, kind: origin }: DialTarget<Z>,
  ): void {
    // One that is only asked is no peer of ours: in the book it would be dialed as one.
    if (!this.usesBook || origin === "seed-node") return;
    const isGiven = origin !== "book" && origin !== "seed";
    this.#emit({ kind, zone: this.#zone.zone, address, isGiven });
  }

  /** Those whose links stay. */
  #kept(): readonly DialTarget<Z>[] {
    return [...this.#given, ...this.#found];
  }

  /** Whether somebody whom the user gave has not failed yet, and not answered. */
  #awaitsGiven(): boolean {
    return this.#given.some((target) => target.failures === 0 && !this.#isReady(target));
  }

  /** Whom the user gave may know others: no seed is bothered before they were asked. */
  #mayTakeSeeds(): boolean {
    return !this.#awaitsGiven() && !this.#asking.hasUntried;
  }

  #toAsk(): DialTarget<Z> | undefined {
    if (!this.usesBook || this.#awaitsGiven()) return undefined;
    return this.#asking.due(!this.#kept().some((target) => this.#isReady(target)));
  }

  #passOver(address: Address): void {
    const [oldest] = this.#passedOver;
    if (oldest !== undefined && this.#passedOver.size >= PASSED_OVER_MAX) {
      this.#passedOver.delete(oldest);
    }
    this.#passedOver.add(formatAddress(address));
  }

  #pause({ low, high }: { readonly low: number; readonly high: number }, now: number): void {
    this.#pickAt = now + uniform(this.#random, low, high);
  }

  #isReady({ link: id }: DialTarget<Z>): boolean {
    for (const link of this.#links()) if (link.id === id) return link.phase === "ready";
    return false;
  }

  #outbound(): number {
    let count = 0;
    for (const { direction, announces } of this.#links()) {
      if (direction === "outbound" && !announces) count++;
    }
    return count;
  }

  #mayDial(): boolean {
    return this.#outbound() < this.#placesMax;
  }

  #mayPick(): boolean {
    if (!this.usesBook) return false;
    const waiting = this.#found.filter(({ link }) => link === undefined).length;
    const underway = this.#found.filter((target) => !this.#isReady(target)).length;
    if (underway >= BOOK_DIALS_MAX) return false;
    const kept = this.#given.filter(
      ({ link, failures }) => link === undefined && failures < PLACE_FAILURES_MAX,
    ).length;
    return this.#outbound() + waiting + kept < this.#placesMax;
  }
}
