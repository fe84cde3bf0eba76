import { TransactionError } from "./transaction-error.ts";
import { transactionId1, transactionId2 } from "./transaction-id.ts";
import {
  KEY_BYTES,
  readPrefix,
  type TransactionInput,
  type TransactionOutput,
  type TransactionPrefix,
} from "./transaction-prefix.ts";
import { TransactionReader } from "./transaction-reader.ts";
import {
  PROOF_ROUNDS_MIN,
  RCT_TYPE,
  type RctType,
  readRctBase,
  type SignedCounts,
  skipRctPrunable,
} from "./transaction-ringct.ts";

/** Longest transaction that monerod looks at (`CRYPTONOTE_MAX_TX_SIZE`). */
export const TRANSACTION_BYTES_MAX = 1_000_000;
/** A ring member's signature in version 1: two scalars. */
const SIGNATURE_BYTES = 2 * KEY_BYTES;

/** A parsed transaction: everything that can be known of it without the chain. */
export interface Transaction extends TransactionPrefix {
  /** The form of its confidential amounts; undefined in version 1, which has none. */
  readonly rctType: RctType | undefined;
  /** Rounds of its aggregated range proof, 6 to 10; 0 where it has none. */
  readonly proofRounds: number;
  /**
   * In atomic units. Version 1 pays what its inputs have over its outputs, so that a dishonest one
   * shows a negative fee; a miner transaction pays none.
   */
  readonly fee: bigint;
  /** One for each key input, in the order of the inputs; 32 bytes each. */
  readonly keyImages: readonly Uint8Array[];
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** Its length. */
  readonly blobBytes: number;
  /** Its length with the surcharge for what a range proof over many outputs costs to verify. */
  readonly weight: number;
}

/**
 * Reads a transaction of version 1 or 2, every type of confidential amounts included, and computes
 * its id. Takes time and memory in proportion to the blob. Signatures and curve points are not
 * looked at: that needs the chain.
 *
 * @param blob exactly one transaction as it travels in messages and in `send_raw_transaction`
 * @throws TransactionError with the reason
 * @see monero `src/cryptonote_basic/cryptonote_format_utils.cpp`, `parse_and_validate_tx_from_blob`
 */
export function parseTransaction(blob: Uint8Array): Transaction {
  if (blob.length === 0) throw new TransactionError("empty", "The transaction has no bytes.");
  if (blob.length > TRANSACTION_BYTES_MAX) {
    throw new TransactionError(
      "too-big",
      `The transaction has ${blob.length} bytes; ${TRANSACTION_BYTES_MAX} are allowed.`,
    );
  }
  const reader = new TransactionReader(blob);
  const prefix = readPrefix(reader);
  const keyImages: Uint8Array[] = [];
  for (const input of prefix.inputs) if (input.kind === "key") keyImages.push(input.keyImage);
  return prefix.version === 1
    ? readVersion1(blob, reader, prefix, keyImages)
    : readVersion2(blob, reader, prefix, keyImages);
}

function readVersion1(
  blob: Uint8Array,
  reader: TransactionReader,
  prefix: TransactionPrefix,
  keyImages: readonly Uint8Array[],
): Transaction {
  for (const input of prefix.inputs) {
    if (input.kind === "key") reader.skip(input.ringSize * SIGNATURE_BYTES, "the ring signatures");
  }
  checkEnd(reader);
  return {
    ...prefix,
    rctType: undefined,
    proofRounds: 0,
    fee: feeOfVersion1(prefix.inputs, prefix.outputs),
    keyImages,
    id: transactionId1(blob),
    blobBytes: blob.length,
    weight: blob.length,
  };
}

function readVersion2(
  blob: Uint8Array,
  reader: TransactionReader,
  prefix: TransactionPrefix,
  keyImages: readonly Uint8Array[],
): Transaction {
  const prefixEnd = reader.offset;
  const [first] = prefix.inputs;
  const counts: SignedCounts = {
    inputs: prefix.inputs.length,
    outputs: prefix.outputs.length,
    ringSize: first.kind === "key" ? first.ringSize : 1,
  };
  const { type, fee } = readRctBase(reader, counts);
  const baseEnd = reader.offset;
  const proofRounds = type === RCT_TYPE.null ? 0 : skipRctPrunable(reader, type, counts);
  checkEnd(reader);
  return {
    ...prefix,
    rctType: type,
    proofRounds,
    fee,
    keyImages,
    id: transactionId2(blob, { prefixEnd, baseEnd, prunable: type !== RCT_TYPE.null }),
    blobBytes: blob.length,
    weight: blob.length + proofSurcharge(type, proofRounds),
  };
}

function checkEnd(reader: TransactionReader): void {
  if (reader.remaining === 0) return;
  throw new TransactionError(
    "trailing-bytes",
    `The transaction is followed by ${reader.remaining} bytes that are not part of it.`,
  );
}

function feeOfVersion1(
  inputs: readonly TransactionInput[],
  outputs: readonly TransactionOutput[],
): bigint {
  let fee = 0n;
  for (const input of inputs) {
    if (input.kind === "coinbase") return 0n;
    fee += input.amount;
  }
  for (const output of outputs) fee -= output.amount;
  return fee;
}

/**
 * The weight that makes up for an aggregated proof being shorter than it is slow to verify: four
 * fifths of what it saves against proofs over two outputs each.
 *
 * Source: monero `src/cryptonote_basic/cryptonote_format_utils.cpp`,
 * `get_transaction_weight_clawback`.
 */
function proofSurcharge(type: RctType, rounds: number): number {
  const proven = 1 << Math.max(0, rounds - PROOF_ROUNDS_MIN);
  if (proven <= 2) return 0;
  const fixedKeys = type === RCT_TYPE.bulletproofPlus ? 6 : 9;
  const bytesOfOne = (KEY_BYTES * (fixedKeys + 7 * 2)) / 2;
  const bytes = KEY_BYTES * (fixedKeys + 2 * rounds);
  return Math.floor(((bytesOfOne * proven - bytes) * 4) / 5);
}
