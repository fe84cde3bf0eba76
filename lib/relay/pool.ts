import type { AnonymityZone } from "../address/zone.ts";
import { parseTransaction } from "../monero/transaction.ts";
import { TransactionError, type TransactionFlag } from "../monero/transaction-error.ts";
import { type CheckedTransaction, checkTransaction } from "./checked-transaction.ts";
import type { LinkId } from "./event.ts";

/** A transaction that a wallet gave us to send. */
export interface LocalTransaction {
  /** 64 lower-case hexadecimal digits. */
  readonly id: string;
  readonly blob: Uint8Array;
  readonly keyImages: readonly string[];
  /** When it was submitted, in milliseconds since the Unix epoch. */
  readonly receivedUnixMs: number;
  /**
   * When it is given up, in milliseconds on the core's clock: three days after a peer was first
   * heard behind it. Undefined before: what may have reached nobody is never given up.
   */
  giveUpAt: number | undefined;
  /** How many times it has left whole on at least one channel. */
  sends: number;
  /** Whether a peer was heard after it left the last time. */
  arrived: boolean;
  /** When it is to be sent next, in milliseconds on the core's clock. */
  dueAt: number;
  /** The zone whose channels it waits on, and on how many; undefined where it waits on none. */
  underway: Underway | undefined;
  /** Links on which it left the last time, and of which nobody knows yet. */
  readonly leftOn: Set<LinkId>;
  /** Whether it has waited for a stream since it was due. */
  isBehind: boolean;
}

/** One round of a transaction over the channels of a zone. */
export interface Underway {
  readonly zone: AnonymityZone;
  /** Channels on which it waits. */
  waiting: number;
  /** Channels that it left on whole, but for links that were lost since. */
  left: number;
  /** Whether the round counts as a sending. */
  isCounted: boolean;
}

/** A transaction that a peer sent us. */
export interface ForwardTransaction {
  readonly id: string;
  readonly zone: AnonymityZone;
  readonly bytes: number;
  readonly keyImages: readonly string[];
  readonly receivedUnixMs: number;
}

/** A local transaction as it was kept over a restart. */
export interface RestoredTransaction {
  readonly blob: Uint8Array;
  readonly receivedUnixMs: number;
  readonly sends: number;
  /**
   * How long ago a peer was first heard behind it, in milliseconds.
   * @default none was: it may have reached nobody
   */
  readonly ageMs?: number;
  /**
   * When it is to be sent again, in milliseconds from now.
   * @default 0
   */
  readonly againInMs?: number;
}

/** Why a submitted transaction is not taken; the words go to the wallet. */
export interface Refusal {
  readonly kind: "refused";
  readonly flag: TransactionFlag | undefined;
  readonly reason: string;
}

/** What the pool says of a submitted transaction. */
export type Admission =
  | { readonly kind: "admitted"; readonly id: string }
  | { readonly kind: "known"; readonly id: string }
  | Refusal;

/** When a transaction that left is sent again while nobody has told of it. */
export interface RetrySchedule {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** monerod's: 300 s at first, up to 4 h. @see monero `src/cryptonote_core/tx_pool.cpp`, `get_relay_delay` */
export const moneroRetry: RetrySchedule = { firstMs: 300_000, maxMs: 14_400_000 };

/**
 * How long a transaction that has left is sent again. By then it is mined or will never be, and a
 * peer drops who sends it one that was mined. @see monero `CRYPTONOTE_MEMPOOL_TX_LIVETIME`
 */
export const GIVE_UP_MS = 259_200_000;

/** Local transactions at the most: a wallet that sends more has lost its mind or its owner. */
export const LOCAL_TRANSACTIONS_MAX = 1_000;
/** Transactions of peers at the most, and their bytes: nothing shows that they are valid. */
export const FORWARD_TRANSACTIONS_MAX = 2_000;
/** How long a peer's transaction is kept. @see monero `CRYPTONOTE_MEMPOOL_TX_LIVETIME` */
export const FORWARD_MS_MAX = 259_200_000;

/** What the node holds: its own wallet's transactions and those that peers sent. */
export class TransactionPool {
  readonly #local = new Map<string, LocalTransaction>();
  readonly #forward = new Map<string, ForwardTransaction>();
  /** Key image to transaction id. */
  readonly #localImages = new Map<string, string>();
  readonly #forwardImages = new Map<string, string>();
  readonly #bytesMax: number;

  /** @param bytesMax the longest blob that a noise channel carries */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Local transactions, oldest first. */
  get local(): Iterable<LocalTransaction> {
    return this.#local.values();
  }

  /** Transactions of peers, oldest first. */
  get forward(): Iterable<ForwardTransaction> {
    return this.#forward.values();
  }

  /**
   * Finds a local transaction.
   *
   * @param id its id
   */
  get(id: string): LocalTransaction | undefined {
    return this.#local.get(id);
  }

