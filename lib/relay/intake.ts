import type { Zone } from "../address/zone.ts";
import { TransactionError } from "../monero/transaction-error.ts";
import type { CheckedTransaction, checkTransaction } from "./checked-transaction.ts";
import type { RelayEffect } from "./event.ts";
import {
  type Asked,
  type Copy,
  gateShares,
  type Verdict,
  VerificationGate,
  WAIT_MS_MAX,
} from "./verification-gate.ts";

/** What the intake takes from the relay around it. */
export interface IntakeContext {
  /** The zones in which a trusted daemon judges what comes in. */
  readonly judgedIn: readonly Zone[];
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
 * daemon judges them first, whatever stands behind never learns of one that has no good verdict. It is
 * asked in each zone anew, since what one zone's peers brought about must not answer another's.
 *
 * A wallet's own does not come this way, so the daemon is never asked about one because of its
 * wallet. A copy of it that a peer sends is treated as any other: left out, it would be the one
 * that the daemon misses among all that the node asks about, and that a peer sees pass at once.
 */
export class Intake {
  /** Where each zone's wait for the daemon's verdict, where one judges them. */
  readonly #gates = new Map<Zone, VerificationGate<CheckedTransaction>>();
  readonly #context: IntakeContext;
  /** When it was last told that some were dropped. */
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param context what it takes from the relay around it */
  constructor(context: IntakeContext) {
    this.#context = context;
    for (const [zone, share] of gateShares(context.judgedIn)) {
      this.#gates.set(zone, new VerificationGate(share));
    }
  }

  /** When `wake` wants to be called, in milliseconds. */
  get wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const gate of this.#gates.values()) at = Math.min(at, gate.wakeAt);
    return at;
  }

  /** How many of all zones wait for a verdict, and their bytes. */
  get waiting(): { readonly count: number; readonly bytes: number } {
    const all = { count: 0, bytes: 0 };
    for (const { size } of this.#gates.values()) {
      all.count += size.count;
      all.bytes += size.bytes;
    }
    return all;
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
    const gate = this.#gates.get(copy.zone);
    const standing = gate?.arrive(transaction, copy, now);
    if (standing === undefined || standing === "good") {
      pass(transaction, copy, standing === "good");
    } else if (standing === "bad") refuse(copy, BAD_REASON);
    else if (standing === "waiting") this.#ask(copy.zone, now);
  }

  /**
   * The daemon gave its verdict, or none.
   *
   * @param asked which of whose questions
   * @param verdict undefined where there is none
   * @param now milliseconds
   */
  verified({ zone, id }: Asked, verdict: Verdict | undefined, now: number): void {
    const judged = this.#gates.get(zone)?.answer(id, verdict, now);
    for (const copy of judged?.copies ?? []) {
      if (judged?.verdict === "good") this.#context.pass(judged.transaction, copy, true);
      else if (judged?.verdict === "bad") this.#context.refuse(copy, BAD_REASON);
    }
    this.#ask(zone, now);
  }

  /**
   * Does what has fallen due.
   *
   * @param now milliseconds
   */
  wake(now: number): void {
    for (const [zone, gate] of this.#gates) {
      if (now < gate.wakeAt) continue;
      if (gate.wake(now) > 0 && now >= this.#toldAt + WAIT_MS_MAX) {
        this.#toldAt = now;
        this.#context.emit({ kind: "notice", level: "warning", text: DROPPED_TEXT });
      }
      this.#ask(zone, now);
    }
  }

  #ask(zone: Zone, now: number): void {
    for (const { id, blob } of this.#gates.get(zone)?.questions(now) ?? []) {
      this.#context.emit({ kind: "verify", zone, id, blob });
    }
  }
}
