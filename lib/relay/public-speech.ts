import { LevinError } from "../levin/error.ts";
import type { LevinMessage } from "../levin/frame.ts";
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
  encodePingResponse,
  encodeSupportFlagsResponse,
  MoneroMessageError,
  type NodeData,
  type PeerEntry,
} from "../monero/message.ts";
import type { Network } from "../monero/network.ts";
import type { ChainTuple } from "./chain-tuple.ts";
import { PEER_LIST_ENTRIES_MAX } from "./speech.ts";

/** What a peer of the public zone said, as far as a node without a chain listens. */
export type PublicHeard =
  | {
      readonly kind: "handshake-request";
      readonly tuple: ChainTuple;
      readonly peerId: bigint;
    }
  | {
      readonly kind: "handshake-response";
      readonly tuple: ChainTuple;
      readonly peerId: bigint;
      readonly peers: readonly PeerEntry[];
      /** Whether the peer list breaks the zone's rules: too long, or an entry of another zone. */
      readonly isForeign: boolean;
    }
  | { readonly kind: "timed-sync-request"; readonly tuple: ChainTuple }
  | {
      readonly kind: "timed-sync-response";
      readonly tuple: ChainTuple;
      readonly peers: readonly PeerEntry[];
      readonly isForeign: boolean;
    }
  | { readonly kind: "ping-request" }
  | { readonly kind: "support-flags-request" }
  | {
      readonly kind: "transactions";
      readonly blobs: readonly Uint8Array[];
      readonly fluff: boolean;
    }
  | { readonly kind: "unknown-request"; readonly command: number }
  | { readonly kind: "ignored" }
  | { readonly kind: "refused"; readonly reason: string };

/** Fluffy blocks: without it monerod tells of whole blocks, which would be thrown away too. */
export const PUBLIC_SUPPORT_FLAGS = 1;

/**
 * Reads a message by the rules of the public zone: handshake, timed sync, ping, support flags and
 * new transactions are understood. Blocks and questions about them are ignored: there is no chain.
 *
 * @param message a whole Levin message
 * @param network ours; a handshake of another is refused
 * @returns what it means; never throws on bad bytes
 */
export function understandPublic(message: LevinMessage, network: Network): PublicHeard {
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

function understandRequest(message: LevinMessage, network: Network): PublicHeard {
  switch (message.command) {
    case COMMAND.HANDSHAKE: {
      const { nodeData, payloadData: tuple } = decodeHandshakeRequest(message.payload);
      if (!isOfNetwork(nodeData, network)) return foreign(network);
      return { kind: "handshake-request", tuple, peerId: nodeData.peerId };
    }
    case COMMAND.TIMED_SYNC: {
      const { payloadData: tuple } = decodeTimedSyncRequest(message.payload);
      return { kind: "timed-sync-request", tuple };
    }
    case COMMAND.PING:
      return { kind: "ping-request" };
    case COMMAND.SUPPORT_FLAGS:
      return { kind: "support-flags-request" };
    default:
      return { kind: "unknown-request", command: message.command };
  }
}

function understandResponse(message: LevinMessage, network: Network): PublicHeard {
  const { command, returnCode, payload } = message;
  if (returnCode < 0) return { kind: "refused", reason: `it answered with error ${returnCode}` };
  switch (command) {
    case COMMAND.HANDSHAKE: {
      const { nodeData, payloadData: tuple, peers } = decodeHandshakeResponse(payload);
      if (!isOfNetwork(nodeData, network)) return foreign(network);
      const { peerId } = nodeData;
      return { kind: "handshake-response", tuple, peerId, peers, isForeign: breaksZone(peers) };
    }
    case COMMAND.TIMED_SYNC: {
      const { payloadData: tuple, peers } = decodeTimedSyncResponse(payload);
      return { kind: "timed-sync-response", tuple, peers, isForeign: breaksZone(peers) };
    }
    default:
      return { kind: "refused", reason: `it answered command ${command} unasked` };
  }
}

function breaksZone(peers: readonly PeerEntry[]): boolean {
  if (peers.length > PEER_LIST_ENTRIES_MAX) return true;
  return peers.some(({ address: { type } }) => type !== "ipv4" && type !== "ipv6");
}

function isOfNetwork(nodeData: NodeData, network: Network): boolean {
  return Buffer.compare(nodeData.networkId, network.id) === 0;
}

function foreign(network: Network): PublicHeard {
  return { kind: "refused", reason: `it is not of ${network.name}` };
}

/** What we show of ourselves in the public zone. */
export interface PublicSelf {
  readonly network: Network;
  /** Drawn anew at every start, as monerod's. */
  readonly peerId: bigint;
  /** Where others may dial us; 0 for nowhere, and always behind a proxy. */
  readonly announcedPort: number;
}

function nodeDataOf({ network, peerId, announcedPort }: PublicSelf): NodeData {
  return {
    networkId: network.id,
    myPort: announcedPort,
    peerId,
    rpcPort: 0,
    rpcCreditsPerHash: 0,
    supportFlags: PUBLIC_SUPPORT_FLAGS,
  };
}

/**
 * Our handshake to a peer of the public zone.
 *
 * @param self what we show of ourselves
 * @param tuple what we claim of our chain
 */
export function publicHandshakeRequest(self: PublicSelf, tuple: ChainTuple): LevinMessage {
  const payload = encodeHandshakeRequest({ nodeData: nodeDataOf(self), payloadData: tuple });
  return { kind: "request", command: COMMAND.HANDSHAKE, returnCode: 0, payload };
}

/**
 * Our answer to the handshake of a peer of the public zone.
 *
 * @param self what we show of ourselves
 * @param tuple what we claim of our chain
 * @param peers the peer list
 */
export function publicHandshakeResponse(
  self: PublicSelf,
  tuple: ChainTuple,
  peers: readonly PeerEntry[],
): LevinMessage {
  const payload = encodeHandshakeResponse({
    nodeData: nodeDataOf(self),
    payloadData: tuple,
    peers,
  });
  return { kind: "response", command: COMMAND.HANDSHAKE, returnCode: 1, payload };
}

/** Our answer to a ping. @param self what we show of ourselves */
export function pingResponse({ peerId }: PublicSelf): LevinMessage {
  const payload = encodePingResponse({ peerId });
  return { kind: "response", command: COMMAND.PING, returnCode: 1, payload };
}

/** Our answer to who asks what we support. */
export function supportFlagsResponse(): LevinMessage {
  const payload = encodeSupportFlagsResponse({ supportFlags: PUBLIC_SUPPORT_FLAGS });
  return { kind: "response", command: COMMAND.SUPPORT_FLAGS, returnCode: 1, payload };
}

/**
 * Transactions for a peer of the public zone.
 *
 * @param txs their bytes
 * @param fluff whether they are public; false passes one on as a stem
 */
export function publicTransactions(txs: readonly Uint8Array[], fluff: boolean): LevinMessage {
  const payload = encodeNewTransactions({ txs: [...txs], fluff, padding: new Uint8Array() });
  return { kind: "notify", command: COMMAND.NEW_TRANSACTIONS, returnCode: 0, payload };
}
