import type { Zone } from "../address/zone.ts";
import { LevinError } from "../levin/error.ts";
import { encodeMessage, type LevinMessage } from "../levin/frame.ts";
import { LevinReader } from "../levin/reader.ts";
import {
  COMMAND,
  type CoreSyncData,
  commandLimits,
  decodeHandshakeResponse,
  decodeTimedSyncResponse,
  encodeHandshakeRequest,
  encodeTimedSyncRequest,
  type HandshakeResponse,
  MoneroMessageError,
  type NodeData,
  type PeerEntry,
} from "../monero/message.ts";
import type { Network } from "../monero/network.ts";
import type { RandomSource } from "../runtime/random.ts";
import { zoneProfiles } from "../zone/profile.ts";
import {
  beginningOf,
  type Conversation,
  type ConversationStep,
  endedEarly,
  type Facts,
  otherProtocol,
} from "./conversation.ts";

/** What a node of Monero is asked. */
export interface MoneroQuestion {
  /** Whose network id the handshake carries; a peer of another closes the stream. */
  readonly network: Network;
  /** The zone of the peer, which decides what our handshake shows. */
  readonly zone: Zone;
  /** Whether another network remains to be tried when the peer closes the stream. */
  readonly otherNetworks: boolean;
  readonly random: RandomSource;
}

/** Entries that a peer list may hold (monero `P2P_MAX_PEERS_IN_HANDSHAKE`). */
const PEER_LIST_ENTRIES_MAX = 250;
/** Fluffy blocks: without it a peer of the public zone asks back. */
const PUBLIC_SUPPORT_FLAGS = 1;

/**
 * A node of Monero: one handshake and one timed sync, the commands that anonymity zones allow. We
 * claim to know the genesis block only, as a node does that has just started.
 *
 * Source: monero `src/p2p/net_node.inl`, `do_handshake_with_peer` and `do_peer_timed_sync`.
 *
 * @param question what to ask
 */
export function moneroConversation(question: MoneroQuestion): Conversation {
  return new MoneroConversation(question);
}

class MoneroConversation implements Conversation {
  readonly #question: MoneroQuestion;
  readonly #reader = new LevinReader({ limits: commandLimits });
  #bytes = 0;
  #askedAt = 0;
  #handshake: { readonly response: HandshakeResponse; readonly ms: number } | undefined;

  constructor(question: MoneroQuestion) {
    this.#question = question;
  }

  start(now: number): ConversationStep {
    this.#askedAt = now;
    const { network } = this.#question;
    const payload = encodeHandshakeRequest({
      nodeData: this.#nodeData(),
      payloadData: genesisOf(network),
    });
    return { kind: "send", bytes: request(COMMAND.HANDSHAKE, payload) };
  }

  receive(bytes: Uint8Array, now: number): ConversationStep {
    this.#bytes += bytes.length;
    try {
      this.#reader.push(bytes);
      for (let event = this.#reader.next(); event !== undefined; event = this.#reader.next()) {
        const step = event.kind === "message" ? this.#hear(event.message, now) : undefined;
        if (step !== undefined) return step;
      }
      return { kind: "more" };
    } catch (error) {
      if (error instanceof LevinError || error instanceof MoneroMessageError) {
        const began = this.#bytes === bytes.length ? ` It began with ${beginningOf(bytes)}.` : "";
        return otherProtocol("Monero's Levin", `${error.message}${began}`);
      }
      throw error;
    }
  }

  ended(): ConversationStep {
    const { network, otherNetworks } = this.#question;
    const step = endedEarly("monerod", this.#bytes);
    if (step.kind !== "failed" || this.#bytes > 0) return step;
    const evidence = `It ended the stream upon a handshake of ${network.name}, without a byte.`;
    return { ...step, fault: { ...step.fault, evidence }, variant: otherNetworks };
  }

  #hear(message: LevinMessage, now: number): ConversationStep | undefined {
    if (message.kind === "request" && message.command === COMMAND.HANDSHAKE) {
      return otherProtocol("Monero's Levin", "It sent our own handshake back, as an echo does.");
    }
    if (message.kind !== "response") return undefined;
    if (message.command === COMMAND.HANDSHAKE && this.#handshake === undefined) {
      return this.#hearHandshake(message, now);
    }
    if (message.command === COMMAND.TIMED_SYNC && this.#handshake !== undefined) {
      return this.#hearTimedSync(message, now);
    }
    return undefined;
  }

  #hearHandshake(message: LevinMessage, now: number): ConversationStep {
    if (message.returnCode < 0) return refused("handshake", message.returnCode);
    const response = decodeHandshakeResponse(message.payload);
    const { network } = this.#question;
    if (Buffer.compare(response.nodeData.networkId, network.id) !== 0) {
      return otherProtocol("this Monero network", `It is not of ${network.name}.`);
    }
    this.#handshake = { response, ms: now - this.#askedAt };
    this.#reader.setHandshakeDone();
    this.#askedAt = now;
    const payload = encodeTimedSyncRequest({ payloadData: genesisOf(network) });
    return { kind: "send", bytes: request(COMMAND.TIMED_SYNC, payload) };
  }

