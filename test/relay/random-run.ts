import type { AnonymityZone } from "../../lib/address/zone.ts";
import { COMMAND, decodeNewTransactions } from "../../lib/monero/message.ts";
import type { RetrySchedule } from "../../lib/relay/pool.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { exponential, integerBelow, shuffle } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { entriesOf, shelf } from "./book-shelf.ts";
import { Invariants } from "./invariants.ts";
import { honest, type Script, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf, hexOf, idOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode, type Watcher } from "./virtual-network.ts";
import type { MakeCore } from "./virtual-node.ts";

const CHAOS_MS = 2 * 3_600_000;
/** Longer than the longest back-off and the longest wait for sending again. */
const CALM_MS = 40 * 60_000;
const EVENT_EVERY_MS = 25_000;
const RETRY: RetrySchedule = { firstMs: 60_000, maxMs: 600_000 };
/** Transactions that each of the two nodes' wallets may send; the others are peers'. */
const WALLET_TRANSACTIONS = 5;

/** What a run came to. */
export interface RunResult {
  readonly writes: number;
  readonly ticks: number;
  readonly submitted: number;
}

/** Two nodes, honest and other peers of two zones, and whatever may happen to them. */
class World {
  readonly network = new VirtualNetwork(20);
  readonly invariants = new Invariants(this.network);
  readonly nodes: VirtualNode[];
  readonly peers: ScriptedPeer[] = [];
  readonly guests: ScriptedPeer[] = [];
  /** Transactions that arrived anywhere, in hexadecimal. */
  readonly arrived = new Set<string>();
  readonly submitted: number[] = [];
  readonly #random: SeededRandom;
  readonly #books: boolean;
  #heights = 1_000;

