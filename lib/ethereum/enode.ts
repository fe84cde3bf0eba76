import { type Address, formatAddress, parseAddress } from "../address/address.ts";
import { onionOf, parseRecord, publicAddressesOf } from "./enr.ts";
import { EthereumError } from "./error.ts";
import { checkPublicKey } from "./node-key.ts";

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
  const onion = onionOf(record, options);
  const clear = publicAddressesOf(record);
  return {
    publicKey: record.publicKey,
    addresses: onion === undefined ? clear : [onion, ...clear],
  };
}
