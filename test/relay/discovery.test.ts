import { afterEach, describe, expect, test } from "bun:test";
import { type Address, formatAddress } from "../../lib/address/address.ts";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import { COMMAND } from "../../lib/monero/message.ts";
import { BOOK_DIALS_MAX } from "../../lib/relay/zone-dialing.ts";
import { clearShelves, entriesOf, type Shelf, shelf, teach } from "./book-shelf.ts";
import { Invariants } from "./invariants.ts";
import { honest, type Script, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf } from "./transactions.ts";
import { VirtualNetwork, type VirtualNode } from "./virtual-network.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
type Place = Address<AnonymityZone>;

afterEach(clearShelves);

/** A peer that lists others in its handshake's answer, and in those to timed syncs. */
function lister(handshake: readonly Place[], timedSync: readonly Place[] = []): Script {
  return (peer, message, on) => {
    if (message.kind !== "request") return;
    if (message.command === COMMAND.HANDSHAKE)
      on.send(say.handshakeAnswer(peer.tuple, entriesOf(handshake)));
    if (message.command === COMMAND.TIMED_SYNC)
      on.send(say.timedSyncAnswer(peer.tuple, entriesOf(timedSync)));
  };
}

function peersOf(network: VirtualNetwork, count: number): ScriptedPeer[] {
  return Array.from({ length: count }, () => new ScriptedPeer(network));
}

function linked(node: VirtualNode): string[] {
  const links = [...(node.core.zones[0]?.links.values() ?? [])];
  return links.flatMap(({ phase, address }) =>
    phase === "ready" && address !== undefined ? [formatAddress(address)] : [],
  );
}

const textsOf = (peers: readonly { readonly address: Place }[]): string[] =>
  peers.map(({ address }) => formatAddress(address));

function inBook({ store }: Shelf, network: VirtualNetwork): string[] {
  const records = store.book("tor").list({ now: network.clock.unixMs() });
  return records.map(({ address }) => formatAddress(address));
}

const given = (peer: { readonly address: Place }, kind: "add" | "exclusive" = "add") =>
  ({ address: peer.address, kind }) as const;

describe("a node that is given one peer", () => {
  test.each(["handshake", "timed-sync"] as const)("finds others by its %s", (where) => {
    const network = new VirtualNetwork();
    network.watchers.push(new Invariants(network));
    const others = peersOf(network, 5);
    const places = others.map(({ address }) => address);
    const first = new ScriptedPeer(network, {
      script: where === "handshake" ? lister(places) : lister([], places),
    });
    const kept = shelf(network);
    const node = network.add({ zone: { targets: [given(first)] }, books: kept.books });
    network.clock.advance(5 * MINUTE_MS);
    expect(linked(node).sort()).toEqual(textsOf([first, ...others]).sort());
    expect(kept.store.book("tor").stats(network.clock.unixMs())).toMatchObject({
      ...{ anchor: 2, white: 4, gray: 0 },
    });
  });

  test("has as many links as it may, and another for each that it loses", () => {
    const network = new VirtualNetwork();
    network.watchers.push(new Invariants(network));
    const others = peersOf(network, 20);
    const script = lister(others.map(({ address }) => address));
    const first = new ScriptedPeer(network, { script });
    const node = network.add({
      zone: { targets: [given(first)], outboundMax: 8 },
      books: shelf(network).books,
    });
    let most = 0;
    for (let round = 0; round < 30; round++) {
      network.clock.advance(2 * MINUTE_MS);
      expect(linked(node)).toHaveLength(8);
      expect(new Set(linked(node)).size).toBe(8);
      most = Math.max(most, node.core.zones[0]?.links.size ?? 0);
      const [, end] = [...node.ends.values()];
      if (end !== undefined) network.cut(end);
    }
    expect(most).toBe(8);
  });

  test("dials no more than four of the book at once, with random pauses in between", () => {
    const network = new VirtualNetwork();
    const dead = Array.from({ length: 60 }, () => network.name());
    const first = new ScriptedPeer(network, { script: lister(dead) });
    network.dialFault = (to) =>
      to === formatAddress(first.address) ? undefined : { kind: "silence" };
    const node = network.add({
      zone: { targets: [given(first)], remembered: tupleOf(1, 141) },
      books: shelf(network).books,
    });
    const pauses: number[] = [];
    for (let second = 0; second < 600; second++) {
      network.clock.advance(1_000);
      const links = [...(node.core.zones[0]?.links.values() ?? [])];
      expect(links.filter(({ phase }) => phase === "dialing").length).toBeLessThanOrEqual(
        BOOK_DIALS_MAX,
      );
    }
    for (const [index, { at }] of node.dials.entries())
      if (index > 1) pauses.push(at - (node.dials[index - 1]?.at ?? 0));
    expect(pauses.length).toBeGreaterThan(30);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_000);
    // Nobody is dialed twice within the hour: each is left alone after its failure.
    const names = node.dials.map(({ to }) => to);
    expect(new Set(names).size).toBe(names.length);
  });

  test("dials at the same moments whether or not a wallet has sent something", () => {
    const runs = [false, true].map((sends) => {
      const network = new VirtualNetwork();
      const others = peersOf(network, 30);
      const script = lister(others.map(({ address }) => address));
      const first = new ScriptedPeer(network, { script });
      const node = network.add({ zone: { targets: [given(first)] }, books: shelf(network).books });
      for (let index = 0; index < 5; index++) {
        network.clock.advance(3_000);
        if (sends) node.submit(blobOf(index));
      }
      network.clock.advance(10 * MINUTE_MS);
      return node.dials;
    });
    expect(runs[0]?.length).toBeGreaterThan(12);
    expect(runs[1]).toEqual(runs[0]);
  });

  test("is not led away from it: an address of its own, or its peer's other port, is not dialed", () => {
    const network = new VirtualNetwork();
    const own = network.name();
    const first = new ScriptedPeer(network);
    const other = { ...first.address, port: 1_234 };
    first.script = lister([own, { ...own, port: 1 }, other]);
    const kept = shelf(network, { own });
    // As `anonctl peers add` may do while the node runs.
    teach(kept, [own]);
    const books = kept.books;
    const node = network.add({ zone: { targets: [given(first)], ownAddress: own }, books });
    network.clock.advance(HOUR_MS);
    expect(new Set(node.dials.map(({ to }) => to))).toEqual(new Set(textsOf([first])));
    expect(inBook(kept, network).filter((text) => text.startsWith(own.host))).toEqual([
      formatAddress(own),
    ]);
  });

  test("and dials only that one where it is exclusive: its book is neither read nor written", () => {
    const network = new VirtualNetwork();
    const [a, b] = peersOf(network, 2);
    if (a === undefined || b === undefined) throw new Error("Two were made.");
    const first = new ScriptedPeer(network, { script: lister([a.address]) });
    const kept = shelf(network, { seeds: textsOf([a]) });
    teach(kept, [b.address]);
    const targets = [given(first, "exclusive")];
    const node = network.add({ zone: { targets }, books: kept.books });
    network.clock.advance(HOUR_MS);
    expect(new Set(node.dials.map(({ to }) => to))).toEqual(new Set(textsOf([first])));
    expect(inBook(kept, network)).toEqual(textsOf([b]));
  });
});

