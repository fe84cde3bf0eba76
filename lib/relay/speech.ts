import type { AnonymityZone } from "../address/zone.ts";
import { LevinError } from "../levin/error.ts";
import { FRAGMENTS_MAX, FRAME_BYTES, type LevinMessage } from "../levin/frame.ts";
import { LEVIN_HEADER_BYTES } from "../levin/header.ts";
import {
  COMMAND,
  decodeHandshakeRequest,
  decodeHandshakeResponse,
  decodeNewTransactions,
  decodeTimedSyncRequest,
  decodeTimedSyncResponse,
  encodeHandshakeRequest,
  encodeHandshakeResponse,
  encodeNewTransactions,
  encodeTimedSyncRequest,
  encodeTimedSyncResponse,
  MoneroMessageError,
  type NodeData,
  type PeerEntry,
} from "../monero/message.ts";
import type { Network } from "../monero/network.ts";
import type { ZoneProfile } from "../zone/profile.ts";
import type { ChainTuple } from "./chain-tuple.ts";

/** What a peer said, as far as a node of an anonymity zone listens. */
export type Heard =
  | { readonly kind: "handshake-request"; readonly tuple: ChainTuple }
  | {
      readonly kind: "handshake-response" | "timed-sync-response";
      readonly tuple: ChainTuple;
      readonly peers: readonly PeerEntry[];
      /** Whether the peer list breaks the zone's rules: too long, or an entry of another zone. */
      readonly foreignPeers: (zone: AnonymityZone) => boolean;
    }
  | { readonly kind: "timed-sync-request"; readonly tuple: ChainTuple }
  | {
      readonly kind: "transactions";
      readonly blobs: readonly Uint8Array[];
      readonly fluff: boolean;
    }
  | { readonly kind: "unknown-request"; readonly command: number }
  | { readonly kind: "ignored" }
  | { readonly kind: "refused"; readonly reason: string };

/** Entries that a peer list may hold. @see monero `P2P_MAX_PEERS_IN_HANDSHAKE` */
export const PEER_LIST_ENTRIES_MAX = 250;
/** What monerod answers to a command that an anonymity zone does not have. */
const COMMAND_NOT_DEFINED = -6;

/**
 * Reads a message by the rules of an anonymity zone: handshake, timed sync and new transactions
 * are understood, any other request is unknown, any other notification is ignored.
 *
 * @param message a whole Levin message
 * @param network ours; a handshake of another is refused
 * @returns what it means; never throws on bad bytes
 * @see monero `src/p2p/net_node.inl`, `is_filtered_command`
 */
export function understand(message: LevinMessage, network: Network): Heard {
  try {
    switch (message.kind) {
      case "request":
        return understandRequest(message, network);
      case "response":
        return understandResponse(message, network);
      case "notify": {
        if (message.command !== COMMAND.NEW_TRANSACTIONS) return { kind: "ignored" };
        const { txs: blobs, fluff } = decodeNewTransactions(message.payload);
        return { kind: "transactions", blobs, fluff };
      }
    }
  } catch (error) {
    if (!(error instanceof LevinError || error instanceof MoneroMessageError)) throw error;
    return { kind: "refused", reason: `it sent a message that can't be read (${error.message})` };
  }
}

function understandRequest(message: LevinMessage, network: Network): Heard {
  switch (message.command) {
    case COMMAND.HANDSHAKE: {
      const { nodeData, payloadData } = decodeHandshakeRequest(message.payload);
      return sameNetwork(nodeData, network)
        ? { kind: "handshake-request", tuple: payloadData }
        : { kind: "refused", reason: `it is not of ${network.name}` };
    }
    case COMMAND.TIMED_SYNC:
      return {
        kind: "timed-sync-request",
        tuple: decodeTimedSyncRequest(message.payload).payloadData,
      };
    default:
      return { kind: "unknown-request", command: message.command };
  }
}

