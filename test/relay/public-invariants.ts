import type { Zone } from "../../lib/address/zone.ts";
import { LevinError } from "../../lib/levin/error.ts";
import type { LevinMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import {
  COMMAND,
  commandLimits,
  decodeHandshakeResponse,
  decodeNewTransactions,
  decodeTimedSyncResponse,
} from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { parseTransaction } from "../../lib/monero/transaction.ts";
import { type ChainTuple, genesisTuple } from "../../lib/relay/chain-tuple.ts";
import type { RelayEffect } from "../../lib/relay/event.ts";
import { SHELF_BYTES_MAX } from "../../lib/relay/transaction-shelf.ts";
import { claimOf } from "./scripted-peer.ts";
import type { End, VirtualNetwork, VirtualNode, Watcher } from "./virtual-network.ts";

type Write = Extract<RelayEffect, { kind: "write" }>;

/** What a node was told of a transaction. */
interface Known {
  /** The links that it came from. */
  readonly sources: Set<number>;
  /** When a peer of an anonymity zone first sent it as a stem. */
  hiddenAt: number | undefined;
  /** Whether it was sent in public, or with the fluff flag: then nothing has to wait. */
  open: boolean;
  /** Links that sent it as a stem. */
  readonly stemsFrom: Set<number>;
}

interface LinkView {
  readonly zone: Zone;
  readonly direction: "outbound" | "inbound";
  readonly out: LevinReader;
  into: LevinReader | undefined;
}

interface NodeView {
  readonly links: Map<number, LinkView>;
  readonly known: Map<string, Known>;
  readonly said: Map<Zone, Set<string>>;
  readonly fluffed: Set<string>;
  /** Its wallet's transactions, also those that the store was told to forget since it started. */
  readonly ours: Set<string>;
}

/** The proposal's delay may be 0, monerod's is below this once in ten million transactions. */
const DELAY_MS_MIN = 2_000;

function keyOf({ currentHeight, cumulativeDifficulty, topId, topVersion }: ChainTuple): string {
  const top = Buffer.from(topId).toString("hex");
  return `${currentHeight} ${cumulativeDifficulty} ${top} ${topVersion}`;
}

const genesis = keyOf(genesisTuple(networks.regtest.genesisId));
const hexOf = (blob: Uint8Array): string => Buffer.from(blob).toString("hex");

/**
 * What must be true of every node with a public zone at every moment: what it sends where, by what
 * it was told where. Looks at bytes, never into the core.
 */
export class PublicInvariants implements Watcher {
  readonly #network: VirtualNetwork;
  readonly #views = new Map<VirtualNode, NodeView>();
  /** Messages of transactions that were looked at, by zone. */
  readonly seen: Record<Zone, number> = { public: 0, tor: 0, i2p: 0 };

  constructor(network: VirtualNetwork) {
    this.#network = network;
  }

  started(node: VirtualNode): void {
    const old = this.#views.get(node);
    const said = old?.said ?? new Map<Zone, Set<string>>();
    this.#views.set(node, {
      links: new Map(),
      known: new Map(),
      said,
      fluffed: new Set(),
      ours: new Set(),
    });
  }

  before(node: VirtualNode): void {
    this.#ours(node);
  }

  stream(node: VirtualNode, end: End, state: "open" | "gone"): void {
    const { links } = this.#view(node);
    if (state === "gone") return;
    const limits = { limits: commandLimits, initialReceiveBytesMax: 1e8 };
    links.set(end.link, {
      ...{ zone: end.zone, direction: end.direction },
      ...{ out: new LevinReader(limits), into: new LevinReader(limits) },
    });
  }

  told(node: VirtualNode, end: End, bytes: Uint8Array): void {
    const link = this.#view(node).links.get(end.link);
    if (link?.into === undefined) return;
    try {
      link.into.push(bytes);
      for (let found = link.into.next(); found !== undefined; found = link.into.next()) {
        if (found.kind === "message") this.#told(node, end, found.message);
      }
    } catch (error) {
      if (!(error instanceof LevinError)) throw error;
      link.into = undefined;
    }
  }

  #told(node: VirtualNode, end: End, message: LevinMessage): void {
    const { said, known } = this.#view(node);
    const tuple = claimOf(message);
    if (tuple !== undefined) {
      const ofZone = said.get(end.zone) ?? new Set<string>();
      said.set(end.zone, ofZone.add(keyOf(tuple)));
    }
    if (message.kind !== "notify" || message.command !== COMMAND.NEW_TRANSACTIONS) return;
    const { txs, fluff } = decodeNewTransactions(message.payload);
    for (const hex of txs.map(hexOf)) {
      const one = known.get(hex) ?? {
        ...{
          sources: new Set<number>(),
          hiddenAt: undefined,
          open: false,
          stemsFrom: new Set<number>(),
        },
      };
      known.set(hex, one);
      one.sources.add(end.link);
      if (fluff || end.zone === "public") one.open = true;
      else one.hiddenAt ??= this.#network.clock.now();
      if (!fluff) one.stemsFrom.add(end.link);
    }
  }

  effect(node: VirtualNode, effect: RelayEffect): void {
    if (effect.kind === "write") this.#write(node, effect);
    if (effect.kind === "dial") {
      const zone = effect.address.zone;
      if (zone === "public" && node.core.publicRelay === undefined)
        throw this.#broken(node, "it dials in public unasked");
    }
    if (effect.kind === "remember") {
      const said = this.#view(node).said.get(effect.zone);
      if (said?.has(keyOf(effect.tuple)) !== true)
        throw this.#broken(node, "it remembers what nobody of the zone said");
    }
  }

  after(node: VirtualNode): void {
    const { publicRelay } = node.core;
    if (publicRelay === undefined) return;
    if (publicRelay.shelf.size.bytes > SHELF_BYTES_MAX) throw this.#broken(node, "a full shelf");
    const { fluffed, known } = this.#view(node);
    for (const id of publicRelay.rules.shown()) {
      const isOpen = [...known].some(([hex, one]) => one.open && idOf(hex) === id);
      // Nobody may see in our pool what nobody can see in public.
      if (!isOpen && !fluffed.has(id)) throw this.#broken(node, "it shows what is not public");
    }
  }

  #write(node: VirtualNode, { link: id, bytes, by }: Write): void {
    const link = this.#view(node).links.get(id);
    if (link === undefined) throw this.#broken(node, `a write to unknown link ${id}`);
    link.out.push(bytes);
    for (let found = link.out.next(); found !== undefined; found = link.out.next()) {
      if (found.kind !== "message") continue;
      this.#claim(node, link, found.message);
      this.#list(node, link, found.message);
      const { kind, command, payload } = found.message;
      if (kind !== "notify") continue;
      if (command !== COMMAND.NEW_TRANSACTIONS) throw this.#broken(node, `${command} was said`);
      const { txs, fluff } = decodeNewTransactions(payload);
      this.seen[link.zone]++;
      const said = txs.map(hexOf);
      if (link.zone === "public") this.#open(node, id, link, said, fluff);
      else this.#hidden(node, said, fluff, by);
    }
  }

  #claim(node: VirtualNode, { zone }: LinkView, message: LevinMessage): void {
    const tuple = claimOf(message);
    if (tuple === undefined || keyOf(tuple) === genesis) return;
    if (this.#view(node).said.get(zone)?.has(keyOf(tuple)) !== true)
      throw this.#broken(node, `it claims in ${zone} what no peer there said`);
  }

  #list(node: VirtualNode, { zone }: LinkView, { kind, command, payload }: LevinMessage): void {
    if (kind !== "response" || payload.length === 0) return;
    const peers =
      command === COMMAND.HANDSHAKE
        ? decodeHandshakeResponse(payload).peers
        : command === COMMAND.TIMED_SYNC
          ? decodeTimedSyncResponse(payload).peers
          : [];
    const types = zone === "public" ? ["ipv4", "ipv6"] : [zone];
    if (peers.some(({ address }) => !types.includes(address.type)))
      throw this.#broken(node, `a peer of another zone was told of in ${zone}`);
  }

  #hidden(node: VirtualNode, txs: readonly string[], fluff: boolean, by: Write["by"]): void {
    const ours = this.#ours(node);
    if (txs.length !== 1 || fluff || by !== "tick")
      throw this.#broken(node, "a transaction left an anonymity zone's rules");
    if (!txs.every((hex) => ours.has(hex)))
      throw this.#broken(node, "what peers sent went into an anonymity zone");
  }

  #open(
    node: VirtualNode,
    id: number,
    link: LinkView,
    txs: readonly string[],
    fluff: boolean,
  ): void {
    const { known, fluffed } = this.#view(node);
    const ours = this.#ours(node);
    const hides = node.core.zones.length > 0;
    let shared: number[] | undefined;
    for (const hex of txs) {
      const one = known.get(hex);
      const isOurs = ours.has(hex);
      if (one === undefined && (!isOurs || hides))
        throw this.#broken(node, "a transaction left in public that nobody sent");
      if (!isOurs && one !== undefined && !one.open) {
        const waited = this.#network.clock.now() - (one.hiddenAt ?? 0);
        if (waited < DELAY_MS_MIN) throw this.#broken(node, `it waited ${waited} ms`);
      }
      if (!fluff && one?.stemsFrom.has(id) === true)
        throw this.#broken(node, "a stem went back to where it came from");
      const sources = [...(one?.sources ?? [])];
      shared = shared?.filter((link) => sources.includes(link)) ?? sources;
      if (fluff) fluffed.add(idOf(hex));
    }
    if (txs.length > 1 && shared?.length === 0)
      throw this.#broken(node, "two sources share a message");
    if (txs.length > 1 && txs.some((hex) => ours.has(hex)))
      throw this.#broken(node, "a wallet's transaction is not alone");
    if (!fluff && (txs.length !== 1 || link.direction === "inbound"))
      throw this.#broken(node, "a stem for a guest, or more than one");
    // What nobody was told of is public by this.
    if (fluff) return;
    if (!txs.every((hex) => ours.has(hex) || known.has(hex)))
      throw this.#broken(node, "a stem of unknown origin");
  }

  #ours(node: VirtualNode): ReadonlySet<string> {
    const { ours } = this.#view(node);
    for (const { blob } of node.stored.values()) ours.add(hexOf(blob));
    return ours;
  }

  #view(node: VirtualNode): NodeView {
    const view = this.#views.get(node);
    if (view === undefined) throw new Error("The node was never started.");
    return view;
  }

  #broken(node: VirtualNode, what: string): Error {
    const at = (this.#network.clock.now() / 1_000).toFixed(3);
    return new Error(`Broken at ${at} s, node ${this.#network.nodes.indexOf(node)}: ${what}`);
  }
}

const ids = new Map<string, string>();

function idOf(hex: string): string {
  const known = ids.get(hex);
  if (known !== undefined) return known;
  const { id } = parseTransaction(Uint8Array.from(Buffer.from(hex, "hex")));
  const text = Buffer.from(id).toString("hex");
  ids.set(hex, text);
  return text;
}
