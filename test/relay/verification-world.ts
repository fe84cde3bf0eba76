import type { Zone } from "../../lib/address/zone.ts";
import { RelayCore, type RelayOptions } from "../../lib/relay/core.ts";
import type { LinkId, RelayEffect } from "../../lib/relay/event.ts";
import type { Asked, Verdict } from "../../lib/relay/verification-gate.ts";
import { ipOf, PublicPeer } from "./public-peer.ts";
import { publicZone } from "./public-zone.ts";
import { ScriptedPeer, say } from "./scripted-peer.ts";
import { hexOf, idOf, transactionCount } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";
import type { MakeCore } from "./virtual-node.ts";

const idsByHex = new Map(
  Array.from({ length: transactionCount }, (_, index) => [hexOf(index), idOf(index)]),
);

/** A question to the daemon: for which zone, what, and when. */
export interface Inquiry {
  readonly zone: Zone;
  readonly id: string;
  readonly at: number;
}

/** The daemon's word on what a zone's peers sent: `hex` is the transaction in hexadecimal. */
export interface Word {
  readonly zone: Zone;
  readonly hex: string;
  readonly verdict: Verdict;
  readonly at: number;
}

/** A link that was closed for what the daemon said. */
export interface Dismissal {
  readonly link: LinkId;
  readonly at: number;
}

/**
 * A node whose trusted daemon is a function, with onion guests, an onion peer of its own choice and
 * peers of the public zone around it.
 */
export class VerificationWorld {
  readonly network = new VirtualNetwork();
  readonly peers: PublicPeer[];
  /** Two, since what peers sent goes on one channel only, and never on the first. */
  readonly onions: readonly ScriptedPeer[];
  readonly node: VirtualNode;
  readonly asked: Inquiry[] = [];
  readonly words: Word[] = [];
  readonly dismissals: Dismissal[] = [];
  /** What the daemon says; good by default. */
  judge: (hex: string) => Verdict | undefined = () => "good";
  /** How long it takes for that, in milliseconds. */
  answerMs = 500;

