import { type Address, formatAddress, parseAddressOf } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import type { AnonymityZone, Zone } from "../../lib/address/zone.ts";
import { moneroNoiseEpoch } from "../../lib/padding/epoch.ts";
import type { RelayOptions } from "../../lib/relay/core.ts";
import type { PeerBooks } from "../../lib/relay/peer-books.ts";
import type { RestoredTransaction } from "../../lib/relay/pool.ts";
import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import type { FaultPlace } from "../../lib/runtime/fault.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import type { End, Party } from "./stream.ts";
import { type MakeCore, type Streams, VirtualNode, type Watcher } from "./virtual-node.ts";

export type { End, Party } from "./stream.ts";
export { type Sent, VirtualNode, type Watcher } from "./virtual-node.ts";

/** What the network does to a dial: nothing, a refusal, or silence. */
export type DialFault =
  | { readonly kind: "refuse"; readonly where: FaultPlace; readonly reason: string }
  | { readonly kind: "silence" };

/** How a node of the network is made. */
export interface NodeOptions {
  readonly zone?: Partial<ZoneOptions>;
  /** In place of the one zone that `zone` describes. As monerod's where they don't say otherwise. */
  readonly zones?: readonly ZoneOptions[];
  readonly relay?: Partial<RelayOptions>;
  readonly address?: Address<AnonymityZone>;
  readonly restored?: readonly RestoredTransaction[];
  readonly seed?: number;
  readonly make?: MakeCore;
  readonly books?: PeerBooks;
}

/** Parties that reach each other by name over streams, in virtual time. */
export class VirtualNetwork implements Streams {
  readonly clock = new VirtualClock();
  readonly nodes: VirtualNode[] = [];
  readonly watchers: Watcher[] = [];
  /** Asked at every dial. */
  dialFault: (to: string, zone: Zone, from: Party) => DialFault | undefined = () => undefined;
  /**
   * How long a piece takes, in milliseconds; asked for each. Pieces of one stream never pass each
   * other, those of two streams may.
   */
  delayOf: (from: End) => number = () => this.#delayMs;
  readonly #parties = new Map<string, Party>();
  readonly #delayMs: number;
  #names = 0;

  constructor(delayMs = 50) {
    this.#delayMs = delayMs;
  }

  /** A fresh onion address. */
  name(): Address<"tor"> {
    const key = new Uint8Array(32).fill(++this.#names);
    // A byte holds 256 names; long runs have more.
    key[0] = (this.#names & 255) + (this.#names >> 8);
    return parseAddressOf(`${onionName(key)}:18083`, "tor");
  }

  /** A fresh I2P address. */
  i2pName(): Address<"i2p"> {
    const digits = (++this.#names).toString(8).padStart(8, "0");
    const letters = digits.replace(/\d/g, (digit) => "abcdefgh".charAt(Number(digit)));
    return parseAddressOf(`${letters.padEnd(52, "a")}.b32.i2p:1`, "i2p");
  }

  /** Adds a node with a core under test. */
  add(options: NodeOptions = {}): VirtualNode {
    const address = options.address ?? this.name();
    const zone: ZoneOptions = {
      ...{ zone: "tor", hasBook: options.books !== undefined },
      targets: [],
      outboundMax: 12,
      inboundMax: 64,
      ...options.zone,
    };
    const zones = (options.zones ?? [zone]).map(
      (one): ZoneOptions => ({ streamReuse: "allow", ...one }),
    );
    const relay = { epoch: moneroNoiseEpoch, ...options.relay, zones };
    const seed = options.seed ?? this.nodes.length + 1;
    const node = new VirtualNode(this, address, relay, seed, options.make);
    node.books = options.books;
    this.nodes.push(node);
    this.place(address, node);
    for (const transaction of options.restored ?? []) node.keep(transaction);
    node.start();
    return node;
  }

  /** Puts a party at an address; undefined takes it away. */
  place(address: Address, party: Party | undefined): void {
    if (party === undefined) this.#parties.delete(formatAddress(address));
    else this.#parties.set(formatAddress(address), party);
  }

  /** Opens a stream, as a proxy would. */
  connect(from: Party, link: number, address: Address): void {
    const to = formatAddress(address);
    const { zone } = address;
    this.later(() => {
      const fault = this.dialFault(to, zone, from);
      if (fault?.kind === "silence") {
        this.#fail(from, link, zone, "network", "the deadline is over", 60_000);
        return;
      }
      const party = this.#parties.get(to);
      const accepted = fault === undefined ? party?.accept(zone) : undefined;
      if (party === undefined || accepted === undefined) {
        const { where, reason } = fault ?? { where: "network", reason: "the onion is not there" };
        this.#fail(from, link, zone, where, reason, this.#delayMs);
        return;
      }
      const near: End = {
        owner: from,
        zone,
        direction: "outbound",
        link,
        peer: undefined,
        open: true,
        arrivesAt: 0,
        isLost: false,
      };
      const far: End = { ...near, owner: party, direction: "inbound", link: accepted, peer: near };
      near.peer = far;
      party.opened(far);
      from.opened(near);
    });
  }

  #fail(
    from: Party,
    link: number,
    zone: Zone,
    where: FaultPlace,
    reason: string,
    afterMs: number,
  ): void {
    this.clock.setTimer(this.clock.now() + afterMs, () => from.failed(link, zone, where, reason));
  }

  /** Takes bytes to the other end. */
  send(from: End, bytes: Uint8Array): void {
    const to = from.peer;
    if (to === undefined || !from.open || from.isLost) return;
    this.clock.setTimer(this.#arrival(from), () => {
      if (to.open) to.owner.received(to, bytes);
    });
  }

  #arrival(from: End): number {
    const at = Math.max(from.arrivesAt, this.clock.now() + this.delayOf(from));
    from.arrivesAt = at;
    return at;
  }

  /** Holds back all that is sent at an end from now on; then it arrives in order. */
  stall(end: End, ms: number): void {
    end.arrivesAt = Math.max(end.arrivesAt, this.clock.now() + ms);
  }

  /** Lets a stream die without a word: neither end ever hears of the other again. */
  lose(end: End): void {
    end.isLost = true;
    if (end.peer !== undefined) end.peer.isLost = true;
  }

  /** Closes an end; the other learns of it later. */
  close(end: End): void {
    end.open = false;
    const { peer } = end;
    if (peer === undefined || end.isLost) return;
    this.clock.setTimer(this.#arrival(end), () => this.#gone(peer, "it closed the stream"));
  }

  /** Breaks a stream in the middle: both ends learn of it. */
  cut(end: End): void {
    this.#gone(end, "the stream broke");
    if (end.peer !== undefined) this.#gone(end.peer, "the stream broke");
  }

  #gone(end: End, reason: string): void {
    if (!end.open) return;
    end.open = false;
    end.owner.closed(end, reason);
  }

  /** Runs something one delay later. */
  later(run: () => void): void {
    this.clock.setTimer(this.clock.now() + this.#delayMs, run);
  }
}
