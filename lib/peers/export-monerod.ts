import { type Address, formatAddress } from "../address/address.ts";
import { ipv4Word, ipv6Bytes } from "../address/ip-bytes.ts";
import { isLoopback } from "../address/loopback.ts";
import type { Zone } from "../address/zone.ts";
import type { ImportedPeer } from "./import-list.ts";
import type { MoneroDetails, PeerList } from "./record.ts";

const NO_DETAILS: MoneroDetails = {
  peerId: 0n,
  pruningSeed: 0,
  rpcPort: 0,
  rpcCreditsPerHash: 0,
};

/** monerod's own order of zones (`net/enums.h`). */
const zoneOrder: Readonly<Record<Zone, number>> = { public: 1, i2p: 2, tor: 3 };

/**
 * Peers as monerod's RPC answers to `/get_peer_list`, byte for byte: same order, same layout, what
 * is 0 left out.
 *
 * @param peers of any zones
 * @returns JSON, in which peer ids have their 64 bits
 * @see monero `src/rpc/core_rpc_server.cpp`, `on_get_peer_list`
 */
export function exportMonerod(peers: Iterable<ImportedPeer>): string {
  const all = inMonerodOrder(peers);
  const members = [
    ...listMember(all, "gray"),
    '  "status": "OK"',
    '  "untrusted": false',
    ...listMember(all, "white"),
  ];
  return `{\r\n${members.join(",\r\n")}\r\n}`;
}

function listMember(peers: readonly ImportedPeer[], list: "gray" | "white"): string[] {
  const entries = peers.filter((peer) => standsIn(peer, list)).map(entryText);
  return entries.length === 0
    ? []
    : [`  "${list}_list": [{\r\n${entries.join("\r\n  },{\r\n")}\r\n  }]`];
}

/**
 * Peers in the order in which monerod writes them: by zone, kind, address and port.
 *
 * @param peers of any zones
 */
export function inMonerodOrder(peers: Iterable<ImportedPeer>): ImportedPeer[] {
  const keyed = Array.from(peers, (peer) => ({ peer, key: sortKey(peer.address) }));
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ peer }) => peer);
}

/**
 * Whether monerod has a peer in one of its lists. An anchor stands in the white list too, unless it
 * is on this machine: no such address is a peer there.
 *
 * @param peer in one list or none, which is gray
 * @param list of monerod's
 */
export function standsIn({ list = "gray", address }: ImportedPeer, other: PeerList): boolean {
  return list === other || (list === "anchor" && other === "white" && !isLoopback(address.host));
}

/**
 * What monerod keeps of a peer.
 *
 * @param peer with or without it
 */
export function detailsOf(peer: ImportedPeer): MoneroDetails {
  return peer.monero ?? NO_DETAILS;
}

/**
 * When a peer was last seen, as monerod has it.
 *
 * @param peer seen or not
 * @returns seconds since 1970, 0 where it is not known
 */
export function lastSeenSeconds(peer: ImportedPeer): number {
  return Math.trunc((peer.lastSeenUnixMs ?? 0) / 1_000);
}

function entryText(peer: ImportedPeer): string {
  const { address } = peer;
  const { peerId, pruningSeed, rpcCreditsPerHash, rpcPort } = detailsOf(peer);
  const isIp = address.kind === "ipv4" || address.kind === "ipv6";
  const fields: [name: string, value: string][] = [
    ["host", JSON.stringify(isIp ? address.host : formatAddress(address))],
    ["id", String(peerId)],
    ["ip", String(address.kind === "ipv4" ? ipv4Word(address.host) : 0)],
    ["last_seen", String(lastSeenSeconds(peer))],
    ["port", String(isIp ? address.port : 0)],
  ];
  for (const [name, value] of [
    ["pruning_seed", pruningSeed],
    ["rpc_credits_per_hash", rpcCreditsPerHash],
    ["rpc_port", rpcPort],
  ] as const) {
    if (value !== 0) fields.push([name, String(value)]);
  }
  return fields.map(([name, value]) => `    "${name}": ${value}`).join(",\r\n");
}

interface SortKey {
  readonly zone: number;
  readonly kind: number;
  readonly host: Uint8Array;
  readonly port: number;
}

function sortKey(address: Address): SortKey {
  const { zone, kind, host, port } = address;
  const at = { zone: zoneOrder[zone], kind: kind === "ipv6" ? 1 : 0, port };
  return { ...at, host: hostBytes(kind, host) };
}

function hostBytes(kind: Address["kind"], host: string): Uint8Array {
  if (kind === "ipv6") return ipv6Bytes(host);
  if (kind !== "ipv4") return Uint8Array.from(host, (letter) => letter.charCodeAt(0));
  // monerod compares the number, whose lowest byte is the address's first.
  const word = ipv4Word(host);
  return Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word);
}

function compare(a: SortKey, b: SortKey): number {
  return a.zone - b.zone || a.kind - b.kind || Buffer.compare(a.host, b.host) || a.port - b.port;
}
