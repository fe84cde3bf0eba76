import type { RelayEffect } from "./event.ts";
import {
  GIVE_UP_MS,
  type LocalTransaction,
  type RetrySchedule,
  retryDelay,
  type TransactionPool,
} from "./pool.ts";
import type { LocalOutcome } from "./public-options.ts";
import type { PublicRelay } from "./public-relay.ts";
import type { Standing } from "./standing.ts";

/**
 * How long a wallet's transaction is kept after a peer told us of it: that we tell the others, which
 * hides who told us, takes less.
 */
export const SPREAD_KEPT_MS = 600_000;

/** What looking after wallets' transactions in public takes from the relay around it. */
export interface PublicWalletContext {
  readonly pool: TransactionPool;
  readonly retry: RetrySchedule;
  readonly relay: PublicRelay;
  /** Where effects go, in order. */
  readonly emit: (effect: RelayEffect) => void;
}

/**
 * Wallets' transactions that go to the public zone, because no anonymity zone is configured: each
 * leaves as a stem, is told again until a peer tells us of it, and is let go of then.
 */
export class PublicWallet {
  readonly #context: PublicWalletContext;
  /** Those that a peer told us of. */
  readonly #spread = new Set<string>();

  /** @param context pool, relay, and where effects go */
  constructor(context: PublicWalletContext) {
    this.#context = context;
  }

  /** When `dispatch` wants to be called, in milliseconds; infinite when nothing is due. */
  get wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { sends, dueAt } of this.#context.pool.local) {
      if (sends > 0) at = Math.min(at, dueAt);
    }
    return at;
  }

  /**
   * Takes a transaction, new or of an earlier run.
   *
   * @param transaction one of the pool's
   * @param now milliseconds
   */
  submit(transaction: LocalTransaction, now: number): void {
    const { relay, retry } = this.#context;
    const { id, sends } = transaction;
    if (sends > 0) transaction.dueAt = now + retryDelay(retry, sends);
    relay.submit(id, sends, now);
  }

  /**
   * Tells again of what has left and was not heard of since.
   *
   * @param now milliseconds
   */
  dispatch(now: number): void {
    const { pool, relay } = this.#context;
    for (const transaction of pool.local) {
      if (transaction.sends === 0 || transaction.dueAt > now) continue;
      this.#count(transaction, now);
      relay.again(transaction.id, now);
    }
  }

  /**
   * A transaction got on.
   *
   * @param outcome how
   * @param now milliseconds
   */
  hear({ kind, id }: LocalOutcome, now: number): void {
    const transaction = this.#context.pool.get(id);
    if (transaction === undefined) return;
    switch (kind) {
      case "left":
        // What follows in the same round, to other peers, is no further attempt.
        if (transaction.sends === 0) {
          this.#count(transaction, now);
          this.#tell("A transaction left as a stem of Dandelion++.");
        }
        return;
      case "confirmed":
        this.#confirm(transaction, now);
        return;
      case "lost":
        // Its embargo sees to it that it comes out.
        return;
      case "spread":
        if (this.#spread.has(id)) return;
        this.#spread.add(id);
        transaction.dueAt = Number.POSITIVE_INFINITY;
        transaction.giveUpAt = now + SPREAD_KEPT_MS;
        // After a restart too nobody but its origin would tell of it again.
        this.#context.emit({ kind: "forget", id });
    }
  }

  /**
   * A transaction is let go of.
   *
   * @param id the transaction
   * @param now milliseconds
   * @returns whether it is public, so that nobody has to be warned
   */
  letGo(id: string, now: number): boolean {
    this.#context.relay.forget(id, now);
    return this.#spread.delete(id);
  }

  /**
   * How a transaction stands.
   *
   * @param transaction one of the pool's
   */
  standing({ id, sends, dueAt }: LocalTransaction): Standing {
    if (this.#spread.has(id)) return { kind: "public" };
    if (sends > 0) return { kind: "sent", again: dueAt, withoutNoise: true };
    const reason = this.#context.relay.heldReason(id);
    return { kind: "held", reason: reason ?? "It waits for a peer of the public zone." };
  }

  #count(transaction: LocalTransaction, now: number): void {
    transaction.sends++;
    transaction.dueAt = now + retryDelay(this.#context.retry, transaction.sends);
    this.#record(transaction);
  }

  #confirm(transaction: LocalTransaction, now: number): void {
    transaction.arrived = true;
    if (transaction.giveUpAt !== undefined) return;
    transaction.giveUpAt = now + GIVE_UP_MS;
    this.#record(transaction);
  }

  #record({ id, sends, giveUpAt }: LocalTransaction): void {
    this.#context.emit({ kind: "record", id, sends, confirmed: giveUpAt !== undefined });
  }

  #tell(text: string): void {
    this.#context.emit({ kind: "notice", level: "info", text });
  }
}
