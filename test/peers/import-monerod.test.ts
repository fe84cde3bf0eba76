import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { formatAddress } from "../../lib/address/address.ts";
import { networks } from "../../lib/monero/network.ts";
import { exportMonerod, inMonerodOrder } from "../../lib/peers/export-monerod.ts";
import { exportP2pState } from "../../lib/peers/export-p2pstate.ts";
import { readPeerList } from "../../lib/peers/import-any.ts";
import { ImportError } from "../../lib/peers/import-error.ts";
import { readJsonList } from "../../lib/peers/import-json.ts";
import { readP2pState } from "../../lib/peers/import-p2pstate.ts";
import { anyPeers } from "./peer-arbitrary.ts";

const RUNS = 10_000;
const options = { network: networks.mainnet };
const vectors = join(import.meta.dir, "..", "vectors", "peers");
const state = new Uint8Array(readFileSync(join(vectors, "p2pstate.bin")));
const answer = readFileSync(join(vectors, "get_peer_list.json"), "utf8");

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ImportError) return error.code;
    throw error;
  }
  return "none";
}

function changed(at: number, ...bytes: readonly number[]): Uint8Array {
  const copy = state.slice();
  copy.set(bytes, at);
  return copy;
}

/** Where the first entry's parts stand in the stored file. */
const at = {
  flags: 25,
  listVersion: 28,
  whiteCount: 29,
  entryVersion: 33,
  type: 36,
  nameLength: 41,
};

describe("monerod's own lists", () => {
  test("p2pstate.bin is read whole, and comes out again byte for byte", () => {
    const list = readPeerList(state, options);
    expect(list).toMatchObject({ format: "p2pstate", refused: [], repeated: 0 });
    expect(list.peers.map(({ address }) => address.zone).toSorted()).toEqual([
      ...Array(6).fill("i2p"),
      ...Array(9).fill("public"),
      ...Array(6).fill("tor"),
    ]);
    expect(Buffer.from(exportP2pState(list.peers)).equals(Buffer.from(state))).toBe(true);
  });

  test("the answer of its RPC is read whole, and comes out again byte for byte", () => {
    const list = readPeerList(new TextEncoder().encode(answer), options);
    expect(list).toMatchObject({ format: "monerod", refused: [], repeated: 0 });
    expect(exportMonerod(list.peers)).toBe(answer);
  });

  test("both tell of the same peers", () => {
    expect(exportMonerod(readPeerList(state, options).peers)).toBe(answer);
  });

  test("what a peer is comes whole: 64 bits of id, port, pruning, RPC", () => {
    const peer = readJsonList(answer, options).peers.find(({ address }) =>
      formatAddress(address).startsWith("203.0.113.200:"),
    );
    expect(peer).toMatchObject({
      address: { host: "203.0.113.200", port: 18_080, zone: "public" },
      list: "gray",
      lastSeenUnixMs: undefined,
      monero: { peerId: 13039488496223113161n, pruningSeed: 384, rpcPort: 18_089 },
    });
  });

  test("a peer id at which monerod would never end its writing is written as 0", () => {
    const [first] = readPeerList(state, options).peers;
    const monero = { peerId: 1n << 63n, pruningSeed: 0, rpcPort: 0, rpcCreditsPerHash: 0 };
    const file = exportP2pState(first === undefined ? [] : [{ ...first, monero }]);
    expect(readP2pState(file, options).peers.map((peer) => peer.monero?.peerId)).toEqual([0n]);
  });

  test("any peers come back as they went, from both", () => {
    fc.assert(
      fc.property(anyPeers, (peers) => {
        const ordered = inMonerodOrder(peers);
        const byList = [
          ...ordered.filter(({ list }) => list === "white"),
          ...ordered.filter(({ list }) => list === "gray"),
        ];
        expect(readP2pState(exportP2pState(peers), options).peers).toEqual(byList);
        expect(readJsonList(exportMonerod(peers), options).peers).toEqual(byList);
      }),
      { numRuns: RUNS / 10 },
    );
  });
});

