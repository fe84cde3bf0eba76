import type { Zone } from "../address/zone.ts";
import type { LinkId } from "./event.ts";

/** Whom a transaction came from: a link, or our own wallet. */
export type Source = LinkId | "own";

/**
 * How long after a transaction was sent the loss of a link is taken for the answer to it. monerod
 * closes at once; the rest is the way through Tor and back.
 */
export const BLAME_MS = 20_000;
/**
 * Losses after which a source passes nothing on any more. One may be chance: links end every day.
 * The transaction itself is put aside at the first.
 */
export const STRIKES_MAX = 2;
/**
 * How long a transaction stays aside: if chance ended the link, that is how much later it comes out,
 * and if not, the next link that it costs is its source's last.
 */
export const ASIDE_MS = 600_000;
/** Sources of one zone that may lose their right within an hour before nothing of it is taken. */
export const BARRED_MAX = 8;
/**
 * How long that is, and how long the zone waits then: an onion name costs nothing. A source's own
 * strikes are as old at the most, since chance deals them out too.
 */
export const BARRED_MS = 3_600_000;
/** Transactions of one source that nobody else has shown yet; the next is not taken. */
export const IN_DOUBT_MAX = 1_024;
/** Transactions that are remembered with their source, the oldest forgotten first. */
export const LEDGER_TRANSACTIONS_MAX = 16_384;
/** Sources that are remembered, the oldest forgotten first; links end, what they sent remains. */
const SOURCES_MAX = 4_096;
/** Transactions that may be to blame for one link. */
const SUSPECTS_MAX = 1_024;

interface Held {
  readonly source: Source;
  /** A peer that we chose showed it in public: it is no poison. */
  vouched: boolean;
  /** A link ended right after it: until then it goes nowhere, unless somebody else shows it. */
  asideUntil: number | undefined;
}

/** A link that transactions come over. */
export interface SourceLink {
  readonly link: LinkId;
  readonly zone: Zone;
  /**
   * Whether we dialed it in public, so that whoever wants to be many there has to be many machines.
   * @default false
   */
  readonly isChosen?: boolean;
}

interface SourceRecord {
  readonly zone: Zone;
  readonly isChosen: boolean;
  strikes: number;
  /** When the last strike came, in milliseconds. */
  struckAt: number;
  inDoubt: number;
}

/**
 * Who is to blame when a link ends. A node without a chain can't verify a signature, and a peer
 * closes the link on which it gets a bad one. So each transaction is remembered with its source,
 * no message carries those of two sources, and a source whose transactions cost us links loses its
 * right to have any passed on. A wallet's own are never held back.
 */
export class SourceLedger {
  readonly #held = new Map<string, Held>();
  readonly #sources = new Map<LinkId, SourceRecord>();
  /** What was sent on a link lately, oldest first. */
  readonly #suspects = new Map<LinkId, { readonly id: string; readonly at: number }[]>();
  /** Whose transactions an anonymity zone's stream carries. */
  readonly #carried = new Map<LinkId, { readonly source: Source; readonly id: string }>();
  /** What was put aside, in that order. */
  readonly #aside = new Set<string>();
  /** What went out for the last time, and until when a link's end is put down to it; oldest first. */
  readonly #finished = new Map<string, number>();
  /** When sources of a zone lost their right. */
  readonly #barred = new Map<Zone, number[]>();

  /**
   * A transaction arrived.
   *
   * @param id the transaction
   * @param from its link
   * @param now milliseconds
   * @returns whether it is known or may be passed on; where not, the ledger does not know it
   */
  take(id: string, from: SourceLink, now: number): boolean {
    this.#forgetFinished(now);
    this.#pardon(from.link, now);
    const held = this.#held.get(id);
    const { link, zone, isChosen = false } = from;
    const isBarred =
      held !== undefined &&
      held.source !== "own" &&
      !held.vouched &&
      held.source !== link &&
      !this.mayForward(held.source);
    // Whom a barred source came before must not suffer for it: the next one answers for it now.
    if (held !== undefined && !isBarred) return true;
    const source = this.#source(from);
    if (source.strikes >= STRIKES_MAX || source.inDoubt >= IN_DOUBT_MAX) return isBarred;
    if (!isChosen && this.isPaused(zone, now)) return isBarred;
    this.#release(id);
    source.inDoubt++;
    this.#hold(id, link);
    return true;
  }

