import { type Address, formatAddress } from "../../lib/address/address.ts";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import { encodeMessage, framesOf, type LevinMessage, noiseFrame } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import {
  COMMAND,
  type CoreSyncData,
  commandLimits,
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
  type NodeData,
  type PeerEntry,
} from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import type { FaultPlace } from "../../lib/runtime/fault.ts";
import type { End, Party, VirtualNetwork } from "./virtual-network.ts";

/** What a node of an anonymity zone shows of itself. */
export const nodeData: NodeData = {
  networkId: networks.regtest.id,
  myPort: 0,
  peerId: 1n,
  rpcPort: 0,
  rpcCreditsPerHash: 0,
  supportFlags: 0,
};

/**
 * A chain state that nobody else has: every part of it tells whose it is.
 *
 * @param owner a number of the peer's
 * @param height of its chain
 */
export function tupleOf(owner: number, height: number): CoreSyncData {
  const topId = new Uint8Array(32).fill(owner);
  topId.set(Buffer.from(String(height)));
  return {
    currentHeight: BigInt(height),
    cumulativeDifficulty: BigInt(height) * 1_000n + BigInt(owner),
    topId,
    topVersion: 16,
    pruningSeed: 0,
  };
}

const request = (command: number, payload: Uint8Array): LevinMessage => ({
  kind: "request",
  command,
  returnCode: 0,
  payload,
});
const response = (command: number, payload: Uint8Array, returnCode = 1): LevinMessage => ({
  kind: "response",
  command,
  returnCode,
  payload,
});

/** Messages as a peer makes them. */
export const say = {
  request,
  response,
  notify: (command: number, payload: Uint8Array = new Uint8Array()): LevinMessage => ({
    kind: "notify",
    command,
    returnCode: 0,
    payload,
  }),
  handshake: (tuple: CoreSyncData, node = nodeData): LevinMessage =>
    request(COMMAND.HANDSHAKE, encodeHandshakeRequest({ nodeData: node, payloadData: tuple })),
  handshakeAnswer: (
    tuple: CoreSyncData,
    peers: readonly PeerEntry[] = [],
    node = nodeData,
  ): LevinMessage =>
    response(
      COMMAND.HANDSHAKE,
      encodeHandshakeResponse({ nodeData: node, payloadData: tuple, peers: [...peers] }),
    ),
  timedSync: (tuple: CoreSyncData): LevinMessage =>
    request(COMMAND.TIMED_SYNC, encodeTimedSyncRequest({ payloadData: tuple })),
  timedSyncAnswer: (tuple: CoreSyncData, peers: readonly PeerEntry[] = []): LevinMessage =>
    response(
      COMMAND.TIMED_SYNC,
      encodeTimedSyncResponse({ payloadData: tuple, peers: [...peers] }),
    ),
  transactions: (...txs: readonly Uint8Array[]): LevinMessage => ({
    kind: "notify",
    command: COMMAND.NEW_TRANSACTIONS,
    returnCode: 0,
    payload: encodeNewTransactions({ txs: [...txs], fluff: false, padding: new Uint8Array() }),
  }),
};

/** What a message claims of the chain, if it does. */
export function claimOf(message: LevinMessage): CoreSyncData | undefined {
  const { kind, command, payload } = message;
  if (command === COMMAND.HANDSHAKE) {
    if (kind === "request") return decodeHandshakeRequest(payload).payloadData;
    if (kind === "response") return decodeHandshakeResponse(payload).payloadData;
  }
  if (command === COMMAND.TIMED_SYNC && payload.length > 0) {
    if (kind === "request") return decodeTimedSyncRequest(payload).payloadData;
    if (kind === "response") return decodeTimedSyncResponse(payload).payloadData;
  }
  return undefined;
}

/** One stream of a scripted peer, with what came over it. */
export class Conversation {
  readonly end: End;
  readonly heard: LevinMessage[] = [];
  /** Whether the other side, or the network, closed it. */
  over: string | undefined;
  readonly #network: VirtualNetwork;
  readonly #reader = new LevinReader({ limits: commandLimits, initialReceiveBytesMax: 1e8 });

