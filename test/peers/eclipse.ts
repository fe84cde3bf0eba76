import { type Address, formatAddress } from "../../lib/address/address.ts";
import type { PeerBook } from "../../lib/peers/book.ts";
import { HAND_OUT_PEERS_MAX } from "../../lib/peers/hand-out.ts";
import type { PeerStore } from "../../lib/peers/store.ts";
import { exponential, integerBelow, sample } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { MINUTE_MS, onion, range, START } from "./books.ts";

/** How the attacker came to be known. */
export type Entrance =
  /** It runs one of the seeds. */
  | "seed"
  /** Honest peers, who can't tell, hand out some of its names among theirs. */
  | "hearsay";

export interface Scenario {
  readonly seed: number;
  readonly entrance: Entrance;
  /** Minutes before the attack, and of it. */
  readonly calm: number;
  readonly siege: number;
}

/** What became of the node's outbound links. */
export interface Siege {
  /** Links to honest peers, a minute of the siege each. */
  readonly honest: readonly number[];
  /** Links to the attacker, likewise. */
  readonly hostile: readonly number[];
}

const HONEST_PEERS = 150;
const SEEDS = 4;
const HOSTILE_NAMES = 5_000;
const FIRST_HOSTILE = 1_000_000;
/** Outbound links of the node. */
export const OUTBOUND = 12;
/** A peer is up for eight hours and away for two, in the mean. */
const UP_MINUTES = 480;
const DOWN_MINUTES = 120;
/** A link over Tor to an honest peer breaks after three hours, in the mean; a hostile one never. */
const LINK_MINUTES = 180;
const SYNC_MINUTES = 30;
const RESTART_MINUTES = 720;
const DIALS_A_MINUTE = 6;
/** Hostile names that an honest peer knows and tells of. */
const TOLD_BY_HONEST = 10;

interface HonestPeer {
  readonly address: Address<"tor">;
  up: boolean;
  changesAt: number;
}

interface OutboundLink {
  readonly address: Address<"tor">;
  readonly hostile: boolean;
  readonly endsAt: number;
  syncAt: number;
}

/**
 * A node among honest peers, and then an attacker who answers every dial, never hangs up, and tells
 * whoever it is linked to of nothing but its own names.
 */
export class EclipseSimulation {
  readonly #random: SeededRandom;
  readonly #scenario: Scenario;
  readonly #book: PeerBook<"tor">;
  readonly #store: PeerStore;
  readonly #honest = new Map<string, HonestPeer>();
  readonly #names: readonly Address<"tor">[];
  readonly #hostileNames: readonly Address<"tor">[];
  readonly #hostileKeys: ReadonlySet<string>;
  readonly #links = new Map<string, OutboundLink>();
  #minute = 0;

  constructor(store: PeerStore, scenario: Scenario) {
    this.#store = store;
    this.#scenario = scenario;
    this.#book = store.book("tor");
    this.#random = new SeededRandom(scenario.seed);
    this.#names = range(1, HONEST_PEERS + 1).map((number) => onion(number));
    this.#hostileNames = range(0, HOSTILE_NAMES).map((number) => onion(FIRST_HOSTILE + number));
    this.#hostileKeys = new Set(this.#hostileNames.map(formatAddress));
    for (const address of this.#names) {
      const up = integerBelow(this.#random, UP_MINUTES + DOWN_MINUTES) < UP_MINUTES;
      this.#honest.set(formatAddress(address), { address, up, changesAt: this.#change(up) });
    }
    for (const address of this.#names.slice(0, SEEDS)) {
      this.#book.add(address, { source: "seed", now: START });
    }
  }

  run(): Siege {
    const honest: number[] = [];
    const hostile: number[] = [];
    const { calm, siege } = this.#scenario;
    for (; this.#minute < calm + siege; this.#minute++) {
      if (this.#minute === calm && this.#scenario.entrance === "seed") {
        for (const address of this.#hostileNames.slice(0, 1)) {
          this.#book.add(address, { source: "seed", now: this.#now });
        }
      }
      this.#store.transaction(() => this.#step());
      if (this.#minute < calm) continue;
      const links = [...this.#links.values()];
      honest.push(links.filter((link) => !link.hostile).length);
      hostile.push(links.filter((link) => link.hostile).length);
    }
    return { honest, hostile };
  }

  get #now(): number {
    return START + this.#minute * MINUTE_MS;
  }

  get #isSiege(): boolean {
    return this.#minute >= this.#scenario.calm;
  }

  #change(up: boolean): number {
    return this.#minute + exponential(this.#random, up ? UP_MINUTES : DOWN_MINUTES);
  }

  #step(): void {
    for (const peer of this.#honest.values()) {
      if (peer.changesAt > this.#minute) continue;
      peer.up = !peer.up;
      peer.changesAt = this.#change(peer.up);
    }
    if (integerBelow(this.#random, RESTART_MINUTES) === 0) this.#links.clear();
    for (const [key, link] of this.#links) {
      const isAway = !link.hostile && this.#honest.get(key)?.up !== true;
      if (isAway || link.endsAt <= this.#minute) this.#links.delete(key);
      else if (link.syncAt <= this.#minute) this.#sync(link);
    }
    for (let dials = 0; dials < DIALS_A_MINUTE && this.#links.size < OUTBOUND; dials++) {
      const exclude = new Set(this.#links.keys());
      const found = this.#book.pick({ random: this.#random, now: this.#now, exclude });
      if (found === undefined) break;
      this.#dial(found.address, true);
    }
    this.#housekeeping();
  }

  /** As monerod does once a minute: looks whether a peer of the gray list answers. */
  #housekeeping(): void {
    const exclude = new Set(this.#links.keys());
    const found = this.#book.pick({ random: this.#random, now: this.#now, exclude, list: "gray" });
    if (found !== undefined) this.#dial(found.address, false);
  }

  #dial(address: Address<"tor">, stays: boolean): void {
    const key = formatAddress(address);
    const hostile = this.#hostileKeys.has(key);
    const answers = hostile ? this.#isSiege : this.#honest.get(key)?.up === true;
    if (!answers) {
      this.#book.failed(address, this.#now);
      return;
    }
    this.#book.succeeded(address, {}, this.#now);
    if (!stays) return;
    const endsAt = hostile ? Infinity : this.#minute + exponential(this.#random, LINK_MINUTES);
    const link = { address, hostile, endsAt, syncAt: this.#minute };
    this.#links.set(key, link);
    this.#sync(link);
  }

  #sync(link: OutboundLink): void {
    link.syncAt = this.#minute + SYNC_MINUTES;
    this.#book.anchor(link.address);
    const told = link.hostile ? this.#hostileNames : this.#toldByHonest();
    const entries = sample(this.#random, told, HAND_OUT_PEERS_MAX).map((address) => ({ address }));
    this.#book.receive({ source: link.address, entries }, this.#now);
  }

  #toldByHonest(): readonly Address<"tor">[] {
    const known = this.#names.filter((_, index) => index % 3 !== this.#minute % 3);
    const isSpoilt = this.#isSiege && this.#scenario.entrance === "hearsay";
    return isSpoilt ? [...known, ...this.#hostileNames.slice(0, TOLD_BY_HONEST)] : known;
  }
}
