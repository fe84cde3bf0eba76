import { afterEach, describe, expect, test } from "bun:test";
import type { Address } from "../../lib/address/address.ts";
import { parseAddressOf } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import {
  COMMAND,
  decodeHandshakeResponse,
  decodeTimedSyncResponse,
  type PeerEntry,
} from "../../lib/monero/message.ts";
import { FRAME_PEERS_MAX } from "../../lib/relay/peer-list.ts";
import { breakBooks, clearShelves, type Shelf, shelf } from "./book-shelf.ts";
import { type Conversation, ScriptedPeer, say, tupleOf } from "./scripted-peer.ts";
import { blobOf, hexOf } from "./transactions.ts";
import { VirtualNetwork } from "./virtual-network.ts";

afterEach(clearShelves);

/** Peers that are nowhere, and that the book takes for having answered. */
function known({ store }: Shelf, count: number): Set<string> {
  const hosts = Array.from({ length: count }, (_, at) => {
    const key = new Uint8Array(32).fill(200);
    key.set([at & 255, at >> 8]);
    return onionName(key);
  });
  const book = store.book("tor");
  store.transaction(() => {
    for (const host of hosts) {
      const address: Address<"tor"> = parseAddressOf(`${host}:18083`, "tor");
      book.add(address, { source: "import", list: "white", now: 0 });
    }
  });
  return new Set(hosts);
}

function listsOf({ heard }: Conversation): (readonly PeerEntry[])[] {
  return heard.flatMap(({ kind, command, payload }) => {
    if (kind !== "response") return [];
    if (command === COMMAND.HANDSHAKE) return [decodeHandshakeResponse(payload).peers];
    return command === COMMAND.TIMED_SYNC ? [decodeTimedSyncResponse(payload).peers] : [];
  });
}

const hostsOf = (lists: readonly (readonly PeerEntry[])[]): string[] =>
  lists.flat().map(({ address }) => address.host);

describe("a peer that dials us", () => {
  function asked(count: number, syncs: number) {
    const network = new VirtualNetwork();
    const own = network.name();
    const kept = shelf(network, { own });
    const hosts = known(kept, count);
    // A node that dials nobody hands on what it knows all the same.
    const zone = { targets: [], outboundMax: 0, ownAddress: own };
    const node = network.add({ zone, books: kept.books });
    const peer = new ScriptedPeer(network);
    peer.onOpen = (on) => on.send(say.handshake(peer.tuple));
    peer.dial(node.address);
    network.clock.advance(1_000);
    for (let sync = 0; sync < syncs; sync++) {
      peer.latest.send(say.timedSync(peer.tuple));
      network.clock.advance(60_000);
    }
    return { lists: listsOf(peer.latest), hosts, own, node, peer };
  }

  test("is told of 250 peers in the handshake, and of others in each timed sync: none twice", () => {
    const { lists, hosts, own, node } = asked(300, 4);
    const rest = 50 - 2 * FRAME_PEERS_MAX;
    expect(lists.map(({ length }) => length)).toEqual([
      ...[250, FRAME_PEERS_MAX, FRAME_PEERS_MAX, rest, 0],
    ]);
    const told = hostsOf(lists);
    expect(new Set(told)).toEqual(hosts);
    expect(told).toHaveLength(300);
    expect(told).not.toContain(own.host);
    const [, ...frames] = node.sent;
    for (const { bytes } of frames) expect(bytes.length).toBe(FRAME_BYTES);
  });

  test("is told of those who answered, and of none by hearsay", () => {
    const network = new VirtualNetwork();
    const silent = network.name();
    const other = new ScriptedPeer(network);
    const kept = shelf(network);
    kept.store.book("tor").add(silent, { source: "seed", now: 0 });
    network.dialFault = (to) =>
      to.startsWith(silent.host)
        ? { kind: "refuse", where: "peer", reason: "not published" }
        : undefined;
    const zone = { targets: [{ address: other.address, kind: "add" as const }] };
    const node = network.add({ zone, books: kept.books });
    network.clock.advance(10_000);
    const peer = new ScriptedPeer(network);
    peer.onOpen = (on) => on.send(say.handshake(peer.tuple));
    peer.dial(node.address);
    network.clock.advance(1_000);
    expect(hostsOf(listsOf(peer.latest))).toEqual([other.address.host]);
  });

  test("is told of nobody, and served all the same, where the book can't be read", () => {
    const network = new VirtualNetwork();
    const kept = shelf(network);
    known(kept, 3);
    const first = new ScriptedPeer(network);
    const zone = { targets: [{ address: first.address, kind: "add" as const }] };
    const node = network.add({ zone, books: kept.books });
    breakBooks(kept);
    network.clock.advance(10_000);
    expect(node.core.zones[0]?.channels.seated).toBe(1);
    const peer = new ScriptedPeer(network);
    peer.onOpen = (on) => on.send(say.handshake(peer.tuple));
    peer.dial(node.address);
    network.clock.advance(1_000);
    expect(listsOf(peer.latest)).toEqual([[]]);
    expect(kept.books.stats("tor")).toBeUndefined();
    expect(kept.notices.map(({ level }) => level)).toEqual(["warning"]);
  });
});

