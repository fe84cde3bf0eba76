import { TransactionError } from "./transaction-error.ts";
import { KEY_BYTES } from "./transaction-prefix.ts";
import type { TransactionReader } from "./transaction-reader.ts";

/**
 * The forms of confidential amounts, oldest first.
 *
 * @see monero `src/ringct/rctTypes.h`
 */
export const RCT_TYPE = {
  /** None at all: a miner transaction. */
  null: 0,
  full: 1,
  simple: 2,
  bulletproof: 3,
  bulletproof2: 4,
  clsag: 5,
  bulletproofPlus: 6,
} as const;

/** One of the forms of confidential amounts. */
export type RctType = (typeof RCT_TYPE)[keyof typeof RCT_TYPE];

/** A Borromean range proof: 64 + 64 + 1 scalars and 64 commitments. */
const RANGE_SIGNATURE_BYTES = (64 + 64 + 1 + 64) * KEY_BYTES;
/** Amount and mask of an output, before Bulletproof2 shortened them. */
const ECDH_BYTES = 2 * KEY_BYTES;
const ECDH_BYTES_SHORT = 8;
/** Rounds that prove the 64 bits of one amount; each doubling of the outputs adds one. */
export const PROOF_ROUNDS_MIN = 6;
/** Outputs that one aggregated range proof may cover. */
export const PROVEN_OUTPUTS_MAX = 16;
/** Rounds of a proof over that many outputs. */
const PROOF_ROUNDS_MAX = 10;

/** What follows a version 2 prefix up to the part that pruning throws away. */
export interface RctBase {
  readonly type: RctType;
  /** In atomic units; zero for the null type. */
  readonly fee: bigint;
}

/** How many things the prefix has, on which the lengths of the signatures depend. */
export interface SignedCounts {
  readonly inputs: number;
  readonly outputs: number;
  /** Ring size of the first input: the format takes it for that of all inputs. */
  readonly ringSize: number;
}

/**
 * Reads the unprunable part of the confidential amounts.
 *
 * @param reader behind the prefix; left behind this part
 * @param counts of the prefix
 * @throws TransactionError `rct-type-unknown`, `truncated`, `varint-form` or `varint-overflow`
 * @see monero `src/ringct/rctTypes.h`, `serialize_rctsig_base`
 */
export function readRctBase(reader: TransactionReader, counts: SignedCounts): RctBase {
  const type = readRctType(reader);
  if (type === RCT_TYPE.null) return { type, fee: 0n };
  const fee = reader.varint("the fee");
  if (type === RCT_TYPE.simple) reader.skip(counts.inputs * KEY_BYTES, "the pseudo outputs");
  const ecdhBytes = type >= RCT_TYPE.bulletproof2 ? ECDH_BYTES_SHORT : ECDH_BYTES;
  reader.skip(counts.outputs * ecdhBytes, "the encrypted amounts");
  reader.skip(counts.outputs * KEY_BYTES, "the output commitments");
  return { type, fee };
}

/**
 * Passes over the prunable part: range proofs, ring signatures and pseudo outputs.
 *
 * @param reader behind the unprunable part; left behind the transaction
 * @param type of the unprunable part, not null
 * @param counts of the prefix
 * @returns the rounds of the aggregated range proof, 6 to 10; 0 where the type has none
 * @throws TransactionError `range-proof-form`, `too-many-outputs`, `count-too-large`, `truncated`,
 *   `varint-form` or `varint-overflow`
 * @see monero `src/ringct/rctTypes.h`, `serialize_rctsig_prunable`
 */
export function skipRctPrunable(
  reader: TransactionReader,
  type: Exclude<RctType, 0>,
  counts: SignedCounts,
): number {
  const { inputs, outputs, ringSize } = counts;
  let rounds = 0;
  if (type >= RCT_TYPE.bulletproof) rounds = skipBulletproof(reader, type, outputs);
  else reader.skip(outputs * RANGE_SIGNATURE_BYTES, "the range signatures");
  reader.skip(ringSignatureKeys(type, inputs, ringSize) * KEY_BYTES, "the ring signatures");
  if (type >= RCT_TYPE.bulletproof) reader.skip(inputs * KEY_BYTES, "the pseudo outputs");
  return rounds;
}

function readRctType(reader: TransactionReader): RctType {
  const type = reader.byte("the type of its amounts");
  if (type <= RCT_TYPE.bulletproofPlus) return type as RctType;
  throw new TransactionError(
    "rct-type-unknown",
    `The transaction's amounts are of type ${type}; types 0 to 6 are known.`,
  );
}

function ringSignatureKeys(type: RctType, inputs: number, ringSize: number): number {
  if (type >= RCT_TYPE.clsag) return inputs * (ringSize + 2);
  // One MLSAG for all inputs together, or one for each with a column for its commitment.
  if (type === RCT_TYPE.full) return ringSize * (inputs + 1) + 1;
  return inputs * (ringSize * 2 + 1);
}

function skipBulletproof(reader: TransactionReader, type: RctType, outputs: number): number {
  if (outputs > PROVEN_OUTPUTS_MAX) {
    throw new TransactionError(
      "too-many-outputs",
      `The transaction has ${outputs} outputs; one has at most ${PROVEN_OUTPUTS_MAX}.`,
    );
  }
  const proofs = readProofCount(reader, type);
  if (proofs !== 1) {
    throw new TransactionError(
      "range-proof-form",
      `The transaction has ${proofs} range proofs; one proves all outputs together.`,
    );
  }
  reader.skip(6 * KEY_BYTES, "the range proof");
  const left = skipRounds(reader);
  const right = skipRounds(reader);
  if (left !== right || left < PROOF_ROUNDS_MIN || left > PROOF_ROUNDS_MAX) {
    throw new TransactionError(
      "range-proof-form",
      `The transaction's range proof has ${left} and ${right} rounds; both are the same and from 6 to 10.`,
    );
  }
  if (outputs > 1 << (left - PROOF_ROUNDS_MIN)) {
    throw new TransactionError(
      "range-proof-form",
      `The transaction's range proof of ${left} rounds is too short for its ${outputs} outputs.`,
    );
  }
  if (type !== RCT_TYPE.bulletproofPlus) reader.skip(3 * KEY_BYTES, "the range proof");
  return left;
}

function readProofCount(reader: TransactionReader, type: RctType): number {
  if (type !== RCT_TYPE.bulletproof) return reader.count("range proofs", 6 * KEY_BYTES);
  // The first Bulletproof type alone wrote a fixed 32-bit number here.
  let count = 0;
  for (let i = 0; i < 4; i++) count += reader.byte("the number of range proofs") * 2 ** (8 * i);
  return count;
}

function skipRounds(reader: TransactionReader): number {
  const rounds = reader.count("rounds of the range proof", KEY_BYTES);
  reader.skip(rounds * KEY_BYTES, "the range proof");
  return rounds;
}
