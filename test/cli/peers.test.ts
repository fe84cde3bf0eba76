import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { networks } from "../../lib/monero/network.ts";
import { anonctl, type PeersRun } from "./peers-program.ts";
import { clear, directory } from "./program.ts";

const { seeds } = networks.mainnet;
const [onion = "", second = ""] = seeds.tor;
const [i2p = ""] = seeds.i2p;

afterEach(clear);

async function peers(data: string, ...words: string[]): Promise<PeersRun> {
  return await anonctl(["peers", ...words, "--data-dir", data]);
}

/** The JSON that a run printed, a document a line. */
function documents(run: PeersRun): Record<string, unknown>[] {
  return run.out
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Record<string, unknown> => JSON.parse(line));
}

async function addresses(data: string, ...words: string[]): Promise<unknown[]> {
  return documents(await peers(data, "list", "--json", ...words)).map((one) => one["address"]);
}

test("A peer's life: added, shown, banned, unbanned, removed", async () => {
  const data = directory();
  const added = await peers(data, "add", onion, second.replace(":18083", ""), "203.0.113.9", i2p);
  expect(added).toMatchObject({ code: 0, errors: "" });
  expect(added.out.toString()).toContain(`${onion}: added to the white list\n`);
  expect(statSync(join(data, "peers-mainnet.sqlite")).mode & 0o777).toBe(0o600);
  expect(await addresses(data, "tor", "--sort", "address")).toEqual([onion, second].toSorted());
  expect(await addresses(data, "public", "i2p")).toEqual(["203.0.113.9:18080", i2p]);

  const shown = documents(await peers(data, "show", onion, "--json"));
  const known = { schema: "anonctl.peer.v1", network: "mainnet", zone: "tor", address: onion };
  expect(shown).toMatchObject([{ ...known, list: "white", source: "user", banned_until: null }]);
  expect((await peers(data, "show", onion)).out.toString()).toContain("source        user");

  expect((await peers(data, "ban", onion, "--for", "forever")).out.toString()).toContain(
    "for ever",
  );
  expect(await addresses(data, "--banned")).toEqual([onion]);
  const bans = documents(await peers(data, "ban", "--json"));
  expect(bans).toMatchObject([{ bans: [{ zone: "tor", until: "forever" }] }]);
  const text = await anonctl(["peers", "export", "--format", "text", "--data-dir", data]);
  expect(text.out.toString()).not.toContain(onion);
  expect((await peers(data, "unban", onion)).code).toBe(0);
  expect((await peers(data, "unban", onion)).code).toBe(1);

  expect((await peers(data, "remove", onion)).out.toString()).toBe(`${onion}: removed\n`);
  expect((await peers(data, "remove", onion)).code).toBe(1);
  expect((await peers(data, "show", onion)).errors).toContain("is not in the book of mainnet");
  expect(await addresses(data, "tor")).toEqual([second]);
}, 60_000);

test("Seeds, of the zones that are asked for, once; a network keeps a book of its own", async () => {
  const data = directory();
  const first = documents(await peers(data, "seed", "tor", "i2p", "--json"));
  expect(first).toMatchObject([
    { network: "mainnet", zones: { tor: { added: 6 }, i2p: { added: 3 } } },
  ]);
  const again = documents(await peers(data, "seed", "tor", "--json"));
  expect(again).toMatchObject([{ zones: { tor: { added: 0, updated: 6 } } }]);
  expect((await addresses(data, "tor", "--source", "seed")).length).toBe(6);
  expect((await addresses(data, "tor", "--limit", "2")).length).toBe(2);
  expect(await addresses(data, "tor", "--search", "ZBJK")).toEqual([onion]);
  const other = await peers(data, "seed", "tor", "--stagenet");
  expect(other.errors).toContain("stagenet has no seeds there");
  expect(await addresses(data, "--stagenet")).toEqual([]);
  const stats = documents(await peers(data, "stats", "--json"));
  expect(stats).toMatchObject([
    { schema: "anonctl.peers.stats.v1", zones: { tor: { gray: 6, probed: 0, latency_ms: null } } },
  ]);
  expect((await peers(data, "stats")).out.toString()).toMatch(/^tor +0 +0 +6 +6 /m);
}, 60_000);

test("--watch shows what another process has written meanwhile", async () => {
  const data = directory();
  await peers(data, "add", onion);
  const watching = peers(data, "list", "--json", "--watch", "500ms", "--rounds", "6");
  await peers(data, "add", second);
  const seen = documents(await watching).map((one) => one["address"]);
  expect(seen.filter((one) => one === onion)).toHaveLength(6);
  expect(seen).toContain(second);
}, 60_000);