test("In a chain of nodes that each know the one before, all find as many as they may", () => {
  const network = new VirtualNetwork();
  network.watchers.push(new Invariants(network));
  const nodes: VirtualNode[] = [];
  for (let index = 0; index < 12; index++) {
    const own = network.name();
    const before = nodes.at(-1);
    const node = network.add({
      address: own,
      zone: {
        targets: before === undefined ? [] : [given(before)],
        // One place of the five is for telling the node's own address.
        ...{ ownAddress: own, outboundMax: 5, inboundMax: 8, remembered: tupleOf(9, 300) },
      },
      books: shelf(network, { own, seed: index }).books,
    });
    node.recording = false;
    nodes.push(node);
  }
  network.clock.advance(15 * MINUTE_MS);
  // Who is told of whom: those before. The first ones have no four of them.
  for (const node of nodes.slice(4)) expect(new Set(linked(node)).size).toBe(4);
});

describe("a node that is given none", () => {
  test("dials whom it knew before, anchors first, after a restart", () => {
    const network = new VirtualNetwork();
    const others = peersOf(network, 3);
    const first = new ScriptedPeer(network, {
      script: lister(others.map(({ address }) => address)),
    });
    const { books, store } = shelf(network, { seeds: [formatAddress(network.name())] });
    const before = network.add({ zone: { targets: [given(first)] }, books });
    network.clock.advance(10 * MINUTE_MS);
    before.kill();
    const anchors = store.book("tor").anchors(network.clock.unixMs());
    const node = network.add({ zone: { targets: [] }, books });
    network.clock.advance(5 * MINUTE_MS);
    expect(linked(node).sort()).toEqual(textsOf([first, ...others]).sort());
    const names = [...new Set(node.dials.map(({ to }) => to))];
    expect(names.slice(0, 2).sort()).toEqual(textsOf(anchors).sort());
    expect(names).toHaveLength(4);
  });

  test("begins with the seeds, and takes no other of them once a peer knows more", () => {
    const network = new VirtualNetwork();
    const others = peersOf(network, 6);
    const script = lister(others.map(({ address }) => address));
    const seeds = Array.from({ length: 12 }, () => new ScriptedPeer(network, { script }));
    const { books } = shelf(network, { seeds: textsOf(seeds) });
    const node = network.add({ zone: { targets: [], outboundMax: 5 }, books });
    network.clock.advance(10 * MINUTE_MS);
    const names = new Set(node.dials.map(({ to }) => to));
    const asked = textsOf(seeds).filter((text) => names.has(text));
    expect(asked.length).toBeWithin(1, 3);
    expect(linked(node)).toHaveLength(5);
  });

  test("asks no seed while it has others to dial, or waits for the first word of a given peer", () => {
    const network = new VirtualNetwork();
    const known = peersOf(network, 2);
    const seed = new ScriptedPeer(network);
    const first = new ScriptedPeer(network, {
      script: lister(known.map(({ address }) => address)),
    });
    network.dialFault = () => ({ kind: "silence" });
    const { books } = shelf(network, { seeds: textsOf([seed]) });
    const zone = { targets: [given(first)], outboundMax: 3 };
    const node = network.add({ zone, books });
    network.clock.advance(59_000);
    expect(node.dials).toHaveLength(1);
    network.dialFault = () => undefined;
    network.clock.advance(10 * MINUTE_MS);
    expect(linked(node)).toHaveLength(3);
  });

  test("and knows none waits, and says for what", () => {
    const network = new VirtualNetwork();
    const node = network.add({ zone: { targets: [] }, books: shelf(network).books });
    network.clock.advance(HOUR_MS);
    expect(node.dials).toEqual([]);
    node.submit(blobOf(0));
    const [transaction] = node.core.pool.local;
    if (transaction === undefined) throw new Error("It was taken.");
    expect(node.core.standing(transaction, network.clock.now())).toEqual({
      kind: "held",
      reason: "The tor zone has found no peer yet; it looks for one, and takes one by --add-peer.",
    });
  });
});

