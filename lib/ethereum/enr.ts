import { keccak_256 } from "@noble/hashes/sha3.js";
import { base64urlnopad } from "@scure/base";
import { type Address, isOfZone, makeAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import { EthereumError, type EthereumErrorCode } from "./error.ts";
import {
  COMPRESSED_KEY_BYTES,
  compressKey,
  expandKey,
  isSignedBy,
  nodeIdOf,
  publicKeyOf,
  signRecoverably,
} from "./node-key.ts";
import {
  decodeRlp,
  encodeRlp,
  type RlpItem,
  readRlpInteger,
  readRlpList,
  readRlpString,
  rlpInteger,
} from "./rlp.ts";

/** A node's record of itself, whose signature was checked. */
export interface NodeRecord {
  /** The record as it was signed: RLP, at most 300 bytes. */
  readonly bytes: Uint8Array;
  /** Grows with every change. */
  readonly sequence: bigint;
  /** Every pair, in the record's order; keys as Latin-1, so that no two become one. */
  readonly pairs: ReadonlyMap<string, RlpItem>;
  /** The node's key, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Keccak-256 of the key, 32 bytes. */
  readonly nodeId: Uint8Array;
}

/** How to read an `onion3` pair. */
export interface ReadOnionOptions {
  /**
   * Accept a name with a wrong version or checksum, as gethrelay does.
   * @default false
   */
  readonly lenient?: boolean | undefined;
}

/** Where a record says that its node can be met. */
export interface RecordAddresses {
  /** The hidden address, if there is one. */
  readonly onion?: Address<"tor">;
  /** IPv4, then IPv6. */
  readonly clearnet: readonly Address<"public">[];
}

/** Largest record; 300 bytes are allowed, 301 are not. */
export const RECORD_BYTES_MAX = 300;
/** The port of a node that names none. */
export const DEFAULT_TCP_PORT = 30_303;
const PREFIX = "enr:";
/** `enr:` and base64 of the largest record. */
const RECORD_CHARACTERS_MAX = PREFIX.length + Math.ceil((RECORD_BYTES_MAX * 4) / 3);
const SIGNATURE_BYTES = 64;
const SEQUENCE_BYTES_MAX = 8;
const PORT_BYTES_MAX = 2;
/** Signs that can be printed, but no space, no "=", and no "0x" before them. */
const PLAIN_KEY = /^(?!0x)[!-<>-~]+$/i;
const ONION3 = /^[a-z2-7]{56}\.onion$/;

/**
 * Reads a record's text form.
 *
 * @param text `enr:` and base64url without padding
 * @throws EthereumError `record-text`, or as {@link decodeRecord}
 * @see EIP-778, "Text encoding"
 */
export function parseRecord(text: string): NodeRecord {
  if (!text.startsWith(PREFIX)) {
    throw recordError("record-text", `does not begin with "${PREFIX}"`);
  }
  if (text.length > RECORD_CHARACTERS_MAX) {
    const bytes = Math.floor(((text.length - PREFIX.length) * 3) / 4);
    throw recordError("record-too-large", `has ${bytes} bytes`);
  }
  return decodeRecord(decodeText(text.slice(PREFIX.length)));
}

function decodeText(text: string): Uint8Array {
  try {
    return base64urlnopad.decode(text);
  } catch (cause) {
    throw recordError("record-text", "is not base64url without padding", { cause });
  }
}

/**
 * Reads a record and checks all that EIP-778 asks for: size, order of keys, identity scheme "v4"
 * and its signature.
 *
 * @param bytes RLP
 * @throws EthereumError `record-too-large`, `record-malformed`, `record-unsorted`,
 *   `record-identity`, `record-signature`
 * @see EIP-778
 */
export function decodeRecord(bytes: Uint8Array): NodeRecord {
  if (bytes.length > RECORD_BYTES_MAX) {
    throw recordError("record-too-large", `has ${bytes.length} bytes`);
  }
  const { signature, content, sequence, pairs } = asRecordError(() => {
    const [first, ...content] = readRlpList(decodeRlp(bytes));
    const sequence = readRlpInteger(content[0], SEQUENCE_BYTES_MAX);
    return {
      signature: readRlpString(first, SIGNATURE_BYTES),
      content,
      sequence,
      pairs: readPairs(content.slice(1)),
    };
  });
  const compressed = checkedIdentity(pairs);
  if (!isSignedBy(signature, keccak_256(encodeRlp(content)), compressed)) {
    throw recordError("record-signature", "is not signed by its own key");
  }
  const publicKey = asRecordError(() => expandKey(compressed));
  return { bytes: bytes.slice(), sequence, pairs, publicKey, nodeId: nodeIdOf(publicKey) };
}

function readPairs(items: readonly RlpItem[]): Map<string, RlpItem> {
  const pairs = new Map<string, RlpItem>();
  let last: string | undefined;
  for (let at = 0; at < items.length; at += 2) {
    const key = Buffer.from(readRlpString(items[at])).toString("latin1");
    const value = items[at + 1];
    if (value === undefined) {
      throw recordError("record-malformed", `has no value for "${pairKeyText(key)}"`);
    }
    if (last !== undefined && key <= last) {
      const [now, before] = [pairKeyText(key), pairKeyText(last)];
      const what = key === last ? `has "${now}" twice` : `has "${now}" after "${before}", unsorted`;
      throw recordError("record-unsorted", what);
    }
    pairs.set(key, value);
    last = key;
  }
  return pairs;
}

/**
 * A key or a name as people are shown it: as it is where it is made of plain signs, in hexadecimal otherwise,
 * so that no record can send a terminal control signs.
 *
 * @param key Latin-1, as a record's pairs have it
 * @returns `0x` and digits for one that is empty, holds other signs, or begins with "0x" itself
 */
export function pairKeyText(key: string): string {
  if (PLAIN_KEY.test(key)) return key;
  return `0x${Buffer.from(key, "latin1").toString("hex")}`;
}

function checkedIdentity(pairs: ReadonlyMap<string, RlpItem>): Uint8Array {
  const scheme = textOf(pairs.get("id"));
  if (scheme !== "v4") {
    const shown = pairKeyText(scheme ?? "");
    throw recordError("record-identity", `has the identity scheme "${shown}", not "v4"`);
  }
  return asRecordError(() => {
    const compressed = readRlpString(pairs.get("secp256k1"), COMPRESSED_KEY_BYTES);
    expandKey(compressed);
    return compressed;
  });
}

/**
 * The onion address that a record names.
 *
 * @param record a record
 * @param options how to read it
 * @returns the `onion3` name with the record's TCP port, 30303 when that is absent or 0; undefined
 *   when the record names none
 * @throws EthereumError `onion3-invalid`
 */
export function onionOf(
  record: NodeRecord,
  options: ReadOnionOptions = {},
): Address<"tor"> | undefined {
  const value = record.pairs.get("onion3");
  if (value === undefined) return undefined;
  const port = recordPort(record, "tcp");
  return readOnion(textOf(value) ?? "", port === 0 ? DEFAULT_TCP_PORT : port, options);
}

/**
 * Every address that a record names, hidden and open ones apart.
 *
 * @param record a record
 * @param options how to read it
 * @throws EthereumError `onion3-invalid`, `record-malformed` when an address or a port is not one: a
 *   record whose hidden name can't be read is never taken for one that has only open addresses
 */
export function addressesOf(record: NodeRecord, options: ReadOnionOptions = {}): RecordAddresses {
  const onion = onionOf(record, options);
  const clearnet = publicAddressesOf(record);
  return onion === undefined ? { clearnet } : { onion, clearnet };
}

function readOnion(name: string, port: number, options: ReadOnionOptions): Address<"tor"> {
  try {
    const lenient = options.lenient ?? false;
    const address = ONION3.test(name) ? makeAddress(name, port, { lenient }) : undefined;
    if (address !== undefined && isOfZone(address, "tor")) return address;
  } catch (cause) {
    throw invalidOnion(name, { cause });
  }
  throw invalidOnion(name);
}

/**
 * The addresses outside the anonymity networks that a record names: IPv4, then IPv6. A record with
 * an address and no TCP port has none.
 *
 * @param record a record
 * @throws EthereumError `record-malformed` when an address or a port is not one
 */
export function publicAddressesOf(record: NodeRecord): Address<"public">[] {
  const tcp = recordPort(record, "tcp");
  const tcp6 = record.pairs.has("tcp6") ? recordPort(record, "tcp6") : tcp;
  const addresses: Address<"public">[] = [];
  const add = (host: string | undefined, port: number): void => {
    if (host === undefined || port === 0) return;
    const address = makeAddress(host, port);
    if (isOfZone(address, "public")) addresses.push(address);
  };
  const [ip, ip6] = asRecordError(() => [bytesOf(record, "ip", 4), bytesOf(record, "ip6", 16)]);
  add(ip?.join("."), tcp);
  add(ip6 === undefined ? undefined : ipv6Text(ip6), tcp6);
  return addresses;
}

function bytesOf(record: NodeRecord, key: string, length: number): Uint8Array | undefined {
  const value = record.pairs.get(key);
  return value === undefined ? undefined : readRlpString(value, length);
}

function ipv6Text(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return (hex.match(/.{4}/g) ?? []).join(":");
}

/**
 * The port that a pair names.
 *
 * @param record a record
 * @param key `tcp`, `udp`, `tcp6`, `udp6`, ...
 * @returns 0 when it names none
 * @throws EthereumError `record-malformed`
 */
export function recordPort(record: NodeRecord, key: string): number {
  const value = record.pairs.get(key);
  if (value === undefined) return 0;
  return asRecordError(() => Number(readRlpInteger(value, PORT_BYTES_MAX)));
}

function textOf(item: RlpItem | undefined): string | undefined {
  return item instanceof Uint8Array ? Buffer.from(item).toString("latin1") : undefined;
}

/** What a record is to say. */
export interface RecordContent {
  /** Larger than that of the record it replaces. */
  readonly sequence: bigint;
  /** Pairs besides `id` and `secp256k1`, in any order. */
  readonly pairs: Readonly<Record<string, RlpItem>>;
}

/**
 * Writes and signs a record. Stricter than what others read: an `onion3` value must be a name with
 * the right checksum.
 *
 * @param content what it is to say
 * @param privateKey the node's, 32 bytes
 * @returns RLP, at most 300 bytes; see {@link formatRecord}
 * @throws EthereumError `record-too-large`, `onion3-invalid`, `key-invalid`
 */
export function signRecord(content: RecordContent, privateKey: Uint8Array): Uint8Array {
  const onion3 = content.pairs["onion3"];
  if (onion3 !== undefined) readOnion(textOf(onion3) ?? "", DEFAULT_TCP_PORT, { lenient: false });
  const pairs = new Map<string, RlpItem>([
    ...Object.entries(content.pairs),
    ["id", Buffer.from("v4")],
    ["secp256k1", compressKey(publicKeyOf(privateKey))],
  ]);
  const sorted = [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));
  const items = [
    rlpInteger(content.sequence),
    ...sorted.flatMap(([key, value]) => [Buffer.from(key, "latin1"), value]),
  ];
  const signed = signRecoverably(keccak_256(encodeRlp(items)), privateKey);
  const bytes = encodeRlp([signed.subarray(0, SIGNATURE_BYTES), ...items]);
  if (bytes.length <= RECORD_BYTES_MAX) return bytes;
  throw new EthereumError(
    "record-too-large",
    `The node record would have ${bytes.length} bytes, more than the ${RECORD_BYTES_MAX} bytes allowed; leave a pair out.`,
  );
}

/**
 * A record's text form.
 *
 * @param bytes RLP
 */
export function formatRecord(bytes: Uint8Array): string {
  return `${PREFIX}${base64urlnopad.encode(bytes)}`;
}

function asRecordError<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof EthereumError) || cause.code.startsWith("record-")) throw cause;
    const what = `can't be read (${cause.message.replace(/\.$/, "")})`;
    throw recordError("record-malformed", what, { cause });
  }
}

/** Ways in which a record can be wrong. */
type RecordErrorCode = Extract<EthereumErrorCode, `record-${string}`>;

function recordError(
  code: RecordErrorCode,
  what: string,
  options?: { cause?: unknown },
): EthereumError {
  const bound =
    code === "record-too-large" ? `, more than the ${RECORD_BYTES_MAX} bytes allowed` : "";
  return new EthereumError(code, `The node record ${what}${bound}; copy it again.`, options);
}

function invalidOnion(name: string, options?: { cause?: unknown }): EthereumError {
  const why =
    options?.cause instanceof AddressError
      ? `is refused: ${options.cause.message}`
      : `"${pairKeyText(name)}" is no v3 onion name in lower case; the node has to mend it.`;
  return new EthereumError("onion3-invalid", `The node record's onion3 value ${why}`, options);
}
