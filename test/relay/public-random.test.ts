import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { Zone } from "../../lib/address/zone.ts";
import { encodeMessage, framesOf, type LevinMessage } from "../../lib/levin/frame.ts";
import { COMMAND, decodeNewTransactions } from "../../lib/monero/message.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import type { LinkEvent, LinkId, RelayEffect } from "../../lib/relay/event.ts";
import { PublicInvariants } from "./public-invariants.ts";
import { ipOf, PublicPeer, transactionsOf } from "./public-peer.ts";
import { publicRandomRun } from "./public-random-run.ts";
import { publicZone } from "./public-zone.ts";
import { say } from "./scripted-peer.ts";
import { blobOf, hexOf } from "./transactions.ts";
import { VirtualNetwork, type Watcher } from "./virtual-network.ts";
import type { MakeCore } from "./virtual-node.ts";

/** Another first seed can be given, to search further than every day. */
const FIRST_SEED = Number(process.env["ANONCTL_TEST_SEED"] ?? 1);
const RUNS = 24;
/** Seeds within which a mutant must be caught. */
const SEEDS = 12;

type Write = Extract<RelayEffect, { kind: "write" }>;

/** Payload of a whole unfragmented message of transactions in these bytes. */
function transactionsIn(
  bytes: Uint8Array,
): { txs: readonly Uint8Array[]; fluff: boolean } | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.readUInt32LE(17) !== COMMAND.NEW_TRANSACTIONS || view[16] !== 0) return undefined;
  return decodeNewTransactions(bytes.subarray(33));
}

/** A core whose mistake lies in what it does with the effects of a right one. */
abstract class Mutant extends RelayCore {
  abstract spoil(effects: RelayEffect[], event?: LinkEvent, zone?: Zone): RelayEffect[];

  override handle(zone: Zone, event: LinkEvent, now: number, unix: number): RelayEffect[] {
    return this.spoil(super.handle(zone, event, now, unix), event, zone);
  }
  override wake(now: number): RelayEffect[] {
    return this.spoil(super.wake(now));
  }
  open(direction: "outbound" | "inbound" = "outbound"): LinkId | undefined {
    const links = [...(this.publicRelay?.core.links.values() ?? [])];
    return links.find((link) => link.phase === "ready" && link.direction === direction)?.id;
  }
  isOpen(link: LinkId): boolean {
    return this.publicRelay?.core.links.has(link) === true;
  }
  says(link: LinkId | undefined, message: LevinMessage): RelayEffect[] {
    if (link === undefined) return [];
    return [{ kind: "write", link, bytes: encodeMessage(message), by: "control" }];
  }
}

const heard = (event: LinkEvent | undefined): ReturnType<typeof transactionsIn> =>
  event?.kind === "message" && event.message.kind === "notify"
    ? event.message.command === COMMAND.NEW_TRANSACTIONS
      ? decodeNewTransactions(event.message.payload)
      : undefined
    : undefined;

/** Sends in public what it sends in an anonymity zone. */
class Leaky extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects.flatMap((effect) => {
      const found =
        effect.kind === "write" && effect.by === "tick" ? transactionsIn(effect.bytes) : undefined;
      return found === undefined
        ? [effect]
        : [effect, ...this.says(this.open(), transactionsOf(found.txs, false))];
    });
  }
}

/** Has no patience with what comes over Tor. */
class Impatient extends Mutant {
  override spoil(effects: RelayEffect[], event?: LinkEvent, zone?: Zone): RelayEffect[] {
    const found = zone === "tor" ? heard(event) : undefined;
    if (found === undefined || found.fluff) return effects;
    return [...effects, ...this.says(this.open(), transactionsOf(found.txs, false))];
  }
}

/** Passes on in an anonymity zone what came in public. */
class Helpful extends Mutant {
  override spoil(effects: RelayEffect[], event?: LinkEvent, zone?: Zone): RelayEffect[] {
    const found = zone === "public" ? heard(event) : undefined;
    const [first] = this.zones;
    const link = [...(first?.links.values() ?? [])].find(({ phase }) => phase === "ready")?.id;
    const [blob] = found?.txs ?? [];
    if (link === undefined || blob === undefined) return effects;
    const writes = framesOf(say.transactions(blob)).map(
      (bytes): RelayEffect => ({ kind: "write", link, bytes, by: "tick" }),
    );
    return [...effects, ...writes];
  }
}