describe("an import", () => {
  test("tells what it takes and what not, and why", async () => {
    const data = directory();
    const list = `${onion}\nexample.com:1\n203.0.113.9\n${"a".repeat(56)}.onion\n${onion}\n`;
    const run = await anonctl(["peers", "import", "-", "--data-dir", data], list);
    expect(run).toMatchObject({ code: 0, errors: "" });
    expect(run.out.toString()).toContain("2 peers in the list (text), 1 more than once.\n");
    expect(run.out.toString()).toContain("  line 2: example.com:1: It is a DNS name");
    expect(await addresses(data)).toEqual(["203.0.113.9:18080", onion]);

    const words = ["peers", "import", "-", "--zone", "i2p", "--json", "--data-dir", data];
    const other = await anonctl(words, `${second}\n`);
    expect(other.code).toBe(1);
    expect(documents(other)).toMatchObject([
      { peers: 0, refused: [{ where: "line 1", code: "other-zone" }] },
    ]);
    const dry = ["peers", "import", "-", "--dry-run", "--data-dir", data];
    expect(await anonctl(dry, `${second}\n`)).toMatchObject({ code: 0 });
    expect(await addresses(data, "tor")).toEqual([onion]);
  }, 60_000);

  test("of a list that mixes zones takes nothing", async () => {
    const data = directory();
    const zones = { tor: [{ address: onion }, { address: "203.0.113.9:1" }] };
    const list = JSON.stringify({ schema: "anonctl.peers.v1", network: "mainnet", zones });
    const run = await anonctl(["peers", "import", "-", "--data-dir", data], list);
    expect(run.code).toBe(2);
    expect(run.errors).toContain("nothing is taken from a list that mixes zones");
    expect(existsSync(join(data, "peers-mainnet.sqlite"))).toBe(false);
  }, 60_000);

  test("of what was exported gives the same again", async () => {
    const [first, other] = [directory(), directory()];
    const vectors = join(import.meta.dir, "..", "vectors", "peers");
    expect((await peers(first, "import", join(vectors, "p2pstate.bin"))).code).toBe(0);
    const file = join(first, "peers.json");
    expect((await peers(first, "export", file)).errors).toContain("Wrote 21 peers");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await peers(other, "import", file)).code).toBe(0);
    const state = await peers(other, "export", "--format", "p2pstate");
    expect(state.out.equals(readFileSync(join(vectors, "p2pstate.bin")))).toBe(true);
    const answer = await peers(other, "export", "--format", "monerod");
    expect(answer.out.equals(readFileSync(join(vectors, "get_peer_list.json")))).toBe(true);
    const onions = await peers(other, "export", "--format", "text", "--zone", "tor");
    expect(onions.out.toString().split("\n").filter(Boolean)).toHaveLength(6);
    expect(onions.out.toString()).not.toMatch(/i2p|203\.0/);
  }, 60_000);
});

test("A file that an export can't write: exit code 3", async () => {
  const kept = directory();
  expect((await peers(kept, "add", onion)).code).toBe(0);
  for (const file of [join(kept, "none", "peers.json"), kept]) {
    const run = await peers(kept, "export", file);
    expect(run.errors).toContain(`"${file}" can't be written`);
    expect({ code: run.code, out: run.out.toString() }).toEqual({ code: 3, out: "" });
    expect(existsSync(`${file}.part`)).toBe(false);
  }
});

const data = directory();
writeFileSync(join(data, "list.txt"), "");
const hidden = ["--anonymize", "--tor-proxy", "127.0.0.1:1"];

describe("what can't be done is said in a sentence, with its exit code", () => {
  test.each<[string[], number, string]>([
    [["list"], 2, "begin with anonctl peers seed, add or import"],
    [["list", "clearnet"], 2, '"clearnet" is no zone'],
    [["list", "--sort", "beauty"], 2, "none of address"],
    [["list", "--reachable", "--unknown"], 2, "exclude each other"],
    [["list", "--testnet", "--stagenet"], 2, "exclude each other"],
    [["list", "--watch", "1ms"], 2, "100ms or more"],
    [["add", "example.com:18080"], 2, "is a DNS name"],
    [["add", `${"a".repeat(56)}.onion:18083`], 2, "onion"],
    [["add", onion, "--list", "black"], 2, "no list"],
    [["ban", onion, "--for", "ever"], 2, "no duration"],
    [["import"], 2, "takes a FILE, or --rpc"],
    [["import", "x", "--rpc", "127.0.0.1:1"], 2, "one of them"],
    [["import", "/nowhere/at/all"], 2, "can't be read"],
    [["import", "x", "--format", "xml"], 2, "none of text"],
    [["import", "--rpc", "127.0.0.1:1"], 3, "Nothing answers at 127.0.0.1:1"],
    [["import", "--rpc", "203.0.113.9:18081"], 2, "no way is open"],
    [["import", "--rpc", "localhost:18081"], 2, "write 127.0.0.1"],
    [["import", "--rpc", onion], 2, "give --tx-proxy tor"],
    [["import", "--rpc", onion, "--only-onion"], 2, "--only-onion needs a proxy"],
    [["import", "--rpc", onion, "--anonymize"], 2, "--anonymize needs a proxy"],
    [["import", "--rpc", "203.0.113.9:1", ...hidden, "--proxy", "127.0.0.1:1"], 2, "names another"],
    [["import", "--rpc", "10.0.0.1:1", ...hidden], 2, "no exit of Tor reaches"],
    [["import", "x", "--public-nodes"], 2, "--public-nodes is about asking a monerod; give --rpc"],
    [["import", "x", "--only-onion"], 2, "--only-onion is about asking a monerod"],
    [["export"], 2, "begin with anonctl peers seed"],
    [["test", "tor"], 2, "begin with anonctl peers seed"],
    [["bogus"], 2, "unknown command"],
  ])("peers %p", async (words, code, sentence) => {
    const run = await anonctl([
      "peers",
      ...words,
      ...(words[0] === "bogus" ? [] : ["--data-dir", data]),
    ]);
    expect(run.errors).toContain(sentence);
    expect(run.out.toString()).toBe("");
    expect(run.code).toBe(code);
    expect(existsSync(join(data, "peers-mainnet.sqlite"))).toBe(false);
  });
});
