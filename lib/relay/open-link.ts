import type { Socket } from "node:net";
import type { Zone } from "../address/zone.ts";
import { INITIAL_RECEIVE_BYTES_MAX, LevinReader } from "../levin/reader.ts";
import { commandLimits } from "../monero/message.ts";
import { HandedOut } from "../peers/hand-out.ts";
import { LinkMeter, type TrafficSums } from "./traffic.ts";

/** A link as the driver keeps it: the stream under it and what is needed to read it. */
export interface OpenLink {
  readonly zone: Zone;
  /** Whether the peer came to us. */
  readonly isGuest: boolean;
  /** Gives up a dial that is under way; a guest needs none. */
  readonly abort: AbortController | undefined;
  readonly reader: LevinReader;
  readonly traffic: LinkMeter;
  /** Bytes of the frame that has not ended which the core was told of. */
  arrivingTold: number;
  /** Peers that the other side was told of. */
  readonly told: HandedOut;
  socket: Socket | undefined;
  /** More waits for the peer than may; nothing is read or written any more. */
  stalled: boolean;
}

/**
 * What may wait in our process for a proxy or peer that doesn't read, beyond what the kernel takes:
 * eight frames. It bounds memory; that such a link is dead shows when its timed sync goes
 * unanswered.
 */
export const WRITE_BACKLOG_BYTES_MAX = 24_576;

/**
 * What a peer of an anonymity zone may make us hold: a message of transactions, several times over.
 * monerod allows 100 MB, for blocks, which don't travel here; with 64 links that would be our end.
 */
export const LINK_RECEIVE_BYTES_MAX = 2_097_152;

/**
 * The same of a guest that has not shaken hands: its request has some hundred bytes, and whoever
 * opens streams without end shall not get more for each of them.
 */
export const STRANGER_RECEIVE_BYTES_MAX = 16_384;

/**
 * The same in the public zone, where peers tell of blocks too: those are thrown away, but a link
 * must outlive them.
 */
export const PUBLIC_RECEIVE_BYTES_MAX = 4_194_304;

/** So many bytes of a frame are told of before it ends: most of a flood never does. */
export const ARRIVING_BYTES = 16_384;

interface ReceiveBounds {
  readonly strangerBytesMax: number;
  readonly bytesMax: number;
}

const hidden: ReceiveBounds = {
  strangerBytesMax: STRANGER_RECEIVE_BYTES_MAX,
  bytesMax: LINK_RECEIVE_BYTES_MAX,
};

const bounds: Readonly<Record<Zone, ReceiveBounds>> = {
  public: { strangerBytesMax: INITIAL_RECEIVE_BYTES_MAX, bytesMax: PUBLIC_RECEIVE_BYTES_MAX },
  tor: hidden,
  i2p: hidden,
};

/**
 * A link to a peer that is being dialed.
 *
 * @param zone the peer's
 * @param abort gives up the dial
 * @param sums where its traffic is counted
 */
export function dialedLink(zone: Zone, abort: AbortController, sums: TrafficSums): OpenLink {
  return openLink(zone, abort, INITIAL_RECEIVE_BYTES_MAX, sums);
}

/**
 * A link of a peer that came to us.
 *
 * @param zone the listener's
 * @param sums where its traffic is counted
 */
export function guestLink(zone: Zone, sums: TrafficSums): OpenLink {
  return openLink(zone, undefined, bounds[zone].strangerBytesMax, sums);
}

function openLink(
  zone: Zone,
  abort: AbortController | undefined,
  initialReceiveBytesMax: number,
  sums: TrafficSums,
): OpenLink {
  const receiveBytesMax = bounds[zone].bytesMax;
  return {
    zone,
    isGuest: abort === undefined,
    abort,
    reader: new LevinReader({ limits: commandLimits, initialReceiveBytesMax, receiveBytesMax }),
    traffic: new LinkMeter(sums.of(zone)),
    arrivingTold: 0,
    told: new HandedOut(),
    socket: undefined,
    stalled: false,
  };
}
