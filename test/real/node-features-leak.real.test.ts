import { afterEach, expect } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { onionName } from "../../lib/address/onion.ts";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { encodeMessage } from "../../lib/levin/frame.ts";
import { alwaysOk, endDaemons, FakeDaemon } from "../relay/fake-daemon.ts";
import { say, tupleOf } from "../relay/scripted-peer.ts";
import { isolationOf } from "../zone/exit-proxy.ts";
import { TorLikeProxy } from "../zone/tor-like-proxy.ts";
import { requireDaemon } from "./daemon.ts";
import { NamespaceDoors } from "./namespace-doors.ts";
import { ask, endNodes, NodeProcess, until } from "./node-process.ts";
import { RESOLVER, type SeenPacket, WatchedNamespace } from "./watched-namespace.ts";

/*
 * A node with all its features at once, in a network namespace in which a proxy's port is all there
 * is. Outside, the proxy leads every hidden name to another node, and every open one to a real monerod.
 */

const { describe, test } = requireDaemon("monerod", "ip", "tcpdump", "unshare", "setpriv");

const TEST_MS_MAX = 240_000;
const WAIT_MS_MAX = 90_000;
const onion = (byte: number): string => onionName(new Uint8Array(32).fill(byte));
const b32 = (letter: string): string => `${letter.repeat(52)}.b32.i2p`;
const [GIVEN, FIRST, ASKED, OWN, DAEMON] = [1, 2, 3, 4, 5].map(onion);
const [I2P_GIVEN, I2P_FIRST, I2P_ASKED, I2P_OWN] = ["a", "b", "c", "d"].map(b32);
const OPEN = "198.51.100.7";
const OPEN_ASKED = "198.51.100.8";
const SEED = "198.51.100.9";
const NAME = "node.example.com";
const SEED_NAMES = ["seeds.example.org", "seeds.example.net"];
/** Inside, where nobody else is. */
const [TOR_IN, I2P_IN] = [28_083, 28_084];
/** 198.51.100.7 as the kernel prints it. */
const OPEN_HEX = "076433C6";

const [local, guests] = regtestTransactions;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  await endNodes();
  endDaemons();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}, 60_000);

/** A proxy, and behind it everybody whom one can dial. */
async function world(): Promise<{
  proxy: TorLikeProxy;
  inside: WatchedNamespace;
  daemon: FakeDaemon;
  open: Monerod;
  others: NodeProcess;
}> {
  const ports = await pickPorts(2);
  cleanups.push(() => returnPorts(ports));
  const [torPort = 0, i2pPort = 0] = ports;
  const others = await NodeProcess.start({
    arguments: [
      ...["--anonymous-inbound", `${GIVEN}:18083,127.0.0.1:${torPort}`],
      ...["--anonymous-inbound", `${I2P_GIVEN},127.0.0.1:${i2pPort}`],
    ],
  });
  expect(others.inboundPort).toBe(torPort);
  const open = await Monerod.start({ name: "open" });
  cleanups.push(() => open.stop());
  const daemon = await FakeDaemon.start(alwaysOk);
  const proxy = await TorLikeProxy.start();
  cleanups.push(() => proxy.close());
  for (const host of [GIVEN, FIRST, ASKED]) proxy.lead(host ?? "", torPort);
  for (const host of [I2P_GIVEN, I2P_FIRST, I2P_ASKED]) proxy.lead(host ?? "", i2pPort);
  for (const host of [OPEN, OPEN_ASKED, SEED, NAME]) {
    proxy.lead(host, open.p2pPort);
  }
  proxy.lead(DAEMON ?? "", daemon.port);
  for (const name of SEED_NAMES) proxy.name(name, SEED);
  const inside = await WatchedNamespace.create(proxy.port);
  cleanups.push(() => inside.remove());
  return { proxy, inside, daemon, open, others };
}

/** Packets that are neither the proxy's nor of a port that the node itself listens on. */
function outside(packets: readonly SeenPacket[], ports: readonly number[]): string[] {
  const places = new Set(ports.map((port) => `127.0.0.1.${port}`));
  const isOwn = ({ from, to }: SeenPacket): boolean =>
    from.startsWith("127.0.0.1.") &&
    to.startsWith("127.0.0.1.") &&
    (places.has(from) || places.has(to));
  return packets.filter((packet) => !isOwn(packet)).map(({ line }) => line);
}

/** A node inside, whose RPC can be asked from here. */
async function nodeInside(
  inside: WatchedNamespace,
  words: readonly string[],
): Promise<{ node: NodeProcess; doors: NamespaceDoors; rpcPort: number }> {
  const node = await NodeProcess.start({ wrapper: inside.wrapper, arguments: words });
  const doors = new NamespaceDoors(inside.wrapper);
  cleanups.push(() => doors.close());
  const { rpcPort } = node;
  node.rpcPort = await doors.into(rpcPort);
  return { node, doors, rpcPort };
}

