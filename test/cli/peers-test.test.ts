import { afterEach, expect, test } from "bun:test";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { isOfZone, parseAddress } from "../../lib/address/address.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { networks } from "../../lib/monero/network.ts";
import { probeResultSchema } from "../../lib/probe/result-schema.ts";
import { PeerTeller } from "../peers/peer-teller.ts";
import { anonctl, type PeersRun } from "./peers-program.ts";
import { clear, directory } from "./program.ts";

const [up = "", down = "", unknown = ""] = networks.mainnet.seeds.tor;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await clear();
});

async function network(): Promise<SimulatedOnionNetwork> {
  const made = await SimulatedOnionNetwork.start();
  cleanups.push(() => made.close());
  return made;
}

function onion(text: string) {
  const address = parseAddress(text);
  if (!isOfZone(address, "tor")) throw new Error(`"${text}" is no onion address.`);
  return address;
}

function lines(run: PeersRun): unknown[] {
  return run.out
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
}

test("The book's peers are probed, many at once, and what was seen is written", async () => {
  const tor = await network();
  const teller = await PeerTeller.listen([]);
  cleanups.push(() => teller.close());
  tor.register(onion(up), { host: "127.0.0.1", port: teller.port });
  const book = ["--regtest", "--data-dir", directory()];
  expect(await anonctl(["peers", "add", up, down, ...book])).toMatchObject({ code: 0 });
  expect(await anonctl(["peers", "add", unknown, ...book])).toMatchObject({ code: 0 });
  expect(await anonctl(["peers", "ban", unknown, ...book])).toMatchObject({ code: 0 });
  const proxy = ["--tx-proxy", `tor,127.0.0.1:${tor.socksPort}`, "--attempts", "1"];

  const tested = await anonctl(["peers", "test", "tor", "--json", ...proxy, ...book]);
  expect(tested.code).toBe(1);
  const results = lines(tested).map((line) => probeResultSchema.parse(line));
  expect(results.map(({ address, ok }) => [address, ok]).toSorted()).toEqual(
    [
      [up, true],
      [down, false],
    ].toSorted(),
  );
  expect(teller.handshakes).toBe(1);

  const listed = lines(await anonctl(["peers", "list", "--json", "--sort", "latency", ...book]));
  expect(listed).toMatchObject([
    { address: up, list: "white", reachable: { ok: true }, failures: 0 },
    { address: down, reachable: { ok: false, layer: expect.any(String), latency_ms: null } },
    { address: unknown, reachable: null },
  ]);
  const stats = lines(await anonctl(["peers", "stats", "--json", ...book]));
  expect(stats).toMatchObject([{ zones: { tor: { probed: 2, reached: 1, reached_share: 0.5 } } }]);

  const probed = await anonctl(["probe", "--peers", "tor", "--json", ...proxy, ...book]);
  expect(
    lines(probed)
      .map((line) => probeResultSchema.parse(line).address)
      .toSorted(),
  ).toEqual([up, down].toSorted());
  const none = await anonctl(["peers", "test", "i2p", ...proxy, ...book]);
  expect(none.errors).toContain("The book has no such peer");
}, 60_000);

test("A fault of this machine is not held against a peer", async () => {
  const book = ["--regtest", "--data-dir", directory()];
  await anonctl(["peers", "add", up, ...book]);
  const tested = await anonctl(["peers", "test", "--tx-proxy", "tor,127.0.0.1:1", ...book]);
  expect(tested.code).toBe(3);
  const listed = lines(await anonctl(["peers", "list", "--json", ...book]));
  expect(listed).toMatchObject([{ address: up, reachable: null, failures: 0 }]);
}, 60_000);

test("A peer of another network is none of the book's", async () => {
  const tor = await network();
  const teller = await PeerTeller.listen([]);
  cleanups.push(() => teller.close());
  tor.register(onion(up), { host: "127.0.0.1", port: teller.port });
  const book = ["--stagenet", "--data-dir", directory()];
  await anonctl(["peers", "add", up, ...book]);
  const proxy = ["--tx-proxy", `tor,127.0.0.1:${tor.socksPort}`];
  expect((await anonctl(["peers", "test", ...proxy, ...book])).code).toBe(1);
  const listed = lines(await anonctl(["peers", "list", "--json", ...book]));
  expect(listed).toMatchObject([{ address: up, reachable: { ok: false } }]);
}, 60_000);

/** An RPC of monerod's with the stored answer. */
async function rpc(): Promise<Server> {
  const answer = readFileSync(
    join(import.meta.dir, "..", "vectors", "peers", "get_peer_list.json"),
  );
  const server = createServer((_request, response) => {
    response.setHeader("Content-Length", answer.length);
    response.end(answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  return server;
}

test("An RPC behind an onion is asked through its proxy, in only-onion mode too", async () => {
  const tor = await network();
  const server = await rpc();
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  tor.register(onion(up), { host: "127.0.0.1", port });
  const words = ["peers", "import", "--rpc", up, "--tor-proxy", `127.0.0.1:${tor.socksPort}`];
  for (const mode of [[], ["--only-onion"]]) {
    const run = await anonctl([...words, ...mode, "--json", "--data-dir", directory()]);
    expect(run).toMatchObject({ code: 0, errors: "" });
    expect(lines(run)).toMatchObject([{ format: "monerod", peers: 20, refused: [] }]);
  }
  const refused = ["peers", "import", "--rpc", "203.0.113.9:18081", "--only-onion"];
  const proxy = ["--tor-proxy", `127.0.0.1:${tor.socksPort}`, "--data-dir", directory()];
  const run = await anonctl([...refused, ...proxy]);
  expect(run.code).toBe(2);
  expect(run.errors).toContain("only-onion");
}, 60_000);
