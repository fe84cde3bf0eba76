import type { Zone } from "../../lib/address/zone.ts";
import { LevinError } from "../../lib/levin/error.ts";
import { FRAME_BYTES, type LevinMessage, noiseFrame } from "../../lib/levin/frame.ts";
import { FLAG, headerAt, LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import { type LevinEvent, LevinReader } from "../../lib/levin/reader.ts";
import { COMMAND, commandLimits, decodeNewTransactions } from "../../lib/monero/message.ts";
import { TransactionError } from "../../lib/monero/transaction-error.ts";
import type { LinkId, RelayEffect } from "../../lib/relay/event.ts";
import { idOf, type Mark, markOf } from "./large-transactions.ts";
import { claimOf } from "./scripted-peer.ts";
import type { End } from "./stream.ts";
import type { VirtualNode } from "./virtual-network.ts";

/** A write that a core asked for. */
export type Write = Extract<RelayEffect, { kind: "write" }>;

/** What a node was told of a transaction since it last started. */
export interface Heard {
  /** The links that it came from. */
  readonly sources: Set<LinkId>;
  /** Links that sent it as a stem. */
  readonly stemsFrom: Set<LinkId>;
  /** Where it came as a stem, and when first. */
  readonly stemAt: Map<Zone, number>;
  /** Whether it was sent in public, or as fluff: then nothing has to wait. */
  isOpen: boolean;
}

/** What can be seen of one stream of a node from outside. */
export interface LinkView {
  readonly id: LinkId;
  readonly zone: Zone;
  readonly direction: "outbound" | "inbound";
  /** What we wrote, read as the peer reads it. */
  readonly out: LevinReader;
  /** What the peer wrote; undefined once it wrote nonsense. */
  into: LevinReader | undefined;
  hasGreeted: boolean;
  isReady: boolean;
  /** The height that was last claimed on it. */
  claimed: bigint;
  /** Frames that left on it at ticks. */
  frames: number;
  /** When a channel came to it, or the last frame left at a tick; undefined without a channel. */
  seatedAt: number | undefined;
  tickAt: number;
  /** Transactions that left on it whole. */
  readonly carried: Mark[];
  /** How many began to leave on it. */
  begun: number;
  /** How many frames had left on it when the first began. */
  framesBefore: number | undefined;
  /** Whether our own address was told on it. */
  toldOwn: boolean;
}

/** What can be seen of a node from outside. */
export interface NodeView {
  readonly links: Map<LinkId, LinkView>;
  readonly heard: Map<Mark, Heard>;
  /** Every chain state that a peer of the zone ever told, or that it began with. */
  readonly said: Map<Zone, Set<string>>;
  /** Its wallet's transactions by id, also those that the store was told to forget since it started. */
  readonly own: Map<string, Mark>;
  /** Channels of anonymity zones that a wallet's transaction left on, over restarts. */
  readonly departures: Map<Mark, number>;
  /** By zone, what left of a wallet's where it may have been as what a guest sent. */
  readonly forwarded: Set<string>;
  /** The ids of what was heard. */
  readonly ids: Map<Mark, string>;
  /** Ids of what it fluffed itself. */
  readonly published: Set<string>;
  /** How far each transaction had come. */
  readonly states: Map<string, number>;
  /** Links with a channel before the call that is under way. */
  before: readonly LinkId[];
  /** Whether a transaction was read since rules of transactions were last looked at. */
  touched: boolean;
}

const noise = Buffer.from(noiseFrame());

/** Notes what the node's wallet gave it. */
export function noteOwn({ own }: NodeView, { stored }: VirtualNode): void {
  for (const [id, { blob }] of stored) if (!own.has(id)) own.set(id, markOf(blob));
}

/** Whether bytes are a noise frame. */
export function isNoise(bytes: Uint8Array): boolean {
  return bytes.length === FRAME_BYTES && noise.equals(bytes);
}

/** Whether a frame holds a transaction's beginning, if not all of it. */
export function beginsTransaction(bytes: Uint8Array): boolean {
  const { flags, command } = headerAt(bytes, 0);
  if (command === COMMAND.NEW_TRANSACTIONS) return true;
  if ((flags & (FLAG.BEGIN | FLAG.END)) !== FLAG.BEGIN) return false;
  return headerAt(bytes, LEVIN_HEADER_BYTES).command === COMMAND.NEW_TRANSACTIONS;
}

/** A stream at its beginning. */
export function newLinkView({ link: id, zone, direction }: End): LinkView {
  const limits = { limits: commandLimits, initialReceiveBytesMax: 1e8 };
  return {
    ...{ id, zone, direction, out: new LevinReader(limits), into: new LevinReader(limits) },
    ...{ hasGreeted: false, isReady: false, claimed: 0n, frames: 0 },
    ...{ seatedAt: undefined, tickAt: 0, carried: [], begun: 0, toldOwn: false },
    ...{ framesBefore: undefined },
  };
}

/** Every message that bytes ended. */
export function* messagesIn(reader: LevinReader, bytes: Uint8Array): Iterable<LevinMessage> {
  if (isNoise(bytes)) return;
  reader.push(bytes);
  let found: LevinEvent | undefined = reader.next();
  for (; found !== undefined; found = reader.next())
    if (found.kind === "message") yield found.message;
}

/** Notes what a peer says; nonsense ends the reading. */
export function hear(view: NodeView, link: LinkView, bytes: Uint8Array, now: number): void {
  if (link.into === undefined) return;
  try {
    for (const message of messagesIn(link.into, bytes)) {
      const tuple = claimOf(message);
      if (tuple !== undefined) view.said.get(link.zone)?.add(claimKey(tuple));
      if (message.kind === "notify" && message.command === COMMAND.NEW_TRANSACTIONS)
        hearTransactions(view, link, message.payload, now);
    }
  } catch (error) {
    if (!(error instanceof LevinError)) throw error;
    link.into = undefined;
  }
}

function hearTransactions(view: NodeView, link: LinkView, payload: Uint8Array, now: number): void {
  const { txs, fluff } = decodeNewTransactions(payload);
  view.touched = true;
  for (const blob of txs) {
    const mark = markOf(blob);
    const id = idWhereOne(blob);
    if (id === undefined) continue;
    view.ids.set(mark, id);
    const known = view.heard.get(mark) ?? newHeard();
    view.heard.set(mark, known);
    known.sources.add(link.id);
    if (fluff || link.zone === "public") known.isOpen = true;
    if (fluff) continue;
    known.stemsFrom.add(link.id);
    if (!known.stemAt.has(link.zone)) known.stemAt.set(link.zone, now);
  }
}

/** Peers send what is no transaction, too. */
function idWhereOne(blob: Uint8Array): string | undefined {
  try {
    return idOf(blob);
  } catch (error) {
    if (error instanceof TransactionError) return undefined;
    throw error;
  }
}

function newHeard(): Heard {
  return { sources: new Set(), stemsFrom: new Set(), stemAt: new Map(), isOpen: false };
}

/** A chain state in a form to be looked up. */
export function claimKey(tuple: NonNullable<ReturnType<typeof claimOf>>): string {
  const { currentHeight, cumulativeDifficulty, topId, topVersion } = tuple;
  const top = Buffer.from(topId).toString("hex");
  return `${currentHeight} ${cumulativeDifficulty} ${top} ${topVersion}`;
}