/** Waits until every zone is linked with somebody. */
async function linked(node: NodeProcess, zones: readonly string[]): Promise<void> {
  await node.statusWhere(({ zones: found }) => {
    const up = found.filter(({ peers }) => peers.some(({ state }) => state === "ready"));
    return zones.every((zone) => up.some((one) => one.zone === zone)) ? true : undefined;
  }, WAIT_MS_MAX);
}

/** A guest comes by the hidden service, and brings a stem. */
async function bringStem(port: number): Promise<void> {
  const guest = connect({ host: "127.0.0.1", port });
  cleanups.push(() => guest.destroy());
  guest.on("error", () => undefined);
  await once(guest, "connect");
  guest.write(encodeMessage(say.handshake(tupleOf(9, 50))));
  await once(guest, "data");
  guest.write(encodeMessage(say.transactions(Buffer.from(guests?.blob ?? "", "hex"))));
}

/** Every feature that reaches out, or is reached. */
function everything(proxyPort: number): string[] {
  const place = `127.0.0.1:${proxyPort}`;
  return [
    ...["--proxy", place, "--p2p-bind-ip", "127.0.0.1", "--in-peers", "0"],
    ...SEED_NAMES.flatMap((name) => ["--dns-seed", name]),
    ...["--tx-proxy", `tor,${place},8`, "--tx-proxy", `i2p,${place},8`],
    ...["--anonymous-inbound", `${OWN}:18083,127.0.0.1:${TOR_IN},8`],
    ...["--anonymous-inbound", `${I2P_OWN},127.0.0.1:${I2P_IN}`],
    ...[GIVEN, I2P_GIVEN, OPEN].flatMap((host) => ["--add-peer", host ?? ""]),
    ...[FIRST, I2P_FIRST, NAME].flatMap((host) => ["--add-priority-node", host ?? ""]),
    ...[ASKED, I2P_ASKED, OPEN_ASKED].flatMap((host) => ["--seed-node", host ?? ""]),
    ...["--daemon", `http://${DAEMON}:18081`, "--verify-with", `http://${DAEMON}:18081`],
    ...["--forward-in-zone", "--noise-channels", "all", "--metrics", "0"],
    ...["--noise-schedule", "uniform:300ms..600ms", "--timed-sync", "2s"],
    ...["--forward-delay", "uniform:3s..6s", "--dandelion-embargo", "poisson:5s"],
    ...["--tor-rotate-circuits", "30s"],
  ];
}

