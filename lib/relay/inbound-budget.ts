import { type Arrival, arrivedBytes } from "./arrival.ts";
import { Budget, type BudgetOptions } from "./budget.ts";
import type { LinkId } from "./event.ts";
import { INBOUND_LIMITS, type InboundLimits, type WorkKind } from "./inbound-limits.ts";

/** A place for a guest, and who has to leave for it. */
export interface Room {
  readonly insteadOf: LinkId | undefined;
}

/** How many guests there are, and what became of others. */
export interface InboundCounts {
  readonly guests: number;
  /** Those among them that have not shaken hands. */
  readonly strangers: number;
  /** Streams that found no place. */
  readonly refused: number;
  /** Strangers that had to leave their place to another. */
  readonly displaced: number;
  /** Links that were closed because they sent more than they may. */
  readonly overspent: number;
}

/** A guest that has not shaken hands. */
interface Stranger {
  readonly since: number;
  bytesLeft: number;
  messagesLeft: number;
}

interface KnownLink {
  readonly isGuest: boolean;
  readonly own: Readonly<Record<WorkKind, Budget>>;
  readonly shares: Readonly<Record<WorkKind, Budget>> | undefined;
}

const reasons: Readonly<Record<WorkKind, string>> = {
  bytes: "it sends more bytes than a peer may",
  messages: "it sends more messages than a peer may",
  requests: "it asks faster than it may be answered",
  transactions: "it sends more transactions than a peer may",
};

/**
 * What the links of an anonymity zone may cost us. Nobody knows who a guest is, and being another
 * one is free, so no bound rests on that: each guest has a share that the others can't use up, and
 * whatever goes beyond it comes out of one pool. So work is bounded for the zone, and whoever sends
 * little is served however much the others send.
 *
 * A guest that has not shaken hands is a stranger: it may send a handshake and little else, and its
 * place is not safe. One that has keeps its place until it breaks a rule or falls silent.
 */
export class InboundBudget {
  readonly #places: number;
  readonly #limits: InboundLimits;
  /** Oldest first. */
  readonly #strangers = new Map<LinkId, Stranger>();
  readonly #known = new Map<LinkId, KnownLink>();
  readonly #pools: Readonly<Record<WorkKind, Budget>>;
  readonly #handshakes: Budget;
  readonly #welcomes: Budget;
  #knownGuests = 0;
  #refused = 0;
  #displaced = 0;
  #overspent = 0;

  /**
   * @param places guests at the most
   * @param now milliseconds
   * @param limits what they may
   */
  constructor(places: number, now: number, limits: InboundLimits = INBOUND_LIMITS) {
    this.#places = places;
    this.#limits = limits;
    this.#pools = budgetsOf(now, (kind) => limits.work[kind].pool);
    this.#handshakes = new Budget(limits.handshakes, now);
    this.#welcomes = new Budget(limits.welcomes, now);
  }

  /** How many guests there are and were turned away. */
  get counts(): InboundCounts {
    return {
      guests: this.#guests,
      strangers: this.#strangers.size,
      refused: this.#refused,
      displaced: this.#displaced,
      overspent: this.#overspent,
    };
  }

