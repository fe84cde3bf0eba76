import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Zone, zones } from "../../lib/address/zone.ts";
import { networks } from "../../lib/monero/network.ts";
import { exportText } from "../../lib/peers/export-list.ts";
import { readPeerList } from "../../lib/peers/import-any.ts";
import { applyPeers } from "../../lib/peers/import-apply.ts";
import { ImportError } from "../../lib/peers/import-error.ts";
import type { ImportList } from "../../lib/peers/import-list.ts";
import { HttpAnswer } from "../../lib/peers/import-rpc.ts";
import { PeerStore } from "../../lib/peers/store.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

const MUTANTS = 10_000;
/** Of so many lists that are taken, one is put into a book. */
const KEPT_EACH = 25;
const options = { network: networks.mainnet };
const vectors = join(import.meta.dir, "..", "vectors", "peers");
const state = new Uint8Array(readFileSync(join(vectors, "p2pstate.bin")));
const answer = new Uint8Array(readFileSync(join(vectors, "get_peer_list.json")));
const { peers } = readPeerList(state, options);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const own = JSON.stringify({
  schema: "anonctl.peers.v1",
  network: "mainnet",
  zones: Object.fromEntries(
    zones.map((zone) => [
      zone,
      peers
        .filter(({ address }) => address.zone === zone)
        .map((peer) => ({ address: [...exportText([peer])].join("").trim(), list: peer.list })),
    ]),
  ),
});
const bitcoin = JSON.stringify(
  peers.map(({ address: { host, port, zone, kind } }) => ({
    time: 1_700_000_000,
    services: 1033,
    address: host,
    port,
    network: zone === "tor" ? "onion" : zone === "i2p" ? "i2p" : kind,
  })),
);

const formats: readonly [name: string, list: Uint8Array][] = [
  ["p2pstate.bin", state],
  ["monerod's JSON", answer],
  ["our JSON", encode(own)],
  ["Bitcoin's JSON", encode(bitcoin)],
  ["an array", encode(JSON.stringify([...exportText(peers)].map((line) => line.trim())))],
  ["text", encode([...exportText(peers)].join(""))],
];

/** Pieces of other zones and of other formats, to be put where they don't belong. */
const foreign = [
  ...["203.0.113.7", "[2001:db8::7]:1", ".onion", ".b32.i2p", ":18083", '"', "}", "]", ",", "\n"],
  ...['"tor"', '"public"', '"zones"', "1e9", "-1", "null", "\u0000", "\u001b[2J", "#", "=", "%"],
].map(encode);

function mutant(list: Uint8Array, random: SeededRandom): Uint8Array {
  let bytes = list;
  for (let left = 1 + (random.uint32() % 3); left > 0; left--) {
    const at = random.uint32() % Math.max(1, bytes.length);
    const length = random.uint32() % 64;
    switch (random.uint32() % 5) {
      case 0: {
        bytes = bytes.slice();
        bytes[at] = random.uint32() & 0xff;
        break;
      }
      case 1:
        bytes = spliced(bytes, at, length, new Uint8Array(0));
        break;
      case 2:
        bytes = spliced(bytes, at, 0, bytes.slice(at, at + length));
        break;
      case 3:
        bytes = spliced(bytes, at, 0, foreign[random.uint32() % foreign.length] ?? bytes);
        break;
      case 4: {
        const from = random.uint32() % Math.max(1, bytes.length);
        bytes = spliced(bytes, at, length, bytes.slice(from, from + length));
        break;
      }
    }
  }
  return bytes;
}

function spliced(bytes: Uint8Array, at: number, out: number, put: Uint8Array): Uint8Array {
  const tail = bytes.subarray(at + out);
  const whole = new Uint8Array(at + put.length + tail.length);
  whole.set(bytes.subarray(0, at));
  whole.set(put, at);
  whole.set(tail, at + put.length);
  return whole;
}

/** The zone of a host, told by another rule than the code under test has. */
function zoneOf(host: string): Zone | undefined {
  if (/^[a-z2-7]{56}\.onion$/.test(host)) return "tor";
  if (/^[a-z0-9._-]+\.i2p$/.test(host)) return "i2p";
  return isIP(host) === 0 ? undefined : "public";
}

const directories: string[] = [];

afterAll(() => {
  for (const path of directories) rmSync(path, { recursive: true, force: true });
});

/** A book with room for whatever comes. */
function openStore(): PeerStore {
  const path = mkdtempSync(join(tmpdir(), "anonctl-mutants-"));
  directories.push(path);
  const limits = { white: 100_000, gray: 100_000, anchor: 100_000 };
  return PeerStore.open({ directory: path, network: "mainnet", clock: realClock, limits });
}

/** Every host that a zone's own table has. */
function hostsOf(store: PeerStore): [Zone, string][] {
  return zones.flatMap((zone) =>
    store
      .book(zone)
      .list({ now: 1 })
      .map(({ address }): [Zone, string] => [zone, address.host]),
  );
}

describe("mutated lists never crash and never mix zones", () => {
  test.each(formats)("%s", (_name, list) => {
    const random = new SeededRandom(4);
    let taken = 0;
    let refused = 0;
    const store = openStore();
    for (let i = 0; i < MUTANTS; i++) {
      let read: ImportList;
      try {
        read = readPeerList(mutant(list, random), options);
      } catch (error) {
        if (!(error instanceof ImportError)) throw error;
        refused++;
        continue;
      }
      for (const { address } of read.peers) {
        if (zoneOf(address.host) !== address.zone) throw new Error(JSON.stringify(address));
      }
      if (taken++ % KEPT_EACH === 0) applyPeers(store, read.peers, { source: "import", now: 1 });
    }
    const hosts = hostsOf(store);
    store.close();
    expect(hosts.length).toBeGreaterThan(peers.length - 1);
    expect(hosts.filter(([zone, host]) => zoneOf(host) !== zone)).toEqual([]);
    expect(taken + refused).toBe(MUTANTS);
    expect(taken).toBeGreaterThan(10);
  });

  test("an answer of HTTP", () => {
    const random = new SeededRandom(5);
    const head = encode(
      `HTTP/1.1 200 Ok\r\nServer: Epee-based\r\nContent-Length: ${answer.length}\r\n\r\n`,
    );
    const whole = spliced(answer, 0, 0, head);
    for (let i = 0; i < MUTANTS; i++) {
      const bytes = mutant(whole.subarray(0, 600), random);
      const reader = new HttpAnswer("/get_peer_list");
      const cut = random.uint32() % bytes.length;
      try {
        reader.take(bytes.subarray(0, cut));
        reader.take(bytes.subarray(cut));
      } catch (error) {
        if (!(error instanceof ImportError)) throw error;
      }
    }
  });
});