  constructor(make?: MakeCore, seed = 1) {
    const { network } = this;
    network.watchers.push({ effect: (_node, effect) => this.#watch(effect) });
    this.peers = [1, 2, 3, 4].map((number) => new PublicPeer(network, number));
    this.onions = [new ScriptedPeer(network), new ScriptedPeer(network)];
    const kind = "exclusive" as const;
    const targets = this.onions.map(({ address }) => ({ address, kind }));
    const relay: Partial<RelayOptions> = {
      verifies: true,
      public: {
        zone: publicZone(this.peers),
        forwardDelay: { kind: "uniform", lowMs: 0, highMs: 1_000 },
      },
    };
    this.node = network.add({
      zones: [{ zone: "tor", outboundMax: 4, inboundMax: 64, targets, forwardsInZone: true }],
      ...{ relay, seed },
      ...(make === undefined ? {} : { make }),
    });
    network.place(ipOf(200), this.node);
    this.node.daemon = ({ zone, blob }) => {
      const hex = Buffer.from(blob).toString("hex");
      const verdict = this.judge(hex);
      const at = network.clock.now() + this.answerMs;
      if (verdict !== undefined) this.words.push({ zone, hex, verdict, at });
      return { afterMs: this.answerMs, verdict };
    };
    network.clock.advance(40_000);
  }

  #watch(effect: RelayEffect): void {
    const at = this.network.clock.now();
    if (effect.kind === "verify") this.asked.push({ zone: effect.zone, id: effect.id, at });
    if (effect.kind === "close" && effect.reason.includes("verifying daemon"))
      this.dismissals.push({ link: effect.link, at });
  }

  /** The daemon's first word on a transaction, of any zone's. */
  firstWord(hex: string): Word | undefined {
    const ofIt = this.words.filter((word) => word.hex === hex);
    return ofIt.sort((one, other) => one.at - other.at)[0];
  }

  /** A peer that dials the node's hidden service, and shakes hands. */
  guest(): ScriptedPeer {
    const guest = new ScriptedPeer(this.network);
    guest.onOpen = (on) => on.send(say.handshake(guest.tuple));
    guest.dial(this.node.address);
    this.network.clock.advance(1_000);
    return guest;
  }

  /** Transactions that reached others than those who sent them, in hexadecimal, with when. */
  seen(): { readonly hex: string; readonly at: number }[] {
    const inPublic = this.peers.flatMap(({ sightings }) =>
      sightings.flatMap(({ txs, at }) => txs.map((hex) => ({ hex, at }))),
    );
    const now = this.network.clock.now();
    return [...inPublic, ...this.inTor().map((hex) => ({ hex, at: now }))];
  }

  /** Transactions that reached the onions that the node dials, in hexadecimal. */
  inTor(): string[] {
    return this.onions.flatMap(({ conversations }) =>
      conversations.flatMap(({ transactions }) => transactions),
    );
  }

  /** Transactions that the node's pool holds of peers, or shows. */
  known(): string[] {
    const { pool, publicRelay } = this.node.core;
    return [...[...pool.forward].map(({ id }) => id), ...(publicRelay?.rules.shown() ?? [])];
  }
}

/** The id of a stored transaction in hexadecimal. */
export function idOfHex(hex: string): string {
  return idsByHex.get(hex) ?? "of none that is stored";
}

/** Takes silence for a good verdict. */
export class Trusting extends RelayCore {
  override verified(asked: Asked, verdict: Verdict | undefined, now: number, unixMs: number) {
    return super.verified(asked, verdict ?? "good", now, unixMs);
  }
}

/** Passes on what the daemon does not want. */
export class Careless extends RelayCore {
  override verified(asked: Asked, verdict: Verdict | undefined, now: number, unixMs: number) {
    return super.verified(asked, verdict === "refused" ? "good" : verdict, now, unixMs);
  }
}

/** Keeps the link of whoever sends what is bad. */
export class Lenient extends RelayCore {
  override verified(asked: Asked, verdict: Verdict | undefined, now: number, unixMs: number) {
    return super.verified(asked, verdict === "bad" ? "refused" : verdict, now, unixMs);
  }
}

/** Takes what is said to be public for verified. */
export class Hearsay extends RelayCore {
  constructor(options: RelayOptions, now: number) {
    super(options, now);
    const { intake, publicRelay } = this;
    const take = intake.take.bind(intake);
    intake.take = (transaction, copy, at) => {
      if (copy.fluff && copy.zone === "public") publicRelay?.hear(transaction, copy, at);
      else take(transaction, copy, at);
    };
  }
}

/** Has the daemon check its own wallet's transactions too. */
export class Telling extends RelayCore {
  override submit(blob: Uint8Array, now: number, unixMs: number): ReturnType<RelayCore["submit"]> {
    const { transaction, effects } = super.submit(blob, now, unixMs);
    return {
      transaction,
      effects: [...effects, { kind: "verify", zone: "tor", id: transaction.id, blob }],
    };
  }
}

/** Leaves its own wallet's transactions out when a peer sends one back. */
export class Sparing extends RelayCore {
  constructor(options: RelayOptions, now: number) {
    super(options, now);
    const { intake, publicRelay, pool } = this;
    const take = intake.take.bind(intake);
    intake.take = (transaction, copy, at) => {
      const isOwn = pool.get(transaction.id) !== undefined;
      if (isOwn) publicRelay?.hear(transaction, copy, at);
      else take(transaction, copy, at);
    };
  }
}

/** Acts in every zone on what the daemon says of one zone's. */
export class Joining extends RelayCore {
  override verified(asked: Asked, verdict: Verdict | undefined, now: number, unixMs: number) {
    const zones = ["public", ...this.zones.map(({ zone }) => zone)] as const;
    return zones.flatMap((zone) => super.verified({ ...asked, zone }, verdict, now, unixMs));
  }
}

/** Remembers in every zone what the daemon called bad in one. */
export class Recalling extends RelayCore {
  readonly #bad = new Set<string>();

  constructor(options: RelayOptions, now: number) {
    super(options, now);
    const { intake } = this;
    const take = intake.take.bind(intake);
    intake.take = (transaction, copy, at) => {
      const { zone, link } = copy;
      const reason = "the verifying daemon finds it to be bad";
      if (!this.#bad.has(transaction.id)) take(transaction, copy, at);
      else if (zone === "public") this.publicRelay?.core.closeLink(link, reason, at);
      else this.zones.find((one) => one.zone === zone)?.closeLink(link, reason, at);
    };
  }

  override verified(asked: Asked, verdict: Verdict | undefined, now: number, unixMs: number) {
    if (verdict === "bad") this.#bad.add(asked.id);
    return super.verified(asked, verdict, now, unixMs);
  }
}
