import { moneroForwardDelay } from "../../lib/relay/forward-delay.ts";
import type { RetrySchedule } from "../../lib/relay/pool.ts";
import { exponential, integerBelow } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { PublicInvariants } from "./public-invariants.ts";
import { ipOf, PublicPeer, transactionsOf } from "./public-peer.ts";
import { publicZone } from "./public-zone.ts";
import { ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf, doubleSpendOf, hexOf, idOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode, type Watcher } from "./virtual-network.ts";
import type { MakeCore } from "./virtual-node.ts";

const CHAOS_MS = 3_600_000;
/** Longer than a back-off, a retry, and what was put aside, one after another. */
const CALM_MS = 2 * 3_600_000;
const EVENT_EVERY_MS = 15_000;
const RETRY: RetrySchedule = { firstMs: 60_000, maxMs: 600_000 };
/** Transactions of each node's wallet; the next are peers', and the last are poison. */
const WALLET_TRANSACTIONS = 3;
const NODES = 3;
const PEERS_FIRST = NODES * WALLET_TRANSACTIONS;
const PEERS_COUNT = 4;

/** What a run came to. */
export interface PublicRunResult {
  readonly seen: PublicInvariants["seen"];
  readonly submitted: number;
}

/**
 * Three nodes (one in tor and public, one in public alone, one in tor alone, which dials the first),
 * public peers that pass on, and an onion that swallows.
 */
class World {
  readonly network = new VirtualNetwork(40);
  readonly invariants = new PublicInvariants(this.network);
  readonly peers: PublicPeer[];
  readonly nodes: VirtualNode[];
  readonly submitted: number[] = [];
  readonly #onion: ScriptedPeer;
  readonly #random: SeededRandom;

  constructor(seed: number, make: MakeCore | undefined, watcher: Watcher | undefined) {
    this.#random = new SeededRandom(seed);
    this.network.watchers.push(this.invariants, ...(watcher === undefined ? [] : [watcher]));
    const { network } = this;
    const count = 3 + this.#below(4);
    const heights = 141 + this.#below(3);
    this.peers = Array.from(
      { length: count },
      (_, index) => new PublicPeer(network, index + 1, tupleOf(index + 1, heights)),
    );
    for (const peer of this.peers) {
      for (let index = 0; index < 3; index++)
        peer.poison.add(
          Buffer.from(doubleSpendOf(PEERS_FIRST + PEERS_COUNT + index)).toString("hex"),
        );
    }
    const onion = network.name();
    this.#onion = new ScriptedPeer(network, { address: onion, tuple: tupleOf(70, 300) });
    const own = network.name();
    const target = (address: typeof own) => ({ address, kind: "exclusive" as const });
    const tor = (targets: readonly (typeof own)[]) => ({
      ...{ zone: "tor" as const, outboundMax: 4, inboundMax: 8 },
      targets: targets.map(target),
    });
    const open = { zone: publicZone(this.peers), forwardDelay: moneroForwardDelay };
    const more = { ...(make === undefined ? {} : { make }) };
    const settings = [
      { zones: [tor([onion])], relay: { retry: RETRY, public: open }, address: own },
      { zones: [], relay: { retry: RETRY, public: open } },
      { zones: [tor([onion, own])], relay: { retry: RETRY } },
    ];
    this.nodes = settings.map((one, index) => {
      const node = network.add({ ...more, ...one, seed: seed * 1_000 + index * 300 });
      node.recording = false;
      network.place(ipOf(201 + index), node);
      return node;
    });
  }

  #below(count: number): number {
    return integerBelow(this.#random, count);
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#below(Math.max(1, items.length))];
  }