describe("a peer that we dialed", () => {
  /** A node with a transaction on a link whose peer asks at every minute. */
  function sending(count: number | undefined) {
    const network = new VirtualNetwork();
    const own = network.name();
    const peer = new ScriptedPeer(network, { tuple: tupleOf(1, 141) });
    const kept = shelf(network, { own });
    if (count !== undefined) known(kept, count);
    // Nobody but the peer answers, so it stays alone with both runs' random draws.
    network.dialFault = (to) =>
      to.startsWith(peer.address.host) ? undefined : { kind: "silence" };
    const targets = [{ address: peer.address, kind: "add" as const }];
    const zone = { targets, outboundMax: 1, ownAddress: own, remembered: tupleOf(1, 141) };
    const node = network.add(count === undefined ? { zone } : { zone, books: kept.books });
    network.clock.advance(5_000);
    for (let index = 0; index < 8; index++) node.submit(blobOf(index));
    const arrivals: number[] = [];
    for (let second = 0; second < 30 * 60; second++) {
      if (second % 60 === 0) peer.latest.send(say.timedSync(peer.tuple));
      network.clock.advance(1_000);
      const arrived = new Set(peer.latest.transactions).size;
      while (arrivals.length < arrived) arrivals.push(second);
    }
    return { peer, own, node, arrivals };
  }

  test("is told of others once each, never of itself, and not of us where transactions go", () => {
    const { peer, own } = sending(60);
    const told = hostsOf(listsOf(peer.latest));
    expect(told).not.toContain(own.host);
    expect(told).toHaveLength(60);
    expect(new Set(told).size).toBe(60);
    expect(told).not.toContain(peer.address.host);
    const entries = listsOf(peer.latest).flat();
    for (const entry of entries) {
      const { host } = entry.address;
      const address = { type: "tor" as const, host, port: 18_083 };
      expect(entry).toEqual({
        ...{ address, id: 1n, lastSeen: 0n, pruningSeed: 0, rpcPort: 0, rpcCreditsPerHash: 0 },
      });
    }
  });

  test("has its lists at ticks, one frame each, and they hold back no transaction", () => {
    const bare = sending(undefined);
    const full = sending(900);
    expect(listsOf(full.peer.latest).flat().length).toBeGreaterThan(500);
    expect(new Set(full.peer.latest.transactions)).toEqual(
      new Set(Array.from({ length: 8 }, (_, index) => hexOf(index))),
    );
    const [, ...writes] = full.node.sent;
    for (const { bytes, by } of writes) {
      expect(bytes.length).toBe(FRAME_BYTES);
      expect(by).toBe("tick");
    }
    expect(bare.arrivals).toHaveLength(8);
    expect(full.arrivals).toHaveLength(8);
    // Draws differ, ticks do not: the eight are through after about as long.
    expect(full.arrivals.at(-1) ?? 0).toBeLessThan((bare.arrivals.at(-1) ?? 0) + 240);
  });
});
