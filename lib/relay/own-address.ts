import type { Address } from "../address/address.ts";
import type { AnonymityZone } from "../address/zone.ts";
import type { PeerEntry } from "../monero/message.ts";
import { integerBelow } from "../runtime/distribution.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { ZoneProfile } from "../zone/profile.ts";
import type { Link } from "./link.ts";
import { PEER_LIST_ENTRIES_MAX } from "./speech.ts";

/**
 * A peer list with our own address among the others, where nothing tells it from them: at a random
 * place, and with the peer id and the times that every entry of an anonymity zone has. A forwarded
 * stream does not say whom it comes from, so a peer that we dialed learns of us only like this.
 *
 * @param peers the others
 * @param own where we are reached
 * @param peerId the zone's
 * @param random chooses the place
 * @returns 250 entries at the most
 * @see monero `src/p2p/net_node.inl`, `handle_timed_sync`
 */
export function withOwnAddress(
  peers: readonly PeerEntry[],
  own: Address<AnonymityZone>,
  peerId: bigint,
  random: RandomSource,
): PeerEntry[] {
  const list = peers.slice(0, PEER_LIST_ENTRIES_MAX - 1);
  list.splice(integerBelow(random, list.length + 1), 0, {
    address: { type: own.zone, host: own.host, port: own.port },
    id: peerId,
    lastSeen: 0n,
    pruningSeed: 0,
    rpcPort: 0,
    rpcCreditsPerHash: 0,
  });
  return list;
}

/**
 * The peer list of an answer on a link: our own address where we dialed, else nothing.
 *
 * @param link whom the answer is for
 * @param own where we are reached; undefined where nobody reaches us
 * @param profile the zone's
 * @param random chooses the place
 */
export function peersToldTo(
  link: Pick<Link<AnonymityZone>, "direction">,
  own: Address<AnonymityZone> | undefined,
  { peerId }: ZoneProfile,
  random: RandomSource,
): PeerEntry[] {
  const isTold = own !== undefined && link.direction === "outbound";
  return isTold ? withOwnAddress([], own, peerId, random) : [];
}