  constructor(
    seed: number,
    make: MakeCore | undefined,
    watcher: Watcher | undefined,
    books: boolean,
  ) {
    this.#random = new SeededRandom(seed);
    this.#books = books;
    this.network.watchers.push(this.invariants, ...(watcher === undefined ? [] : [watcher]));
    const count = { tor: 1 + this.#below(4), i2p: this.#below(3) };
    for (let index = 0; index < count.tor; index++) this.#addPeer(this.network.name());
    for (let index = 0; index < count.i2p; index++) this.#addPeer(this.network.i2pName());
    const addresses = [this.network.name(), this.network.name()];
    this.nodes = addresses.map((address, index) => {
      const other = addresses[1 - index];
      const node = this.network.add({
        ...(make === undefined ? {} : { make }),
        ...(books ? { books: shelf(this.network, { own: address, seed }).books } : {}),
        zones: this.#zones(other === undefined || this.#below(2) === 0 ? [] : [other]),
        relay: { retry: RETRY },
        address,
        seed: seed * 1_000 + index * 500,
      });
      node.recording = false;
      return node;
    });
  }

  #below(count: number): number {
    return integerBelow(this.#random, count);
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#below(Math.max(1, items.length))];
  }

  #zones(others: readonly ScriptedPeer["address"][]): ZoneOptions[] {
    return (["tor", "i2p"] as const).flatMap((zone: AnonymityZone) => {
      // Who finds the others is given one that is there when everybody behaves.
      const addresses = [
        ...this.peers.map(({ address }) => address),
        ...(this.#books ? [] : others),
      ];
      const shuffled = shuffle(
        this.#random,
        addresses.filter((address) => address.zone === zone),
      );
      const kind = this.#books ? ("add" as const) : ("exclusive" as const);
      const given = shuffled.slice(0, this.#books ? 1 : shuffled.length);
      const targets = given.map((address) => ({ address, kind }));
      const bounds = { outboundMax: 1 + this.#below(4), inboundMax: this.#below(9) };
      const remembered =
        this.#below(3) === 0 ? { remembered: tupleOf(zone === "tor" ? 91 : 92, 900) } : {};
      return targets.length === 0 && zone === "i2p"
        ? []
        : [{ zone, targets, ...bounds, ...remembered, timedSyncMs: 60_000, hasBook: this.#books }];
    });
  }

  #addPeer(address: ScriptedPeer["address"]): void {
    const tuple = tupleOf(this.peers.length + 1, this.#heights);
    this.peers.push(new ScriptedPeer(this.network, { address, tuple, script: this.#behave() }));
  }

  /** Does what the script says, and keeps what arrives. */
  #behave(script: Script = honest): Script {
    return (peer, message, on) => {
      if (message.kind === "notify" && message.command === COMMAND.NEW_TRANSACTIONS) {
        for (const blob of decodeNewTransactions(message.payload).txs)
          this.arrived.add(Buffer.from(blob).toString("hex"));
      }
      script(peer, message, on);
    };
  }

  /** Lets one thing happen. */
  happen(): void {
    const peer = this.#pick(this.peers);
    const node = this.#pick(this.nodes);
    const guest = this.#pick([...this.guests, ...this.peers]);
    const on = this.#pick(guest?.conversations.filter(({ over }) => over === undefined) ?? []);
    if (peer === undefined || node === undefined) return;
    const chances: readonly (() => void)[] = [
      () => this.#submit(node),
      () => this.#cut(node),
      () => this.#mood(peer),
      () => this.#grow(peer),
      () => this.#grow(peer),
      () => this.#visit(node),
      () => this.#power(node),
      () => this.#weather(),
      () => on?.close(),
      () => on?.noise(),
      () => on?.send(say.request(this.#below(3_000), new Uint8Array(this.#below(9)))),
      () => on?.sendFramed(say.transactions(blobOf(10 + this.#below(6)))),
      () => on?.raw(this.#random.bytes(1 + this.#below(200))),
      () => on?.send(say.notify(2_000 + this.#below(12), this.#random.bytes(this.#below(20)))),
      () => on?.send(say.timedSync(guest?.tuple ?? peer.tuple)),
      () => on?.send(say.timedSync(guest?.tuple ?? peer.tuple)),
    ];
    this.#pick(chances)?.();
  }

  #cut(node: VirtualNode): void {
    const end = this.#pick([...node.ends.values()]);
    if (end !== undefined) this.network.cut(end);
  }

  #grow(peer: ScriptedPeer): void {
    this.#heights += this.#below(5);
    peer.tuple = tupleOf(this.peers.indexOf(peer) + 1, this.#heights);
  }

  #power(node: VirtualNode): void {
    if (this.#below(4) > 0) return;
    if (node.running) node.kill();
    else node.start();
  }

  #submit(node: VirtualNode): void {
    const first = this.nodes.indexOf(node) * WALLET_TRANSACTIONS;
    const index = first + this.#below(WALLET_TRANSACTIONS);
    if (!node.running || node.stored.has(idOf(index))) return;
    node.submit(blobOf(index));
    this.submitted.push(index);
  }

  #mood(peer: ScriptedPeer): void {
    peer.accepting = this.#below(5) > 0;
    const moods: readonly Script[] = [
      honest,
      honest,
      () => undefined,
      (_, _message, on) => on.raw(this.#random.bytes(40)),
      ...(this.#books ? [this.#list, this.#list, this.#list] : []),
      (one, message, on) => (this.#below(3) === 0 ? on.close() : honest(one, message, on)),
      (one, message, on) => {
        const liar = tupleOf(80, this.#below(100_000));
        if (message.command === COMMAND.TIMED_SYNC) on.send(say.timedSyncAnswer(liar));
        else honest(one, message, on);
      },
    ];
    peer.script = this.#behave(this.#pick(moods));
  }

  /** Lists others: peers that are there, names that nobody has, us, and now and then another zone's. */
  readonly #list: Script = (peer, message, on) => {
    const { zone } = peer.address;
    const all = [...this.peers, ...this.nodes].map(({ address }) => address);
    const names = Array.from({ length: this.#below(4) }, () =>
      zone === "tor" ? this.network.name() : this.network.i2pName(),
    );
    const fit = [...all.filter((address) => address.zone === zone), ...names];
    const listed = entriesOf(shuffle(this.#random, this.#below(20) === 0 ? all : fit));
    if (message.kind !== "request") return;
    if (message.command === COMMAND.HANDSHAKE) on.send(say.handshakeAnswer(peer.tuple, listed));
    if (message.command === COMMAND.TIMED_SYNC) on.send(say.timedSyncAnswer(peer.tuple, listed));
  };

  #visit(node: VirtualNode): void {
    const tuple = tupleOf(60 + this.#below(10), 500 + this.#below(1_000));
    const guest = new ScriptedPeer(this.network, { tuple, script: this.#behave(() => undefined) });
    guest.onOpen = (on) => {
      if (this.#below(5) > 0) on.send(say.handshake(tuple));
      else on.raw(this.#random.bytes(50));
    };
    this.guests.push(guest);
    if (this.guests.length > 20) this.guests.shift();
    guest.dial(node.address);
  }

  #weather(): void {
    const kind = this.#below(6);
    if (kind === 0)
      this.network.dialFault = () => ({ kind: "refuse", where: "local", reason: "no proxy" });
    else if (kind === 1) this.network.dialFault = () => ({ kind: "silence" });
    else if (kind === 2)
      this.network.dialFault = () =>
        this.#below(2) === 0 ? { kind: "refuse", where: "network", reason: "lost" } : undefined;
    else this.network.dialFault = () => undefined;
  }

  /** Everybody behaves, and everything works. */
  calm(): void {
    this.network.dialFault = () => undefined;
    for (const peer of this.peers) {
      peer.accepting = true;
      peer.script = this.#behave();
    }
    for (const node of this.nodes) if (!node.running) node.start();
    this.network.clock.advance(CALM_MS);
    const local = this.nodes.flatMap((node) => [...node.core.pool.forward].map(({ id }) => id));
    for (const index of this.submitted) {
      if (!this.arrived.has(hexOf(index)) && !local.includes(idOf(index)))
        throw new Error(`Transaction ${index} was lost.`);
    }
    for (const node of this.nodes) {
      const sends = [...node.stored.values()].map((one) => one.sends);
      if (sends.includes(0)) throw new Error("A transaction never left.");
    }
  }

  /** When the next thing happens. */
  pause(): number {
    return exponential(this.#random, EVENT_EVERY_MS);
  }
}

/**
 * Hours of virtual time in which anything may happen, and a calm at the end in which everything
 * that was held must leave.
 *
 * @param seed of everything
 * @param make the core, or a mutant of it
 * @param watcher looks on too
 * @param books whether the nodes are given one peer a zone and find the others
 * @throws Error with the seed when an invariant is broken
 */
export function randomRun(
  seed: number,
  make?: MakeCore,
  watcher?: Watcher,
  books = false,
): RunResult {
  const world = new World(seed, make, watcher, books);
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
  const { writes, ticks } = world.invariants;
  return { writes, ticks, submitted: world.submitted.length };
}
