import { afterAll, beforeAll, expect } from "bun:test";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess } from "./node-process.ts";
import { ONION_PORT } from "./private-monero.ts";

const { describe, test } = requireDaemon("tor", "monerod");

describe("A node behind a real onion service that a real monerod dials", () => {
  let tor: PrivateTorNetwork;
  let monerod: Monerod;
  let node: NodeProcess;

  beforeAll(async () => {
    const [port = 0] = await pickPorts(1);
    tor = await PrivateTorNetwork.start({
      clients: [
        {
          name: "service",
          onionServices: [{ virtualPort: ONION_PORT, target: { host: "127.0.0.1", port } }],
        },
        { name: "user" },
      ],
    });
    const [service, user] = tor.clients;
    const name = service?.onions[0];
    if (user === undefined || name === undefined)
      throw new Error("The Tor network lacks a client.");
    const onion = `${name}:${ONION_PORT}`;
    node = await NodeProcess.start({
      arguments: ["--anonymous-inbound", `${onion},127.0.0.1:${port}`],
    });
    await tor.reachable(name, ONION_PORT, { through: user });
    monerod = await Monerod.start({
      txProxies: [{ zone: "tor", port: user.socksPort }],
      exclusiveNodes: [onion],
    });
  }, 150_000);

  afterAll(async () => {
    await endNodes();
    await monerod?.stop();
    await tor?.stop();
  }, 30_000);

  test("monerod stays connected and is told its own chain state", async () => {
    const { height } = await monerod.info();
    const peer = await node.statusWhere(
      (status) => status.zones[0]?.peers.find(({ state }) => state === "ready"),
      60_000,
    );
    expect(peer).toMatchObject({ direction: "inbound", address: null, height: String(height) });
  }, 90_000);

  test("A wallet's transaction arrives as monerod's stem, in state forward", async () => {
    const transaction = regtestTransactions[4];
    if (transaction === undefined) throw new Error("There is no stored transaction.");
    const answer = await monerod.sendRawTransaction(transaction.blob);
    expect(answer.status).toBe("OK");
    // monerod's own noise channel carries it, at its own ticks of 10 s to 15 s.
    const held = await node.statusWhere(
      (status) => status.transactions.find(({ id }) => id === transaction.id),
      60_000,
    );
    expect(held).toMatchObject({ state: "forward", origin: "tor", delivery: "held", sends: 0 });
    expect(await node.get("/get_transaction_pool_hashes")).toMatchObject({ tx_hashes: [] });
  }, 90_000);
});
