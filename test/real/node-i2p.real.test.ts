import { afterAll, beforeAll, describe as describeGroup, expect } from "bun:test";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { requireDaemon } from "./daemon.ts";
import { endServices } from "./hs-process.ts";
import { levinStreams, sumOf } from "./levin-of-recording.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { type PrivateI2pMonero, startPrivateI2p } from "./private-i2p-monero.ts";
import { RecordingProxy } from "./recording-proxy.ts";

/*
 * The built node and a real monerod, each behind a destination of a real private I2P network, and
 * each dialing the other through a router of its own.
 */

const { describe, test } = requireDaemon("i2pd", "ip", "monerod");
const describeAsRoot = process.getuid?.() === 0 ? describe : describeGroup.skip;
/** Usual is 12 s. */
const CONNECTED_MS_MAX = 90_000;
/**
 * A router that asks for a lease set too early keeps what it was told for ten minutes; the floodfill of a
 * network of three routers can't be asked twice. Such a network is given up for another.
 */
const NETWORKS_MAX = 4;
const SHORT = ["--noise-schedule", "uniform:500ms..1s", "--timed-sync", "5s"];

const [ours, theirs] = regtestTransactions;
if (ours === undefined || theirs === undefined) throw new Error("There is no stored transaction.");

describeAsRoot("A node and a real monerod that dial each other over real I2P", () => {
  let i2p: PrivateI2pMonero;
  let monerod: Monerod;
  let node: NodeProcess;
  let nodeProxy: RecordingProxy;
  let monerodProxy: RecordingProxy;

  const start = async (): Promise<void> => {
    i2p = await startPrivateI2p([true, true]);
    const [nodeSide, monerodSide] = i2p.parties;
    if (nodeSide === undefined || monerodSide === undefined) throw new Error("A party is missing.");
    nodeProxy = await RecordingProxy.listen(nodeSide.socksPort);
    monerodProxy = await RecordingProxy.listen(monerodSide.socksPort);
    monerod = await Monerod.start({
      txProxies: [{ zone: "i2p", port: monerodProxy.port }],
      anonymousInbounds: [
        { zone: "i2p", address: monerodSide.destination, port: monerodSide.port },
      ],
      exclusiveNodes: [nodeSide.destination],
    });
    node = await NodeProcess.start({
      arguments: [
        ...["--tx-proxy", `i2p,127.0.0.1:${nodeProxy.port}`],
        ...["--anonymous-inbound", `${nodeSide.destination},127.0.0.1:${nodeSide.port}`],
        ...["--add-exclusive-node", monerodSide.destination, ...SHORT],
      ],
    });
  };

  const stop = async (): Promise<void> => {
    await endNodes();
    nodeProxy?.close();
    monerodProxy?.close();
    await monerod?.stop();
    await endServices();
    await i2p?.stop();
  };

  const connected = async (): Promise<boolean> => {
    const look = async (): Promise<true | undefined> => {
      const { zones } = await node.status();
      const ready = zones[0]?.peers.filter(({ state }) => state === "ready") ?? [];
      return new Set(ready.map(({ direction }) => direction)).size === 2 ? true : undefined;
    };
    return await until(look, CONNECTED_MS_MAX).catch(() => false);
  };

  let networks = 0;
  let isConnected = false;

  beforeAll(async () => {
    while (!isConnected && networks < NETWORKS_MAX) {
      if (networks > 0) await stop();
      networks++;
      await start();
      isConnected = await connected();
    }
    if (networks > 1) console.log(`The two met in network ${networks}.`);
  }, 540_000);

  afterAll(stop, 60_000);

  const evidence = (): string =>
    JSON.stringify({ lines: node.lines.slice(-20), errors: node.errors, monerod: monerod.output });

  test("each is connected to the other, in both directions", () => {
    expect({ isConnected, evidence: isConnected ? "" : evidence() }).toMatchObject({
      isConnected: true,
    });
  });

  test("a transaction goes each way, and noise around it", async () => {
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: ours.blob });
    expect(answer).toMatchObject({ status: "OK" });
    expect(await monerod.sendRawTransaction(theirs.blob)).toMatchObject({ status: "OK" });
    const inPool = async (): Promise<true | undefined> =>
      (await monerod.poolTransactionIds("all")).includes(ours.id) ? true : undefined;
    await until(inPool, 180_000, evidence);
    const held = await node.statusWhere(
      ({ transactions }) => transactions.find(({ id }) => id === theirs.id),
      180_000,
    );
    expect(held).toMatchObject({ state: "forward", origin: "i2p", sends: 0 });
  }, 230_000);
  test("after a handshake nothing but frames left the node, and noise left both", async () => {
    const noise = (): true | undefined =>
      [nodeProxy, monerodProxy].every((proxy) => sumOf(levinStreams(proxy), "noise") > 0)
        ? true
        : undefined;
    await until(noise, 120_000, evidence);
    const seen = levinStreams(nodeProxy);
    const { zones } = await node.status();
    expect(sumOf(seen, "noise")).toBeLessThanOrEqual(
      (zones[0]?.sent_at_ticks.noise_bytes ?? 0) / FRAME_BYTES,
    );
    for (const { oddFrames, transactions } of seen) {
      expect(oddFrames).toEqual([]);
      expect(transactions.length).toBeLessThanOrEqual(1);
    }
    const left = (proxy: RecordingProxy): Set<string> =>
      new Set(levinStreams(proxy).flatMap(({ transactions }) => transactions));
    expect(left(nodeProxy)).toEqual(new Set([ours.id]));
    expect(left(monerodProxy)).toEqual(new Set([theirs.id]));
  }, 150_000);
});