/** Puts into one message what leaves on a link at once. */
class Thrifty extends Mutant {
  #kept: Uint8Array[] = [];
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects.flatMap((effect) => {
      const found =
        effect.kind === "write" && this.isOpen(effect.link)
          ? transactionsIn(effect.bytes)
          : undefined;
      if (effect.kind !== "write" || found === undefined || !found.fluff) return [effect];
      const txs = [...found.txs, ...this.#kept];
      this.#kept = [...found.txs];
      return this.says(effect.link, transactionsOf(txs, true));
    });
  }
}

/** Sends a stem back to where it came from. */
class Boomerang extends Mutant {
  override spoil(effects: RelayEffect[], event?: LinkEvent, zone?: Zone): RelayEffect[] {
    const found = zone === "public" ? heard(event) : undefined;
    if (found === undefined || found.fluff || event === undefined || !this.isOpen(event.link))
      return effects;
    return [...effects, ...this.says(event.link, transactionsOf(found.txs, false))];
  }
}

/** Changes what it says of transactions in public. */
abstract class OpenMutant extends Mutant {
  abstract change(write: Write, txs: readonly Uint8Array[], fluff: boolean): RelayEffect[];

  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects.flatMap((effect) => {
      if (effect.kind !== "write" || !this.isOpen(effect.link)) return [effect];
      const found = transactionsIn(effect.bytes);
      return found === undefined ? [effect] : this.change(effect, found.txs, found.fluff);
    });
  }
}

/** Gives stems to guests. */
class Hospitable extends OpenMutant {
  override change(write: Write, txs: readonly Uint8Array[], fluff: boolean): RelayEffect[] {
    const guest = this.open("inbound");
    return fluff ? [write] : [write, ...this.says(guest, transactionsOf(txs, false))];
  }
}

/** Never tells in public of what its wallet sent. */
class Mute extends OpenMutant {
  override change(write: Write, txs: readonly Uint8Array[]): RelayEffect[] {
    const own = [...this.pool.local].map(({ blob }) => Buffer.from(blob));
    return txs.some((blob) => own.some((one) => one.equals(blob))) ? [] : [write];
  }
}

/** Tells public peers of the chain what Tor's peers said. */
class Confused extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    const tuple = this.zones[0]?.tuple;
    return effects.map((effect) => {
      if (effect.kind !== "write" || tuple === undefined || !this.isOpen(effect.link))
        return effect;
      const isSync = Buffer.from(effect.bytes).readUInt32LE(17) === COMMAND.TIMED_SYNC;
      const isRequest = effect.bytes[16] === 1;
      return isSync && isRequest
        ? { ...effect, bytes: encodeMessage(say.timedSync(tuple)) }
        : effect;
    });
  }
}

/** Shows a wallet's transaction before it is public. */
class Boastful extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    for (const { id } of this.pool.local)
      this.publicRelay?.rules.handle({ kind: "published", id }, 0);
    return effects;
  }
}

/** Dials in public without being asked to have such a zone. */
class Eager extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    if (this.publicRelay !== undefined) return effects;
    return [...effects, { kind: "dial", link: 9_999, address: ipOf(1), label: "link-9999" }];
  }
}

/** Asks for blocks, as if it had a chain. */
class Curious extends Mutant {
  override spoil(effects: RelayEffect[]): RelayEffect[] {
    return effects.flatMap((effect) =>
      effect.kind === "handshake-done" && this.isOpen(effect.link)
        ? [effect, ...this.says(effect.link, say.notify(COMMAND.REQUEST_GET_OBJECTS))]
        : [effect],
    );
  }
}