describe("A node with every feature, as tcpdump sees it", () => {
  test(
    "sends no packet but to its proxy, and asks no resolver",
    async () => {
      const { proxy, inside, daemon, open, others } = await world();
      const own: number[] = [inside.proxyPort, TOR_IN, I2P_IN];
      const packets = await inside.watch(async () => {
        const { node, doors, rpcPort } = await nodeInside(inside, everything(inside.proxyPort));
        const ready = node.lines.find(({ schema }) => schema === "anonctl.node.ready.v1");
        const metricsPort = ready?.metrics?.port ?? 0;
        own.push(rpcPort, metricsPort);
        await linked(node, ["tor", "i2p", "public"]);
        await until(() => (proxy.resolved.length >= 2 ? true : undefined), WAIT_MS_MAX);
        await until(() => (proxy.dialed.includes(`${SEED}:18080`) ? true : undefined), WAIT_MS_MAX);
        // A wallet's leaves by I2P then, and Tor's streams are free for what a guest brings.
        await node.statusWhere(
          ({ zones }) =>
            zones
              .find(({ zone }) => zone === "i2p")
              ?.channels.find(({ stream }) => stream === "warm"),
          WAIT_MS_MAX,
        );
        const answer = await node.post("/send_raw_transaction", { tx_as_hex: local?.blob });
        expect(answer).toMatchObject({ status: "OK" });
        await node.statusWhere(
          ({ transactions }) => transactions.find(({ sends }) => sends > 0),
          WAIT_MS_MAX,
        );
        await bringStem(await doors.into(TOR_IN));
        await until(
          async () =>
            (await open.poolTransactionIds()).includes(guests?.id ?? "") ? true : undefined,
          WAIT_MS_MAX,
          () => JSON.stringify(node.lines.slice(-20)),
        );
        // In the zone it went on too.
        await others.statusWhere(
          ({ transactions }) => transactions.find(({ id }) => id === guests?.id),
          WAIT_MS_MAX,
        );
        expect(await node.get("/get_info")).toMatchObject({ status: "OK" });
        const metrics = await doors.into(metricsPort);
        expect(await ask(metrics, "GET", "/metrics")).toContain("anonctl_");
        const kept = ["--regtest", "--data-dir", node.dataDir];
        const told = await inside.anonctl(["node", "status", ...kept, "--json"]);
        expect([told.code, told.out]).toEqual([0, expect.stringContaining('"zone":"i2p"')]);
        const forgot = await inside.anonctl(["node", "forget", local?.id ?? "", ...kept]);
        expect(forgot).toMatchObject({ code: 0 });
        const { zones } = await node.status();
        const asked = zones.flatMap(({ peers }) =>
          peers.filter((peer) => peer.origin === "seed-node"),
        );
        expect(asked.map(({ state }) => state)).not.toContain("ready");
        for (const listener of await inside.listeners()) expect(listener).toStartWith("0100007F:");
        expect(await node.kill("SIGTERM")).toBe(0);
      });
      expect(packets.length).toBeGreaterThan(100);
      expect(outside(packets, own)).toEqual([]);
      expect(packets.filter(({ to }) => to.endsWith(".53"))).toEqual([]);
      expect(daemon.asked.length).toBeGreaterThan(0);
      // Names reach the proxy as names, and those of hidden services are not looked up.
      expect(new Set(proxy.resolved)).toEqual(new Set(SEED_NAMES));
      const hosts = new Set(proxy.requests.map(({ host }) => host));
      const reached = [GIVEN, FIRST, I2P_GIVEN, I2P_FIRST, OPEN, OPEN_ASKED, NAME, SEED, DAEMON];
      for (const host of reached) {
        expect(hosts).toContain(host ?? "");
      }
    },
    TEST_MS_MAX,
  );

  test(
    "that hides by --anonymize meets open peers through the proxy alone",
    async () => {
      const { proxy, inside } = await world();
      const own: number[] = [inside.proxyPort];
      const packets = await inside.watch(async () => {
        const { node, rpcPort } = await nodeInside(inside, [
          ...["--anonymize", "--tor-proxy", `127.0.0.1:${inside.proxyPort}`],
          ...["--add-peer", OPEN, "--add-peer", NAME, "--add-peer", GIVEN ?? ""],
          ...SEED_NAMES.flatMap((name) => ["--dns-seed", name]),
        ]);
        own.push(rpcPort);
        await linked(node, ["tor", "public"]);
        await until(() => (proxy.dialed.includes(`${SEED}:18080`) ? true : undefined), WAIT_MS_MAX);
        expect(await node.kill("SIGTERM")).toBe(0);
      });
      expect(packets.length).toBeGreaterThan(20);
      expect(outside(packets, own)).toEqual([]);
      expect(new Set(proxy.resolved)).toEqual(new Set(SEED_NAMES));
      // No two of its streams share a circuit, and none is asked without credentials.
      const labels = proxy.requests.map(isolationOf);
      expect(labels).not.toContain("");
      expect(new Set(labels).size).toBe(labels.length);
    },
    TEST_MS_MAX,
  );
});

describe("The recording would show", () => {
  test(
    "names asked of the system's resolver, which --proxy-allow-dns-leaks has asked",
    async () => {
      const { proxy, inside } = await world();
      const own: number[] = [inside.proxyPort];
      const packets = await inside.watch(async () => {
        const { node, rpcPort } = await nodeInside(inside, [
          ...["--proxy", `127.0.0.1:${inside.proxyPort}`, "--proxy-allow-dns-leaks"],
          ...["--dns-seed", "seeds.example.org"],
        ]);
        own.push(rpcPort);
        await node.line(
          ({ text }) => text?.includes("No seed name was looked up") === true,
          WAIT_MS_MAX,
        );
        const warning = node.lines.find(({ text }) => text?.includes("learns that Monero runs"));
        expect(warning).toBeDefined();
      });
      const seen = outside(packets, own);
      expect(seen.length).toBeGreaterThan(0);
      for (const line of seen) expect(line).toContain(`${RESOLVER}.53`);
      expect(proxy.resolved).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    "a connection to an open peer, which --public has made",
    async () => {
      const { inside } = await world();
      const own: number[] = [inside.proxyPort];
      const packets = await inside.watch(async () => {
        const { node, rpcPort } = await nodeInside(inside, ["--public", "--add-peer", OPEN]);
        own.push(rpcPort);
        await until(async () => {
          const { out } = await inside.run(["cat", "/proc/net/tcp"]);
          return out.includes(OPEN_HEX) ? true : undefined;
        }, WAIT_MS_MAX);
        expect(await node.kill("SIGTERM")).toBe(0);
      });
      expect(outside(packets, own).join("\n")).toContain(`${OPEN}.18080: tcp`);
    },
    TEST_MS_MAX,
  );
});
