import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zones } from "../../lib/address/zone.ts";
import { networks } from "../../lib/monero/network.ts";
import { exportJson } from "../../lib/peers/export-list.ts";
import { exportMonerod } from "../../lib/peers/export-monerod.ts";
import { exportP2pState } from "../../lib/peers/export-p2pstate.ts";
import { readPeerList } from "../../lib/peers/import-any.ts";
import { applyPeers, totalOf } from "../../lib/peers/import-apply.ts";
import type { PeerLimits } from "../../lib/peers/limits.ts";
import { BAN_FOR_EVER_UNIX_MS, type PeerRecord } from "../../lib/peers/record.ts";
import { PeerStore } from "../../lib/peers/store.ts";
import { realClock } from "../../lib/runtime/clock.ts";

const NOW = 1_795_322_800_000;
const options = { network: networks.mainnet };
const vectors = join(import.meta.dir, "..", "vectors", "peers");
const state = new Uint8Array(readFileSync(join(vectors, "p2pstate.bin")));
const answer = readFileSync(join(vectors, "get_peer_list.json"), "utf8");
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function openStore(limits: Partial<PeerLimits> = {}): PeerStore {
  const directory = mkdtempSync(join(tmpdir(), "anonctl-peers-"));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  const store = PeerStore.open({ directory, network: "mainnet", clock: realClock, limits });
  cleanups.push(() => store.close());
  return store;
}

function all(store: PeerStore): PeerRecord[] {
  return zones.flatMap((zone) => store.book(zone).list({ now: NOW }));
}

function json(store: PeerStore): string {
  const of = { now: NOW, sort: "address" } as const;
  const books = {
    public: store.book("public").list(of),
    tor: store.book("tor").list(of),
    i2p: store.book("i2p").list(of),
  };
  return [...exportJson("mainnet", books)].join("");
}

describe("a list in the books", () => {
  test("comes out as it went in, in monerod's formats", () => {
    const store = openStore();
    const { peers } = readPeerList(state, options);
    const tallies = applyPeers(store, peers, { source: "import", now: NOW });
    expect(tallies).toEqual({
      public: { added: 9, updated: 0, full: 0, banned: 0 },
      tor: { added: 6, updated: 0, full: 0, banned: 0 },
      i2p: { added: 6, updated: 0, full: 0, banned: 0 },
    });
    expect(Buffer.from(exportP2pState(all(store))).equals(Buffer.from(state))).toBe(true);
    expect(exportMonerod(all(store))).toBe(answer);
  });

  test("comes out as it went in, by way of our own JSON and another book", () => {
    const first = openStore();
    applyPeers(first, readPeerList(state, options).peers, { source: "import", now: NOW });
    const [banned] = first.book("tor").list({ now: NOW });
    const [other] = first.book("i2p").list({ now: NOW });
    if (banned !== undefined) first.book("tor").ban(banned.address);
    if (other !== undefined) first.book("i2p").ban(other.address, NOW + 1_000);
    const second = openStore();
    const list = readPeerList(new TextEncoder().encode(json(first)), options);
    expect(totalOf(applyPeers(second, list.peers, { source: "import", now: NOW })).added).toBe(21);
    expect(json(second)).toBe(json(first));
    expect(second.book("tor").bans(NOW)).toMatchObject([{ untilUnixMs: BAN_FOR_EVER_UNIX_MS }]);
  });

  test("is there once, however often it comes", () => {
    const store = openStore();
    const { peers } = readPeerList(state, options);
    const once = { source: "import", now: NOW } as const;
    applyPeers(store, peers, once);
    const before = json(store);
    expect(totalOf(applyPeers(store, peers, once))).toMatchObject({ added: 0, updated: 21 });
    expect(json(store)).toBe(before);
  });

  test("is there whole or not at all", () => {
    const store = openStore();
    const peers = readPeerList(state, options).peers.slice();
    const broken = new Error("in the middle");
    Object.defineProperty(peers, peers.length - 1, {
      get: () => {
        throw broken;
      },
    });
    expect(() => applyPeers(store, peers, { source: "import", now: NOW })).toThrow(broken);
    expect(all(store)).toEqual([]);
  });

  test("longer than the book has room for fills it, and updates what is known", () => {
    const store = openStore({ white: 2, gray: 3 });
    const { peers } = readPeerList(state, options);
    const once = { source: "import", now: NOW } as const;
    const tallies = applyPeers(store, peers, once);
    expect(tallies.public).toMatchObject({ added: 4, full: 5 });
    expect(tallies.tor).toMatchObject({ added: 4, full: 2 });
    const again = applyPeers(store, peers, once);
    expect(again.tor).toMatchObject({ added: 0, updated: 4, full: 2 });
    expect(store.book("tor").list({ now: NOW, list: "gray" })).toHaveLength(3);
  });

  test("a banned host is not taken from it", () => {
    const store = openStore();
    const { peers } = readPeerList(state, options);
    const tor = peers.find(({ address }) => address.zone === "tor");
    if (tor === undefined) throw new Error("The list has no onion.");
    applyPeers(store, [{ ...tor, bannedUntilUnixMs: NOW + 1 }], { source: "import", now: NOW });
    const tallies = applyPeers(store, peers, { source: "import", now: NOW });
    expect(tallies.tor).toMatchObject({ added: 5, banned: 1 });
  });
});
