import { formatAddress } from "../../lib/address/address.ts";
import type { Zone } from "../../lib/address/zone.ts";
import { LevinError } from "../../lib/levin/error.ts";
import { FRAME_BYTES, type LevinMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { COMMAND, commandLimits, decodeNewTransactions } from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { type ChainTuple, genesisTuple } from "../../lib/relay/chain-tuple.ts";
import type { LinkId, RelayEffect } from "../../lib/relay/event.ts";
import { claimOf } from "./scripted-peer.ts";
import type { End, VirtualNetwork, VirtualNode, Watcher } from "./virtual-network.ts";

type Write = Extract<RelayEffect, { kind: "write" }>;

interface LinkView {
  readonly zone: Zone;
  readonly direction: "outbound" | "inbound";
  /** What we wrote, read as the peer reads it. */
  readonly out: LevinReader;
  /** What the peer wrote; undefined once it wrote nonsense. */
  into: LevinReader | undefined;
  open: boolean;
  greeted: boolean;
  ready: boolean;
  claimed: bigint;
}

interface Seat {
  readonly link: LinkId;
  /** When the channel came to the link, or its last frame left there. */
  lastAt: number;
  wakeAt: number;
}

interface NodeView {
  readonly links: Map<LinkId, LinkView>;
  /** Every chain state that a peer of the zone ever told, or that we began with. */
  readonly said: Map<Zone, Set<string>>;
  readonly dials: Map<string, number[]>;
  readonly sends: Map<string, number>;
  /** By zone and number of the channel. */
  seats: Map<string, Seat>;
  /** Links with a channel before the call that is under way. */
  before: Set<LinkId>;
  /** Whether a link was lost: then a channel may leave and come back within one call. */
  lost: boolean;
}

/** Dials of one peer within a minute: waits of 1, 2, 4 … seconds, and a cold start's second one. */
const DIALS_A_MINUTE_MAX = 16;
/** The schedule of the runs, monerod's. */
const WAIT_MS_MIN = 10_000;
const WAIT_MS_MAX = 15_000;

function keyOf(tuple: ChainTuple): string {
  const { currentHeight, cumulativeDifficulty, topId, topVersion, pruningSeed } = tuple;
  const id = Buffer.from(topId).toString("hex");
  return `${currentHeight} ${cumulativeDifficulty} ${id} ${topVersion} ${pruningSeed}`;
}

const genesis = keyOf(genesisTuple(networks.regtest.genesisId));

/** What must be true of every core at every moment, checked by what it does and not by what it is. */
export class Invariants implements Watcher {
  readonly #network: VirtualNetwork;
  readonly #views = new Map<VirtualNode, NodeView>();
  /** How many writes were looked at, so that a test knows it tested something. */
  writes = 0;
  ticks = 0;

  constructor(network: VirtualNetwork) {
    this.#network = network;
  }

  started(node: VirtualNode): void {
    const old = this.#views.get(node);
    const said = old?.said ?? new Map<Zone, Set<string>>();
    for (const { zone, tuple } of node.core.zones) {
      const known = said.get(zone) ?? new Set([genesis]);
      if (tuple !== undefined) known.add(keyOf(tuple));
      said.set(zone, known);
    }
    const sends = new Map([...node.stored].map(([id, one]) => [id, one.sends]));
    this.#views.set(node, {
      ...{ links: new Map(), said, dials: new Map(), sends, seats: new Map(), before: new Set() },
      lost: false,
    });
  }

  before(node: VirtualNode): void {
    this.#view(node).before = new Set([...channelled(node).values()].map(({ link }) => link));
  }

  after(node: VirtualNode): void {
    const view = this.#view(node);
    const now = this.#network.clock.now();
    const seats = new Map<string, Seat>();
    for (const [key, found] of channelled(node)) {
      const { link, wakeAt } = found;
      const old = view.seats.get(key);
      const back = view.lost && old?.wakeAt !== wakeAt && old?.lastAt !== now;
      const seat = old?.link === link && !back ? old : { ...found, lastAt: now };
      seat.wakeAt = wakeAt;
      if (now - seat.lastAt > WAIT_MS_MAX)
        throw this.#broken(node, `no frame on link ${link} in time`);
      seats.set(key, seat);
    }
    view.seats = seats;
    view.lost = false;
    for (const { zone } of node.core.zones) this.#count(node, zone);
  }

  #count(node: VirtualNode, zone: Zone): void {
    const core = node.core.zones.find((one) => one.zone === zone);
    const links = [...(core?.links.values() ?? [])];
    const guests = links.filter(({ direction }) => direction === "inbound").length;
    if (guests > 8) throw this.#broken(node, `${guests} inbound links in ${zone}`);
    if (links.length - guests > 12) throw this.#broken(node, `too many outbound links in ${zone}`);
  }

  stream(node: VirtualNode, end: End, state: "open" | "gone"): void {
    const view = this.#view(node);
    const { links } = view;
    const known = links.get(end.link);
    if (state === "gone") {
      if (known !== undefined) known.open = false;
      view.lost = true;
      return;
    }
    links.set(end.link, {
      ...{ zone: end.zone, direction: end.direction, open: true, greeted: false, ready: false },
      out: new LevinReader({ limits: commandLimits }),
      into: new LevinReader({ limits: commandLimits }),
      claimed: 0n,
    });
  }

  told(node: VirtualNode, end: End, bytes: Uint8Array): void {
    const view = this.#view(node);
    const link = view.links.get(end.link);
    if (link?.into === undefined) return;
    try {
      link.into.push(bytes);
      for (let found = link.into.next(); found !== undefined; found = link.into.next()) {
        const tuple = found.kind === "message" ? claimOf(found.message) : undefined;
        if (tuple !== undefined) view.said.get(end.zone)?.add(keyOf(tuple));
      }
    } catch (error) {
      if (!(error instanceof LevinError)) throw error;
      link.into = undefined;
    }
  }

  effect(node: VirtualNode, effect: RelayEffect): void {
    const view = this.#view(node);
    switch (effect.kind) {
      case "write":
        this.#write(node, view, effect);
        return;
      case "handshake-done": {
        const link = view.links.get(effect.link);
        if (link === undefined || !link.greeted)
          throw this.#broken(node, "ready without a handshake");
        else link.ready = true;
        return;
      }
      case "close": {
        const link = view.links.get(effect.link);
        if (link !== undefined) link.open = false;
        view.lost = true;
        return;
      }
      case "dial":
        this.#dial(node, view, effect);
        return;
      case "record": {
        const sends = view.sends.get(effect.id) ?? 0;
        // It is told of once when it leaves, and once when a peer is first heard behind it.
        if (effect.sends !== sends + 1 && !(effect.confirmed && effect.sends === sends))
          throw this.#broken(node, `${effect.sends} after ${sends} sends`);
        if (!node.stored.has(effect.id))
          throw this.#broken(node, "a record of what was never stored");
        view.sends.set(effect.id, effect.sends);
        return;
      }
      case "forget":
        throw this.#broken(node, "a transaction was forgotten, hours after it came");
      case "remember":
        if (!view.said.get(effect.zone)?.has(keyOf(effect.tuple)))
          throw this.#broken(node, "it remembers what nobody said");
        return;
      case "notice":
        if (/[0-9a-f]{64}|\.onion|\.i2p/.test(effect.text)) throw this.#broken(node, effect.text);
        return;
    }
  }

  #dial(node: VirtualNode, view: NodeView, effect: Extract<RelayEffect, { kind: "dial" }>): void {
    const to = formatAddress(effect.address);
    const zone = node.core.zones.find((one) => one.zone === effect.address.zone);
    const known = zone?.targets.some(({ address }) => formatAddress(address) === to);
    if (known !== true) throw this.#broken(node, `${to} is none of its peers`);
    const now = this.#network.clock.now();
    const recent = (view.dials.get(to) ?? []).filter((at) => at > now - 60_000);
    view.dials.set(to, [...recent, now]);
    if (recent.length >= DIALS_A_MINUTE_MAX)
      throw this.#broken(node, `${to} is dialed without a pause`);
  }

  #write(node: VirtualNode, view: NodeView, { link: id, bytes, by }: Write): void {
    this.writes++;
    const link = view.links.get(id);
    if (link === undefined || !link.open) throw this.#broken(node, `a write to closed link ${id}`);
    if (!link.greeted) {
      this.#greet(node, link, bytes, by);
      return;
    }
    if (!link.ready) throw this.#broken(node, `a write on link ${id} before its handshake is done`);
    if (bytes.length !== FRAME_BYTES)
      throw this.#broken(node, `${bytes.length} bytes on link ${id}`);
    const has = view.before.has(id);
    const keeps = [...channelled(node).values()].some(({ link: one }) => one === id);
    if (by === "control" && has && keeps)
      throw this.#broken(node, `link ${id} has noise, and no tick`);
    if (by === "tick") this.#tick(node, view, id, link);
    link.out.push(bytes);
    for (let found = link.out.next(); found !== undefined; found = link.out.next()) {
      if (found.kind === "message") this.#say(node, view, link, found.message, by);
    }
  }

  #greet(node: VirtualNode, link: LinkView, bytes: Uint8Array, by: Write["by"]): void {
    link.greeted = true;
    link.out.push(bytes);
    const found = link.out.next();
    const kind = link.direction === "outbound" ? "request" : "response";
    const fits =
      by === "control" &&
      found?.kind === "message" &&
      found.message.kind === kind &&
      found.message.command === COMMAND.HANDSHAKE &&
      found.wireBytes === bytes.length;
    if (!fits) throw this.#broken(node, "a link begins with something else than a handshake");
    this.#claim(node, link, found.message);
    link.out.setHandshakeDone();
  }

  #tick(node: VirtualNode, view: NodeView, id: LinkId, link: LinkView): void {
    this.ticks++;
    if (link.direction === "inbound") throw this.#broken(node, `a tick on inbound link ${id}`);
    const seat = [...view.seats.values()].find((one) => one.link === id);
    if (seat === undefined) throw this.#broken(node, `a tick on link ${id}, which has no channel`);
    const now = this.#network.clock.now();
    const wait = now - seat.lastAt;
    seat.lastAt = now;
    if (wait < WAIT_MS_MIN || wait >= WAIT_MS_MAX) throw this.#broken(node, `a wait of ${wait} ms`);
  }

  #say(
    node: VirtualNode,
    view: NodeView,
    link: LinkView,
    message: LevinMessage,
    by: Write["by"],
  ): void {
    const { kind, command, returnCode, payload } = message;
    this.#claim(node, link, message);
    if (kind === "request" && command === COMMAND.TIMED_SYNC && link.direction === "outbound")
      return;
    if (kind === "response" && command === COMMAND.TIMED_SYNC && returnCode === 1) return;
    if (kind === "response" && returnCode === -6) return;
    if (kind !== "notify" || command !== COMMAND.NEW_TRANSACTIONS)
      throw this.#broken(node, `${kind} ${command} was said`);
    const { txs, fluff } = decodeNewTransactions(payload);
    if (link.direction === "inbound") throw this.#broken(node, "a transaction went to a guest");
    if (by !== "tick") throw this.#broken(node, "a transaction went out without a tick");
    if (txs.length !== 1 || fluff)
      throw this.#broken(node, `${txs.length} transactions, fluff ${fluff}`);
    const ours = [...node.stored.values()].map(({ blob }) => Buffer.from(blob).toString("hex"));
    const [hex = ""] = txs.map((blob) => Buffer.from(blob).toString("hex"));
    if (!ours.includes(hex)) throw this.#broken(node, "a peer's transaction was passed on");
    if (view.links.size === 0) throw this.#broken(node, "nobody is there");
  }

  #claim(node: VirtualNode, link: LinkView, message: LevinMessage): void {
    const tuple = claimOf(message);
    if (tuple === undefined) return;
    const said = this.#view(node).said.get(link.zone);
    if (said?.has(keyOf(tuple)) !== true)
      throw this.#broken(node, `it claims ${keyOf(tuple)}, which no peer of ${link.zone} said`);
    if (tuple.currentHeight < link.claimed) throw this.#broken(node, "its claim falls on a link");
    link.claimed = tuple.currentHeight;
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

function channelled(node: VirtualNode): Map<string, Omit<Seat, "lastAt">> {
  const links = new Map<string, Omit<Seat, "lastAt">>();
  for (const { zone, channels } of node.core.zones) {
    for (const [index, { link, wakeAt }] of channels.channels.entries()) {
      if (link !== undefined) links.set(`${zone} ${index}`, { link, wakeAt: wakeAt ?? 0 });
    }
  }
  return links;
}
