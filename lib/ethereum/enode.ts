import { type Address, formatAddress, parseAddress } from "../address/address.ts";
import {
  addressesOf,
  type NodeRecord,
  parseRecord,
  type ReadOnionOptions,
  recordPort,
} from "./enr.ts";
import { readPairText } from "./enr-pair.ts";
import { EthereumError } from "./error.ts";
import { checkPublicKey } from "./node-key.ts";
import type { RlpItem } from "./rlp.ts";

/** What an enode URL names. */
export interface Enode {
  /** The key that the node must hold, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Where RLPx is spoken. */
  readonly address: Address;
  /** Port of the UDP discovery, which is never used over Tor; 0 for none. */
  readonly discoveryPort: number;
}

/** A node to greet, however it was named. */
export interface EthereumNode {
  /** The key that the node must hold, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Where it can be met: its onion name first, then IPv4, IPv6; may be empty. */
  readonly addresses: readonly Address[];
}

/** How to read a node's name. */
export interface ParseNodeOptions {
  /**
   * Accept an onion name with a wrong version or checksum, as gethrelay does.
   * @default false
   */
  readonly lenient?: boolean | undefined;
}

const ENODE = /^enode:\/\/([0-9a-f]{128})@([^?#/]+?)(?:\?discport=([0-9]{1,5}))?$/i;
/** Longest URL looked at: key, a DNS name, a port and the discovery port. */
const ENODE_CHARACTERS_MAX = 512;
const PORT_MAX = 65_535;

/**
 * Reads an enode URL.
 *
 * @param text `enode://<128 hex digits>@host:port[?discport=port]`
 * @param options how to read it
 * @throws EthereumError `enode-invalid`, `key-invalid`; AddressError for its host and port
 * @see devp2p `enode.md`; go-ethereum `p2p/enode/urlv4.go`
 */
export function parseEnode(text: string, options: ParseNodeOptions = {}): Enode {
  const found = text.length <= ENODE_CHARACTERS_MAX ? ENODE.exec(text) : null;
  const [, key, place, discovery] = found ?? [];
  if (key === undefined || place === undefined) {
    throw new EthereumError(
      "enode-invalid",
      `"${text.slice(0, ENODE_CHARACTERS_MAX)}" is no enode URL; write enode://KEY@HOST:PORT, where KEY has 128 hexadecimal digits.`,
    );
  }
  const publicKey = Uint8Array.from(Buffer.from(key, "hex"));
  checkPublicKey(publicKey);
  const address = parseAddress(place, { lenient: options.lenient ?? false });
  const discoveryPort = discovery === undefined ? address.port : Number(discovery);
  if (discoveryPort > PORT_MAX) {
    throw new EthereumError(
      "enode-invalid",
      `Discovery port ${discoveryPort} is not from 0 to ${PORT_MAX}.`,
    );
  }
  return { publicKey, address, discoveryPort };
}

/**
 * The one text form of an enode URL.
 *
 * @param enode what {@link parseEnode} gives
 */
export function formatEnode(enode: Enode): string {
  const { publicKey, address, discoveryPort } = enode;
  const url = `enode://${Buffer.from(publicKey).toString("hex")}@${formatAddress(address)}`;
  return discoveryPort === address.port ? url : `${url}?discport=${discoveryPort}`;
}

/**
 * The enode URLs of a record, since such a URL has room for one address: that of its onion name
 * first, then IPv4, IPv6.
 *
 * @param record a record
 * @param options how to read it
 * @returns for {@link formatEnode}; empty where the record has no address with a TCP port. An onion
 *   name has no discovery port, for discovery is UDP, which does not go over Tor
 * @throws EthereumError as `addressesOf`
 */
export function enodesOf(record: NodeRecord, options: ReadOnionOptions = {}): Enode[] {
  const { publicKey } = record;
  const { onion, clearnet } = addressesOf(record, options);
  const udp = recordPort(record, "udp");
  const udp6 = record.pairs.has("udp6") ? recordPort(record, "udp6") : udp;
  return [
    ...(onion === undefined ? [] : [{ publicKey, address: onion, discoveryPort: 0 }]),
    ...clearnet.map((address) => ({
      publicKey,
      address,
      discoveryPort: address.kind === "ipv6" ? udp6 : udp,
    })),
  ];
}

/**
 * The pairs with which a record says the same as an enode URL.
 *
 * @param enode what {@link parseEnode} gives
 * @returns for `makeRecord`
 * @throws EthereumError `enode-invalid` for a host that records have no pair for: a DNS name, an
 *   I2P name; `onion3-invalid`
 */
export function enodePairs(enode: Enode): Record<string, RlpItem> {
  const { address, discoveryPort } = enode;
  const tcp = readPairText("tcp", String(address.port));
  if (address.kind === "onion3") return { onion3: readPairText("onion3", address.host), tcp };
  const udp = discoveryPort === 0 ? {} : { udp: readPairText("udp", String(discoveryPort)) };
  if (address.kind === "ipv4") return { ip: readPairText("ip", address.host), tcp, ...udp };
  if (address.kind === "ipv6") return { ip6: readPairText("ip6", address.host), tcp, ...udp };
  throw new EthereumError(
    "enode-invalid",
    `"${address.host}" can't stand in a node record, which takes onion names and IP addresses; name one of those.`,
  );
}

/**
 * Reads a node's name: an enode URL or a node record.
 *
 * @param text `enode://…` or `enr:…`
 * @param options how to read it
 * @throws EthereumError and AddressError as {@link parseEnode} and `parseRecord`
 */
export function parseNode(text: string, options: ParseNodeOptions = {}): EthereumNode {
  if (!text.startsWith("enr:")) {
    const { publicKey, address } = parseEnode(text, options);
    return { publicKey, addresses: [address] };
  }
  const record = parseRecord(text);
  const { onion, clearnet } = addressesOf(record, options);
  return {
    publicKey: record.publicKey,
    addresses: onion === undefined ? clearnet : [onion, ...clearnet],
  };
}
