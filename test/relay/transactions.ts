import { type CheckedTransaction, checkTransaction } from "../../lib/relay/checked-transaction.ts";
import transactions from "../vectors/monero/txs.json" with { type: "json" };

/** How many real transactions there are. */
export const transactionCount = transactions.txs.length;

/**
 * A real signed transaction.
 *
 * @param index from 0
 */
export function blobOf(index: number): Uint8Array {
  return Uint8Array.from(Buffer.from(hexOf(index), "hex"));
}

/** The same, read and checked. */
export function checkedOf(index: number): CheckedTransaction {
  const checked = checkTransaction(blobOf(index));
  if (checked instanceof Error) throw checked;
  return checked;
}

/** The same in hexadecimal. */
export function hexOf(index: number): string {
  return entry(index).blob;
}

/** Its id, as monerod reported it. */
export function idOf(index: number): string {
  return entry(index).txid;
}

/**
 * Another transaction that spends the same: a real one with a bit of its proofs turned over, which
 * gives it another id and leaves its key images as they are.
 */
export function doubleSpendOf(index: number): Uint8Array {
  const blob = blobOf(index);
  const place = blob.length - 40;
  blob[place] = (blob[place] ?? 0) ^ 1;
  return blob;
}

function entry(index: number): (typeof transactions.txs)[number] {
  const found = transactions.txs[index];
  if (found === undefined) throw new RangeError(`There is no transaction ${index}.`);
  return found;
}
