import { afterEach, describe, expect, test } from "bun:test";
import { type Address, formatAddress } from "../../lib/address/address.ts";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import type { TargetKind } from "../../lib/relay/dial-target.ts";
import { PeerBooks } from "../../lib/relay/peer-books.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { clearShelves, entriesOf, type Shelf, shelf, teach } from "./book-shelf.ts";
import { Invariants } from "./invariants.ts";
import { PublicPeer } from "./public-peer.ts";
import { publicZone } from "./public-zone.ts";
import { honest, type Script, ScriptedPeer, say } from "./scripted-peer.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

/* Peers of --seed-node: asked for others, and left. */

const MINUTE_MS = 60_000;
type Place = Address<AnonymityZone>;

afterEach(clearShelves);

/** Lists others in its handshake's answer. */
function lister(others: readonly ScriptedPeer[]): Script {
  return (peer, message, on) => {
    if (message.kind !== "request" || message.command !== COMMAND.HANDSHAKE) {
      honest(peer, message, on);
      return;
    }
    const places = others.map(({ address }) => address);
    on.send(say.handshakeAnswer(peer.tuple, entriesOf(places)));
  };
}

const asked = (peer: { readonly address: Place }, kind: TargetKind = "seed-node") =>
  ({ address: peer.address, kind }) as const;
const textOf = (peer: { readonly address: Address }): string => formatAddress(peer.address);

function dialsOf(node: VirtualNode, peer: { readonly address: Address }): number[] {
  return node.dials.flatMap(({ at, to }) => (to === textOf(peer) ? [at] : []));
}

function linked(node: VirtualNode): string[] {
  const links = [...(node.core.zones[0]?.links.values() ?? [])];
  return links.flatMap(({ phase, address, direction }) =>
    phase === "ready" && address !== undefined && direction === "outbound"
      ? [formatAddress(address)]
      : [],
  );
}

function inBook({ store }: Shelf, network: VirtualNetwork): string[] {
  const records = store.book("tor").list({ now: network.clock.unixMs() });
  return records.map(({ address }) => formatAddress(address));
}

/** Runs a network, looking at the node every half second. */
function watch(network: VirtualNetwork, ms: number, look: () => void): void {
  for (let passed = 0; passed < ms; passed += 500) {
    network.clock.advance(500);
    look();
  }
}

