import { type Address, makeAddress } from "../address/address.ts";
import { ipv4Text, ipv4Word, ipv6Bytes, ipv6Text } from "../address/ip-bytes.ts";
import { type FieldWriter, fieldName, fieldNames, ObjectFields } from "../levin/storage-fields.ts";
import type { StorageReader } from "../levin/storage-reader.ts";
import { MoneroMessageError, required, requiredBytes } from "./message-error.ts";

/**
 * Where a peer is, as another peer wrote it: nothing about the host is checked but its length.
 * IPv4 and IPv6 come as text, `10.1.2.3` and `fd00::1`. The port may be 0.
 */
export interface PeerAddress {
  readonly type: "ipv4" | "ipv6" | "i2p" | "tor";
  readonly host: string;
  readonly port: number;
}

/** The longest host read: monerod's longest, an i2p name, has 67 characters and its suffix. */
export const HOST_BYTES_MAX = 255;
const IPV6_BYTES = 16;

/** The type byte of each kind of address (monero `net/enums.h`). */
const ADDRESS_TYPE = { IPV4: 1, IPV6: 2, I2P: 3, TOR: 4 } as const;

const ADDR = fieldName("addr");
const TYPE = fieldName("type");
const NAMES = fieldNames(ADDR, TYPE);

const HOST = fieldName("host");
const M_IP = fieldName("m_ip");
const M_PORT = fieldName("m_port");
const PORT = fieldName("port");
const ADDR_NAMES = fieldNames(ADDR, HOST, M_IP, M_PORT, PORT);

/** The fields of `addr` of all types: which of them count, `type` says, and it comes behind. */
interface AddressFields {
  readonly ip: number | undefined;
  readonly ipv6: Uint8Array | undefined;
  readonly host: Uint8Array | undefined;
  readonly port: number;
}

/**
 * Reads the field `adr`.
 *
 * @param reader stands at the field's type
 * @throws LevinError, or MoneroMessageError `address-type`, `missing-field` or `bad-length`
 */
export function readPeerAddress(reader: StorageReader): PeerAddress {
  let type: number | undefined;
  let found: AddressFields | undefined;
  const fields = new ObjectFields(reader, NAMES, reader.object());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    if (name === TYPE) type = reader.unsigned(0xff);
    else found = readAddressFields(reader);
  }
  const { ip, ipv6, host, port } = required(found, "addr");
  switch (required(type, "type")) {
    case ADDRESS_TYPE.IPV4:
      return { type: "ipv4", host: ipv4Text(required(ip, "m_ip")), port };
    case ADDRESS_TYPE.IPV6:
      return { type: "ipv6", host: ipv6Text(requiredBytes(ipv6, IPV6_BYTES, "addr")), port };
    case ADDRESS_TYPE.I2P:
      return { type: "i2p", host: hostText(host), port };
    case ADDRESS_TYPE.TOR:
      return { type: "tor", host: hostText(host), port };
    default:
      throw new MoneroMessageError(
        "address-type",
        `The peer sent an address of type ${type}; types 1 to 4 are known.`,
      );
  }
}

/**
 * Writes the fields of `adr`.
 *
 * @param out has the object open
 * @param address of any type
 * @throws AddressError when the host of an IP address is not one
 */
export function writePeerAddress(out: FieldWriter, address: PeerAddress): void {
  const outer = out.object(ADDR);
  switch (address.type) {
    case "ipv4":
      out.u32(M_IP, ipv4Word(address.host));
      out.u16(M_PORT, address.port);
      break;
    case "ipv6":
      out.string(ADDR, ipv6Bytes(address.host));
      out.u16(M_PORT, address.port);
      break;
    case "i2p":
    case "tor":
      out.string(HOST, hostBytes(address.host));
      out.u16(PORT, address.port);
  }
  out.close(outer);
  out.u8(TYPE, typeByteOf(address.type));
}

/**
 * What a peer sent, as an address that can be dialed. Onion names are taken as loosely as monerod
 * takes them, and names in upper case are made lower. A host of another zone than its type says
 * is refused: a DNS name in an entry for tor must never be looked up.
 *
 * @param address from a peer list
 * @throws MoneroMessageError `bad-address`: leave the entry out
 */
export function addressOfPeer(address: PeerAddress): Address {
  const { type, host, port } = address;
  let made: Address;
  try {
    made = makeAddress(type === "i2p" ? host.toLowerCase() : host, port, { lenient: true });
  } catch (cause) {
    throw badAddress(address, cause);
  }
  const matches = type === "ipv4" || type === "ipv6" ? made.kind === type : made.zone === type;
  if (!matches) throw badAddress(address);
  return made;
}

/**
 * An address as it stands in a peer list.
 *
 * @param address any but a DNS name, for which there is no type
 * @throws RangeError for a DNS name
 */
export function peerOfAddress(address: Address): PeerAddress {
  const { kind, host, port } = address;
  switch (kind) {
    case "ipv4":
    case "ipv6":
      return { type: kind, host, port };
    case "onion3":
      return { type: "tor", host, port };
    case "b32i2p":
    case "i2pname":
      return { type: "i2p", host, port };
    case "dns":
      throw new RangeError(`"${host}" is a DNS name, which has no place in a peer list.`);
  }
}

function readAddressFields(reader: StorageReader): AddressFields {
  let ip: number | undefined;
  let ipv6: Uint8Array | undefined;
  let host: Uint8Array | undefined;
  let port = 0;
  const fields = new ObjectFields(reader, ADDR_NAMES, reader.object());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    switch (name) {
      case ADDR:
        ipv6 = reader.string();
        break;
      case HOST:
        host = reader.string();
        break;
      case M_IP:
        ip = reader.unsigned(0xffff_ffff);
        break;
      case M_PORT:
      case PORT:
        port = reader.unsigned(0xffff);
        break;
    }
  }
  return { ip, ipv6, host, port };
}

function typeByteOf(type: PeerAddress["type"]): number {
  switch (type) {
    case "ipv4":
      return ADDRESS_TYPE.IPV4;
    case "ipv6":
      return ADDRESS_TYPE.IPV6;
    case "i2p":
      return ADDRESS_TYPE.I2P;
    case "tor":
      return ADDRESS_TYPE.TOR;
  }
}

function hostText(host: Uint8Array | undefined): string {
  const bytes = required(host, "host");
  if (bytes.length <= HOST_BYTES_MAX) return String.fromCharCode(...bytes);
  throw new MoneroMessageError(
    "bad-length",
    `The field "host" has ${bytes.length} bytes, where ${HOST_BYTES_MAX} are allowed.`,
  );
}

function hostBytes(host: string): Uint8Array {
  return Uint8Array.from(host, (character) => character.charCodeAt(0));
}

function badAddress(address: PeerAddress, cause?: unknown): MoneroMessageError {
  const message = `The peer sent "${address.host}", port ${address.port}, as an address of type ${address.type}.`;
  return new MoneroMessageError("bad-address", message, { cause });
}
