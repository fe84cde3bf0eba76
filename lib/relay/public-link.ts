import type { ChainTuple } from "./chain-tuple.ts";
import { type Link, linkWakeAt } from "./link.ts";

/** Until when a guest must have shaken hands. @see monero `P2P_DEFAULT_HANDSHAKE_INVOKE_TIMEOUT` */
export const GUEST_HANDSHAKE_MS_MAX = 5_000;
/**
 * Blocks by which a peer may lag behind the others and still be given stems: it may not have heard
 * of the last two yet. @see monero `src/cryptonote_protocol/levin_notify.cpp`, `get_out_connections`
 */
const STEM_LAG_BLOCKS = 2n;

/**
 * When a link of the public zone wants to be looked at, if nothing is heard until then.
 *
 * @param link any link
 * @returns milliseconds; infinite while its dial is under way, which has its own deadline
 */
export function publicWakeAt(link: Link<"public">): number {
  return link.phase === "handshaking" && link.direction === "inbound"
    ? link.phaseAt + GUEST_HANDSHAKE_MS_MAX
    : linkWakeAt(link);
}

/**
 * Whether a link's peer may be given stems: we dialed it, and its chain is about as long as the
 * others'. One that is behind would keep them, since it can't check them.
 *
 * @param link a link that is ready
 * @param tuple the zone's chain state
 */
export function mayTakeStems(
  { direction, peerTuple }: Link<"public">,
  tuple: ChainTuple | undefined,
): boolean {
  const height = peerTuple?.currentHeight ?? 0n;
  const best = tuple?.currentHeight ?? 1n;
  return direction === "outbound" && height > 1n && height + STEM_LAG_BLOCKS >= best;
}