describe("A peer of --seed-node", () => {
  test("is asked where the book has nobody, left, and never becomes a peer", () => {
    const network = new VirtualNetwork();
    network.watchers.push(new Invariants(network));
    const others = Array.from({ length: 4 }, () => new ScriptedPeer(network));
    const seed = new ScriptedPeer(network, { script: lister(others) });
    const kept = shelf(network);
    const node = network.add({ zone: { targets: [asked(seed)] }, books: kept.books });
    watch(network, 20 * MINUTE_MS, () => expect(linked(node)).not.toContain(textOf(seed)));
    expect(dialsOf(node, seed)).toHaveLength(1);
    // Nobody is told that it is to be dialed.
    const dialing = node.core.zones[0]?.dialing;
    const target = dialing?.targets.find(({ kind }) => kind === "seed-node");
    if (target === undefined) throw new Error("It is no target.");
    expect(dialing?.dialAtOf(target)).toBeUndefined();
    for (const other of others) expect(dialsOf(node, other).length).toBeGreaterThan(0);
    expect(inBook(kept, network).sort()).toEqual(others.map(textOf).sort());
    // It heard a handshake, and nothing else: no frame of noise, no timed sync.
    const heard = seed.conversations.flatMap((conversation) => conversation.heard);
    expect(heard.map(({ command }) => command)).toEqual([COMMAND.HANDSHAKE]);
  });

  test("that others tell of too is still not dialed as a peer", () => {
    const network = new VirtualNetwork();
    const seed = new ScriptedPeer(network);
    const other = new ScriptedPeer(network, { script: lister([seed]) });
    seed.script = lister([other]);
    const kept = shelf(network);
    const node = network.add({ zone: { targets: [asked(seed)] }, books: kept.books });
    watch(network, 20 * MINUTE_MS, () => expect(linked(node)).not.toContain(textOf(seed)));
    expect(dialsOf(node, seed)).toHaveLength(1);
  });

  test("is not asked while the book has somebody", () => {
    const network = new VirtualNetwork();
    const seed = new ScriptedPeer(network);
    const known = Array.from({ length: 3 }, () => new ScriptedPeer(network));
    const kept = shelf(network);
    teach(
      kept,
      known.map(({ address }) => address),
    );
    const zone = { targets: [asked(seed)], outboundMax: 2 };
    const node = network.add({ zone, books: kept.books });
    network.clock.advance(30 * MINUTE_MS);
    expect(dialsOf(node, seed)).toEqual([]);
  });

  test("comes before the network's seeds, which are dialed where it knows nobody", () => {
    const network = new VirtualNetwork();
    const fixed = new ScriptedPeer(network);
    const seed = new ScriptedPeer(network);
    const { books } = shelf(network, { seeds: [textOf(fixed)] });
    const node = network.add({ zone: { targets: [asked(seed)] }, books });
    network.clock.advance(5 * MINUTE_MS);
    const [first = 0] = dialsOf(node, seed);
    const [next = 0] = dialsOf(node, fixed);
    expect(first).toBeGreaterThan(0);
    expect(next).toBeGreaterThan(first);
    expect(linked(node)).toEqual([textOf(fixed)]);
  });

  test("that is not there is tried again with pauses that grow, and others are asked meanwhile", () => {
    const network = new VirtualNetwork();
    const dead = { address: network.name() };
    const fixed = new ScriptedPeer(network);
    const seed = new ScriptedPeer(network);
    const { books } = shelf(network, { seeds: [textOf(fixed)] });
    fixed.accepting = false;
    const targets = [asked(dead), asked(seed)];
    const node = network.add({ zone: { targets }, books });
    network.clock.advance(60 * MINUTE_MS);
    const tries = dialsOf(node, dead);
    expect(tries.length).toBeWithin(5, 40);
    expect(dialsOf(node, seed).length).toBeGreaterThan(1);
    fixed.accepting = true;
    network.clock.advance(120 * MINUTE_MS);
    expect(linked(node)).toEqual([textOf(fixed)]);
  });

  test("is asked again only when the zone has nobody, and not at once", () => {
    const network = new VirtualNetwork();
    const other = new ScriptedPeer(network);
    const seed = new ScriptedPeer(network, { script: lister([other]) });
    const { books } = shelf(network);
    const node = network.add({ zone: { targets: [asked(seed)] }, books });
    network.clock.advance(30 * MINUTE_MS);
    expect(dialsOf(node, seed)).toHaveLength(1);
    // Whom it named goes away for good.
    other.accepting = false;
    for (const end of [...node.ends.values()]) network.cut(end);
    const goneAt = network.clock.now();
    network.clock.advance(60 * MINUTE_MS);
    const later = dialsOf(node, seed).slice(1);
    expect(later.length).toBeGreaterThan(0);
    expect(later[0] ?? 0).toBeGreaterThanOrEqual(goneAt);
    for (const [index, at] of later.slice(1).entries())
      expect(at - (later[index] ?? 0)).toBeGreaterThan(2 * MINUTE_MS);
  });

  test("waits for the first word of a peer that the user gave", () => {
    const network = new VirtualNetwork();
    network.dialFault = () => ({ kind: "silence" });
    const [given, seed] = [new ScriptedPeer(network), new ScriptedPeer(network)];
    const targets = [asked(given, "add"), asked(seed)];
    const node = network.add({ zone: { targets }, books: shelf(network).books });
    network.clock.advance(59_000);
    expect(dialsOf(node, seed)).toEqual([]);
    network.clock.advance(3 * MINUTE_MS);
    expect(dialsOf(node, seed).length).toBeGreaterThan(0);
  });

  test("is not asked beside exclusive ones, nor by a node without a book", () => {
    const network = new VirtualNetwork();
    const [only, seed] = [new ScriptedPeer(network), new ScriptedPeer(network)];
    const targets = [asked(only, "exclusive"), asked(seed)];
    const exclusive = network.add({ zone: { targets }, books: shelf(network).books });
    const bookless = network.add({ zone: { targets: [asked(seed)] } });
    network.clock.advance(30 * MINUTE_MS);
    expect([...dialsOf(exclusive, seed), ...dialsOf(bookless, seed)]).toEqual([]);
  });

  test("that was given as a peer too is a peer", () => {
    const network = new VirtualNetwork();
    const both = new ScriptedPeer(network);
    const targets = [asked(both), asked(both, "add")];
    const node = network.add({ zone: { targets }, books: shelf(network).books });
    network.clock.advance(MINUTE_MS);
    expect(linked(node)).toEqual([textOf(both)]);
    expect(node.core.zones[0]?.targets.map(({ kind }) => kind)).toEqual(["add"]);
  });
});

test("In the public zone it is asked and left too, and then the network's seeds are dialed", () => {
  const network = new VirtualNetwork();
  const [seed, fixed] = [new PublicPeer(network, 1), new PublicPeer(network, 2)];
  const { store } = shelf(network);
  const books = new PeerBooks({
    ...{ store, random: new SeededRandom(7), clock: network.clock, own: [] },
    network: { seeds: { public: [textOf(fixed)], tor: [], i2p: [] } },
    notice: () => undefined,
  });
  const zone = publicZone([], {
    hasBook: true,
    targets: [{ address: seed.address, kind: "seed-node" }],
  });
  const node = network.add({ zones: [], relay: { public: { zone } }, books });
  const links = () => [...(node.core.publicRelay?.core.links.values() ?? [])];
  watch(network, 10 * MINUTE_MS, () => {
    const ready = links().filter(({ phase }) => phase === "ready");
    expect(ready.map(({ target }) => target?.kind)).not.toContain("seed-node");
  });
  expect(dialsOf(node, seed)).toHaveLength(1);
  expect(links().map(({ target }) => target?.kind)).toEqual(["seed"]);
  expect(dialsOf(node, fixed)[0] ?? 0).toBeGreaterThan(dialsOf(node, seed)[0] ?? 0);
});
