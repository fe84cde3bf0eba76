import { parseTransaction } from "../monero/transaction.ts";
import { checkForRelay } from "../monero/transaction-check.ts";
import { TransactionError } from "../monero/transaction-error.ts";

/** A transaction that is whole, and may be passed on as far as can be told without the chain. */
export interface CheckedTransaction {
  /** 64 lower-case hexadecimal digits. */
  readonly id: string;
  /** May share memory with the message that brought it. */
  readonly blob: Uint8Array;
  /** Key images, in hexadecimal. */
  readonly images: readonly string[];
}

/**
 * Reads a transaction and checks it as far as can be without the chain. It takes more time than all
 * that is done with the transaction after it, so it is done once.
 *
 * @param blob its bytes
 * @returns the reason, where it is none or none that may be passed on
 */
export function checkTransaction(blob: Uint8Array): CheckedTransaction | TransactionError {
  try {
    const transaction = parseTransaction(blob);
    const fault = checkForRelay(transaction);
    if (fault !== undefined) return fault;
    const images = transaction.keyImages.map((image) => Buffer.from(image).toString("hex"));
    return { id: Buffer.from(transaction.id).toString("hex"), blob, images };
  } catch (error) {
    if (error instanceof TransactionError) return error;
    throw error;
  }
}