  /** Lets one thing happen. */
  happen(): void {
    const peer = this.#pick(this.peers);
    const node = this.#pick(this.nodes);
    if (peer === undefined || node === undefined) return;
    const on = this.#pick(peer.conversations.filter(({ over }) => over === undefined));
    const hidden = this.#pick(this.#onion.conversations.filter(({ over }) => over === undefined));
    const foreign = blobOf(PEERS_FIRST + this.#below(PEERS_COUNT));
    const poison = doubleSpendOf(PEERS_FIRST + PEERS_COUNT + this.#below(3));
    const chances: readonly (() => void)[] = [
      () => this.#submit(node),
      () => this.#submit(node),
      () => this.#cut(node),
      () => this.#power(node),
      () => peer.dial(ipOf(201 + this.#below(2))),
      () => peer.fluff(foreign),
      () => on?.send(transactionsOf([foreign], false)),
      () => on?.send(transactionsOf([foreign, blobOf(PEERS_FIRST)], true)),
      () => on?.send(transactionsOf([poison], this.#below(2) === 0)),
      () => hidden?.sendFramed(say.transactions(foreign)),
      () => hidden?.sendFramed(say.transactions(poison)),
      () => hidden?.send(transactionsOf([foreign], true)),
      () => {
        peer.accepting = this.#below(4) > 0;
      },
      () => {
        peer.swallows = this.#below(3) === 0;
      },
      () => {
        const height = Number(peer.tuple.currentHeight) + this.#below(4);
        peer.tuple = tupleOf(this.peers.indexOf(peer) + 1, height);
      },
      () => on?.send(say.timedSync(peer.tuple)),
      () => on?.raw(this.#random.bytes(60)),
      () => on?.close(),
      () => this.#weather(),
    ];
    this.#pick(chances)?.();
  }

  #submit(node: VirtualNode): void {
    const index = this.nodes.indexOf(node) * WALLET_TRANSACTIONS + this.#below(WALLET_TRANSACTIONS);
    if (!node.running || this.submitted.includes(index)) return;
    node.submit(blobOf(index));
    this.submitted.push(index);
  }

  #cut(node: VirtualNode): void {
    const end = this.#pick([...node.ends.values()]);
    if (end !== undefined) this.network.cut(end);
  }

  #power(node: VirtualNode): void {
    if (this.#below(3) > 0) return;
    if (node.running) node.kill();
    else node.start();
  }

  #weather(): void {
    const zone = this.#below(2) === 0 ? "tor" : "public";
    this.network.dialFault = (_, of) =>
      of === zone ? { kind: "refuse", where: "network", reason: "away" } : undefined;
    if (this.#below(3) > 0) this.network.dialFault = () => undefined;
  }

  /** Everybody behaves, and what was held must be out at the end. */
  calm(): void {
    this.network.dialFault = () => undefined;
    for (const peer of this.peers) {
      peer.accepting = true;
      peer.swallows = false;
    }
    for (const node of this.nodes) if (!node.running) node.start();
    this.network.clock.advance(CALM_MS);
    const onion = new Set(this.#onion.conversations.flatMap(({ transactions }) => transactions));
    for (const index of this.submitted) {
      const hex = hexOf(index);
      const owner = Math.floor(index / WALLET_TRANSACTIONS);
      const isOut = this.peers.some(({ pool }) => pool.has(hex));
      // The first node's goes to the onion, which swallows it; the others' come out in public.
      if (owner === 0 ? !onion.has(hex) : !isOut)
        throw new Error(`Transaction ${index} of node ${owner} is not out after the calm.`);
      if (owner === 0 && isOut) throw new Error(`Transaction ${index} of node 0 is public.`);
    }
    this.#look();
  }

  #look(): void {
    for (const node of this.nodes) {
      const { publicRelay } = node.core;
      if (publicRelay === undefined) continue;
      for (const id of publicRelay.rules.shown()) {
        if (this.submitted.some((index) => index < WALLET_TRANSACTIONS && idOf(index) === id))
          throw new Error("A hidden transaction shows.");
      }
    }
  }

  /** When the next thing happens. */
  pause(): number {
    return exponential(this.#random, EVENT_EVERY_MS);
  }
}

/**
 * An hour of virtual time in which anything may happen, and a calm after which all is out.
 *
 * @param seed of everything
 * @param make the core, or a mutant of it
 * @param watcher looks on too
 * @throws Error with the seed when an invariant is broken
 */
export function publicRandomRun(seed: number, make?: MakeCore, watcher?: Watcher): PublicRunResult {
  const world = new World(seed, make, watcher);
  const { clock } = world.network;
  try {
    while (clock.now() < CHAOS_MS) {
      clock.advance(world.pause());
      world.happen();
    }
    world.calm();
  } catch (error) {
    throw new Error(`Seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return { seen: world.invariants.seen, submitted: world.submitted.length };
}
