import { afterAll, beforeAll, expect } from "bun:test";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import { isUnknowing, lookupThrough, type NameLookup } from "../../lib/zone/name-lookup.ts";
import { isolationOf } from "../zone/exit-proxy.ts";
import { requireDaemon } from "./daemon.ts";
import { mapAddresses } from "./map-addresses.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { RecordingProxy } from "./recording-proxy.ts";
import { leaving, socketsOf } from "./sockets-of.ts";
import { socksRequestOf } from "./socks-of-recording.ts";

/*
 * `anonctl node --anonymize` with open peers on a private Tor network, whose relays are exits to
 * loopback: tor is told to take an address and a name of the internet for 127.0.0.1, where a real
 * monerod listens. That it is met shows that tor was asked, and nobody else.
 */

const { describe, test } = requireDaemon("monerod", "tor", "tor-gencert", "setpriv");
const UP_MS_MAX = 120_000;
const OPEN = "198.51.100.7";
const NAME = "node.example.com";
const SEED_NAME = "seeds.example.org";

describe("a node that hides, with open peers, on real Tor", () => {
  let network: PrivateTorNetwork;
  let user: PrivateTorClient;
  let monerod: Monerod;
  let proxy: RecordingProxy;

  beforeAll(async () => {
    network = await PrivateTorNetwork.start({ clients: [{ name: "user" }] });
    const [client] = network.clients;
    if (client === undefined) throw new Error("The client is missing.");
    user = client;
    await mapAddresses(user, [OPEN, NAME]);
    monerod = await Monerod.start({});
    proxy = await RecordingProxy.listen(user.socksPort);
  }, 150_000);

  afterAll(async () => {
    await endNodes();
    proxy?.close();
    await monerod?.stop();
    await network?.stop();
  }, 30_000);

  test("meets them at exits, each by a stream of its own circuit, and sends nothing else", async () => {
    const [transaction] = regtestTransactions;
    const places = [OPEN, NAME].map((host) => `${host}:${monerod.p2pPort}`);
    const node = await NodeProcess.start({
      arguments: [
        ...["--anonymize", "--tor-proxy", `127.0.0.1:${proxy.port}`, "--timed-sync", "5s"],
        ...places.flatMap((place) => ["--add-peer", place]),
      ],
    });
    const met = await node.statusWhere(({ zones }) => {
      const peers = zones.find(({ zone }) => zone === "public")?.peers ?? [];
      const ready = peers.filter(({ state }) => state === "ready");
      return ready.length === places.length ? ready : undefined;
    }, UP_MS_MAX);
    expect(met.map(({ address }) => address).sort()).toEqual([...places].sort());
    // What a peer of the public zone tells arrives.
    await monerod.sendRawTransaction(transaction?.blob ?? "");
    await until(
      async () => {
        const { tx_hashes: hashes } = await node.get("/get_transaction_pool_hashes");
        return Array.isArray(hashes) && hashes.includes(transaction?.id) ? true : undefined;
      },
      UP_MS_MAX,
      () => JSON.stringify(node.lines.slice(-20)),
    );
    const sockets = socketsOf([node.pid]);
    expect(leaving(sockets)).toEqual([]);
    // For wallets, and nobody else.
    expect(sockets.filter(({ listens }) => listens).map(({ localPort }) => localPort)).toEqual([
      node.rpcPort,
    ]);
    const asked = proxy.recordings.flatMap((one) => socksRequestOf(one) ?? []);
    expect(new Set(asked.map(({ host, port }) => `${host}:${port}`))).toEqual(new Set(places));
    const labels = asked.map(isolationOf);
    expect(new Set(labels).size).toBe(labels.length);
    for (const label of labels) expect(label).toStartWith("exit-link-");
    expect(await node.kill("SIGTERM")).toBe(0);
  }, 280_000);

  test("asks tor for names, which tells one address, or that it knows none", async () => {
    // Looked up only: nobody is dialed there.
    await mapAddresses(user, [SEED_NAME], "203.0.113.9");
    const isolation = new StreamIsolation(systemRandom);
    const lookup: NameLookup = lookupThrough(
      {
        ...{ place: { host: "127.0.0.1", port: user.socksPort }, version: "5" },
        credentials: (label) => isolation.credentials(label),
      },
      realClock,
    );
    const { signal } = new AbortController();
    const options = { label: "seed-name-1-0", deadlineMs: UP_MS_MAX, signal };
    expect(await lookup(SEED_NAME, options)).toEqual(["203.0.113.9"]);
    // This machine is nobody's seed, although tor would lead there.
    expect(await lookup(NAME, options)).toEqual([]);
    const error = await lookup("nobody.example.org", options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Error);
    expect(isUnknowing(error)).toBe(false);
  }, 200_000);
});
