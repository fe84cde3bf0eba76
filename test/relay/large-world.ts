import {
  type Address,
  formatAddress,
  isOfZone,
  parseAddressOf,
} from "../../lib/address/address.ts";
import type { AnonymityZone, Zone } from "../../lib/address/zone.ts";
import { checkTransaction } from "../../lib/relay/checked-transaction.ts";
import { RelayCore, type RelayOptions } from "../../lib/relay/core.ts";
import { moneroForwardDelay } from "../../lib/relay/forward-delay.ts";
import type { PublicOptions } from "../../lib/relay/public-options.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { integerBelow, shuffle, uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { FullNode } from "./large-full-node.ts";
import type { NodeSetting } from "./large-rule.ts";
import { WorldRules } from "./large-rules.ts";
import { type Mark, markOf, type Spending, spendingOf } from "./large-transactions.ts";
import { publicZone } from "./public-zone.ts";
import type { End, Party } from "./stream.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";
import type { MakeCore } from "./virtual-node.ts";

/** How a world is made. */
export interface WorldOptions {
  readonly seed: number;
  readonly relays: number;
  /** At least one: they have the chain. */
  readonly fullNodes: number;
  readonly make?: MakeCore;
  /** The zones of a relay. @default drawn */
  readonly zonesOf?: (relay: number) => readonly Zone[];
  /** What differs from a relay's usual setting. */
  readonly relay?: Partial<RelayOptions>;
  /** What differs in its anonymity zones. */
  readonly zone?: Partial<ZoneOptions>;
  /** Whether it tells its own address in them. */
  readonly tellsOwn?: boolean;
  /** What differs in its public zone. */
  readonly open?: Partial<PublicOptions>;
  /** What differs in how it is judged. */
  readonly setting?: Partial<NodeSetting>;
  /** Told of every saying of a transaction in public: by whom. */
  readonly onOpen?: (mark: Mark, by: Party) => void;
}

/** A relay, and where it is reached. */
export interface Place {
  readonly zones: readonly Zone[];
  readonly addresses: ReadonlyMap<Zone, Address>;
}

/** A transaction that a relay's wallet submitted. */
export interface Submitted extends Spending {
  readonly relay: number;
}

/** Ways to be a relay; the first has to be rich enough for others to be reached through. */
const KINDS: readonly (readonly Zone[])[] = [
  ["tor", "i2p", "public"],
  ["tor", "public"],
  ["tor", "public"],
  ["i2p", "public"],
  ["tor"],
  ["tor", "i2p"],
  ["public"],
];
const TARGETS = 3;
const OUTBOUND_MAX = 4;
const INBOUND_MAX = 12;
/** The schedule's waits, monerod's. */
const WAIT_MS = { min: 10_000, max: 15_000 } as const;
/** How long a piece takes at least, in milliseconds; each stream has its own, and each piece more. */
const DELAY_MS: { readonly [Z in Zone]: { readonly low: number; readonly high: number } } = {
  public: { low: 20, high: 200 },
  tor: { low: 200, high: 1_200 },
  i2p: { low: 300, high: 2_500 },
};

/** Relays and full nodes in three zones, with all rules watched. */
export class World {
  readonly network = new VirtualNetwork(50);
  readonly rules = new WorldRules(this.network);
  readonly random: SeededRandom;
  readonly relays: VirtualNode[] = [];
  readonly places: Place[] = [];
  readonly fullNodes: FullNode[] = [];
  readonly submitted: Submitted[] = [];
  /** Who is at an address. */
  readonly owners = new Map<string, Party>();
  readonly #options: WorldOptions;
  readonly #delays = new WeakMap<End, number>();
  readonly #nodeAddresses: { readonly [Z in Zone]: Address[] } = { public: [], tor: [], i2p: [] };
  #transactions = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed);
    const { network, rules } = this;
    network.watchers.push(rules);
    network.delayOf = (end) => this.#delay(end);
    rules.onOpen = (node, mark) => options.onOpen?.(mark, node);
    for (let index = 0; index < options.relays; index++) this.places.push(this.#place(index));
    for (let index = 0; index < options.fullNodes; index++) this.#addFullNode(index);
    for (let index = 0; index < options.relays; index++) this.#addRelay(index);
  }

  /** A number below another. */
  below(count: number): number {
    return integerBelow(this.random, count);
  }