describe("p2pstate.bin of another kind is refused", () => {
  test.each<[string, Uint8Array, string]>([
    ["lists of version 5", changed(at.listVersion, 5), "unsupported-version"],
    ["lists of version 7", changed(at.listVersion, 7), "unsupported-version"],
    ["entries of version 4", changed(at.entryVersion, 4), "unsupported-version"],
    ["high bytes first", changed(at.flags, 0x40), "unsupported-version"],
    ["unknown flags", changed(at.flags, 0x81), "damaged"],
    ["an address of type 5", changed(at.type, 5), "damaged"],
    ["a name that runs over", changed(at.nameLength, 255), "damaged"],
    ["more peers than bytes", changed(at.whiteCount, 1, 0xff), "damaged"],
    ["bytes behind it", Uint8Array.of(...state, 0), "damaged"],
    ["an unportable archive", unportable(), "unsupported-version"],
    ["an I2P name said to be onion", changed(at.type, 4), "mixed-zones"],
  ])("%s", (_name, bytes, code) => {
    expect(codeOf(() => readPeerList(bytes, options))).toBe(code);
  });

  test("cut off anywhere", () => {
    for (let length = 0; length < state.length; length++) {
      expect(codeOf(() => readPeerList(state.subarray(0, length), options, "p2pstate"))).toBe(
        "damaged",
      );
    }
  });

  test("a count of 2^63 allocates nothing", () => {
    const head = state.slice(0, at.whiteCount);
    const bytes = Uint8Array.of(...head, 8, 0, 0, 0, 0, 0, 0, 0, 0x7f);
    expect(codeOf(() => readPeerList(bytes, options))).toBe("damaged");
  });
});

describe("what the RPC answers", () => {
  const entry = { host: "203.0.113.9", ip: 0x097100cb, port: 18_080, id: 1, last_seen: 0 };
  const read = (...white: readonly object[]) =>
    readJsonList(JSON.stringify({ status: "OK", white_list: white }), options);

  test.each<[string, object, string]>([
    ["a number that is another address", { ...entry, ip: 1 }, "two-addresses"],
    ["an onion name with an IP address", { ...entry, host: "x.onion:1" }, "two-addresses"],
    ["the name of nobody", { host: "<unknown tor host>" }, "port-invalid"],
    ["no port", { host: "203.0.113.9" }, "port-invalid"],
    ["a port that is none", { ...entry, port: 70_000 }, "bad-entry"],
    ["a number for a host", { ...entry, host: 5 }, "bad-entry"],
    ["a DNS name", { host: "example.com", port: 1 }, "dns-name"],
    ["a broken onion name", { host: `${"a".repeat(56)}.onion:1` }, "onion-version"],
  ])("%s is left out, by name, and the others are taken", (_name, bad, code) => {
    const { peers, refused, refusedByCode } = read(bad, entry);
    expect(peers).toHaveLength(1);
    expect(refused.map((one) => [one.where, one.code])).toEqual([["white_list entry 1", code]]);
    expect([...refusedByCode]).toEqual([[code, 1]]);
  });

  test("public nodes: the port that is not told is the network's usual one", () => {
    const nodes = JSON.stringify({
      status: "OK",
      gray: [{ host: "203.0.113.9", rpc_port: 18_089, last_seen: 5 }],
    });
    expect(readJsonList(nodes, { network: networks.stagenet }).peers).toMatchObject([
      {
        address: { port: 38_080 },
        list: "gray",
        lastSeenUnixMs: 5_000,
        monero: { rpcPort: 18_089 },
      },
    ]);
  });

  test("an old answer without hosts", () => {
    const { host: _, ...old } = entry;
    expect(read(old).peers).toMatchObject([{ address: { host: "203.0.113.9" } }]);
  });

  test.each(['{"status":"BUSY"}', '{"status":"OK","white_list":5}'])("a failure: %s", (text) => {
    expect(codeOf(() => readJsonList(text, options))).toBe("damaged");
  });
});

/** As boost's own binary archive begins on a 64-bit machine. */
function unportable(): Uint8Array {
  const words = new TextEncoder().encode("serialization::archive");
  return Uint8Array.of(words.length, 0, 0, 0, 0, 0, 0, 0, ...words, 17, 0, 4, 8);
}