  constructor(network: VirtualNetwork, end: End) {
    this.#network = network;
    this.end = end;
  }

  /** Takes bytes; returns the messages they ended. */
  take(bytes: Uint8Array): LevinMessage[] {
    this.#reader.push(bytes);
    const found: LevinMessage[] = [];
    for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next()) {
      if (next.kind === "message") found.push(next.message);
    }
    this.heard.push(...found);
    return found;
  }

  /** Sends a message as it is. */
  send(message: LevinMessage): void {
    this.raw(encodeMessage(message));
  }

  /** Sends a message in noise frames. */
  sendFramed(message: LevinMessage): void {
    for (const frame of framesOf(message)) this.raw(frame);
  }

  /** Sends a noise frame. */
  noise(): void {
    this.raw(noiseFrame());
  }

  /** Sends any bytes. */
  raw(bytes: Uint8Array): void {
    this.#network.send(this.end, bytes);
  }

  /** Closes it from the peer's side. */
  close(): void {
    this.#network.close(this.end);
  }

  /** Every transaction that came over it, in hexadecimal. */
  get transactions(): string[] {
    return this.heard
      .filter(({ kind, command }) => kind === "notify" && command === COMMAND.NEW_TRANSACTIONS)
      .flatMap(({ payload }) => decodeNewTransactions(payload).txs)
      .map((blob) => Buffer.from(blob).toString("hex"));
  }
}

/** What a scripted peer does with each message; by default it behaves. */
export type Script = (peer: ScriptedPeer, message: LevinMessage, on: Conversation) => void;

/** A peer of the network that says what a test wants it to say. */
export class ScriptedPeer implements Party {
  readonly address: Address<AnonymityZone>;
  readonly conversations: Conversation[] = [];
  /** What it claims of its chain. */
  tuple: CoreSyncData;
  script: Script;
  /** Whether it takes streams. */
  accepting = true;
  /** Called when a stream opens. */
  onOpen: (on: Conversation) => void = () => undefined;
  /** Dials of its own that failed. */
  refusals = 0;
  readonly #network: VirtualNetwork;
  #links = 0;

  constructor(
    network: VirtualNetwork,
    options: { address?: Address<AnonymityZone>; tuple?: CoreSyncData; script?: Script } = {},
  ) {
    this.#network = network;
    this.address = options.address ?? network.name();
    this.tuple = options.tuple ?? tupleOf(1, 141);
    this.script = options.script ?? honest;
    network.place(this.address, this);
  }

  /** The newest stream. */
  get latest(): Conversation {
    const latest = this.conversations.at(-1);
    if (latest === undefined) throw new Error(`Nobody reached ${formatAddress(this.address)}.`);
    return latest;
  }

  /** Dials a node's hidden service; it is open after one delay. */
  dial(address: Address<AnonymityZone>): void {
    this.#network.connect(this, ++this.#links, address);
  }

  accept(): number | undefined {
    return this.accepting ? ++this.#links : undefined;
  }

  opened(end: End): void {
    const conversation = new Conversation(this.#network, end);
    this.conversations.push(conversation);
    this.onOpen(conversation);
  }

  failed(_link: number, _zone: AnonymityZone, _where: FaultPlace): void {
    this.refusals++;
  }

  received(end: End, bytes: Uint8Array): void {
    const conversation = this.conversations.find((one) => one.end === end);
    if (conversation === undefined) return;
    for (const message of conversation.take(bytes)) this.script(this, message, conversation);
  }

  closed(end: End, reason: string): void {
    const conversation = this.conversations.find((one) => one.end === end);
    if (conversation !== undefined) conversation.over = reason;
  }
}

/** Answers handshakes and timed syncs with the peer's own chain state. */
export const honest: Script = (peer, message, on) => {
  if (message.kind !== "request") return;
  if (message.command === COMMAND.HANDSHAKE) on.send(say.handshakeAnswer(peer.tuple));
  if (message.command === COMMAND.TIMED_SYNC) on.send(say.timedSyncAnswer(peer.tuple));
};