describe("a peer out of the book that fails", () => {
  test("is left alone for an hour where others answer, and forgotten after three times", () => {
    const network = new VirtualNetwork();
    const dead = network.name();
    const first = new ScriptedPeer(network, { script: lister([dead]) });
    const kept = shelf(network);
    const node = network.add({ zone: { targets: [given(first)] }, books: kept.books });
    network.clock.advance(4 * HOUR_MS);
    const dials = node.dials.filter(({ to }) => to === formatAddress(dead));
    // Heard of anew in each handshake; here there was one, so three failures end it.
    expect(dials).toHaveLength(3);
    for (const [index, { at }] of dials.slice(1).entries())
      expect(at - (dials[index]?.at ?? 0)).toBeGreaterThan(HOUR_MS);
    expect(inBook(kept, network)).toEqual(textsOf([first]));
  });

  test("is blamed for nothing while the network is away: all are dialed when it is back", () => {
    const network = new VirtualNetwork();
    const known = peersOf(network, 8);
    const kept = shelf(network);
    teach(
      kept,
      known.map(({ address }) => address),
    );
    for (const where of ["local", "network"] as const) {
      network.dialFault = () => ({ kind: "refuse", where, reason: "nothing works" });
      const node = network.add({ zone: { targets: [] }, books: kept.books });
      network.clock.advance(2 * HOUR_MS);
      // It kept looking, and did not hammer.
      expect(node.dials.length).toBeWithin(200, 1_500);
      expect(kept.store.book("tor").stats(network.clock.unixMs())).toMatchObject({ failing: 0 });
      network.dialFault = () => undefined;
      network.clock.advance(3 * MINUTE_MS);
      expect(linked(node)).toHaveLength(8);
      node.kill();
    }
  });

  test("gives its place to another while it goes on sending nonsense", () => {
    const network = new VirtualNetwork();
    const bad = peersOf(network, 3);
    for (const peer of bad) peer.script = (_, _message, on) => on.raw(new Uint8Array(40).fill(65));
    const good = peersOf(network, 3);
    const first = new ScriptedPeer(network, {
      script: lister([...bad, ...good].map((p) => p.address)),
    });
    const kept = shelf(network);
    const zone = { targets: [given(first)], outboundMax: 4 };
    const node = network.add({ zone, books: kept.books });
    network.clock.advance(10 * MINUTE_MS);
    expect(linked(node).sort()).toEqual(textsOf([first, ...good]).sort());
    for (const { conversations } of bad) expect(conversations.length).toBeLessThanOrEqual(1);
  });

  test("never costs a peer of the user's its place", () => {
    const network = new VirtualNetwork();
    const known = peersOf(network, 6);
    const late = new ScriptedPeer(network, { script: honest });
    late.accepting = false;
    const kept = shelf(network);
    teach(
      kept,
      known.map(({ address }) => address),
    );
    const zone = { targets: [given(late)], outboundMax: 3 };
    const node = network.add({ zone, books: kept.books });
    network.clock.advance(4_000);
    late.accepting = true;
    network.clock.advance(2 * MINUTE_MS);
    expect(linked(node)).toContain(formatAddress(late.address));
    expect(linked(node)).toHaveLength(3);
  });
});
