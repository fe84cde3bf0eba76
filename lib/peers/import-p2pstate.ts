import { ipv4Text, ipv6Text } from "../address/ip-bytes.ts";
import type { Zone } from "../address/zone.ts";
import { ArchiveReader } from "./import-archive.ts";
import { ImportError } from "./import-error.ts";
import {
  type ImportList,
  type ImportOptions,
  LIST_PEERS_MAX,
  ListBuilder,
  unixMsOf,
} from "./import-list.ts";
import type { PeerList } from "./record.ts";

/** The classes whose versions stand in the archive, and the newest version of each that is known. */
export const ARCHIVE_CLASS = {
  LISTS: { name: "peerlist_types", version: 6 },
  PEER: { name: "peerlist_entry", version: 3 },
  ANCHOR: { name: "anchor_peerlist_entry", version: 0 },
  ADDRESS: { name: "network_address", version: 0 },
  IPV4: { name: "ipv4_network_address", version: 0 },
  IPV6: { name: "ipv6_network_address", version: 0 },
  IPV6_BYTES: { name: "address_v6", version: 0 },
  I2P: { name: "i2p_address", version: 0 },
  TOR: { name: "tor_address", version: 0 },
} as const;

/** The type byte of each kind of address (monero `net/enums.h`). */
export const ARCHIVE_ADDRESS = { IPV4: 1, IPV6: 2, I2P: 3, TOR: 4 } as const;

/** The smallest entry: an address type, an IPv4 address and its fields, all of them 0. */
const ENTRY_BYTES_MIN = 5;
const IPV6_BYTES = 16;

interface ArchivedAddress {
  readonly host: string;
  readonly port: number;
  readonly zone: Zone;
}

/**
 * Reads monerod's `p2pstate.bin`: the white, gray and anchor lists of all its zones, in a portable
 * boost archive. Nothing is allocated by a number in the file that its length does not bear out.
 *
 * @param bytes the whole file
 * @param options how it is read
 * @throws ImportError `unsupported-version` for lists of another version than monerod 0.14 to 0.18
 *   writes, `damaged` where the bytes make no sense, `mixed-zones` where an address is of another
 *   zone than its type says
 * @see monero `src/p2p/net_peerlist.cpp`, `src/p2p/net_peerlist_boost_serialization.h`
 */
export function readP2pState(bytes: Uint8Array, options: ImportOptions): ImportList {
  const reader = new ArchiveReader(bytes);
  reader.header();
  const version = reader.classVersion(ARCHIVE_CLASS.LISTS);
  if (version !== ARCHIVE_CLASS.LISTS.version) {
    throw new ImportError(
      "unsupported-version",
      `The file holds peer lists of version ${version}, which monerod itself no longer reads; only version ${ARCHIVE_CLASS.LISTS.version} is known.`,
    );
  }
  const builder = new ListBuilder("p2pstate", options);
  for (const list of ["white", "gray", "anchor"] as const) {
    const count = reader.count(ENTRY_BYTES_MIN, LIST_PEERS_MAX);
    for (let at = 1; at <= count; at++) readEntry(reader, builder, list, at);
  }
  reader.end();
  return builder.finish();
}

/** Where a file is of this format, whatever else is wrong with it. */
export function isP2pState(bytes: Uint8Array): boolean {
  return ArchiveReader.signed(bytes);
}

function readEntry(reader: ArchiveReader, builder: ListBuilder, list: PeerList, at: number): void {
  const version = reader.classVersion(
    list === "anchor" ? ARCHIVE_CLASS.ANCHOR : ARCHIVE_CLASS.PEER,
  );
  const { host, port, zone } = readAddress(reader);
  const peerId = reader.unsigned64();
  // Of an anchor this is when it was first seen.
  const lastSeen = reader.signed64();
  const has = (since: number): boolean => list !== "anchor" && version >= since;
  const pruningSeed = has(1) ? reader.unsigned(4) : 0;
  const rpcPort = has(2) ? reader.unsigned(2) : 0;
  const rpcCreditsPerHash = has(3) ? reader.unsigned(4) : 0;
  const monero = { peerId, pruningSeed, rpcPort, rpcCreditsPerHash };
  const lastSeenUnixMs = unixMsOf(lastSeen);
  builder.take(`${list} entry ${at}`, { host, port, list, lastSeenUnixMs, monero }, zone);
}

function readAddress(reader: ArchiveReader): ArchivedAddress {
  reader.classVersion(ARCHIVE_CLASS.ADDRESS);
  const type = reader.byte();
  switch (type) {
    case ARCHIVE_ADDRESS.IPV4: {
      reader.classVersion(ARCHIVE_CLASS.IPV4);
      const host = ipv4Text(reader.unsigned(4));
      return { host, port: reader.unsigned(2), zone: "public" };
    }
    case ARCHIVE_ADDRESS.IPV6: {
      reader.classVersion(ARCHIVE_CLASS.IPV6);
      reader.classVersion(ARCHIVE_CLASS.IPV6_BYTES);
      const host = ipv6Text(reader.bytes(IPV6_BYTES));
      return { host, port: reader.unsigned(2), zone: "public" };
    }
    case ARCHIVE_ADDRESS.I2P:
      reader.classVersion(ARCHIVE_CLASS.I2P);
      return { ...readName(reader), zone: "i2p" };
    case ARCHIVE_ADDRESS.TOR:
      reader.classVersion(ARCHIVE_CLASS.TOR);
      return { ...readName(reader), zone: "tor" };
    default:
      throw reader.damaged(`an address of type ${type}, where 1 to 4 are known`);
  }
}

function readName(reader: ArchiveReader): { host: string; port: number } {
  const port = reader.unsigned(2);
  return { host: String.fromCharCode(...reader.bytes(reader.byte())), port };
}
