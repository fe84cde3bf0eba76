import type { Zone } from "../../lib/address/zone.ts";
import { networks } from "../../lib/monero/network.ts";
import { genesisTuple } from "../../lib/relay/chain-tuple.ts";
import type { LinkId, RelayEffect } from "../../lib/relay/event.ts";
import { BrokenRule, type NodeSetting, type RuleContext } from "./large-rule.ts";
import { checkBounds } from "./large-rule-bounds.ts";
import { checkFrame, checkGreeting, checkSeats, seatedLinks } from "./large-rule-frames.ts";
import { checkSpeech } from "./large-rule-speech.ts";
import {
  checkKept,
  checkPools,
  checkTransactions,
  notePublished,
} from "./large-rule-transactions.ts";
import { type Mark, markOf } from "./large-transactions.ts";
import {
  claimKey,
  hear,
  messagesIn,
  type NodeView,
  newLinkView,
  noteOwn,
  type Write,
} from "./large-view.ts";
import type { End, VirtualNetwork, VirtualNode, Watcher } from "./virtual-network.ts";

const genesis = claimKey(genesisTuple(networks.regtest.genesisId));

/**
 * What must be true of every relay after every event, by the bytes that went in and came out. Looks
 * into the core only for what bytes can't show: what waits, and which link a channel is on.
 */
export class WorldRules implements Watcher {
  readonly #network: VirtualNetwork;
  readonly #settings = new Map<VirtualNode, NodeSetting>();
  readonly #views = new Map<VirtualNode, NodeView>();
  /** How much was looked at, so that a test knows it tested something. */
  readonly seen = { writes: 0, ticks: 0, payload: 0, open: 0 };

  constructor(network: VirtualNetwork) {
    this.#network = network;
  }

  /** Called with everything that a relay says of transactions in public. */
  onOpen: (node: VirtualNode, mark: Mark) => void = () => undefined;
  /** Says how the next node to be added is set up; to be called before it starts. */
  nextSetting: NodeSetting | undefined;

  started(node: VirtualNode): void {
    if (this.nextSetting !== undefined) this.#settings.set(node, this.nextSetting);
    this.nextSetting = undefined;
    const old = this.#views.get(node);
    const said = old?.said ?? new Map<Zone, Set<string>>();
    for (const zone of ["public", "tor", "i2p"] as const)
      if (!said.has(zone)) said.set(zone, new Set([genesis]));
    this.#views.set(node, {
      ...{ links: new Map(), heard: new Map(), said, before: [], touched: false },
      ...{ ids: new Map(), published: new Set(), states: new Map(), forwarded: new Set() },
      own: new Map(),
      departures: old?.departures ?? new Map(),
    });
    noteOwn(this.#view(node), node);
    this.#check(node, checkKept);
  }

  before(node: VirtualNode): void {
    const view = this.#view(node);
    view.before = seatedLinks(node);
    noteOwn(view, node);
  }

  after(node: VirtualNode): void {
    const view = this.#view(node);
    this.#check(node, (context) => {
      checkSeats(context);
      checkBounds(context);
      checkKept(context);
      if (view.touched) checkPools(context);
    });
    view.touched = false;
  }

  stream(node: VirtualNode, end: End, state: "open" | "gone"): void {
    const { links } = this.#view(node);
    if (state === "open") links.set(end.link, newLinkView(end));
    else links.delete(end.link);
  }

  told(node: VirtualNode, end: End, bytes: Uint8Array): void {
    const view = this.#view(node);
    const link = view.links.get(end.link);
    if (link !== undefined) hear(view, link, bytes, this.#network.clock.now());
  }

  effect(node: VirtualNode, effect: RelayEffect): void {
    const view = this.#view(node);
    this.#check(node, (context) => {
      if (effect.kind === "write") this.#write(context, effect);
      else if (effect.kind === "close") view.links.delete(effect.link);
      else if (effect.kind === "handshake-done") finish(view, effect.link);
      else checkEffect(context, effect);
    });
  }

  #write(context: RuleContext, write: Write): void {
    const { view } = context;
    const link = view.links.get(write.link);
    this.seen.writes++;
    if (link === undefined)
      throw new BrokenRule("only what is due is said", `a write to closed link ${write.link}`);
    if (link.zone !== "public" && link.hasGreeted) checkFrame(context, link, write);
    if (write.by === "tick") this.seen.ticks++;
    const isFirst = !link.hasGreeted;
    link.hasGreeted = true;
    for (const message of messagesIn(link.out, write.bytes)) {
      if (isFirst && link.zone !== "public") checkGreeting(link, message, write);
      const transactions = checkSpeech(context, link, message);
      if (transactions === undefined) continue;
      this.seen[link.zone === "public" ? "open" : "payload"]++;
      checkTransactions(context, link, transactions, write.by);
      if (transactions.fluff) notePublished(view, transactions.txs);
      view.touched = true;
      if (link.zone === "public")
        for (const blob of transactions.txs) this.onOpen(context.node, markOf(blob));
    }
  }

  #check(node: VirtualNode, check: (context: RuleContext) => void): void {
    const setting = this.#settings.get(node);
    const now = this.#network.clock.now();
    if (setting === undefined) throw new Error("The node's setting was never told.");
    try {
      check({ node, view: this.#view(node), setting, now });
    } catch (error) {
      if (!(error instanceof BrokenRule)) throw error;
      const at = (now / 1_000).toFixed(3);
      const index = this.#network.nodes.indexOf(node);
      throw new Error(
        `Rule "${error.rule}" is broken at ${at} s by node ${index}: ${error.message}`,
        { cause: error },
      );
    }
  }

  #view(node: VirtualNode): NodeView {
    const view = this.#views.get(node);
    if (view === undefined) throw new Error("The node was never started.");
    return view;
  }
}

function finish({ links }: NodeView, id: LinkId): void {
  const link = links.get(id);
  if (link === undefined || !link.hasGreeted)
    throw new BrokenRule("only what is due is said", "a link is ready without a handshake");
  link.isReady = true;
}

function checkEffect({ node, view, setting }: RuleContext, effect: RelayEffect): void {
  if (effect.kind === "dial" && !setting.zones.includes(effect.address.zone))
    throw new BrokenRule("one zone's knowledge", `it dials in ${effect.address.zone} unasked`);
  if (
    effect.kind === "remember" &&
    view.said.get(effect.zone)?.has(claimKey(effect.tuple)) !== true
  )
    throw new BrokenRule("one zone's knowledge", `it remembers what nobody of ${effect.zone} said`);
  if (effect.kind === "record" && !node.stored.has(effect.id))
    throw new BrokenRule("a wallet's transaction is kept", "a record of what was never stored");
  if (effect.kind === "notice" && /[0-9a-f]{64}|\.onion|\.i2p/.test(effect.text))
    throw new BrokenRule("only what is due is said", `the log was told: ${effect.text}`);
  if (effect.kind !== "forget") return;
  // Once a peer told of it where all can see it, others send it on; before that nobody may.
  const mark = view.own.get(effect.id);
  if (mark === undefined || view.heard.get(mark)?.isOpen !== true)
    throw new BrokenRule("a wallet's transaction is kept", "one was forgotten within hours");
}
