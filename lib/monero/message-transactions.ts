import { FieldWriter, fieldName, fieldNames, ObjectFields } from "../levin/storage-fields.ts";
import { StorageReader } from "../levin/storage-reader.ts";
import { TYPE } from "../levin/storage-type.ts";
import { HASH_BYTES } from "./message-core-sync.ts";
import { MoneroMessageError } from "./message-error.ts";

/**
 * Command 2002: transactions that the sender passes on.
 *
 * Source: monero `src/cryptonote_protocol/cryptonote_protocol_defs.h`, `NOTIFY_NEW_TRANSACTIONS`.
 */
export interface NewTransactions {
  /** The transactions as they are on the chain. */
  readonly txs: readonly Uint8Array[];
  /** Whether the transactions are public already; `false` asks to pass them on as a stem. */
  readonly fluff: boolean;
  /** Bytes that only make the message longer; monerod fills them with spaces. */
  readonly padding: Uint8Array;
}

/** Command 2010: the transactions that the sender has, so as to be told of the others. */
export interface PoolComplement {
  /** Ids of 32 bytes. */
  readonly hashes: readonly Uint8Array[];
}

const PADDING = fieldName("_");
const DANDELIONPP_FLUFF = fieldName("dandelionpp_fluff");
const TXS = fieldName("txs");
const NEW_TRANSACTIONS_NAMES = fieldNames(PADDING, DANDELIONPP_FLUFF, TXS);
const HASHES = fieldName("hashes");
const POOL_COMPLEMENT_NAMES = fieldNames(HASHES);

const EMPTY = new Uint8Array(0);

/**
 * Every field may be missing: no transactions, no padding, and `fluff` true, which is what nodes
 * older than Dandelion++ mean.
 *
 * @param payload portable storage, perhaps with bytes behind it
 * @throws LevinError: close the connection
 */
export function decodeNewTransactions(payload: Uint8Array): NewTransactions {
  let txs: Uint8Array[] = [];
  let fluff = true;
  let padding: Uint8Array = EMPTY;
  const reader = new StorageReader(payload);
  const fields = new ObjectFields(reader, NEW_TRANSACTIONS_NAMES, reader.enterObject());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    switch (name) {
      case PADDING:
        padding = reader.string();
        break;
      case DANDELIONPP_FLUFF:
        fluff = reader.boolean();
        break;
      case TXS:
        txs = readStrings(reader);
        break;
    }
  }
  return { txs, fluff, padding };
}

/** @returns the payload of a notification 2002 */
export function encodeNewTransactions(message: NewTransactions): Uint8Array {
  const { txs, fluff, padding } = message;
  const out = new FieldWriter();
  out.string(PADDING, padding);
  if (!fluff) out.bool(DANDELIONPP_FLUFF, false);
  if (txs.length > 0) out.stringArray(TXS, txs);
  return out.finish();
}

/**
 * @param payload portable storage, perhaps with bytes behind it
 * @throws LevinError, or MoneroMessageError `bad-length`: close the connection
 */
export function decodePoolComplement(payload: Uint8Array): PoolComplement {
  let blob: Uint8Array = EMPTY;
  const reader = new StorageReader(payload);
  const fields = new ObjectFields(reader, POOL_COMPLEMENT_NAMES, reader.enterObject());
  for (let name = fields.next(); name !== undefined; name = fields.next()) blob = reader.string();
  if (blob.length % HASH_BYTES !== 0) {
    throw new MoneroMessageError(
      "bad-length",
      `The field "hashes" has ${blob.length} bytes, not a multiple of ${HASH_BYTES}.`,
    );
  }
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < blob.length; at += HASH_BYTES) {
    hashes.push(blob.subarray(at, at + HASH_BYTES));
  }
  return { hashes };
}

/**
 * @param message hashes of 32 bytes each
 * @returns the payload of a notification 2010
 * @throws RangeError when a hash is not 32 bytes
 */
export function encodePoolComplement(message: PoolComplement): Uint8Array {
  const blob = new Uint8Array(message.hashes.length * HASH_BYTES);
  let at = 0;
  for (const hash of message.hashes) {
    if (hash.length !== HASH_BYTES) {
      throw new RangeError(`A transaction's id has ${HASH_BYTES} bytes, not ${hash.length}.`);
    }
    blob.set(hash, at);
    at += HASH_BYTES;
  }
  const out = new FieldWriter();
  if (blob.length > 0) out.string(HASHES, blob);
  return out.finish();
}

function readStrings(reader: StorageReader): Uint8Array[] {
  const count = reader.array(TYPE.STRING);
  const strings: Uint8Array[] = [];
  for (let i = 0; i < count; i++) strings.push(reader.elementBytes());
  return strings;
}