  #hearTimedSync(message: LevinMessage, now: number): ConversationStep | undefined {
    const handshake = this.#handshake;
    if (handshake === undefined) return undefined;
    if (message.returnCode < 0) return refused("timed sync", message.returnCode);
    const { payloadData, peers } = decodeTimedSyncResponse(message.payload);
    const facts: Facts = {
      network: this.#question.network.name,
      ...chainFacts(payloadData),
      ...peerFacts([...handshake.response.peers, ...peers], this.#question.zone),
      ...identityFacts(handshake.response.nodeData),
      handshake_ms: rounded(handshake.ms),
      timed_sync_ms: rounded(now - this.#askedAt),
    };
    const broken = this.#breach(handshake.response.peers, peers, facts);
    if (broken !== undefined) return broken;
    const { network, height, version, peers: count } = facts;
    return {
      kind: "done",
      facts,
      evidence: [
        `A node of ${String(network)} at height ${String(height)}, hard fork version ${String(version)}, that named ${String(count)} ${count === 1 ? "peer" : "peers"}.`,
      ],
    };
  }

  #breach(
    first: readonly PeerEntry[],
    second: readonly PeerEntry[],
    facts: Facts,
  ): ConversationStep | undefined {
    const tooMany = [first, second].find((list) => list.length > PEER_LIST_ENTRIES_MAX);
    const foreign = Number(facts["foreign_peers"]);
    if (tooMany === undefined && foreign === 0) return undefined;
    return {
      kind: "failed",
      fault: {
        layer: "protocol",
        code: "peer-list-breach",
        evidence:
          tooMany === undefined
            ? `Its peer list holds ${foreign} addresses of another zone.`
            : `Its peer list holds ${tooMany.length} entries, where ${PEER_LIST_ENTRIES_MAX} are allowed.`,
        advice: "monerod would drop this peer: update the program behind the service.",
      },
    };
  }

  #nodeData(): NodeData {
    const { zone, network, random } = this.#question;
    const shown =
      zone === "public"
        ? { peerId: randomPeerId(random), supportFlags: PUBLIC_SUPPORT_FLAGS }
        : zoneProfiles[zone];
    return {
      networkId: network.id,
      myPort: 0,
      peerId: shown.peerId,
      rpcPort: 0,
      rpcCreditsPerHash: 0,
      supportFlags: shown.supportFlags,
    };
  }
}

function genesisOf(network: Network): CoreSyncData {
  return {
    currentHeight: 1n,
    cumulativeDifficulty: 1n,
    topId: network.genesisId,
    topVersion: 1,
    pruningSeed: 0,
  };
}

function request(command: number, payload: Uint8Array): Uint8Array {
  return encodeMessage({ kind: "request", command, returnCode: 0, payload });
}

function randomPeerId(random: RandomSource): bigint {
  return (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
}

function chainFacts(chain: CoreSyncData): Facts {
  const exact = chain.currentHeight <= BigInt(Number.MAX_SAFE_INTEGER);
  return {
    height: exact ? Number(chain.currentHeight) : String(chain.currentHeight),
    version: chain.topVersion,
  };
}

function peerFacts(peers: readonly PeerEntry[], zone: Zone): Facts {
  const count = (wanted: Zone): number => peers.filter((peer) => zoneOf(peer) === wanted).length;
  return {
    peers: peers.length,
    peers_public: count("public"),
    peers_tor: count("tor"),
    peers_i2p: count("i2p"),
    foreign_peers: peers.length - count(zone),
  };
}

function zoneOf({ address }: PeerEntry): Zone {
  return address.type === "tor" || address.type === "i2p" ? address.type : "public";
}

function identityFacts(node: NodeData): Facts {
  return { support_flags: node.supportFlags, peer_id_hidden: node.peerId === 1n };
}

function refused(what: string, returnCode: number): ConversationStep {
  return {
    kind: "failed",
    fault: {
      layer: "protocol",
      code: "refused",
      evidence: `It answered our ${what} with error ${returnCode}.`,
      advice: "Look at the log of the program behind the service.",
    },
  };
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
