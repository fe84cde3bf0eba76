import { afterAll, beforeAll, expect } from "bun:test";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { ONION_PORT } from "./private-monero.ts";

/*
 * Three built nodes and two real monerods, each in the tor zone behind an onion service, and in the
 * public zone on loopback:
 *
 *   public: node 1 and node 2 dial monerod 1, node 3 dials monerod 2;
 *           monerod 1 dials node 3, monerod 2 dials node 1 and monerod 1
 *   tor:    every node dials the other nodes and a monerod; every monerod dials two nodes
 */

const { describe, test } = requireDaemon("tor", "monerod");

const NODES = 3;
const MONERODS = 2;
/** A transaction goes to each of the nodes. */
const transactions = regtestTransactions.slice(0, NODES);
/**
 * monerod's delay before the public zone is 22 s on average, the embargo of its stems 39 s, and a
 * stem may go round; 60 s is usual.
 */
const PUBLIC_MS_MAX = 220_000;
const SHORT = [
  ...["--noise-schedule", "uniform:500ms..1s", "--timed-sync", "5s"],
  ...["--forward-delay", "uniform:1s..5s", "--dandelion-embargo", "poisson:10s"],
];

const loopback = (port: number | undefined): string => `127.0.0.1:${port}`;

describe("Three nodes and two real monerods, in tor and in public", () => {
  let tor: PrivateTorNetwork;
  const monerods: Monerod[] = [];
  const nodes: NodeProcess[] = [];

  beforeAll(async () => {
    const hidden = await pickPorts(NODES + MONERODS);
    const open = await pickPorts(NODES);
    const services = hidden.map((port) => ({
      ...{ virtualPort: ONION_PORT, target: { host: "127.0.0.1", port } },
    }));
    tor = await PrivateTorNetwork.start({
      clients: [
        { name: "nodes", onionServices: services.slice(0, NODES) },
        { name: "monerods", onionServices: services.slice(NODES) },
        { name: "user" },
      ],
    });
    const onions = tor.clients.flatMap((client) => client.onions.map((name) => `${name}:18083`));
    const socksPort = tor.clients[2]?.socksPort ?? 0;
    /** Whom each monerod dials: in public and in tor. */
    const dialed = [
      () => [loopback(open[2]), onions[0], onions[1]],
      () => [loopback(open[0]), loopback(monerods[0]?.p2pPort), onions[1], onions[2]],
    ];
    for (const [index, peers] of dialed.entries()) {
      const at = NODES + index;
      monerods.push(
        await Monerod.start({
          name: `monerod-${index + 1}`,
          txProxies: [{ zone: "tor", port: socksPort }],
          anonymousInbounds: [{ zone: "tor", address: onions[at] ?? "", port: hidden[at] ?? 0 }],
          exclusiveNodes: peers().map(String),
        }),
      );
    }
    for (let index = 0; index < NODES; index++) {
      const others = onions.slice(0, NODES).filter((_, other) => other !== index);
      const monerod = index === 2 ? 1 : 0;
      const peers = [...others, onions[NODES + monerod], loopback(monerods[monerod]?.p2pPort)];
      nodes.push(
        await NodeProcess.start({
          arguments: [
            ...["--tx-proxy", `tor,127.0.0.1:${socksPort}`],
            ...["--anonymous-inbound", `${onions[index]},127.0.0.1:${hidden[index]}`],
            ...["--public", "--p2p-bind-ip", "127.0.0.1", "--p2p-bind-port", `${open[index]}`],
            ...peers.flatMap((peer) => ["--add-exclusive-node", peer ?? ""]),
            ...SHORT,
          ],
        }),
      );
    }
  }, 200_000);

  afterAll(async () => {
    await endNodes();
    for (const monerod of monerods) await monerod.stop();
    await tor?.stop();
  }, 60_000);

  const evidence = (): string =>
    JSON.stringify(nodes.map(({ lines, errors }) => [lines.slice(-20), errors]));

  test("each node has peers in both zones", async () => {
    for (const node of nodes) {
      await node.statusWhere(({ zones }) => {
        const has = (zone: string): boolean =>
          zones.find((one) => one.zone === zone)?.peers.some(({ state }) => state === "ready") ===
          true;
        return has("tor") && has("public") ? true : undefined;
      }, 120_000);
    }
  }, 150_000);

  test("what a wallet gives to any of them is in every monerod's public pool", async () => {
    for (const [index, { blob }] of transactions.entries()) {
      const answer = await nodes[index]?.post("/send_raw_transaction", { tx_as_hex: blob });
      expect(answer).toMatchObject({ status: "OK" });
    }
    await until(
      async () => {
        const pools = await Promise.all(monerods.map((one) => one.poolTransactionIds("public")));
        const isIn = (pool: readonly string[]) => transactions.every(({ id }) => pool.includes(id));
        return pools.every(isIn) ? true : undefined;
      },
      PUBLIC_MS_MAX,
      evidence,
    );
  }, 235_000);

  test("and left every node in frames of the tor zone", async () => {
    for (const node of nodes) {
      const { zones } = await node.status();
      const { payload_bytes: bytes } =
        zones.find(({ zone }) => zone === "tor")?.sent_at_ticks ?? {};
      expect(bytes).toBeGreaterThanOrEqual(FRAME_BYTES);
    }
  });

  test("and shows at every node's RPC, which tells of public ones only", async () => {
    let missing: readonly string[] = [];
    let known: unknown;
    for (const node of nodes) {
      await until(
        async () => {
          const { tx_hashes: hashes } = await node.get("/get_transaction_pool_hashes");
          const ids = Array.isArray(hashes) ? hashes : [];
          missing = transactions.flatMap(({ id }) => (ids.includes(id) ? [] : [id]));
          known = (await node.status()).transactions;
          return missing.length === 0 ? true : undefined;
        },
        120_000,
        () => JSON.stringify([missing, known]),
      );
    }
  }, 235_000);
});
