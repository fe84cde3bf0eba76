import { parseTransaction } from "../../lib/monero/transaction.ts";
import transactions from "../vectors/monero/txs.json" with { type: "json" };

/** A transaction's mark: short, and another for every transaction. */
export type Mark = bigint;

/** A transaction of a run. */
export interface Spending {
  readonly blob: Uint8Array;
  readonly mark: Mark;
  /** 64 lower-case hexadecimal digits. */
  readonly id: string;
}

const made = new Map<number, Spending>();
const ids = new Map<Mark, string>();

/**
 * A transaction that spends what no other of them spends: a real one, with the ends of its key
 * images changed, which keeps them in order. Nobody here verifies a signature.
 *
 * @param index from 0, below 2^24
 */
export function spendingOf(index: number): Spending {
  const known = made.get(index);
  if (known !== undefined) return known;
  const entry = transactions.txs[index % transactions.txs.length];
  if (entry === undefined) throw new RangeError(`There is no transaction ${index}.`);
  const blob = Buffer.from(entry.blob, "hex");
  for (const image of entry.key_images) {
    const end = blob.indexOf(Buffer.from(image, "hex")) + image.length / 2;
    blob.writeUIntLE(index, end - 4, 3);
  }
  const plain = Uint8Array.from(blob);
  const mark = markOf(plain);
  const spending = { blob: plain, mark, id: idOf(plain) };
  made.set(index, spending);
  return spending;
}

/**
 * What a transaction is known by in a run.
 *
 * @param blob its bytes
 */
export function markOf(blob: Uint8Array): Mark {
  return Bun.hash.xxHash64(blob);
}

/**
 * Its id, in hexadecimal; computed once.
 *
 * @param blob its bytes
 */
export function idOf(blob: Uint8Array): string {
  const mark = markOf(blob);
  const known = ids.get(mark);
  if (known !== undefined) return known;
  const id = Buffer.from(parseTransaction(blob).id).toString("hex");
  ids.set(mark, id);
  return id;
}
