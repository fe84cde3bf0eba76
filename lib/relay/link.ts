import { type Address, formatAddress } from "../address/address.ts";
import type { Zone } from "../address/zone.ts";
import { uniform } from "../runtime/distribution.ts";
import type { FaultPlace } from "../runtime/fault.ts";
import type { RandomSource } from "../runtime/random.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import type { DialTarget } from "./dial-target.ts";
import type { LinkId } from "./event.ts";

/** How far a link has come. */
export type LinkPhase = "dialing" | "handshaking" | "ready";

/** One connection of a zone, as the core sees it: no socket, only what was said and when. */
export interface Link<Z extends Zone> {
  readonly id: LinkId;
  readonly direction: "outbound" | "inbound";
  /** Whom we dialed; an inbound peer's address is not known. */
  readonly address: Address<Z> | undefined;
  readonly target: DialTarget<Z> | undefined;
  phase: LinkPhase;
  /** When the phase began, in milliseconds. */
  phaseAt: number;
  /** When the peer last said anything. */
  heardAt: number;
  /** What we last claimed of our chain. */
  claimed: ChainTuple | undefined;
  /** What the peer last claimed. */
  peerTuple: ChainTuple | undefined;
  /** When our next timed sync is due; outbound links only. */
  syncAt: number;
  /** Until when the peer may answer our timed sync; undefined when none is open. */
  syncAnswerBy: number | undefined;
  /** Transactions whose last frame left since the peer was last heard. */
  unheard: string[];
  /** Timed syncs that went both ways, for status. */
  syncs: number;
  /** Whether the book was told that the link lasts. */
  lasting: boolean;
  /** Whether the peer was told our address, where there is no book that notes it. */
  ownTold: boolean;
  /** Whether the link is there to tell our address, and carries no transaction. */
  announces: boolean;
}

/**
 * Until when a dialed peer must have answered our handshake. monerod closes a silent peer at 10 s;
 * ours may be several relays away. Guests have less time: see `strangerMsMax` and
 * `GUEST_HANDSHAKE_MS_MAX`.
 */
export const HANDSHAKE_MS_MAX = 60_000;
/** Why a link is closed then, in words for the user. */
export const NO_HANDSHAKE = "no handshake came in time";
/** How often an outbound link syncs. @see monero `P2P_DEFAULT_HANDSHAKE_INTERVAL` */
export const TIMED_SYNC_MS = 60_000;
/**
 * How long a peer may take to answer a timed sync. monerod's own invoke timeout is 120 s; our
 * question waits for a tick of up to 15 s first, as may the answer.
 */
export const TIMED_SYNC_ANSWER_MS_MAX = 150_000;
/** A link on which nothing was heard for so long is dead. @see monero `P2P_IDLE_CONNECTION_KILL_INTERVAL` */
export const IDLE_MS_MAX = 300_000;

/**
 * A link at its beginning.
 *
 * @param id its number
 * @param target whom we dial, or undefined for an inbound link
 * @param now milliseconds
 */
export function newLink<Z extends Zone>(
  id: LinkId,
  target: DialTarget<Z> | undefined,
  now: number,
): Link<Z> {
  return {
    id,
    direction: target === undefined ? "inbound" : "outbound",
    address: target?.address,
    target,
    phase: target === undefined ? "handshaking" : "dialing",
    phaseAt: now,
    heardAt: now,
    claimed: undefined,
    peerTuple: undefined,
    syncAt: Number.POSITIVE_INFINITY,
    syncAnswerBy: undefined,
    unheard: [],
    syncs: 0,
    lasting: false,
    ownTold: false,
    announces: false,
  };
}

/**
 * When the next timed sync of a link is due. monerod's come on the beat of its own clock; ours come
 * at random between half and one and a half of the wait, so that two links of one node share no beat.
 *
 * @param waitMs their mean wait, in milliseconds
 * @param random where chance comes from
 * @param now milliseconds
 */
export function nextSyncAt(waitMs: number, random: RandomSource, now: number): number {
  return now + waitMs * uniform(random, 0.5, 1.5);
}

/**
 * When the link wants to be looked at, if nothing is heard until then.
 *
 * @param link any link
 * @returns milliseconds; infinite while its dial is under way, which has its own deadline
 */
export function linkWakeAt<Z extends Zone>(link: Link<Z>): number {
  switch (link.phase) {
    case "dialing":
      return Number.POSITIVE_INFINITY;
    case "handshaking":
      return link.phaseAt + HANDSHAKE_MS_MAX;
    case "ready":
      return Math.min(
        link.heardAt + IDLE_MS_MAX,
        link.syncAnswerBy ?? Number.POSITIVE_INFINITY,
        link.syncAnswerBy === undefined ? link.syncAt : Number.POSITIVE_INFINITY,
      );
  }
}

/**
 * Why a link that wants to be looked at now is over.
 *
 * @param link `linkWakeAt` of which has come
 * @param now milliseconds
 * @returns whose fault it is and why, or undefined where its next timed sync is due
 */
export function linkEndAt<Z extends Zone>(
  link: Link<Z>,
  now: number,
): { where: FaultPlace; reason: string } | undefined {
  if (link.phase === "handshaking") return { where: "network", reason: NO_HANDSHAKE };
  if (link.syncAnswerBy !== undefined && link.syncAnswerBy <= now) {
    return { where: "peer", reason: "a timed sync was not answered" };
  }
  if (link.syncAt <= now) return undefined;
  return { where: "network", reason: "nothing was heard for five minutes" };
}

/**
 * Words about a link for the log, which does not say whom the node speaks to; status does.
 *
 * @param link any link
 * @param reason what became of it, which may name its peer
 */
export function unnamed<Z extends Zone>({ address }: Link<Z>, reason: string): string {
  if (address === undefined) return reason;
  return reason.replaceAll(formatAddress(address), "the peer").replaceAll(address.host, "the peer");
}
