import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Address } from "../lib/address/address.ts";
import { formatRecord, type NodeRecord, publicAddressesOf } from "../lib/ethereum/enr.ts";
import { keepRecord, keyAt, readKeptRecord } from "../lib/ethereum/enr-key.ts";
import { makeRecord, updateRecord } from "../lib/ethereum/enr-write.ts";
import { rlpInteger } from "../lib/ethereum/rlp.ts";
import type { RandomSource } from "../lib/runtime/random.ts";
import { UsageError } from "./usage-error.ts";

/** A node's own key and what it says of itself. */
export interface OwnRecord {
  /** 32 bytes; never to be printed. */
  readonly privateKey: Uint8Array;
  readonly record: NodeRecord;
  /** Whether the record before named an open address: the key is known there already. */
  readonly wasOpen: boolean;
}

/** The node's key in its data directory, by go-ethereum's name for it. */
export const NODE_KEY_FILE = "nodekey";

/** Pairs that say where the node is, or that it can be found by UDP. */
const OPEN_PAIRS = ["ip", "ip6", "tcp6", "udp", "udp6"] as const;

/**
 * The node's record: its onion name and port, and no open address, to which the name could be tied.
 * Key and record are kept; the record's number is raised when the name or port changes, and pairs of
 * other kinds stay as they are.
 *
 * @param dataDir where they are kept
 * @param address the onion name, with the port that others dial
 * @param random where a new key comes from
 * @throws EthereumError `key-file` and others where what is kept can't be used
 */
export function ownRecord(
  dataDir: string,
  address: Address<"tor">,
  random: RandomSource,
): OwnRecord {
  const file = join(dataDir, NODE_KEY_FILE);
  const { privateKey } = keyAt(file, random);
  const pairs = { onion3: Buffer.from(address.host), tcp: rlpInteger(address.port) };
  const kept = readKeptRecord(file, privateKey);
  const dropped = Object.fromEntries(OPEN_PAIRS.map((key) => [key, undefined]));
  const record =
    kept === undefined
      ? makeRecord({ privateKey, pairs })
      : updateRecord(kept, privateKey, { ...dropped, ...pairs });
  if (record !== kept) keepRecord(file, record, random);
  const wasOpen = kept !== undefined && publicAddressesOf(kept).length > 0;
  return { privateKey, record, wasOpen };
}

/**
 * Writes a record's text to a file, for others to load; whoever reads meanwhile sees the old one or
 * the new one.
 *
 * @param file where
 * @param record what
 * @throws UsageError where it can't be written
 */
export function writeRecordFile(file: string, record: NodeRecord): void {
  const unfinished = `${file}.part`;
  try {
    writeFileSync(unfinished, `${formatRecord(record.bytes)}\n`);
    renameSync(unfinished, file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError("bad-option", `--enr-file ${file} can't be written (${reason}).`);
  }
}
