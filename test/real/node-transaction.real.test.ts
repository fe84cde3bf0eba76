import { afterAll, beforeAll, expect } from "bun:test";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { requireDaemon } from "./daemon.ts";
import { framesOfRecording } from "./frames-of-recording.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { type PrivateMonero, startPrivateMonero } from "./private-monero.ts";
import { RecordingProxy } from "./recording-proxy.ts";

const { describe, test } = requireDaemon("tor", "monerod");

/** The schedule is 10 s to 15 s; relaying and a busy machine may shift a frame by this much. */
const LATENESS_MS_MAX = 1_000;
/** Three timed syncs, at up to 90 s from each other, the ticks they wait for, and a margin. */
const THREE_SYNCS_MS = 340_000;
/** The first tick, and the nine after it of which a transaction takes one. */
const LEAVES_MS_MAX = 170_000;

describe("A node on real Tor, with a real monerod behind an onion service", () => {
  let network: PrivateMonero;
  let proxy: RecordingProxy;
  let node: NodeProcess;
  const [transaction] = regtestTransactions;
  if (transaction === undefined) throw new Error("There is no stored transaction.");

  beforeAll(async () => {
    network = await startPrivateMonero();
    proxy = await RecordingProxy.listen(network.socksPort);
    node = await NodeProcess.start({
      arguments: [
        "--tx-proxy",
        `tor,127.0.0.1:${proxy.port}`,
        "--add-exclusive-node",
        network.onion,
        // The stream outlives the test: three timed syncs of both sides may take six minutes.
        "--noise-epoch",
        "15m..16m",
      ],
    });
  }, 120_000);

  afterAll(async () => {
    await endNodes();
    proxy?.close();
    await network?.stop();
  }, 30_000);

  test("The daemon takes the node for a synchronised peer", async () => {
    await node.statusWhere((status) => {
      const ready = status.zones[0]?.peers.some((peer) => peer.state === "ready");
      return ready === true ? true : undefined;
    }, 60_000);
    await until(
      async () => ((await network.monerod.info()).synchronized ? true : undefined),
      20_000,
    );
  }, 90_000);

  test("A transaction submitted by RPC is in monerod's pool, and not in public", async () => {
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: transaction.blob });
    expect(answer).toMatchObject({ status: "OK", anonctl: { id: transaction.id } });
    const hidden = await node.get("/get_transaction_pool_hashes");
    expect(hidden).toMatchObject({ status: "OK", tx_hashes: [] });
    await until(async () => {
      const ids = await network.monerod.poolTransactionIds("all");
      return ids.includes(transaction.id) ? true : undefined;
    }, LEAVES_MS_MAX);
    // monerod waits some twenty seconds before it passes on in public what came over Tor.
    expect(await network.monerod.poolTransactionIds("public")).not.toContain(transaction.id);
    const sent = await node.statusWhere(
      (status) => status.transactions.find(({ delivery }) => delivery === "sent"),
      20_000,
    );
    expect(sent).toMatchObject({ id: transaction.id, state: "local", sends: 1 });
  }, 240_000);

  test("It stays connected through three timed syncs of both sides", async () => {
    const streams = proxy.recordings.filter(({ closed }) => !closed).length;
    const peer = await node.statusWhere(
      (status) => status.zones[0]?.peers.find(({ timed_syncs }) => timed_syncs >= 6),
      THREE_SYNCS_MS,
    );
    expect(peer.state).toBe("ready");
    expect(proxy.recordings.filter(({ closed }) => !closed)).toHaveLength(streams);
  }, 360_000);

  test("After the handshake only frames of 3,072 bytes leave, at ticks of the schedule", () => {
    const open = proxy.recordings.filter(({ closed }) => !closed);
    expect(open).toHaveLength(1);
    const frames = open[0] === undefined ? undefined : framesOfRecording(open[0]);
    expect(frames?.handshakeBytes).toBeGreaterThan(200);
    const chunks = frames?.chunks ?? [];
    // Three syncs of ours, three answers to monerod's and the transaction are among them.
    expect(chunks.length).toBeGreaterThanOrEqual(12);
    for (const { bytes } of chunks) expect(bytes.length).toBe(FRAME_BYTES);
    const intervals = chunks.slice(1).map(({ at }, index) => at - (chunks[index]?.at ?? 0));
    for (const interval of intervals) {
      expect(interval).toBeGreaterThanOrEqual(10_000 - LATENESS_MS_MAX);
      expect(interval).toBeLessThanOrEqual(15_000 + LATENESS_MS_MAX);
    }
  });
});
