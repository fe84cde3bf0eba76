import type { LinkId } from "./event.ts";

/** How much may come, at once and in the long run. */
export interface BudgetOptions {
  /** Units that may come at once. */
  readonly burst: number;
  /** Units that are given back each second. */
  readonly perSecond: number;
}

/**
 * What a peer may make us work: each link has one for bytes and one for messages, and so has the
 * zone for all of its guests, because another guest costs whoever wants to be one nothing.
 */
export class Budget {
  readonly #options: BudgetOptions;
  #left: number;
  #at: number;

  /**
   * @param options how much
   * @param now milliseconds
   */
  constructor(options: BudgetOptions, now: number) {
    this.#options = options;
    this.#left = options.burst;
    this.#at = now;
  }

  /**
   * Takes from it.
   *
   * @param units how many
   * @param now milliseconds
   * @returns false where there is not so much left; nothing is taken then
   */
  take(units: number, now: number): boolean {
    const { burst, perSecond } = this.#options;
    this.#left = Math.min(burst, this.#left + (Math.max(0, now - this.#at) / 1_000) * perSecond);
    this.#at = Math.max(this.#at, now);
    if (units > this.#left) return false;
    this.#left -= units;
    return true;
  }
}

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

/** The budgets of a zone's links, and of all its guests together. */
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
   * A message came.
   *
   * @param link on which
   * @param bytes its size
   * @param now milliseconds
   * @returns false where the link may not send so much
   */
  spend(link: LinkId, bytes: number, now: number): boolean {
    const budget = this.#links.get(link);
    if (budget === undefined) return true;
    if (!budget.bytes.take(bytes, now) || !budget.messages.take(1, now)) return false;
    if (!budget.isGuest) return true;
    return this.#guestBytes.take(bytes, now) && this.#guestMessages.take(1, now);
  }
}
