import { type Address, parseAddressOf } from "../../lib/address/address.ts";
import type { LevinMessage } from "../../lib/levin/frame.ts";
import {
  COMMAND,
  type CoreSyncData,
  decodeNewTransactions,
  encodeNewTransactions,
  type NodeData,
} from "../../lib/monero/message.ts";
import { Conversation, nodeData, say, tupleOf } from "./scripted-peer.ts";
import type { End, Party, VirtualNetwork } from "./virtual-network.ts";

/**
 * An address of the public zone.
 *
 * @param last its last byte
 */
export function ipOf(last: number): Address<"public"> {
  return parseAddressOf(`10.0.0.${last}:18080`, "public");
}

/** A message of transactions. */
export function transactionsOf(
  txs: readonly Uint8Array[],
  fluff: boolean,
  padding = new Uint8Array(),
): LevinMessage {
  return say.notify(COMMAND.NEW_TRANSACTIONS, encodeNewTransactions({ txs, fluff, padding }));
}

const hexOf = (blob: Uint8Array): string => Buffer.from(blob).toString("hex");

/** What came to a peer of the public zone. */
export interface Sighting {
  readonly at: number;
  readonly fluff: boolean;
  /** Transactions of the message, in hexadecimal. */
  readonly txs: readonly string[];
  readonly on: Conversation;
}

/** A node with a chain in the public zone, as far as a relay notices: it answers, and passes on. */
export class PublicPeer implements Party {
  readonly address: Address<"public">;
  readonly conversations: Conversation[] = [];
  readonly sightings: Sighting[] = [];
  readonly pool = new Set<string>();
  /** What is taken for a bad signature: the link on which it comes is closed. */
  readonly poison = new Set<string>();
  tuple: CoreSyncData;
  accepting = true;
  /** Whether stems vanish here. */
  swallows = false;
  refusals = 0;
  /** Called with each message before it is answered. */
  onMessage: (message: LevinMessage, on: Conversation) => void = () => undefined;
  readonly #network: VirtualNetwork;
  readonly #self: NodeData;
  #links = 0;

  constructor(network: VirtualNetwork, number: number, tuple = tupleOf(1, 141)) {
    this.#network = network;
    this.address = ipOf(number);
    this.tuple = tuple;
    this.#self = { ...nodeData, myPort: 18_080, peerId: BigInt(1_000 + number), supportFlags: 1 };
    network.place(this.address, this);
  }

  /** The newest stream. */
  get latest(): Conversation {
    const latest = this.conversations.at(-1);
    if (latest === undefined) throw new Error("Nobody came.");
    return latest;
  }

  /** Dials a node; it shakes hands as soon as the stream is open. */
  dial(address: Address): void {
    this.#network.connect(this, ++this.#links, address);
  }

  /** Passes a transaction to everybody, as one that has it in its pool. */
  fluff(blob: Uint8Array, except?: Conversation): void {
    this.pool.add(hexOf(blob));
    for (const on of this.conversations) {
      if (on !== except && on.over === undefined) on.send(transactionsOf([blob], true));
    }
  }

  accept(): number | undefined {
    return this.accepting ? ++this.#links : undefined;
  }

  opened(end: End): void {
    const on = new Conversation(this.#network, end);
    this.conversations.push(on);
    if (end.direction === "outbound") on.send(say.handshake(this.tuple, this.#self));
  }

  failed(): void {
    this.refusals++;
  }

  closed(end: End, reason: string): void {
    const on = this.conversations.find((one) => one.end === end);
    if (on !== undefined) on.over = reason;
  }

  received(end: End, bytes: Uint8Array): void {
    const on = this.conversations.find((one) => one.end === end);
    if (on === undefined) return;
    for (const message of on.take(bytes)) {
      this.onMessage(message, on);
      this.#hear(message, on);
    }
  }

  #hear(message: LevinMessage, on: Conversation): void {
    const { kind, command, payload } = message;
    if (kind === "request" && command === COMMAND.HANDSHAKE) {
      on.send(say.handshakeAnswer(this.tuple, [], this.#self));
    } else if (kind === "request" && command === COMMAND.TIMED_SYNC) {
      on.send(say.timedSyncAnswer(this.tuple));
    } else if (kind === "notify" && command === COMMAND.NEW_TRANSACTIONS) {
      const { txs, fluff } = decodeNewTransactions(payload);
      this.sightings.push({ at: this.#network.clock.now(), fluff, txs: txs.map(hexOf), on });
      for (const blob of txs) this.#take(blob, fluff, on);
    }
  }

  #take(blob: Uint8Array, fluff: boolean, on: Conversation): void {
    const hex = hexOf(blob);
    if (this.poison.has(hex)) {
      on.over = "it was closed here";
      on.close();
      return;
    }
    if (this.pool.has(hex) || (!fluff && this.swallows)) return;
    if (fluff) this.fluff(blob, on);
    else this.#network.clock.setTimer(this.#network.clock.now() + 2_000, () => this.fluff(blob));
  }
}