function understandResponse(message: LevinMessage, network: Network): Heard {
  if (message.returnCode < 0) {
    return { kind: "refused", reason: `it answered with error ${message.returnCode}` };
  }
  switch (message.command) {
    case COMMAND.HANDSHAKE: {
      const { nodeData, payloadData, peers } = decodeHandshakeResponse(message.payload);
      if (!sameNetwork(nodeData, network)) {
        return { kind: "refused", reason: `it is not of ${network.name}` };
      }
      return {
        kind: "handshake-response",
        tuple: payloadData,
        peers,
        foreignPeers: (zone) => breaksZone(peers, zone),
      };
    }
    case COMMAND.TIMED_SYNC: {
      const { payloadData, peers } = decodeTimedSyncResponse(message.payload);
      return {
        kind: "timed-sync-response",
        tuple: payloadData,
        peers,
        foreignPeers: (zone) => breaksZone(peers, zone),
      };
    }
    default:
      return { kind: "refused", reason: `it answered command ${message.command} unasked` };
  }
}

function breaksZone(peers: readonly PeerEntry[], zone: AnonymityZone): boolean {
  return peers.length > PEER_LIST_ENTRIES_MAX || peers.some((peer) => peer.address.type !== zone);
}

function sameNetwork(nodeData: NodeData, network: Network): boolean {
  return Buffer.compare(nodeData.networkId, network.id) === 0;
}

function nodeData(profile: ZoneProfile, network: Network): NodeData {
  return {
    networkId: network.id,
    myPort: profile.announcedPort,
    peerId: profile.peerId,
    rpcPort: 0,
    rpcCreditsPerHash: 0,
    supportFlags: profile.supportFlags,
  };
}

/**
 * Our handshake.
 *
 * @param profile what a node of the zone shows
 * @param network whose network id it carries
 * @param tuple what we claim of our chain
 */
export function handshakeRequest(
  profile: ZoneProfile,
  network: Network,
  tuple: ChainTuple,
): LevinMessage {
  const payload = encodeHandshakeRequest({
    nodeData: nodeData(profile, network),
    payloadData: tuple,
  });
  return { kind: "request", command: COMMAND.HANDSHAKE, returnCode: 0, payload };
}

/**
 * Our answer to a handshake.
 *
 * @param profile what a node of the zone shows
 * @param network whose network id it carries
 * @param tuple what we claim of our chain
 * @param peers the peer list
 */
export function handshakeResponse(
  profile: ZoneProfile,
  network: Network,
  tuple: ChainTuple,
  peers: readonly PeerEntry[] = [],
): LevinMessage {
  const payload = encodeHandshakeResponse({
    nodeData: nodeData(profile, network),
    payloadData: tuple,
    peers,
  });
  return { kind: "response", command: COMMAND.HANDSHAKE, returnCode: 1, payload };
}

/** Our timed sync. @param tuple what we claim of our chain */
export function timedSyncRequest(tuple: ChainTuple): LevinMessage {
  const payload = encodeTimedSyncRequest({ payloadData: tuple });
  return { kind: "request", command: COMMAND.TIMED_SYNC, returnCode: 0, payload };
}

/**
 * Our answer to a timed sync.
 *
 * @param tuple what we claim of our chain
 * @param peers the peer list
 */
export function timedSyncResponse(
  tuple: ChainTuple,
  peers: readonly PeerEntry[] = [],
): LevinMessage {
  const payload = encodeTimedSyncResponse({ payloadData: tuple, peers });
  return { kind: "response", command: COMMAND.TIMED_SYNC, returnCode: 1, payload };
}

/** The answer to a request that the zone does not have. @param command what was asked */
export function unknownCommand(command: number): LevinMessage {
  const payload = new Uint8Array();
  return { kind: "response", command, returnCode: COMMAND_NOT_DEFINED, payload };
}

/**
 * A transaction on its way along a stem, alone in its message.
 *
 * @param blob the transaction's bytes
 */
export function transactionNotify(blob: Uint8Array): LevinMessage {
  const payload = encodeNewTransactions({ txs: [blob], fluff: false, padding: new Uint8Array() });
  return { kind: "notify", command: COMMAND.NEW_TRANSACTIONS, returnCode: 0, payload };
}

/** The longest transaction that fits into the fragments of one message on a noise channel. */
export function transactionBytesMax(): number {
  const sample = 1_000;
  const overhead = transactionNotify(new Uint8Array(sample)).payload.length - sample;
  const capacity = FRAGMENTS_MAX * (FRAME_BYTES - LEVIN_HEADER_BYTES) - LEVIN_HEADER_BYTES;
  // A blob of over 16,383 bytes takes two more bytes for its length than the sample.
  return capacity - overhead - 2;
}
