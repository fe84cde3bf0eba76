import { TransactionError } from "../monero/transaction-error.ts";
import type { CheckedTransaction, checkTransaction } from "./checked-transaction.ts";
import type { RelayEffect } from "./event.ts";
import { type Copy, type Verdict, VerificationGate, WAIT_MS_MAX } from "./verification-gate.ts";

/** What the intake takes from the relay around it. */
export interface IntakeContext {
  /** Whether a trusted daemon judges what comes in. */
  readonly verifies: boolean;
  /** Reads what comes in. */
  readonly check: typeof checkTransaction;
  readonly emit: (effect: RelayEffect) => void;
  /**
   * A copy may be pooled, shown and passed on.
   *
   * @param isVerified whether a trusted daemon has called it good
   */
  readonly pass: (transaction: CheckedTransaction, copy: Copy, isVerified: boolean) => void;
  /** Whoever sent a copy loses its link. */
  readonly refuse: (copy: Copy, reason: string) => void;
}

const BAD_REASON = "it sent a transaction that the verifying daemon finds to be bad";
const DROPPED_TEXT =
  "Peers' transactions are dropped: the verifying daemon gave no verdict in time; see anonctl node status.";

/**
 * Where peers' transactions come in: whoever sends what is none loses its link. Where a trusted
 * daemon judges them first, whatever stands behind never learns of one that has no good verdict.
 *
 * A wallet's own does not come this way, so the daemon is never asked about one because of its
 * wallet. A copy of it that a peer sends is treated as any other: left out, it would be the one
 * that the daemon misses among all that the node asks about, and that a peer sees pass at once.
 */
export class Intake {
  /** Where they wait for the daemon's verdict, where one judges them. */
  readonly gate: VerificationGate<CheckedTransaction> | undefined;
  readonly #context: IntakeContext;
  /** When it was last told that some were dropped. */
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param context what it takes from the relay around it */
  constructor(context: IntakeContext) {
    this.#context = context;
    this.gate = context.verifies ? new VerificationGate() : undefined;
  }

  /** When `wake` wants to be called, in milliseconds. */
  get wakeAt(): number {
    return this.gate?.wakeAt ?? Number.POSITIVE_INFINITY;
  }

  /**
   * A peer sent a transaction.
   *
   * @param blob its bytes
   * @param copy how it came
   * @param now milliseconds
   */
  receive(blob: Uint8Array, copy: Copy, now: number): void {
    const { check, refuse } = this.#context;
    const checked = check(blob);
    if (checked instanceof TransactionError) {
      refuse(copy, `it sent a transaction that is none (${checked.message})`);
    } else this.take(checked, copy, now);
  }

  /**
   * Takes a peer's transaction, read and checked.
   *
   * @param transaction which
   * @param copy how it came
   * @param now milliseconds
   */
  take(transaction: CheckedTransaction, copy: Copy, now: number): void {
    const { pass, refuse } = this.#context;
    const standing = this.gate?.arrive(transaction, copy, now);
    if (standing === undefined || standing === "good") {
      pass(transaction, copy, standing === "good");
    } else if (standing === "bad") refuse(copy, BAD_REASON);
    else if (standing === "waiting") this.#ask(now);
  }

  /**
   * The daemon gave its verdict, or none.
   *
   * @param id the transaction
   * @param verdict undefined where there is none
   * @param now milliseconds
   */
  verified(id: string, verdict: Verdict | undefined, now: number): void {
    const judged = this.gate?.answer(id, verdict, now);
    for (const copy of judged?.copies ?? []) {
      if (judged?.verdict === "good") this.#context.pass(judged.transaction, copy, true);
      else if (judged?.verdict === "bad") this.#context.refuse(copy, BAD_REASON);
    }
    this.#ask(now);
  }

  /**
   * Does what has fallen due.
   *
   * @param now milliseconds
   */
  wake(now: number): void {
    if (this.gate === undefined || now < this.wakeAt) return;
    if (this.gate.wake(now) > 0 && now >= this.#toldAt + WAIT_MS_MAX) {
      this.#toldAt = now;
      this.#context.emit({ kind: "notice", level: "warning", text: DROPPED_TEXT });
    }
    this.#ask(now);
  }

  #ask(now: number): void {
    for (const { id, blob } of this.gate?.questions(now) ?? []) {
      this.#context.emit({ kind: "verify", id, blob });
    }
  }
}
