import { afterAll, beforeAll, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { TorLikeProxy } from "../zone/tor-like-proxy.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { RecordingProxy } from "./recording-proxy.ts";
import { leaving, socketsOf } from "./sockets-of.ts";
import { socksRequestOf } from "./socks-of-recording.ts";

/*
 * Example A of Monero's document as a monero.conf of `anonctl node`: real Tor and a real monerod
 * behind an onion for the hidden half; for the public half a proxy that answers as Tor's exits would,
 * and leads to another real monerod, since no exit of a private network resolves a name.
 */

const { describe, test } = requireDaemon("monerod", "tor", "tor-gencert", "setpriv");

const EXAMPLE_A = join(import.meta.dir, "../vectors/monero/example-a.conf");
const SEED_NAME = "seeds.example.org";
const SEED = "198.51.100.7";
const ONION_PORT = 18_083;
/** The port of the example's own onion. */
const OWN_PORT = 18_084;
const UP_MS_MAX = 90_000;
/** 127.0.0.1 as the kernel prints it. */
const LOOPBACK = "0100007F";

const [transaction] = regtestTransactions;
const directory = mkdtempSync(join(tmpdir(), "anonctl-example-a-"));
const cleanups: (() => Promise<unknown> | unknown)[] = [];

/** The example's text with names and ports of this test; each of them must be in it once. */
function example(replacements: readonly (readonly [string, string])[]): string {
  let text = readFileSync(EXAMPLE_A, "utf8");
  for (const [from, to] of replacements) {
    if (text.split(from).length !== 2) throw new Error(`"${from}" is not in the example once.`);
    text = text.replace(from, to);
  }
  return text;
}

describe("Example A of Monero's document, as a monero.conf", () => {
  let tor: PrivateTorNetwork;
  let behindOnion: Monerod;
  let inPublic: Monerod;
  let proxy: TorLikeProxy;
  let txProxy: RecordingProxy;
  let node: NodeProcess;
  let onion = "";
  let own = "";
  let inboundPort = 0;
  let guestPort = 0;

  beforeAll(async () => {
    const ports = await pickPorts(2);
    cleanups.push(() => returnPorts(ports));
    const [daemonPort = 0, ownPort = 0] = ports;
    inboundPort = ownPort;
    const service = (virtualPort: number, port: number) => ({
      onionServices: [{ virtualPort, target: { host: "127.0.0.1", port } }],
    });
    tor = await PrivateTorNetwork.start({
      clients: [
        { name: "daemon", ...service(ONION_PORT, daemonPort) },
        { name: "node", ...service(OWN_PORT, ownPort) },
        { name: "guest" },
      ],
    });
    cleanups.push(() => tor.stop());
    const [daemon, user, guest] = tor.clients;
    if (daemon === undefined || user === undefined || guest === undefined) {
      throw new Error("The private Tor network lacks a client.");
    }
    const [daemonName = ""] = daemon.onions;
    const [ownName = ""] = user.onions;
    [onion, own] = [`${daemonName}:${ONION_PORT}`, `${ownName}:${OWN_PORT}`];
    guestPort = guest.socksPort;
    behindOnion = await Monerod.start({
      ...{ name: "onion", synchronised: false },
      txProxies: [{ zone: "tor", port: daemon.socksPort }],
      anonymousInbounds: [{ zone: "tor", address: onion, port: daemonPort }],
    });
    cleanups.push(() => behindOnion.stop());
    inPublic = await Monerod.start({ name: "public" });
    cleanups.push(() => inPublic.stop());
    proxy = await TorLikeProxy.start();
    cleanups.push(() => proxy.close());
    proxy.name(SEED_NAME, SEED);
    proxy.lead(SEED, inPublic.p2pPort);
    txProxy = await RecordingProxy.listen(user.socksPort);
    cleanups.push(() => txProxy.close());
    await tor.reachable(daemonName, ONION_PORT, { through: user });
    const file = join(directory, "monero.conf");
    writeFileSync(
      file,
      example([
        ["proxy=127.0.0.1:5050", `proxy=127.0.0.1:${proxy.port}`],
        ["tor,127.0.0.1:9050,16", `tor,127.0.0.1:${txProxy.port},16`],
        ["123.onion:18084,127.0.0.1:18084,8", `${own},127.0.0.1:${inboundPort},8`],
        ["# add-peer=mybuddy.onion:18084", `add-peer=${onion}`],
      ]),
    );
    node = await NodeProcess.start({
      arguments: [
        ...["--config-file", file, "--dns-seed", SEED_NAME],
        ...["--timed-sync", "5s", "--noise-schedule", "uniform:400ms..900ms"],
      ],
    });
  }, 180_000);

  afterAll(async () => {
    await endNodes();
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  const readyIn = async (zone: string, direction: string): Promise<string | null> =>
    await node.statusWhere(
      ({ zones }) =>
        zones
          .find((one) => one.zone === zone)
          ?.peers.find((peer) => peer.state === "ready" && peer.direction === direction)?.address,
      UP_MS_MAX,
    );

  test("proxies peer-to-peer traffic by the proxy, DNS too, for as many as it says", async () => {
    expect(await readyIn("public", "outbound")).toBe(`${SEED}:18080`);
    expect([...new Set(proxy.resolved)]).toEqual([SEED_NAME]);
    expect(proxy.dialed).toContain(`${SEED}:18080`);
    // No onion is asked of the exits.
    expect(proxy.requests.filter(({ host }) => host.endsWith(".onion"))).toEqual([]);
    const { zones } = await node.status();
    const limits = zones.map(({ zone, outbound_max: most }) => [zone, most]);
    expect(Object.fromEntries(limits)).toEqual({ public: 32, tor: 16 });
  }, 120_000);

  test("sends a wallet's transaction to the onion, and to nobody in public", async () => {
    expect(await readyIn("tor", "outbound")).toBe(onion);
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: transaction?.blob });
    expect(answer).toMatchObject({ status: "OK" });
    await until(
      async () =>
        (await behindOnion.poolTransactionIds()).includes(transaction?.id ?? "") ? true : undefined,
      UP_MS_MAX,
      () => JSON.stringify(node.lines.slice(-20)),
    );
    expect(await inPublic.poolTransactionIds()).toEqual([]);
    const asked = txProxy.recordings.flatMap((one) => socksRequestOf(one) ?? []);
    expect([...new Set(asked.map(({ host, port }) => `${host}:${port}`))]).toEqual([onion]);
  }, 120_000);

  test("takes connections of its own onion, eight at the most", async () => {
    const name = own.split(":")[0] ?? "";
    const [, , guest] = tor.clients;
    if (guest === undefined) throw new Error("The guest is missing.");
    await tor.reachable(name, OWN_PORT, { through: guest, deadlineMs: UP_MS_MAX });
    const other = await NodeProcess.start({
      arguments: ["--tx-proxy", `tor,127.0.0.1:${guestPort}`, "--add-exclusive-node", own],
    });
    await readyIn("tor", "inbound");
    // Its streams come from this machine's tor, as these do. The ninth is closed at once.
    const sockets = Array.from({ length: 9 }, () => connect(inboundPort, "127.0.0.1"));
    const ends = sockets.map(
      (socket) =>
        new Promise<string>((resolve) => {
          socket.on("error", () => undefined);
          socket.once("close", () => resolve("closed"));
          node.exited.then(() => resolve("ended"));
        }),
    );
    expect(await Promise.race(ends)).toBe("closed");
    const { zones } = await node.status();
    const guests = zones
      .find(({ zone }) => zone === "tor")
      ?.peers.filter(({ direction }) => direction === "inbound");
    expect(guests?.length).toBeLessThanOrEqual(8);
    for (const socket of sockets) socket.destroy();
    await other.kill("SIGTERM");
  }, 150_000);

  test("has no clearnet: it listens on loopback alone, and is connected to nobody beyond it", () => {
    const sockets = socketsOf([node.pid]);
    expect(leaving(sockets)).toEqual([]);
    expect(sockets.filter(({ protocol }) => protocol.startsWith("udp"))).toEqual([]);
    const listeners = sockets.filter(({ listens }) => listens);
    // For its onion, and for wallets.
    const places = listeners.map(({ local, localPort }) => `${local}:${localPort}`).sort();
    expect(places).toEqual([`${LOOPBACK}:${inboundPort}`, `${LOOPBACK}:${node.rpcPort}`].sort());
  });

  test("was started by the example's own words, but for names and ports", () => {
    const text = readFileSync(join(directory, "monero.conf"), "utf8");
    const shape = (one: string): string[] =>
      one.split("\n").map((line) => line.replace(/^#? ?([a-z-]+)=[^ ]*/, "$1="));
    expect(shape(text)).toEqual(shape(readFileSync(EXAMPLE_A, "utf8")));
    const passedOver = node.lines.flatMap(({ text: words }) =>
      words?.includes("passed over") ? [words.split(" ")[0]] : [],
    );
    expect(passedOver.sort()).toEqual(["no-igd", "no-zmq"]);
  });
});
