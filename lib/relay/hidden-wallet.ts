import type { LinkId, RelayEffect, ZoneOutcome } from "./event.ts";
import {
  GIVE_UP_MS,
  type LocalTransaction,
  type RetrySchedule,
  retryDelay,
  type TransactionPool,
} from "./pool.ts";
import { SPREAD_KEPT_MS } from "./public-wallet.ts";
import { holdReason, type Standing } from "./standing.ts";
import type { ZoneCore } from "./zone-core.ts";

/** What looking after wallets' transactions in anonymity zones takes from the relay around it. */
export interface HiddenWalletContext {
  readonly pool: TransactionPool;
  readonly retry: RetrySchedule;
  /** The zone that is preferred first. */
  readonly zones: readonly ZoneCore[];
  /** Where effects go, in order. */
  readonly emit: (effect: RelayEffect) => void;
}

/** What of a zone's outcomes is about a transaction. */
type TransactionOutcome = Extract<
  ZoneOutcome,
  { kind: "left" | "returned" | "confirmed" | "lost" }
>;

/**
 * Wallets' transactions that go to anonymity zones: each leaves in noise frames on streams that have
 * carried no other, and again after a while, since nobody tells that it arrived.
 */
export class HiddenWallet {
  readonly #context: HiddenWalletContext;
  /** Those that a peer of the public zone told us of. */
  readonly #spread = new Set<string>();

  /** @param context pool, zones, and where effects go */
  constructor(context: HiddenWalletContext) {
    this.#context = context;
  }

  /**
   * When `dispatch` wants to be called, in milliseconds; infinite when nothing is due. One that is
   * due already waits for a stream, so for a tick.
   *
   * @param now milliseconds
   */
  wakeAt(now: number): number {
    const { pool, zones } = this.#context;
    let at = Number.POSITIVE_INFINITY;
    if (!zones.some(({ channels }) => channels.seated > 0)) return at;
    for (const { underway, dueAt } of pool.local) {
      if (underway === undefined && dueAt > now) at = Math.min(at, dueAt);
    }
    return at;
  }

  /**
   * Puts what is due on streams that may carry it. What left least often goes first: a new one must
   * not wait behind what has been sent a dozen times.
   *
   * @param now milliseconds
   */
  dispatch(now: number): void {
    const due: LocalTransaction[] = [];
    for (const transaction of this.#context.pool.local) {
      if (transaction.underway === undefined && transaction.dueAt <= now) due.push(transaction);
    }
    if (due.length === 0) return;
    const { zones } = this.#context;
    const seated = zones.filter(({ channels }) => channels.seated > 0);
    due.sort((a, b) => a.sends - b.sends);
    for (const transaction of due) {
      const isCarried = this.#carry(transaction, seated);
      // It waits for a stream's beginning from here on: it does not come at a random moment.
      if (isCarried) continue;
      if (zones.some(({ channels }) => channels.isSpent || channels.isRotating)) {
        transaction.isBehind = true;
      }
    }
  }