  /**
   * Checks a submitted transaction without taking it. Only local transactions can stand in its
   * way: what peers sent is unverified, and must not be able to block a wallet.
   *
   * @param blob the transaction's bytes
   */
  admit(blob: Uint8Array): Admission {
    const checked = checkTransaction(blob);
    if (checked instanceof TransactionError) {
      return { kind: "refused", flag: checked.flag, reason: checked.message };
    }
    const { id } = checked;
    if (this.#local.has(id)) return { kind: "known", id };
    const spentIn = conflict(checked, this.#localImages);
    if (spentIn !== undefined) {
      const reason = `The transaction spends what ${spentIn} spends, which this node already holds.`;
      return { kind: "refused", flag: "double_spend", reason };
    }
    if (blob.length > this.#bytesMax) {
      const reason = `The transaction has ${blob.length} bytes; a noise channel carries ${this.#bytesMax} at the most.`;
      return { kind: "refused", flag: "too_big", reason };
    }
    if (this.#local.size >= LOCAL_TRANSACTIONS_MAX) {
      const reason = `This node already holds ${LOCAL_TRANSACTIONS_MAX} transactions; let some leave first.`;
      return { kind: "refused", flag: undefined, reason };
    }
    return { kind: "admitted", id };
  }

  /**
   * Takes a local transaction, due at once where nothing else is kept of it.
   *
   * @param restored its bytes and what was kept of it; admitted before, now or in an earlier run
   * @param now milliseconds
   * @throws TransactionError when the bytes are not a transaction
   */
  add(restored: RestoredTransaction, now: number): LocalTransaction {
    const parsed = parseTransaction(restored.blob);
    const transaction: LocalTransaction = {
      id: hex(parsed.id),
      blob: restored.blob,
      keyImages: parsed.keyImages.map(hex),
      receivedUnixMs: restored.receivedUnixMs,
      giveUpAt: restored.ageMs === undefined ? undefined : now + GIVE_UP_MS - restored.ageMs,
      arrived: false,
      sends: restored.sends,
      // The machine's clock may have been set back meanwhile.
      dueAt: now + Math.min(restored.againInMs ?? 0, moneroRetry.maxMs),
      underway: undefined,
      leftOn: new Set(),
      isBehind: false,
    };
    this.#local.set(transaction.id, transaction);
    for (const image of transaction.keyImages) this.#localImages.set(image, transaction.id);
    return transaction;
  }

  /**
   * Lets a local transaction go.
   *
   * @param transaction one of the pool's
   */
  remove(transaction: LocalTransaction): void {
    this.#local.delete(transaction.id);
    for (const image of transaction.keyImages) this.#localImages.delete(image);
  }

  /**
   * Takes a transaction that a peer sent, in state `forward`.
   *
   * @param transaction read and checked
   * @param zone where it came from
   * @param unixMs now, in milliseconds since the Unix epoch
   * @returns whether it was taken; known and conflicting ones are passed over in silence
   */
  receive(transaction: CheckedTransaction, zone: AnonymityZone, unixMs: number): boolean {
    const { id, blob, images: keyImages } = transaction;
    this.expire(unixMs);
    if (this.#local.has(id) || this.#forward.has(id)) return false;
    this.#makeRoom();
    const spent = (image: string) => this.#localImages.has(image) || this.#forwardImages.has(image);
    if (keyImages.some(spent)) return false;
    this.#forward.set(id, { id, zone, bytes: blob.length, keyImages, receivedUnixMs: unixMs });
    for (const image of keyImages) this.#forwardImages.set(image, id);
    return true;
  }

  /** A flood of peers' transactions makes the oldest go, never the next one wait. */
  #makeRoom(): void {
    if (this.#forward.size < FORWARD_TRANSACTIONS_MAX) return;
    for (const oldest of this.#forward.values()) {
      this.#letGo(oldest);
      return;
    }
  }

  #letGo({ id, keyImages }: ForwardTransaction): void {
    this.#forward.delete(id);
    for (const image of keyImages) this.#forwardImages.delete(image);
  }

  /**
   * Forgets peers' transactions that are too old.
   *
   * @param unixMs now, in milliseconds since the Unix epoch
   */
  expire(unixMs: number): void {
    for (const transaction of this.#forward.values()) {
      if (transaction.receivedUnixMs > unixMs - FORWARD_MS_MAX) return;
      this.#letGo(transaction);
    }
  }
}

/**
 * When a transaction that has left so many times is sent again.
 *
 * @param retry the schedule
 * @param sends 1 or more
 * @returns milliseconds from its leaving
 */
export function retryDelay(retry: RetrySchedule, sends: number): number {
  return Math.min(retry.maxMs, retry.firstMs * 2 ** Math.min(sends - 1, 30));
}

function conflict(
  { images: keyImages }: CheckedTransaction,
  images: ReadonlyMap<string, string>,
): string | undefined {
  for (const image of keyImages) {
    const id = images.get(image);
    if (id !== undefined) return id;
  }
  return undefined;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
