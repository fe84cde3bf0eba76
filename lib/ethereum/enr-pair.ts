import { isIPv4, isIPv6 } from "node:net";
import { makeAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import { ipv6Bytes } from "../address/ip-bytes.ts";
import { onionPublicKey } from "../address/onion.ts";
import {
  DEFAULT_TCP_PORT,
  type NodeRecord,
  onionOf,
  pairKeyText,
  publicAddressesOf,
  type ReadOnionOptions,
  recordPort,
} from "./enr.ts";
import { EthereumError } from "./error.ts";
import { decodeRlp, encodeRlp, type RlpItem, readRlpInteger, rlpInteger } from "./rlp.ts";

/** Pairs that hold a port: EIP-778's, and those of QUIC. */
const portKeys: ReadonlySet<string> = new Set(["tcp", "tcp6", "udp", "udp6", "quic", "quic6"]);
/** Pairs that hold a list, so that hexadecimal text without a mark before it is one. */
const listKeys: ReadonlySet<string> = new Set(["eth"]);
/** Pairs that the key itself decides. */
export const identityKeys: ReadonlySet<string> = new Set(["id", "secp256k1"]);
const RLP_MARK = "rlp:";
const BYTES_MARK = "0x";
const IP_BYTES = 4;
const IP6_BYTES = 16;
const PORT_BYTES_MAX = 2;
const PORT_MAX = 65_535;
const HEX = /^(?:[0-9a-f]{2})*$/i;
/** What can be printed, and is not taken for bytes or RLP when read back. */
const PLAIN_TEXT = /^(?!0x|rlp:)[ -~]+$/i;

/**
 * Reads a key as people write it.
 *
 * @param text the key itself, or `0x` and its bytes in hexadecimal
 * @returns Latin-1, as a record's pairs have it
 * @throws EthereumError `pair-invalid`
 */
export function readPairKey(text: string): string {
  if (text.startsWith(BYTES_MARK)) {
    return Buffer.from(bytesOfHex(text, text.slice(BYTES_MARK.length))).toString("latin1");
  }
  if (text !== "") return Buffer.from(text, "utf8").toString("latin1");
  throw new EthereumError("pair-invalid", "A pair has no key; write KEY=VALUE, as in tcp=30303.");
}

/**
 * Reads a value as people write it: an IP address for `ip` and `ip6`, a number for ports, a name
 * for `onion3`, hexadecimal RLP for `eth`. Values of all other keys are text, or bytes as `0x…`, or
 * any item as `rlp:…`. Stricter than what others write: an onion name must have its checksum, and a
 * port can't be 0.
 *
 * @param key Latin-1, as a record's pairs have it
 * @param text what the user wrote
 * @throws EthereumError `pair-invalid`, `onion3-invalid`
 */
export function readPairText(key: string, text: string): RlpItem {
  checkPairKey(key);
  if (portKeys.has(key)) return rlpInteger(readPort(key, text));
  if (key === "ip") return readIp(text);
  if (key === "ip6") return readIp6(text);
  if (key === "onion3") return readOnion(text);
  if (text.startsWith(RLP_MARK)) return readRlp(key, text.slice(RLP_MARK.length));
  if (listKeys.has(key)) return readRlp(key, text.replace(/^0x/i, ""));
  if (text.startsWith(BYTES_MARK)) return bytesOfHex(key, text.slice(BYTES_MARK.length));
  return new TextEncoder().encode(text);
}

/**
 * A value as people read it; what {@link readPairText} turns back into the same value, but for
 * values of known keys that are none.
 *
 * @param key Latin-1, as a record's pairs have it
 * @param item its value
 * @returns plain signs only
 */
export function pairText(key: string, item: RlpItem): string {
  if (!(item instanceof Uint8Array)) return `${RLP_MARK}${hexOf(encodeRlp(item))}`;
  if (key === "ip" && item.length === IP_BYTES) return item.join(".");
  if (key === "ip6" && item.length === IP6_BYTES) return ip6Text(item);
  if (portKeys.has(key)) return portText(item);
  if (listKeys.has(key)) return `${RLP_MARK}${hexOf(encodeRlp(item))}`;
  const text = Buffer.from(item).toString("latin1");
  return PLAIN_TEXT.test(text) ? text : `${BYTES_MARK}${hexOf(item)}`;
}

/**
 * Looks at the values of all keys whose meaning is known.
 *
 * @param record a record
 * @param options how to read it
 * @throws EthereumError `onion3-invalid`, `record-malformed`
 */
export function checkRecordPairs(record: NodeRecord, options: ReadOnionOptions = {}): void {
  onionOf(record, options);
  publicAddressesOf(record);
  for (const key of portKeys) recordPort(record, key);
}

/**
 * Looks at pairs that are to be written.
 *
 * @param pairs keys in Latin-1
 * @throws EthereumError `pair-invalid`, `onion3-invalid`
 */
export function checkNewPairs(pairs: Readonly<Record<string, RlpItem>>): void {
  for (const [key, item] of Object.entries(pairs)) {
    checkPairKey(key);
    if (key === "ip") checkBytes(key, item, IP_BYTES);
    if (key === "ip6") checkBytes(key, item, IP6_BYTES);
    if (portKeys.has(key)) checkPort(key, item);
    if (key === "onion3") {
      readOnion(item instanceof Uint8Array ? Buffer.from(item).toString("latin1") : "");
    }
  }
}

/**
 * Refuses a pair that the node's key decides, and a key that is not in Latin-1.
 *
 * @param key Latin-1, as a record's pairs have it
 * @throws EthereumError `pair-invalid`
 */
export function checkPairKey(key: string): void {
  if (identityKeys.has(key)) {
    throw new EthereumError(
      "pair-invalid",
      `The pair "${key}" comes from the node's key and can't be set; leave it out.`,
    );
  }
  if ([...key].every((sign) => sign.charCodeAt(0) <= 0xff)) return;
  throw new EthereumError("pair-invalid", "A pair's key holds a sign beyond Latin-1; encode it.");
}

function checkBytes(key: string, item: RlpItem, length: number): void {
  if (item instanceof Uint8Array && item.length === length) return;
  throw invalid(key, pairText(key, item), `an address of ${length} bytes`);
}

function checkPort(key: string, item: RlpItem): void {
  try {
    if (readRlpInteger(item, PORT_BYTES_MAX) > 0n) return;
  } catch (error) {
    if (!(error instanceof EthereumError)) throw error;
  }
  throw invalid(key, pairText(key, item), `a port from 1 to ${PORT_MAX}`);
}

function readPort(key: string, text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= PORT_MAX) return port;
  throw invalid(key, text, `a port from 1 to ${PORT_MAX}`);
}

