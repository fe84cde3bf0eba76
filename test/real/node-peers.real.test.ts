import { afterAll, beforeAll, expect } from "bun:test";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess } from "./node-process.ts";
import { ONION_PORT } from "./private-monero.ts";

/* Nodes that find peers on a private Tor network, from real monerods and from each other. */

const { describe, test } = requireDaemon("tor", "monerod");
/** A first connect to an onion service, twice: to the one that is given and to one that it names. */
const FOUND_MS_MAX = 90_000;

describe("A node that is given one peer, on real Tor", () => {
  let tor: PrivateTorNetwork;
  const monerods: Monerod[] = [];
  const ports: number[] = [];
  const onions: string[] = [];
  let proxy: string[];
  let node: NodeProcess;

  beforeAll(async () => {
    ports.push(...(await pickPorts(3)));
    const names = ["first", "second", "relay"];
    tor = await PrivateTorNetwork.start({
      clients: [
        ...names.map((name, index) => ({
          name,
          onionServices: [
            { virtualPort: ONION_PORT, target: { host: "127.0.0.1", port: ports[index] ?? 0 } },
          ],
        })),
        { name: "user" },
      ],
    });
    for (const { onions: own } of tor.clients) onions.push(...own.map((name) => `${name}:18083`));
    proxy = ["--tx-proxy", `tor,127.0.0.1:${tor.clients[3]?.socksPort}`, "--timed-sync", "2s"];
    monerods.push(await startMonerod(0, [onions[1] ?? ""]));
    await reachable(0);
  }, 150_000);

  afterAll(async () => {
    await endNodes();
    for (const monerod of monerods) await monerod.stop();
    await tor?.stop();
  }, 60_000);

  /** The monerod behind an onion service, which dials others through the tor of its own. */
  const startMonerod = (at: number, exclusiveNodes: readonly string[]): Promise<Monerod> =>
    Monerod.start({
      name: `monerod-${at}`,
      synchronised: false,
      txProxies: [{ zone: "tor", port: tor.clients[at]?.socksPort ?? 0 }],
      anonymousInbounds: [{ zone: "tor", address: onions[at] ?? "", port: ports[at] ?? 0 }],
      exclusiveNodes,
    });
  const reachable = async (at: number): Promise<void> => {
    const [name = ""] = (onions[at] ?? "").split(":");
    const [user] = tor.clients.slice(-1);
    if (user === undefined) throw new Error("The private Tor network lacks a client.");
    await tor.reachable(name, ONION_PORT, { through: user });
  };
  const linkedTo = (one: NodeProcess, wanted: readonly (string | undefined)[]): Promise<true> =>
    one.statusWhere(({ zones }) => {
      const peers = zones.flatMap((zone) => zone.peers).filter(({ state }) => state === "ready");
      const addresses = peers.map(({ address }) => address);
      return wanted.every((address) => addresses.includes(address ?? "")) ? true : undefined;
    }, FOUND_MS_MAX);
  const originOf = async (one: NodeProcess, address: string | undefined): Promise<unknown> => {
    const { zones } = await one.status();
    return zones[0]?.peers.find((peer) => peer.address === address)?.origin;
  };

  test("learns of another from a timed sync, as soon as its peer knows that one", async () => {
    node = await NodeProcess.start({ arguments: [...proxy, "--add-peer", onions[0] ?? ""] });
    await linkedTo(node, [onions[0]]);
    expect((await node.status()).zones[0]?.book).toMatchObject({ gray: 0 });
    monerods.push(await startMonerod(1, []));
    await reachable(1);
    await linkedTo(node, [onions[0], onions[1]]);
    expect(await originOf(node, onions[0])).toBe("add");
    expect(await originOf(node, onions[1])).toBe("book");
    // Both noise channels run now: a transaction leaves twice.
    const { zones } = await node.status();
    expect(zones[0]?.channels.map(({ peer }) => peer).sort()).toEqual(onions.slice(0, 2).sort());
  }, 150_000);

  test("learns of it from a handshake", async () => {
    const other = await NodeProcess.start({
      arguments: [...proxy.slice(0, 2), "--add-peer", onions[0] ?? "", "--timed-sync", "120s"],
    });
    await linkedTo(other, [onions[0], onions[1]]);
    expect(await other.kill("SIGTERM")).toBe(0);
  }, 120_000);

  test("dials both out of its book after a restart without any peer given", async () => {
    const before = node;
    expect(await before.kill("SIGTERM")).toBe(0);
    node = await NodeProcess.start({ arguments: proxy, dataDir: before.dataDir });
    expect(node.lines[0]).toMatchObject({ peers: 0, known_peers: 2 });
    await linkedTo(node, [onions[0], onions[1]]);
    for (const onion of onions.slice(0, 2)) expect(await originOf(node, onion)).toBe("book");
    expect(await node.kill("SIGTERM")).toBe(0);
  }, 120_000);

  test("learns of both from a relay that was given one of them", async () => {
    const own = `${onions[2]},127.0.0.1:${ports[2]}`;
    const relay = await NodeProcess.start({
      arguments: [...proxy, "--add-peer", onions[0] ?? "", "--anonymous-inbound", own],
    });
    await linkedTo(relay, [onions[0], onions[1]]);
    await reachable(2);
    const other = await NodeProcess.start({
      arguments: [...proxy, "--add-peer", onions[2] ?? ""],
    });
    await linkedTo(other, onions);
    const { zones } = await relay.status();
    const dialed = zones[0]?.peers.filter(({ direction }) => direction === "outbound");
    // Whatever it heard, it never dials itself; one of them it dials twice, to tell its address.
    const addresses = new Set(dialed?.map(({ address }) => address));
    expect([...addresses].sort()).toEqual(onions.slice(0, 2).sort());
  }, 180_000);
});