  /**
   * A wallet submitted a transaction: whoever sent it before is not its source.
   *
   * @param id the transaction
   */
  own(id: string): void {
    this.#release(id);
    this.#hold(id, "own");
  }

  /**
   * Whom a transaction came from.
   *
   * @param id the transaction
   */
  sourceOf(id: string): Source | undefined {
    return this.#held.get(id)?.source;
  }

  /**
   * Whether a source has its right still.
   *
   * @param link the source's
   */
  mayForward(link: LinkId): boolean {
    return (this.#sources.get(link)?.strikes ?? 0) < STRIKES_MAX;
  }

  /**
   * Whether nothing of a zone's guests is taken, because too many of them lost their right.
   *
   * @param zone which
   * @param now milliseconds
   */
  isPaused(zone: Zone, now: number): boolean {
    const recent = (this.#barred.get(zone) ?? []).filter((at) => at > now - BARRED_MS);
    return recent.length >= BARRED_MAX;
  }

  /**
   * Whether a transaction may be sent in public now.
   *
   * @param id the transaction
   */
  maySend(id: string): boolean {
    const held = this.#held.get(id);
    if (held === undefined) return false;
    if (held.source === "own" || held.vouched) return true;
    return held.asideUntil === undefined && this.mayForward(held.source);
  }

  /**
   * Whether a stream of an anonymity zone may carry a transaction: one that carries another
   * source's may not, and a wallet's shares its stream with nothing.
   *
   * @param link the stream
   * @param id the transaction
   */
  mayCarry(link: LinkId, id: string): boolean {
    const held = this.#held.get(id);
    const carried = this.#carried.get(link);
    if (held === undefined || !this.maySend(id)) return false;
    if (carried === undefined || carried.id === id) return true;
    return carried.source === held.source && held.source !== "own";
  }

  /**
   * An anonymity zone's stream is from now on that of a transaction's source.
   *
   * @param link the stream
   * @param id the transaction
   */
  carry(link: LinkId, id: string): void {
    const source = this.sourceOf(id);
    if (source !== undefined && !this.#carried.has(link)) this.#carried.set(link, { source, id });
  }

  /**
   * Parts what may be sent on a link into messages: one a source, and one for each of a wallet's.
   *
   * @param ids transactions
   * @returns those that may be sent, in the order of the first of each message
   */
  messages(ids: readonly string[]): string[][] {
    const messages = new Map<string | LinkId, string[]>();
    for (const id of ids) {
      const source = this.sourceOf(id);
      if (source === undefined || !this.maySend(id)) continue;
      const key = source === "own" ? id : source;
      messages.set(key, [...(messages.get(key) ?? []), id]);
    }
    return [...messages.values()];
  }

  /**
   * A message left.
   *
   * @param link on which
   * @param ids its transactions
   * @param now milliseconds
   */
  sent(link: LinkId, ids: readonly string[], now: number): void {
    const kept = (this.#suspects.get(link) ?? []).filter(({ at }) => at > now - BLAME_MS);
    kept.push(...ids.map((id) => ({ id, at: now })));
    this.#suspects.set(link, kept.slice(-SUSPECTS_MAX));
  }

  /**
   * A transaction went out for the last time: nobody may ever vouch for it, and once no link's end is
   * put down to it any more it must not stand against its source.
   *
   * @param id the transaction
   * @param now milliseconds
   */
  finish(id: string, now: number): void {
    if (this.#held.has(id)) this.#finished.set(id, now + BLAME_MS);
  }

  /**
   * A peer that we chose showed a transaction in public: its signatures are good.
   *
   * @param id the transaction
   */
  vouch(id: string): void {
    const held = this.#held.get(id);
    if (held === undefined || held.vouched) return;
    this.#settle(held);
    held.vouched = true;
    this.#back(id, held);
  }

  /**
   * A link ended, by its peer or on the way to it.
   *
   * @param link which
   * @param now milliseconds
   * @returns the sources that lost their right by it
   */
  lost(link: LinkId, now: number): LinkId[] {
    const suspects = (this.#suspects.get(link) ?? []).filter(({ at }) => at > now - BLAME_MS);
    this.gone(link);
    const bySource = new Map<LinkId, string[]>();
    for (const { id } of suspects) {
      const held = this.#held.get(id);
      if (held === undefined || held.vouched || held.source === "own") continue;
      bySource.set(held.source, [...(bySource.get(held.source) ?? []), id]);
    }
    const barred: LinkId[] = [];
    for (const [source, ids] of bySource) {
      // Where several may be to blame, each is by a part.
      if (this.#strike(source, 1 / bySource.size, now)) barred.push(source);
      if (bySource.size === 1) for (const id of ids) this.#putAside(id, now);
    }
    return barred;
  }

  /**
   * A link is gone, for our own reasons.
   *
   * @param link which
   */
  gone(link: LinkId): void {
    this.#suspects.delete(link);
    this.#carried.delete(link);
  }

  /**
   * A transaction is needed no more.
   *
   * @param id the transaction
   */
  forget(id: string): void {
    this.#release(id);
  }

  /**
   * Those that are no longer aside.
   *
   * @param now milliseconds
   * @returns their ids; each once
   */
  due(now: number): string[] {
    const due: string[] = [];
    for (const id of this.#aside) {
      const held = this.#held.get(id);
      if (held?.asideUntil !== undefined && held.asideUntil > now) break;
      this.#aside.delete(id);
      if (held === undefined) continue;
      held.asideUntil = undefined;
      due.push(id);
    }
    return due;
  }

  /** When `due` wants to be called, in milliseconds; infinite while nothing is aside. */
  get wakeAt(): number {
    const [first] = this.#aside;
    if (first === undefined) return Number.POSITIVE_INFINITY;
    return this.#held.get(first)?.asideUntil ?? 0;
  }

  #putAside(id: string, now: number): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#aside.delete(id);
    this.#aside.add(id);
    held.asideUntil = now + ASIDE_MS;
  }

  #back(id: string, held: Held): void {
    this.#aside.delete(id);
    held.asideUntil = undefined;
  }

  #strike(link: LinkId, part: number, now: number): boolean {
    this.#pardon(link, now);
    const source = this.#sources.get(link);
    if (source === undefined || source.strikes >= STRIKES_MAX) return false;
    source.strikes += part;
    source.struckAt = now;
    if (source.strikes < STRIKES_MAX) return false;
    if (source.isChosen) return true;
    const recent = (this.#barred.get(source.zone) ?? []).filter((at) => at > now - BARRED_MS);
    this.#barred.set(source.zone, [...recent, now].slice(-BARRED_MAX));
    return true;
  }

  #pardon(link: LinkId, now: number): void {
    const source = this.#sources.get(link);
    if (source !== undefined && source.struckAt <= now - BARRED_MS) source.strikes = 0;
  }

  #source({ link, zone, isChosen = false }: SourceLink): SourceRecord {
    const known = this.#sources.get(link);
    if (known !== undefined) return known;
    const made = { zone, isChosen, strikes: 0, struckAt: 0, inDoubt: 0 };
    this.#sources.set(link, made);
    if (this.#sources.size > SOURCES_MAX) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined) this.#sources.delete(oldest);
    }
    return made;
  }

  #forgetFinished(now: number): void {
    for (const [id, at] of this.#finished) {
      if (at > now) return;
      this.#release(id);
    }
  }

  #hold(id: string, source: Source): void {
    this.#held.set(id, { source, vouched: false, asideUntil: undefined });
    if (this.#held.size <= LEDGER_TRANSACTIONS_MAX) return;
    for (const [oldest, { source: of }] of this.#held) {
      if (of === "own") continue;
      this.#release(oldest);
      return;
    }
  }

  #release(id: string): void {
    this.#finished.delete(id);
    const held = this.#held.get(id);
    if (held === undefined) return;
    if (!held.vouched) this.#settle(held);
    this.#aside.delete(id);
    this.#held.delete(id);
  }

  #settle({ source }: Held): void {
    const record = source === "own" ? undefined : this.#sources.get(source);
    if (record !== undefined && record.inDoubt > 0) record.inDoubt--;
  }
}
