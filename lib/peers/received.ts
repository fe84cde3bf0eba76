import { type Address, isOfZone, makeAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import { I2P_PORT } from "../monero/network.ts";
import { addressOfPeer } from "../monero/peer-address.ts";
import { PEERS_MAX, type PeerEntry } from "../monero/peer-entry.ts";
import type { MoneroDetails } from "./record.ts";

/** A peer that another peer told of. */
export interface ReceivedPeer<Z extends Zone> {
  readonly address: Address<Z>;
  readonly monero?: MoneroDetails;
}

/** A list that a peer sent. */
export interface ReceivedList<Z extends Zone> {
  /** The peer that we dialed and had it from. */
  readonly source: Address<Z>;
  readonly entries: readonly ReceivedPeer<Z>[];
  /** Where we are reached ourselves: others know us, and we must not dial ourselves. */
  readonly own?: Address<Z>;
}

/** A list that is refused whole, with what closing the connection can say. */
export interface RefusedList {
  readonly kind: "refused";
  readonly reason: "foreign-zone" | "too-long";
  /** One sentence for a log. */
  readonly message: string;
}

/** What became of a list: how many of its entries went where. */
export type ReceiveOutcome =
  | RefusedList
  | {
      readonly kind: "taken";
      readonly added: number;
      /** Stood in the book already. */
      readonly known: number;
      readonly banned: number;
      /** Over the source's share of the gray list. */
      readonly share: number;
      /** The gray list holds nothing that would give way for them. */
      readonly full: number;
      /** Our own address. */
      readonly own: number;
      /** No addresses, or none that could be dialed. */
      readonly malformed: number;
    };

/**
 * Reads the entries of a message as peers of a zone.
 *
 * @param entries as they came
 * @param zone the connection's
 * @see monero `src/p2p/net_node.inl`, `handle_remote_peerlist`
 */
export function readEntries<Z extends Zone>(
  entries: readonly PeerEntry[],
  zone: Z,
): RefusedList | { kind: "read"; entries: ReceivedPeer<Z>[]; malformed: number } {
  if (entries.length > PEERS_MAX) {
    return {
      kind: "refused",
      reason: "too-long",
      message: `It sent a list of ${entries.length} peers, where ${PEERS_MAX} are allowed.`,
    };
  }
  const peers: ReceivedPeer<Z>[] = [];
  for (const entry of entries) {
    const { type, host } = entry.address;
    const typeZone = type === "ipv4" || type === "ipv6" ? "public" : type;
    const address = typeZone === zone ? addressIn(entry) : undefined;
    if (typeZone !== zone || address === "foreign") {
      return {
        kind: "refused",
        reason: "foreign-zone",
        message: `It sent "${host}" in a peer list of the ${zone} zone.`,
      };
    }
    if (address === undefined || !isOfZone(address, zone)) continue;
    peers.push({ address, monero: detailsOf(entry) });
  }
  return { kind: "read", entries: peers, malformed: entries.length - peers.length };
}

/** An entry's address, `foreign` where its host is one of another zone than its type says. */
function addressIn({ address }: PeerEntry): Address | "foreign" | undefined {
  const { type, host } = address;
  const port = type === "i2p" ? I2P_PORT : address.port;
  try {
    const made = addressOfPeer({ type, host, port });
    return isLocal(made) ? undefined : made;
  } catch {
    return isOtherZone(host, type) ? "foreign" : undefined;
  }
}

function isOtherZone(host: string, type: PeerEntry["address"]["type"]): boolean {
  try {
    const { zone, kind } = makeAddress(host, 1, { lenient: true });
    return type === "ipv4" || type === "ipv6" ? kind !== type : zone !== type;
  } catch {
    return false;
  }
}

/**
 * Whether an address is of this machine or of a private network: a stranger's list must not make
 * us knock there.
 */
function isLocal({ kind, host }: Address): boolean {
  if (kind === "ipv4") {
    return /^(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|2[2-5]\d)\./.test(host);
  }
  return kind === "ipv6" && /^(?:::|f[cdef])/.test(host);
}

function detailsOf({ id, pruningSeed, rpcPort, rpcCreditsPerHash }: PeerEntry): MoneroDetails {
  return { peerId: id, pruningSeed, rpcPort, rpcCreditsPerHash };
}