const mutants: readonly (readonly [string, MakeCore])[] = [
  ["sends in public what is hidden", (options, now) => new Leaky(options, now)],
  ["does not wait between zones", (options, now) => new Impatient(options, now)],
  ["hides what came in public", (options, now) => new Helpful(options, now)],
  ["mixes sources in a message", (options, now) => new Thrifty(options, now)],
  ["sends stems back", (options, now) => new Boomerang(options, now)],
  ["gives stems to guests", (options, now) => new Hospitable(options, now)],
  ["keeps a wallet's transaction to itself", (options, now) => new Mute(options, now)],
  ["tells one zone's chain in another", (options, now) => new Confused(options, now)],
  ["shows what is not public", (options, now) => new Boastful(options, now)],
  ["opens a public zone unasked", (options, now) => new Eager(options, now)],
  ["asks for blocks", (options, now) => new Curious(options, now)],
];

function digestOf(seed: number): string {
  const hash = createHash("sha256");
  const watcher: Watcher = {
    effect: (node, effect) => {
      hash.update(`${node.dials.length} ${node.ends.size} ${effect.kind} `);
      if (effect.kind !== "write") hash.update(Bun.inspect(effect));
      else hash.update(`${effect.link} ${effect.by}`).update(effect.bytes);
    },
  };
  publicRandomRun(seed, undefined, watcher);
  return hash.digest("hex");
}

describe("hours in three zones with random faults", () => {
  test(`break no rule and lose no transaction (${RUNS} seeds)`, () => {
    const total = { public: 0, tor: 0, submitted: 0 };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
      const { seen, submitted } = publicRandomRun(seed);
      total.public += seen.public;
      total.tor += seen.tor;
      total.submitted += submitted;
    }
    expect(total.public).toBeGreaterThan(RUNS * 50);
    expect(total.tor).toBeGreaterThan(RUNS * 30);
    expect(total.submitted).toBeGreaterThan(RUNS * 4);
  }, 240_000);

  test("replay exactly from their seed", () => {
    expect(digestOf(5)).toBe(digestOf(5));
    expect(digestOf(5)).not.toBe(digestOf(6));
  }, 60_000);
});

/** Three nodes in tor and public, two nodes with a chain, and a wallet at the first. */
function firstSighting(seed: number): { readonly by: number; readonly everywhere: boolean } {
  const network = new VirtualNetwork(40);
  network.watchers.push(new PublicInvariants(network));
  const peers = [1, 2].map((number) => new PublicPeer(network, number));
  const names = [network.name(), network.name(), network.name()];
  const nodes = names.map((address, index) =>
    network.add({
      address,
      zones: [
        {
          ...{ zone: "tor", outboundMax: 4, inboundMax: 8 },
          targets: names
            .filter((other) => other !== address)
            .map((other) => ({ address: other, kind: "exclusive" as const })),
        },
      ],
      relay: { public: { zone: publicZone(peers) } },
      seed: seed * 100 + index,
    }),
  );
  network.clock.advance(20_000);
  nodes[0]?.submit(blobOf(0));
  network.clock.advance(600_000);
  const sightings = peers.flatMap((peer) => peer.sightings).sort((a, b) => a.at - b.at);
  const sender = sightings[0]?.on.end.peer?.owner;
  return {
    by: nodes.findIndex((node) => Object.is(node, sender)),
    everywhere: peers.every(({ pool }) => pool.has(hexOf(0))),
  };
}

test("A wallet's transaction is first seen in public at another node than its own, in 50 runs", () => {
  const first = Array.from({ length: 50 }, (_, seed) => firstSighting(seed + 1));
  expect(first.every(({ everywhere }) => everywhere)).toBe(true);
  expect(first.filter(({ by }) => by === 0)).toEqual([]);
  expect(first.filter(({ by }) => by === 1).length).toBeGreaterThan(10);
  expect(first.filter(({ by }) => by === 2).length).toBeGreaterThan(10);
}, 60_000);

describe("a node that", () => {
  test.each(mutants)(
    "%s is caught",
    (_name, make) => {
      let caught = "";
      for (let seed = 1; seed <= SEEDS && caught === ""; seed++) {
        try {
          publicRandomRun(seed, make);
        } catch (error) {
          caught = error instanceof Error ? error.message : String(error);
        }
      }
      expect(caught).toMatch(/^Seed \d+: (?:Broken at|Transaction \d+ of|A hidden)/);
    },
    120_000,
  );
});
