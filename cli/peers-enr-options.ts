import { readSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import type { Command } from "commander";
import { enodePairs, parseEnode } from "../lib/ethereum/enode.ts";
import { type NodeRecord, pairKeyText, parseRecord } from "../lib/ethereum/enr.ts";
import { readKeptRecord } from "../lib/ethereum/enr-key.ts";
import { readPairKey, readPairText } from "../lib/ethereum/enr-pair.ts";
import { publicKeyOf } from "../lib/ethereum/node-key.ts";
import type { RlpItem } from "../lib/ethereum/rlp.ts";
import { DEFAULT_DATA_DIR } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** Options that say where a node's key and its newest record are. */
export interface KeyValues {
  readonly key?: string;
  readonly dataDir?: string;
  readonly json?: true;
}

/** Options that say what a record holds. */
export interface PairValues extends KeyValues {
  readonly onion3?: string;
  readonly ip?: string;
  readonly ip6?: string;
  readonly tcp?: string;
  readonly udp?: string;
  readonly tcp6?: string;
  readonly udp6?: string;
  readonly eth?: string;
  readonly pair?: readonly string[];
  readonly enode?: string;
  readonly seq?: string;
}

/** Options with a pair's own name. */
const namedPairs = ["onion3", "ip", "ip6", "tcp", "udp", "tcp6", "udp6", "eth"] as const;
const KEY_FILE = join("ethereum", "nodekey");
/** A record has 404 signs, an enode URL under 512. */
const INPUT_BYTES_MAX = 4_096;
const SEQUENCE = /^[0-9]{1,20}$/;

/**
 * Declares `--key`, `--data-dir` and `--json`.
 *
 * @param command changed in place
 */
export function addKeyOptions(command: Command): Command {
  return command
    .exitOverride()
    .allowExcessArguments(false)
    .option(
      "--key <FILE>",
      "the node's key, as geth's nodekey (default: DATA_DIR/ethereum/nodekey)",
    )
    .option(
      "--data-dir <DIR>",
      "where the key and its newest record are kept (default: ~/.anonctl)",
    )
    .option("--json", "print a JSON document on stdout");
}

/**
 * Declares the options that say what a record holds.
 *
 * @param command changed in place
 */
export function addPairOptions(command: Command): Command {
  return command
    .option("--onion3 <NAME>", "onion name, with a right checksum")
    .option("--ip <IPV4>", "IPv4 address")
    .option("--ip6 <IPV6>", "IPv6 address")
    .option("--tcp <PORT>", "RLPx port, of the onion name too")
    .option("--udp <PORT>", "discovery port")
    .option("--tcp6 <PORT>", "RLPx port of the IPv6 address, where it is another one")
    .option("--udp6 <PORT>", "discovery port of the IPv6 address, where it is another one")
    .option("--eth <RLP>", "the eth pair as it is, in hexadecimal")
    .option(
      "--pair <KEY=VALUE>",
      "any other pair; VALUE is text, 0x and bytes, or rlp: and RLP",
      (value: string, before: readonly string[] = []) => [...before, value],
    )
    .option("--enode <URL>", "take address and ports from an enode URL of the same key")
    .option("--seq <N>", "the record's sequence number (default: one above the last one)");
}

/**
 * Where the node's key is.
 *
 * @param values parsed
 * @returns an absolute path
 */
export function keyFileOf({ key, dataDir = DEFAULT_DATA_DIR }: KeyValues): string {
  return absolute(key ?? join(dataDir, KEY_FILE));
}

function absolute(path: string): string {
  return isAbsolute(path) ? path : resolve(path);
}

/**
 * Reads what a record is to hold.
 *
 * @param values parsed
 * @throws UsageError `bad-option`; EthereumError, AddressError for the values
 */
export function readPairs(values: PairValues): Record<string, RlpItem> {
  const pairs = new Map<string, RlpItem>();
  const add = (key: string, text: string): void => {
    if (pairs.has(key)) {
      throw new UsageError(
        "bad-option",
        `The pair "${pairKeyText(key)}" is given twice; leave one out.`,
      );
    }
    pairs.set(key, readPairText(key, text));
  };
  for (const name of namedPairs) {
    const text = values[name];
    if (text !== undefined) add(name, text);
  }
  for (const text of values.pair ?? []) {
    const at = text.indexOf("=");
    if (at < 0) {
      throw new UsageError("bad-option", `--pair ${text} is not KEY=VALUE, as in snap=0x.`);
    }
    add(readPairKey(text.slice(0, at)), text.slice(at + 1));
  }
  const { enode } = values;
  return {
    ...(enode === undefined ? {} : enodePairs(parseEnode(enode))),
    ...Object.fromEntries(pairs),
  };
}

/**
 * Insists that `--enode` names the node whose key this is.
 *
 * @param url as given, if it was
 * @param privateKey 32 bytes
 * @throws UsageError `bad-option`
 */
export function checkEnodeKey(url: string | undefined, privateKey: Uint8Array): void {
  if (url === undefined) return;
  if (Buffer.compare(parseEnode(url).publicKey, publicKeyOf(privateKey)) === 0) return;
  throw new UsageError(
    "bad-option",
    "--enode names a node whose key is not that of --key; give that node's key file.",
  );
}

/**
 * Reads `--seq`.
 *
 * @param text what the user wrote
 * @throws UsageError `bad-option`
 */
export function readSequence(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (SEQUENCE.test(text)) return BigInt(text);
  throw new UsageError("bad-option", `--seq ${text} is not a whole number of 0 or more.`);
}

/**
 * Reads a record or a URL from the command line.
 *
 * @param word the argument; `-` for the first line of standard input
 * @throws UsageError `bad-option` where standard input holds far more than that
 */
export function readName(word: string): string {
  if (word !== "-") return word;
  const bytes = Buffer.alloc(INPUT_BYTES_MAX);
  let length = 0;
  for (let read = 1; read > 0 && !bytes.subarray(0, length).includes(10); length += read) {
    if (length === INPUT_BYTES_MAX) {
      throw new UsageError("bad-option", `Standard input holds no line within ${length} bytes.`);
    }
    read = readSync(0, bytes, length, INPUT_BYTES_MAX - length, null);
  }
  return bytes.toString("utf8", 0, length).split("\n", 1).join("").trim();
}

/**
 * The record that a command is about: the given one, or the newest of the key.
 *
 * @param word the argument, if there was one
 * @param values parsed
 * @throws UsageError `bad-option` where there is neither; EthereumError
 */
export function recordOf(word: string | undefined, values: KeyValues): NodeRecord {
  if (word !== undefined) return parseRecord(readName(word));
  const file = keyFileOf(values);
  const kept = readKeptRecord(file);
  if (kept !== undefined) return kept;
  throw new UsageError(
    "bad-option",
    `No record of the key ${file} is kept; give one, or make it with anonctl peers enr make.`,
  );
}