  get #guests(): number {
    return this.#strangers.size + this.#knownGuests;
  }

  /**
   * Looks for a place for one more guest. Where all are taken it is that of the stranger that has
   * waited longest, if it had time enough to send its handshake; never that of a guest that shook
   * hands, or whoever opens streams could empty the zone.
   *
   * @param now milliseconds
   * @returns undefined where there is none
   */
  room(now: number): Room | undefined {
    if (this.#guests < this.#places) return { insteadOf: undefined };
    const [oldest] = this.#strangers;
    if (oldest !== undefined && now - oldest[1].since >= this.#limits.strangerPatienceMs) {
      this.#displaced++;
      return { insteadOf: oldest[0] };
    }
    this.#refused++;
    return undefined;
  }

  /**
   * A guest takes its place.
   *
   * @param link its number
   * @param now milliseconds
   */
  enter(link: LinkId, now: number): void {
    const { strangerBytesMax: bytesLeft, strangerMessagesMax: messagesLeft } = this.#limits;
    this.#strangers.set(link, { since: now, bytesLeft, messagesLeft });
  }

  /**
   * A peer that we chose is dialed: it needs no place, but its work is bounded too.
   *
   * @param link its number
   * @param now milliseconds
   */
  dial(link: LinkId, now: number): void {
    this.#know(link, false, now);
  }

  /**
   * A guest shook hands.
   *
   * @param link its number
   * @param now milliseconds
   */
  shakeHands(link: LinkId, now: number): void {
    if (!this.#strangers.delete(link)) return;
    this.#know(link, true, now);
    this.#knownGuests++;
  }

  /**
   * A link is gone.
   *
   * @param link its number
   */
  leave(link: LinkId): void {
    this.#strangers.delete(link);
    if (this.#known.get(link)?.isGuest === true) this.#knownGuests--;
    this.#known.delete(link);
  }

  /**
   * Counts what came, before anything of it is read.
   *
   * @param arrival what, on which link
   * @param now milliseconds
   * @returns why the link is to be closed, or undefined
   */
  hear(arrival: Arrival, now: number): string | undefined {
    const { link } = arrival;
    const stranger = this.#strangers.get(link);
    if (stranger !== undefined) return this.#hearStranger(stranger, arrival, now);
    const isRequest = arrival.kind === "message" && arrival.message.kind === "request";
    return (
      this.#spend(link, "bytes", arrivedBytes(arrival), now) ??
      this.#spend(link, "messages", arrival.kind === "arriving" ? 0 : 1, now) ??
      this.#spend(link, "requests", isRequest ? 1 : 0, now)
    );
  }

  /**
   * Counts transactions that a link brought, before they are looked at.
   *
   * @param link which
   * @param count how many
   * @param now milliseconds
   * @returns why the link is to be closed, or undefined
   */
  bring(link: LinkId, count: number, now: number): string | undefined {
    return this.#spend(link, "transactions", count, now);
  }

  /** When `overdue` wants to be called, in milliseconds; infinite while there is no stranger. */
  get wakeAt(): number {
    const [oldest] = this.#strangers.values();
    if (oldest === undefined) return Number.POSITIVE_INFINITY;
    return oldest.since + this.#limits.strangerMsMax;
  }

  /**
   * The strangers whose time is over; their links are to be closed.
   *
   * @param now milliseconds
   */
  overdue(now: number): LinkId[] {
    const overdue: LinkId[] = [];
    for (const [link, { since }] of this.#strangers) {
      if (since + this.#limits.strangerMsMax > now) break;
      overdue.push(link);
    }
    return overdue;
  }

  #hearStranger(stranger: Stranger, arrival: Arrival, now: number): string | undefined {
    stranger.bytesLeft -= arrivedBytes(arrival);
    if (arrival.kind !== "arriving") stranger.messagesLeft--;
    if (stranger.bytesLeft < 0 || stranger.messagesLeft < 0) {
      return this.#overspend("it sends more than belongs into a handshake");
    }
    if (arrival.kind !== "message" || this.#handshakes.take(1, now)) return undefined;
    return this.#overspend("too many peers shake hands at once");
  }

  #spend(link: LinkId, kind: WorkKind, units: number, now: number): string | undefined {
    const known = this.#known.get(link);
    if (known === undefined) return undefined;
    const { own, shares } = known;
    const isCovered =
      own[kind].take(units, now) &&
      (shares === undefined || shares[kind].take(units, now) || this.#pools[kind].take(units, now));
    return isCovered ? undefined : this.#overspend(reasons[kind]);
  }

  #overspend(reason: string): string {
    this.#overspent++;
    return reason;
  }

  #know(link: LinkId, isGuest: boolean, now: number): void {
    const own = budgetsOf(now, (kind) => this.#limits.work[kind].link);
    this.#known.set(link, { isGuest, own, shares: isGuest ? this.#newShares(now) : undefined });
  }

  #newShares(now: number): Record<WorkKind, Budget> {
    const left = this.#welcomes.take(1, now) ? undefined : 0;
    return budgetsOf(now, (kind) => this.#shareOf(kind), left);
  }

  #shareOf(kind: WorkKind): BudgetOptions {
    const { burst, perSecond, perSecondMin } = this.#limits.work[kind].share;
    return { burst, perSecond: Math.max(perSecondMin, perSecond / Math.max(1, this.#places)) };
  }
}

function budgetsOf(
  now: number,
  options: (kind: WorkKind) => BudgetOptions,
  left?: number,
): Record<WorkKind, Budget> {
  return {
    bytes: new Budget(options("bytes"), now, left),
    messages: new Budget(options("messages"), now, left),
    requests: new Budget(options("requests"), now, left),
    transactions: new Budget(options("transactions"), now, left),
  };
}
