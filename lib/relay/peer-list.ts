import type { Address } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import { FRAME_BYTES, framesOf, type LevinMessage } from "../levin/frame.ts";
import type { PeerEntry } from "../monero/message.ts";
import { peerOfAddress } from "../monero/peer-address.ts";
import type { ZoneProfile } from "../zone/profile.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import type { BookEffect, ListedIn } from "./event.ts";
import type { Link } from "./link.ts";
import { PEER_LIST_ENTRIES_MAX, timedSyncResponse } from "./speech.ts";
import type { ZoneOptions } from "./zone-options.ts";

/**
 * Peers in an answer to a timed sync: an onion takes 110 bytes there, and with so many the answer
 * is still one frame. A longer one would hold a noise channel's payload back for several ticks.
 */
export const FRAME_PEERS_MAX = 22;

/**
 * Asks the book for the list of an answer. We are among it on a stream that is there for that: one
 * that a hidden service forwards does not say whom it comes from, so a peer learns of us only like
 * this, and one that dialed us knows.
 *
 * @param zone the zone's settings
 * @param link whom the answer is for
 * @param listedIn which answer
 * @see monero `src/p2p/net_node.inl`, `handle_timed_sync`
 */
export function listRequest<Z extends Zone>(
  { zone, ownAddress }: ZoneOptions<Z>,
  link: Link<Z>,
  listedIn: ListedIn,
): Extract<BookEffect<Z>, { kind: "list-peers" }> {
  const isTold = ownAddress !== undefined && link.announces;
  return {
    ...{ kind: "list-peers", zone, link: link.id, listedIn },
    max: listedIn === "handshake" ? PEER_LIST_ENTRIES_MAX : FRAME_PEERS_MAX,
    ...(link.address === undefined ? {} : { to: link.address }),
    ...(isTold ? { own: ownAddress } : {}),
  };
}

/**
 * The peer list of an answer where there is no book: our own address, once a connection, or nothing.
 *
 * @param link whom the answer is for; notes that it was told
 * @param own as `listRequest` has it
 * @param profile the zone's
 */
export function listWithoutBook<Z extends Zone>(
  link: Link<Z>,
  own: Address<Z> | undefined,
  { peerId: id }: ZoneProfile,
): PeerEntry[] {
  if (own === undefined || link.ownTold) return [];
  link.ownTold = true;
  const same = { lastSeen: 0n, pruningSeed: 0, rpcPort: 0, rpcCreditsPerHash: 0 };
  return [{ address: peerOfAddress(own), id, ...same }];
}

/**
 * An answer to a timed sync that is one frame, whatever its peers are called.
 *
 * @param tuple what we claim of our chain
 * @param peers its list; those at the end are left out where they don't fit
 */
export function timedSyncInAFrame(tuple: ChainTuple, peers: readonly PeerEntry[]): LevinMessage {
  for (let count = Math.min(peers.length, FRAME_PEERS_MAX); count > 0; count--) {
    const message = timedSyncResponse(tuple, peers.slice(0, count));
    if (framesOf(message, FRAME_BYTES).length === 1) return message;
  }
  return timedSyncResponse(tuple);
}