  /** One of some. */
  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(Math.max(1, items.length))];
  }

  /** A transaction that nobody has yet. */
  spending(): Spending {
    return spendingOf(this.#transactions++);
  }

  /** A relay's wallet submits a transaction. */
  submit(relay: number): Submitted {
    const submitted = { ...this.spending(), relay };
    const node = this.relays[relay];
    if (node === undefined) throw new RangeError(`There is no relay ${relay}.`);
    // What follows at once may throw; then it was submitted all the same.
    this.submitted.push(submitted);
    node.submit(submitted.blob);
    return submitted;
  }

  /** The chain grows. */
  grow(): void {
    for (const node of this.fullNodes) node.height++;
  }

  #delay(end: End): number {
    const { low, high } = DELAY_MS[end.zone];
    const known = this.#delays.get(end) ?? uniform(this.random, low, high);
    this.#delays.set(end, known);
    return uniform(this.random, known, 2 * known);
  }

  #place(index: number): Place {
    const drawn = index === 0 ? KINDS[0] : this.pick(KINDS);
    const zones = this.#options.zonesOf?.(index) ?? drawn ?? [];
    const { network } = this;
    const addresses = new Map<Zone, Address>();
    for (const zone of zones) {
      if (zone === "tor") addresses.set(zone, network.name());
      else if (zone === "i2p") addresses.set(zone, network.i2pName());
      else addresses.set(zone, hostOf(this.#options.fullNodes + index));
    }
    return { zones, addresses };
  }

  /** Peers to dial: of relays those that have the public zone too, so that nothing ends there. */
  #targets(zone: Zone, place: Place): Address[] {
    const relays = this.places.flatMap((other) => {
      const address = other.addresses.get(zone);
      return other !== place && other.zones.includes("public") && address !== undefined
        ? [address]
        : [];
    });
    const nodes = shuffle(this.random, this.#nodeAddresses[zone]);
    const first = nodes.slice(0, TARGETS - 1);
    const others = shuffle(this.random, [...nodes.slice(TARGETS - 1), ...relays]);
    return [...first, ...others].slice(0, TARGETS);
  }

  #addFullNode(index: number): void {
    const { network } = this;
    const hidden = [network.name(), network.i2pName()];
    const address = hostOf(index);
    const others = Array.from({ length: index }, (_, one) => hostOf(one));
    const node = new FullNode(network, {
      ...{ number: index + 1, address, hidden, seed: this.random.uint32() },
      targets: shuffle(this.random, others).slice(0, TARGETS),
      onSaid: (mark, by) => this.#options.onOpen?.(mark, by),
    });
    for (const one of [address, ...hidden]) {
      this.owners.set(formatAddress(one), node);
      this.#nodeAddresses[one.zone].push(one);
    }
    this.fullNodes.push(node);
  }

  #addRelay(index: number): void {
    const place = this.places[index];
    if (place === undefined) return;
    const { network, rules } = this;
    const { make = plainCore, relay, zone, open: more, setting } = this.#options;
    const hasPublic = place.zones.includes("public");
    const open = publicZone(
      this.#targets("public", place).flatMap((address) =>
        isOfZone(address, "public") ? [{ address }] : [],
      ),
      {
        ...{ outboundMax: OUTBOUND_MAX, inboundMax: INBOUND_MAX, inboundHostMax: INBOUND_MAX },
        ...more,
      },
    );
    const own = [...place.addresses.values()].find(isHidden);
    rules.nextSetting = {
      ...{ zones: place.zones, waitMs: WAIT_MS, noise: zone?.noise ?? "on" },
      streamReuse: zone?.streamReuse ?? "refuse",
      forwardsInZone: zone?.forwardsInZone ?? false,
      ...{ outboundMax: OUTBOUND_MAX, inboundMax: INBOUND_MAX },
      ...setting,
    };
    const node = network.add({
      zones: (["tor", "i2p"] as const)
        .filter((one) => place.zones.includes(one))
        .map((one) => this.#zone(one, place, zone)),
      relay: {
        ...(hasPublic ? { public: { zone: open, forwardDelay: moneroForwardDelay } } : {}),
        ...relay,
      },
      ...(own === undefined ? {} : { address: own }),
      make: (given, now) => make({ ...given, check: readOnce }, now),
      seed: this.random.uint32(),
    });
    node.recording = false;
    for (const address of place.addresses.values()) {
      network.place(address, node);
      this.owners.set(formatAddress(address), node);
    }
    this.relays.push(node);
  }

  #zone<Z extends AnonymityZone>(
    zone: Z,
    place: Place,
    more: Partial<ZoneOptions> = {},
  ): ZoneOptions {
    const targets = this.#targets(zone, place).flatMap((address) =>
      isOfZone(address, zone) ? [{ address, kind: "exclusive" as const }] : [],
    );
    const own = place.addresses.get(zone);
    const tells = this.#options.tellsOwn === true && own !== undefined && isOfZone(own, zone);
    return {
      ...{ outboundMax: OUTBOUND_MAX, inboundMax: INBOUND_MAX, streamReuse: "refuse" },
      ...more,
      ...(tells ? { ownAddress: own } : {}),
      ...{ zone, targets },
    };
  }
}

const plainCore: MakeCore = (given, now) => new RelayCore(given, now);

/** What was read from the same bytes before, by any node, is not read again: that takes longest. */
const readings = new Map<Mark, ReturnType<typeof checkTransaction>>();

function readOnce(blob: Uint8Array): ReturnType<typeof checkTransaction> {
  const mark = markOf(blob);
  const known = readings.get(mark) ?? checkTransaction(blob);
  readings.set(mark, known);
  return known;
}

function isHidden(address: Address): address is Address<AnonymityZone> {
  return address.zone !== "public";
}

function hostOf(index: number): Address<"public"> {
  return parseAddressOf(`10.1.${index >> 8}.${index & 255}:18080`, "public");
}
