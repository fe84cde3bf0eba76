import { decodeRecord, type NodeRecord, signRecord } from "./enr.ts";
import { checkNewPairs, checkPairKey, identityKeys } from "./enr-pair.ts";
import { EthereumError } from "./error.ts";
import { publicKeyOf } from "./node-key.ts";
import { encodeRlp, type RlpItem } from "./rlp.ts";

/** A record to be made. */
export interface RecordPlan {
  /** The node's, 32 bytes. */
  readonly privateKey: Uint8Array;
  /**
   * Larger than that of any record of this key before.
   * @default 1n
   */
  readonly sequence?: bigint | undefined;
  /** Pairs besides `id` and `secp256k1`, in any order; keys in Latin-1. */
  readonly pairs: Readonly<Record<string, RlpItem>>;
}

/** What to change in a record: values to set, `undefined` for pairs to remove. */
export type RecordChanges = Readonly<Record<string, RlpItem | undefined>>;

/** How to change a record. */
export interface UpdateOptions {
  /**
   * The number of the new record; larger than that of the old one. Given, the record is signed anew
   * even where nothing else changes.
   * @default one more than the old record's
   */
  readonly sequence?: bigint | undefined;
}

const SEQUENCE_MAX = 2n ** 64n - 1n;

/**
 * Makes a record, as strictly as can be: `onion3` needs a right checksum, addresses their length,
 * ports a number from 1 to 65535. The record is read back before anybody sees it.
 *
 * @param plan what it is to say, and the key
 * @throws EthereumError `pair-invalid`, `onion3-invalid`, `sequence-invalid`, `record-too-large`,
 *   `key-invalid`
 * @see EIP-778
 */
export function makeRecord(plan: RecordPlan): NodeRecord {
  const { privateKey, sequence = 1n, pairs } = plan;
  if (sequence < 0n || sequence > SEQUENCE_MAX) throw invalidSequence(sequence);
  checkNewPairs(pairs);
  return decodeRecord(signRecord({ sequence, pairs }, privateKey));
}

/**
 * Changes a record. Its number is raised when something changes, and only then: a record that says
 * nothing new need not be asked for again.
 *
 * @param record the record so far
 * @param privateKey of the same node, 32 bytes
 * @param changes what to set and what to remove; all other pairs stay as they are
 * @param options the new number
 * @returns the very same record where nothing changes
 * @throws EthereumError `record-other-key`, `sequence-invalid`, or as {@link makeRecord}, also for
 *   pairs that stay
 */
export function updateRecord(
  record: NodeRecord,
  privateKey: Uint8Array,
  changes: RecordChanges,
  options: UpdateOptions = {},
): NodeRecord {
  checkRecordOwner(record, privateKey);
  const pairs = new Map(freePairs(record));
  let isChanged = options.sequence !== undefined;
  for (const [key, value] of Object.entries(changes)) {
    checkPairKey(key);
    const old = pairs.get(key);
    if (value === undefined) pairs.delete(key);
    else pairs.set(key, value);
    isChanged ||= !isSame(old, value);
  }
  if (!isChanged) return record;
  const sequence = options.sequence ?? record.sequence + 1n;
  if (sequence <= record.sequence) throw notRaised(sequence, record.sequence);
  return makeRecord({ privateKey, sequence, pairs: Object.fromEntries(pairs) });
}

/**
 * What turns a record into one that holds given pairs and no other.
 *
 * @param record the record so far
 * @param pairs all pairs of the new one, besides `id` and `secp256k1`
 * @returns for {@link updateRecord}
 */
export function changesTo(
  record: NodeRecord,
  pairs: Readonly<Record<string, RlpItem>>,
): RecordChanges {
  const gone = freePairs(record).map(([key]): [string, undefined] => [key, undefined]);
  return { ...Object.fromEntries(gone), ...pairs };
}

/**
 * Insists that a record is a key's own.
 *
 * @param record a record
 * @param privateKey 32 bytes
 * @throws EthereumError `record-other-key`, `key-invalid`
 */
export function checkRecordOwner(record: NodeRecord, privateKey: Uint8Array): void {
  if (Buffer.compare(publicKeyOf(privateKey), record.publicKey) === 0) return;
  throw new EthereumError(
    "record-other-key",
    `The record is of the node ${Buffer.from(record.nodeId).toString("hex")}, whose key this is not; give that node's key.`,
  );
}

function freePairs(record: NodeRecord): [string, RlpItem][] {
  return [...record.pairs].filter(([key]) => !identityKeys.has(key));
}

function isSame(one: RlpItem | undefined, other: RlpItem | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(encodeRlp(one), encodeRlp(other)) === 0;
}

function invalidSequence(sequence: bigint): EthereumError {
  return new EthereumError(
    "sequence-invalid",
    `Sequence number ${sequence} is not from 0 to 2^64 - 1; a node that has come that far needs a new key.`,
  );
}

function notRaised(sequence: bigint, old: bigint): EthereumError {
  return new EthereumError(
    "sequence-invalid",
    `Sequence number ${sequence} is not above ${old}, which the record has already; others would not take the new one.`,
  );
}
