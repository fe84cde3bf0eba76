import { afterAll, beforeAll, expect } from "bun:test";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { type PrivateMonero, startPrivateMonero } from "./private-monero.ts";

const { describe, test } = requireDaemon("tor", "monerod");

const QUICK = ["--noise-schedule", "uniform:500ms..750ms", "--timed-sync", "5s"];

describe("A node whose surroundings fail", () => {
  let network: PrivateMonero;

  beforeAll(async () => {
    network = await startPrivateMonero();
  }, 120_000);

  afterAll(async () => {
    await endNodes();
    await network?.stop();
  }, 30_000);

  function start(dataDir?: string, schedule: readonly string[] = QUICK): Promise<NodeProcess> {
    return NodeProcess.start({
      arguments: [
        "--tx-proxy",
        `tor,127.0.0.1:${network.socksPort}`,
        "--add-exclusive-node",
        network.onion,
        ...schedule,
      ],
      ...(dataDir === undefined ? {} : { dataDir }),
    });
  }

  async function inPool(id: string, deadlineMs: number): Promise<void> {
    await until(async () => {
      const ids = await network.monerod.poolTransactionIds("all");
      return ids.includes(id) ? true : undefined;
    }, deadlineMs);
  }

  function blob(index: number): { id: string; blob: string } {
    const transaction = regtestTransactions[index];
    if (transaction === undefined) throw new Error(`There is no stored transaction ${index}.`);
    return transaction;
  }

  test("SIGKILL between submission and sending loses nothing", async () => {
    const { id, blob: hex } = blob(1);
    // The true schedule leaves ten seconds in which nothing can have left.
    const first = await start(undefined, []);
    await ready(first);
    const answer = await first.post("/send_raw_transaction", { tx_as_hex: hex });
    expect(answer).toMatchObject({ status: "OK", anonctl: { id } });
    await first.kill("SIGKILL");
    expect(await network.monerod.poolTransactionIds("all")).not.toContain(id);
    const second = await start(first.dataDir);
    await inPool(id, 60_000);
    await second.kill("SIGTERM");
  }, 150_000);

  test("A SIGKILL between two fragments of a transaction loses nothing", async () => {
    // The stored 16-output transaction takes two frames; the kill comes after the first.
    const { id, blob: hex } = blob(6);
    const first = await start(undefined, ["--noise-schedule", "uniform:3s..4s"]);
    await ready(first);
    await first.post("/send_raw_transaction", { tx_as_hex: hex });
    await first.statusWhere(
      ({ zones: [zone], transactions: [one] }) =>
        one?.delivery === "queued" && zone?.channels[0]?.queued_frames === 1 ? true : undefined,
      60_000,
    );
    await first.kill("SIGKILL");
    expect(await network.monerod.poolTransactionIds("all")).not.toContain(id);
    const second = await start(first.dataDir);
    await inPool(id, 60_000);
    await second.kill("SIGTERM");
  }, 150_000);

  test("A transaction is held while tor is dead, and leaves after it returns", async () => {
    const { id, blob: hex } = blob(2);
    const user = network.tor.clients[1];
    if (user === undefined) throw new Error("The private Tor network lacks a client.");
    const node = await start();
    await ready(node);
    await user.kill("SIGKILL");
    await node.statusWhere(
      (status) => (status.zones[0]?.channels.every(({ peer }) => peer === null) ? true : undefined),
      30_000,
    );
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: hex });
    expect(answer).toMatchObject({
      status: "OK",
      not_relayed: true,
      anonctl: { delivery: "held" },
    });
    expect(String(answer["reason"])).toContain("No peer of the tor zone is connected");
    await user.restart({ deadlineMs: 60_000 });
    await inPool(id, 90_000);
    await node.kill("SIGTERM");
  }, 180_000);

  test("monerod's restart is survived: the transaction waits and arrives", async () => {
    const { id, blob: hex } = blob(3);
    const node = await start();
    await ready(node);
    await network.monerod.kill("SIGKILL");
    await node.statusWhere(
      (status) => (status.zones[0]?.channels.every(({ peer }) => peer === null) ? true : undefined),
      60_000,
    );
    await node.post("/send_raw_transaction", { tx_as_hex: hex });
    await network.monerod.restart({ synchronised: false });
    await inPool(id, 120_000);
    await node.kill("SIGTERM");
  }, 240_000);
});

async function ready(node: NodeProcess): Promise<void> {
  await node.statusWhere((status) => {
    const [zone] = status.zones;
    return zone?.channels.some(({ peer }) => peer !== null) === true ? true : undefined;
  }, 60_000);
}
