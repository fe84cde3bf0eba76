import { Fault } from "../runtime/fault.ts";

/**
 * The fields of monerod's `send_raw_transaction` answer that say why a transaction was refused.
 *
 * @see monero `src/rpc/core_rpc_server_commands_defs.h`, `COMMAND_RPC_SEND_RAW_TX`
 */
export type TransactionFlag =
  | "double_spend"
  | "fee_too_low"
  | "invalid_input"
  | "invalid_output"
  | "low_mixin"
  | "nonzero_unlock_time"
  | "overspend"
  | "sanity_check_failed"
  | "too_big"
  | "too_few_outputs"
  | "tx_extra_too_big";

/** The words that monerod puts into `reason` for a flag, which wallets show to their users. */
export const flagReasons: Readonly<Record<TransactionFlag, string>> = {
  double_spend: "double spend",
  fee_too_low: "fee too low",
  invalid_input: "invalid input",
  invalid_output: "invalid output",
  low_mixin: "bad ring size",
  nonzero_unlock_time: "tx unlock time is not zero",
  overspend: "overspend",
  sanity_check_failed: "Sanity check failed",
  too_big: "too big",
  too_few_outputs: "too few outputs",
  tx_extra_too_big: "tx-extra too big",
};

/**
 * The flag that monerod raises for each reason.
 *
 * monerod runs its sanity check first, and that begins with parsing, so everything that does not
 * parse, and a miner transaction, come back as `sanity_check_failed`.
 */
const flags = {
  empty: "sanity_check_failed",
  truncated: "sanity_check_failed",
  "trailing-bytes": "sanity_check_failed",
  "varint-form": "sanity_check_failed",
  "varint-overflow": "sanity_check_failed",
  "count-too-large": "sanity_check_failed",
  "version-unknown": "sanity_check_failed",
  "rct-type-unknown": "sanity_check_failed",
  "range-proof-form": "sanity_check_failed",
  coinbase: "sanity_check_failed",
  "too-big": "too_big",
  "weight-too-big": "too_big",
  "inputs-missing": "invalid_input",
  "input-type": "invalid_input",
  "key-image-repeated": "invalid_input",
  "key-images-unsorted": "invalid_input",
  "ring-member-repeated": "invalid_input",
  "range-proof-size": "invalid_input",
  "version-retired": "invalid_input",
  "output-type": "invalid_output",
  "output-amount": "invalid_output",
  "output-untagged": "invalid_output",
  "too-many-outputs": "invalid_output",
  "rct-type-retired": "invalid_output",
  "amount-overflow": "overspend",
  overspend: "overspend",
  "ring-size": "low_mixin",
  "too-few-outputs": "too_few_outputs",
  "fee-zero": "fee_too_low",
  "extra-too-big": "tx_extra_too_big",
  "unlock-time": "nonzero_unlock_time",
  "double-spend": "double_spend",
} as const satisfies Record<string, TransactionFlag>;

/** Each reason for which a transaction is refused. */
export type TransactionErrorCode = keyof typeof flags;

/** Every reason, in the order in which the table above groups them. */
export const transactionErrorCodes = Object.keys(flags) as readonly TransactionErrorCode[];

/** A transaction that can't be read, or that is not worth passing on. */
export class TransactionError extends Fault<TransactionErrorCode> {
  /** The field that monerod would set in its answer to `send_raw_transaction`. */
  readonly flag: TransactionFlag;

  /**
   * @param code the reason
   * @param message one sentence that names the value and what is allowed
   */
  constructor(code: TransactionErrorCode, message: string) {
    super(code, "peer", message);
    this.flag = flags[code];
  }
}