  #carry(transaction: LocalTransaction, seated: readonly ZoneCore[]): boolean {
    const { id, blob, isBehind } = transaction;
    // One that was forgotten and came again may stand there still: it leaves once, not twice.
    const before = seated.find(({ channels }) => channels.holding(id) > 0);
    for (const zone of before === undefined ? seated : [before]) {
      if (before === undefined && zone.channels.free === 0) continue;
      const waiting = before?.channels.holding(id) ?? zone.carry(id, blob, isBehind);
      if (waiting === 0) continue;
      transaction.arrived = false;
      transaction.isBehind = false;
      transaction.leftOn.clear();
      transaction.underway = { zone: zone.zone, waiting, left: 0, isCounted: false };
      return true;
    }
    return false;
  }

  /**
   * Something became of a transaction on a zone's channel.
   *
   * @param outcome what
   * @param now milliseconds
   */
  hear(outcome: TransactionOutcome, now: number): void {
    const transaction = this.#context.pool.get(outcome.id);
    if (transaction === undefined) return;
    switch (outcome.kind) {
      case "left":
        transaction.leftOn.add(outcome.link);
        this.#channelDone(transaction, true, now);
        return;
      case "returned":
        this.#channelDone(transaction, false, now);
        return;
      case "confirmed":
        this.#confirm(transaction, now);
        return;
      case "lost":
        this.#lose(transaction, outcome.link, now);
    }
  }

  /**
   * A peer of the public zone that we dialed told us of a transaction: others send it too by now,
   * and whoever still sent it into an anonymity zone would be its origin.
   *
   * @param id the transaction
   * @param now milliseconds
   */
  spread(id: string, now: number): void {
    const transaction = this.#context.pool.get(id);
    if (transaction === undefined || this.#spread.has(id)) return;
    this.#spread.add(id);
    transaction.dueAt = Number.POSITIVE_INFINITY;
    transaction.giveUpAt = now + SPREAD_KEPT_MS;
    // After a restart too nobody but its origin would send it.
    this.#context.emit({ kind: "forget", id });
  }

  /**
   * A transaction is let go of.
   *
   * @param id the transaction
   * @returns whether it is public, so that the store has it no more and nobody has to be warned
   */
  letGo(id: string): boolean {
    return this.#spread.delete(id);
  }

  /**
   * How a transaction stands.
   *
   * @param transaction one of the pool's
   * @param now milliseconds
   */
  standing({ id, underway, sends, dueAt }: LocalTransaction, now: number): Standing {
    if (this.#spread.has(id)) return { kind: "public" };
    if (underway !== undefined && underway.waiting > 0) {
      const { zone, waiting: channels } = underway;
      return { kind: "queued", channels, ...this.#noiseless((one) => one.zone === zone) };
    }
    if (sends > 0 && dueAt > now) return { kind: "sent", again: dueAt, ...this.#noiseless() };
    return { kind: "held", reason: holdReason(this.#context.zones) };
  }

  /** Where noise can't be vouched for, nobody is told of it. */
  #noiseless(isMeant: (zone: ZoneCore) => boolean = () => true): { withoutNoise?: true } {
    const meant = this.#context.zones.filter(isMeant);
    return meant.some(({ channels }) => channels.isSilent) ? { withoutNoise: true } : {};
  }

  #channelDone(transaction: LocalTransaction, left: boolean, now: number): void {
    const { underway } = transaction;
    if (underway === undefined) return;
    underway.waiting--;
    if (left) underway.left++;
    if (left && !underway.isCounted) {
      underway.isCounted = true;
      transaction.sends++;
      this.#record(transaction);
      const { withoutNoise } = this.#noiseless(({ zone }) => zone === underway.zone);
      const text = `A transaction left${withoutNoise ? ", without noise" : " in noise frames"}.`;
      this.#context.emit({ kind: "notice", level: "info", text });
    }
    if (underway.waiting > 0) return;
    transaction.underway = undefined;
    if (this.#spread.has(transaction.id)) return;
    const wait = underway.left > 0 ? retryDelay(this.#context.retry, transaction.sends) : 0;
    transaction.dueAt = now + wait;
    // It had a stream already, and waits for another.
    transaction.isBehind = wait === 0;
    if (transaction.arrived) this.#record(transaction);
  }

  #confirm(transaction: LocalTransaction, now: number): void {
    const isNews = !transaction.arrived;
    transaction.arrived = true;
    transaction.giveUpAt ??= now + GIVE_UP_MS;
    if (isNews) this.#record(transaction);
  }

  /**
   * Bytes in a dead proxy's hands are nowhere: where none of the last round's are known to have
   * arrived, or may still, it goes again. What an earlier round lost is made up for already.
   */
  #lose(transaction: LocalTransaction, link: LinkId, now: number): void {
    const { leftOn, underway } = transaction;
    if (!leftOn.delete(link) || transaction.arrived || this.#spread.has(transaction.id)) return;
    if (underway !== undefined) underway.left--;
    else if (leftOn.size === 0) transaction.dueAt = now;
  }

  #record({ id, sends, giveUpAt, arrived, underway, dueAt }: LocalTransaction): void {
    if (this.#spread.has(id)) return;
    const isKnown = arrived && underway === undefined && Number.isFinite(dueAt);
    this.#context.emit({
      ...{ kind: "record", id, sends, confirmed: giveUpAt !== undefined },
      ...(isKnown ? { again: dueAt } : {}),
    });
  }
}