function readIp(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  throw invalid("ip", text, "an IPv4 address");
}

function readIp6(text: string): Uint8Array {
  if (!isIPv6(text) || text.includes("%")) throw invalid("ip6", text, "an IPv6 address");
  return ipv6Bytes(text);
}

function ip6Text(bytes: Uint8Array): string {
  const groups = hexOf(bytes).match(/.{4}/g) ?? [];
  return makeAddress(groups.join(":"), DEFAULT_TCP_PORT).host;
}

function readOnion(text: string): Uint8Array {
  if (!text.endsWith(".onion")) throw invalid("onion3", text, "56 characters and .onion");
  try {
    onionPublicKey(text);
  } catch (cause) {
    if (!(cause instanceof AddressError)) throw cause;
    throw new EthereumError("onion3-invalid", cause.message, { cause });
  }
  return new TextEncoder().encode(text);
}

function readRlp(key: string, digits: string): RlpItem {
  const bytes = bytesOfHex(key, digits);
  try {
    return decodeRlp(bytes);
  } catch (cause) {
    if (!(cause instanceof EthereumError)) throw cause;
    throw new EthereumError("pair-invalid", `The pair "${pairKeyText(key)}": ${cause.message}`, {
      cause,
    });
  }
}

function bytesOfHex(key: string, digits: string): Uint8Array {
  if (HEX.test(digits)) return Uint8Array.from(Buffer.from(digits, "hex"));
  throw invalid(key, digits, "an even number of hexadecimal digits");
}

function portText(item: Uint8Array): string {
  const isPort = item.length > 0 && item.length <= PORT_BYTES_MAX && item[0] !== 0;
  return isPort ? readRlpInteger(item, PORT_BYTES_MAX).toString() : `${BYTES_MARK}${hexOf(item)}`;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function invalid(key: string, text: string, wanted: string): EthereumError {
  return new EthereumError(
    key === "onion3" ? "onion3-invalid" : "pair-invalid",
    `"${text}" is not what the pair "${pairKeyText(key)}" holds: ${wanted}.`,
  );
}
