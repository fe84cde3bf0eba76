import { type Arrival, arrivedBytes } from "./arrival.ts";
import { Budget, type BudgetOptions } from "./budget.ts";
import type { LinkId } from "./event.ts";

/**
 * Bytes of one link. The main network makes some kilobytes of transactions a second, and a block of
 * some hundred kilobytes now and then, which nobody asked for but everybody is told of.
 */
export const LINK_BYTES: BudgetOptions = { burst: 8_388_608, perSecond: 131_072 };
/** Messages of one link: a transaction every few seconds, a batch, a sync. */
export const LINK_MESSAGES: BudgetOptions = { burst: 400, perSecond: 20 };
/** Bytes of all guests together: four bursts, since they don't all burst at once. */
export const GUESTS_BYTES: BudgetOptions = { burst: 33_554_432, perSecond: 1_048_576 };
/** Messages of all guests together. */
export const GUESTS_MESSAGES: BudgetOptions = { burst: 2_000, perSecond: 200 };

interface LinkBudget {
  readonly bytes: Budget;
  readonly messages: Budget;
  /** Where a guest comes from; undefined for a peer that was dialed. */
  readonly host: string | undefined;
  readonly isGuest: boolean;
}

/**
 * What a peer may make us work: each link has one budget for bytes and one for messages, and so has
 * the zone for all of its guests, because another guest costs whoever wants to be one nothing.
 */
export class LinkBudgets {
  readonly #links = new Map<LinkId, LinkBudget>();
  readonly #guestBytes: Budget;
  readonly #guestMessages: Budget;

  /** @param now milliseconds */
  constructor(now: number) {
    this.#guestBytes = new Budget(GUESTS_BYTES, now);
    this.#guestMessages = new Budget(GUESTS_MESSAGES, now);
  }

  /**
   * How many guests there are.
   *
   * @param host where from; undefined for all
   */
  guests(host?: string): number {
    let count = 0;
    for (const link of this.#links.values()) {
      if (link.isGuest && (host === undefined || link.host === host)) count++;
    }
    return count;
  }

  /**
   * A link is there.
   *
   * @param link its number
   * @param guest where it comes from, if it was not dialed
   * @param now milliseconds
   */
  open(link: LinkId, guest: { readonly host: string | undefined } | undefined, now: number): void {
    this.#links.set(link, {
      bytes: new Budget(LINK_BYTES, now),
      messages: new Budget(LINK_MESSAGES, now),
      host: guest?.host,
      isGuest: guest !== undefined,
    });
  }

  /**
   * A link is gone.
   *
   * @param link its number
   */
  gone(link: LinkId): void {
    this.#links.delete(link);
  }

  /**
   * Counts what came.
   *
   * @param arrival what, on which link
   * @param now milliseconds
   * @returns false where the link may not send so much
   */
  spend(arrival: Arrival, now: number): boolean {
    const budget = this.#links.get(arrival.link);
    if (budget === undefined) return true;
    const bytes = arrivedBytes(arrival);
    const messages = arrival.kind === "arriving" ? 0 : 1;
    if (!budget.bytes.take(bytes, now) || !budget.messages.take(messages, now)) return false;
    if (!budget.isGuest) return true;
    return this.#guestBytes.take(bytes, now) && this.#guestMessages.take(messages, now);
  }
}
