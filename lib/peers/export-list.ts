import { formatAddress } from "../address/address.ts";
import { type Zone, zones } from "../address/zone.ts";
import { FOR_EVER, PEERS_SCHEMA } from "./import-json.ts";
import type { ImportedPeer } from "./import-list.ts";
import { BAN_FOR_EVER_UNIX_MS, type PeerList, type PeerRecord } from "./record.ts";

/** A peer in JSON; times are in UTC, null for what is not known or has not been. */
export interface PeerDocument {
  readonly address: string;
  readonly list: PeerList;
  readonly source: string;
  readonly added: string;
  readonly last_seen: string | null;
  readonly last_tried: string | null;
  readonly failures: number;
  readonly retry_after: string | null;
  /** A date, or "forever". */
  readonly banned_until: string | null;
  readonly reachable: {
    readonly ok: boolean;
    readonly layer: string | null;
    readonly at: string;
    readonly latency_ms: number | null;
  } | null;
  readonly monero: {
    /** 64 bits, in digits. */
    readonly peer_id: string;
    readonly pruning_seed: number;
    readonly rpc_port: number;
    readonly rpc_credits_per_hash: number;
  } | null;
}

/**
 * A peer for JSON.
 *
 * @param peer of a book
 */
export function peerDocument(peer: PeerRecord): PeerDocument {
  const { reachable, monero } = peer;
  return {
    address: formatAddress(peer.address),
    list: peer.list,
    source: peer.source,
    added: dateText(peer.addedUnixMs),
    last_seen: dateOrNull(peer.lastSeenUnixMs),
    last_tried: dateOrNull(peer.lastTriedUnixMs),
    failures: peer.failures,
    retry_after: dateOrNull(peer.retryAfterUnixMs),
    banned_until:
      peer.bannedUntilUnixMs === BAN_FOR_EVER_UNIX_MS
        ? FOR_EVER
        : dateOrNull(peer.bannedUntilUnixMs),
    reachable:
      reachable === undefined
        ? null
        : {
            ok: reachable.ok,
            layer: reachable.layer ?? null,
            at: dateText(reachable.unixMs),
            latency_ms: reachable.latencyMs ?? null,
          },
    monero:
      monero === undefined
        ? null
        : {
            peer_id: String(monero.peerId),
            pruning_seed: monero.pruningSeed,
            rpc_port: monero.rpcPort,
            rpc_credits_per_hash: monero.rpcCreditsPerHash,
          },
  };
}

/**
 * Peers as a document of schema `anonctl.peers.v1`, each zone by itself, a peer a line.
 *
 * @param network the books' network
 * @param books the peers of each zone
 * @returns parts of the text
 */
export function* exportJson(
  network: string,
  books: { readonly [Z in Zone]: Iterable<PeerRecord<Z>> },
): Generator<string> {
  yield `{"schema":${JSON.stringify(PEERS_SCHEMA)},"network":${JSON.stringify(network)},"zones":{`;
  for (const [index, zone] of zones.entries()) {
    yield `${index === 0 ? "" : ","}\n"${zone}":[`;
    let before = "";
    for (const peer of books[zone]) {
      yield `${before}\n${JSON.stringify(peerDocument(peer))}`;
      before = ",";
    }
    yield "]";
  }
  yield "}}\n";
}

/**
 * Peers as text, an address a line.
 *
 * @param peers of any zones
 * @returns the lines
 */
export function* exportText(peers: Iterable<ImportedPeer>): Generator<string> {
  for (const { address } of peers) yield `${formatAddress(address)}\n`;
}

function dateOrNull(unixMs: number | undefined): string | null {
  return unixMs === undefined ? null : dateText(unixMs);
}

function dateText(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
