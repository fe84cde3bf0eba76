import type { Zone } from "../../lib/address/zone.ts";
import { exponential, uniform } from "../../lib/runtime/distribution.ts";
import type { Place, World } from "./large-world.ts";
import { transactionsOf } from "./public-peer.ts";
import { type Conversation, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import type { End, Party } from "./stream.ts";
import type { DialFault, VirtualNode } from "./virtual-network.ts";

const HIDDEN: readonly Zone[] = ["tor", "i2p"];
const STALL_MS = { low: 5_000, high: 90_000 } as const;
const OUTAGE_MS = { low: 20_000, high: 240_000 } as const;
const PARTITION_MS = { low: 30_000, high: 200_000 } as const;
const INTRUDERS_MAX = 6;

interface Partition {
  readonly zone: Zone;
  readonly side: ReadonlySet<Party>;
  readonly until: number;
}

/** What may happen to a world: loss, stalls, partitions, outages, crashes, and guests of ill will. */
export class Weather {
  readonly #world: World;
  readonly #meanMs: number;
  /** Until when a relay's proxy of a zone does not answer. */
  readonly #outages = new Map<Party, Map<Zone, number>>();
  readonly #intruders: ScriptedPeer[] = [];
  #partitions: Partition[] = [];
  #calmFrom = Number.POSITIVE_INFINITY;

  /**
   * @param world to which it happens
   * @param meanMs from one event to the next
   */
  constructor(world: World, meanMs: number) {
    this.#world = world;
    this.#meanMs = meanMs;
    world.network.dialFault = (to, zone, from) => this.#dialFault(to, zone, from);
  }

  /** Lets things happen for so long. */
  blow(ms: number): void {
    const { clock } = this.#world.network;
    const end = clock.now() + ms;
    for (;;) {
      const at = clock.now() + exponential(this.#world.random, this.#meanMs);
      if (at >= end) break;
      clock.advanceTo(at);
      this.#happen();
    }
    clock.advanceTo(end);
  }

  /** Everything works from now on, and everybody is there. */
  calm(): void {
    this.#calmFrom = this.#world.network.clock.now();
    this.#partitions = [];
    for (const node of this.#world.fullNodes) node.running = true;
    for (const node of this.#world.relays) if (!node.running) node.start();
  }

  #happen(): void {
    const world = this.#world;
    const relay = world.below(world.relays.length);
    const node = world.relays[relay];
    const place = world.places[relay];
    if (node === undefined || place === undefined) return;
    const end = world.pick([...node.ends.values()]);
    const chances: readonly (() => void)[] = [
      () => node.running && world.submit(relay),
      () => node.running && world.submit(relay),
      () => world.pick(world.fullNodes)?.submit(world.spending().blob),
      () => world.grow(),
      () => end && world.network.cut(end),
      () => end && world.network.lose(end),
      () => end && world.network.stall(end, this.#draw(STALL_MS)),
      () => end?.peer && world.network.stall(end.peer, this.#draw(STALL_MS)),
      () => this.#power(node),
      () => this.#outage(node, place),
      () => this.#part(),
      () => this.#nap(),
      () => this.#visit(place),
      () => this.#visit(place),
      () => this.#annoy(),
      () => this.#annoy(),
    ];
    world.pick(chances)?.();
  }

  #draw({ low, high }: { readonly low: number; readonly high: number }): number {
    return uniform(this.#world.random, low, high);
  }

  #power(node: VirtualNode): void {
    if (!node.running) node.start();
    else if (this.#world.below(2) === 0) node.kill();
  }

  /** A relay's proxy of a zone dies: its streams with it. */
  #outage(node: VirtualNode, { zones }: Place): void {
    const { network } = this.#world;
    const zone = this.#world.pick(zones.filter((one) => HIDDEN.includes(one)));
    if (zone === undefined) return;
    const until = network.clock.now() + this.#draw(OUTAGE_MS);
    const ofNode = this.#outages.get(node) ?? new Map<Zone, number>();
    this.#outages.set(node, ofNode.set(zone, until));
    for (const end of [...node.ends.values()]) if (end.zone === zone) network.cut(end);
  }

  /** Half of a zone does not hear the other half. */
  #part(): void {
    const { network, relays, fullNodes } = this.#world;
    const zone = this.#world.pick<Zone>(["tor", "i2p", "public"]) ?? "tor";
    const all: readonly Party[] = [...relays, ...fullNodes];
    const side = new Set(all.filter(() => this.#world.below(2) === 0));
    const ms = this.#draw(PARTITION_MS);
    const now = network.clock.now();
    this.#partitions = this.#partitions.filter(({ until }) => until > now);
    this.#partitions.push({ zone, side, until: now + ms });
    for (const node of relays) {
      for (const end of node.ends.values()) {
        if (end.zone !== zone || !isAcross(side, end)) continue;
        network.stall(end, ms);
        if (end.peer !== undefined) network.stall(end.peer, ms);
      }
    }
  }

  #nap(): void {
    const node = this.#world.pick(this.#world.fullNodes);
    if (node !== undefined) node.running = !node.running;
  }

  /** Somebody dials a relay, and perhaps shakes hands. */
  #visit({ addresses }: Place): void {
    const world = this.#world;
    const [, address] = world.pick([...addresses]) ?? [];
    if (address === undefined) return;
    const tuple = tupleOf(60 + world.below(10), 500 + world.below(1_000));
    const guest = new ScriptedPeer(world.network, { tuple, script: () => undefined });
    guest.onOpen = (on) => {
      if (world.below(5) === 0) {
        on.raw(world.random.bytes(50));
        return;
      }
      on.send(say.handshake(tuple));
      for (let stems = world.below(3); stems > 0; stems--)
        on.sendFramed(say.transactions(world.spending().blob));
    };
    this.#intruders.push(guest);
    if (this.#intruders.length > INTRUDERS_MAX) this.#intruders.shift();
    world.network.connect(guest, 1, address);
  }

  #annoy(): void {
    const world = this.#world;
    const guest = world.pick(this.#intruders);
    const on = guest?.conversations.find(({ over }) => over === undefined);
    if (guest === undefined || on === undefined) return;
    const { blob } = world.spending();
    const says: readonly (() => void)[] = [
      () => on.sendFramed(say.transactions(blob)),
      () => on.sendFramed(say.transactions(blob)),
      () => on.send(transactionsOf([blob], true)),
      () => on.send(transactionsOf([blob], false)),
      () => on.send(transactionsOf([world.random.bytes(90)], false)),
      () => repeat(9, () => on.send(say.timedSync(guest.tuple))),
      () => on.noise(),
      () => on.raw(world.random.bytes(1 + world.below(200))),
      () => on.send(say.notify(2_000 + world.below(12), world.random.bytes(world.below(20)))),
      () => on.send(say.request(world.below(3_000), new Uint8Array(world.below(9)))),
      () => echo(world, on),
      () => on.close(),
    ];
    world.pick(says)?.();
  }

  #dialFault(to: string, zone: Zone, from: Party): DialFault | undefined {
    const { network, owners } = this.#world;
    const now = network.clock.now();
    if (now >= this.#calmFrom) return undefined;
    if ((this.#outages.get(from)?.get(zone) ?? 0) > now)
      return { kind: "refuse", where: "local", reason: "the proxy does not answer" };
    const owner = owners.get(to);
    const isParted = this.#partitions.some(
      (one) =>
        one.zone === zone &&
        one.until > now &&
        owner !== undefined &&
        one.side.has(owner) !== one.side.has(from),
    );
    return isParted ? { kind: "silence" } : undefined;
  }
}

/** Sends a relay something that a wallet of some relay submitted. */
function echo(world: World, on: Conversation): void {
  const submitted = world.pick(world.submitted);
  if (submitted !== undefined) on.send(transactionsOf([submitted.blob], world.below(2) === 0));
}

function isAcross(side: ReadonlySet<Party>, { owner, peer }: End): boolean {
  return peer !== undefined && side.has(owner) !== side.has(peer.owner);
}

function repeat(times: number, run: () => void): void {
  for (let time = 0; time < times; time++) run();
}
