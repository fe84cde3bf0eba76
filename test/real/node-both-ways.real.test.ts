import { afterAll, beforeAll, expect } from "bun:test";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import type { RelayStatus } from "../../lib/relay/status.ts";
import { requireDaemon } from "./daemon.ts";
import { type LevinStream, levinStreams, noisyStreams, sumOf } from "./levin-of-recording.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { ONION_PORT } from "./private-monero.ts";
import { type Recording, RecordingProxy } from "./recording-proxy.ts";

/*
 * The built node and a real monerod, each behind an onion service of a tor of its own, and each
 * dialing the other: monerod's --tx-proxy leads to the node's inbound onion, the node's to
 * monerod's. A recording proxy stands between each of them and its tor.
 */

const { describe, test } = requireDaemon("tor", "monerod");

/** Shortened: an epoch is at least twenty of the longest intervals. */
const EPOCH_MS = { low: 20_000, high: 22_000 } as const;
const SHORT = [
  ...["--noise-schedule", "uniform:500ms..1s", "--noise-epoch", "20s..22s"],
  ...["--timed-sync", "5s", "--retry", "60s..120s"],
];
/** Noise channels of the node, each on a stream of its own. */
const CHANNELS = 2;
const EPOCHS = 3;
/** The wallet's transactions at the node, and those at monerod. */
const ours = regtestTransactions.slice(0, 3);
const theirs = regtestTransactions.slice(3, 5);
/** The wallet's at a node that may use a stream twice. */
const reused = regtestTransactions.slice(7, 9);
/** monerod's ticks come every 10 s to 15 s. */
const MONEROD_FRAMES_MIN = 4;

describe("A node and a real monerod that dial each other over real Tor", () => {
  let tor: PrivateTorNetwork;
  let monerod: Monerod;
  let node: NodeProcess;
  /** Between the node and its tor, and between monerod and its. */
  let nodeProxy: RecordingProxy;
  let monerodProxy: RecordingProxy;
  let monerodOnion = "";
  /** Streams that were over when all were connected. */
  let overBefore: ReadonlySet<Recording>;

  beforeAll(async () => {
    const ports = await pickPorts(2);
    const services = ports.map((port) => ({
      ...{ virtualPort: ONION_PORT, target: { host: "127.0.0.1", port } },
    }));
    const [nodeService, monerodService] = services;
    if (nodeService === undefined || monerodService === undefined) throw new Error("No ports.");
    tor = await PrivateTorNetwork.start({
      clients: [
        { name: "node", onionServices: [nodeService] },
        // Two names of one monerod, so that both channels have a stream.
        { name: "monerod", onionServices: [monerodService, monerodService] },
      ],
    });
    const [nodeTor, monerodTor] = tor.clients;
    if (nodeTor === undefined || monerodTor === undefined) throw new Error("A tor is missing.");
    const [nodeOnion = ""] = nodeTor.onions.map((name) => `${name}:${ONION_PORT}`);
    const onions = monerodTor.onions.map((name) => `${name}:${ONION_PORT}`);
    [monerodOnion = ""] = onions;
    nodeProxy = await RecordingProxy.listen(nodeTor.socksPort);
    monerodProxy = await RecordingProxy.listen(monerodTor.socksPort);
    node = await NodeProcess.start({
      arguments: [
        ...["--tx-proxy", `tor,127.0.0.1:${nodeProxy.port}`],
        ...["--anonymous-inbound", `${nodeOnion},127.0.0.1:${ports[0]}`],
        ...onions.flatMap((onion) => ["--add-exclusive-node", onion]),
        ...SHORT,
      ],
    });
    const [nodeName = ""] = nodeTor.onions;
    await tor.reachable(nodeName, ONION_PORT, { through: monerodTor });
    monerod = await Monerod.start({
      txProxies: [{ zone: "tor", port: monerodProxy.port }],
      anonymousInbounds: [{ zone: "tor", address: monerodOnion, port: ports[1] ?? 0 }],
      exclusiveNodes: [nodeOnion],
    });
  }, 180_000);

  afterAll(async () => {
    await endNodes();
    nodeProxy?.close();
    monerodProxy?.close();
    await monerod?.stop();
    await tor?.stop();
  }, 60_000);

  const evidence = (): string =>
    JSON.stringify({ lines: node.lines.slice(-20), errors: node.errors, monerod: monerod.output });
  const zoneWhere = <T>(
    find: (zone: RelayStatus["zones"][number]) => T | undefined,
    deadlineMs: number,
  ): Promise<T> =>
    node.statusWhere(
      ({ zones }) => (zones[0] === undefined ? undefined : find(zones[0])),
      deadlineMs,
    );

  test("each is connected to the other, in both directions", async () => {
    await zoneWhere(({ peers, channels }) => {
      const isHeard = peers.some((peer) => peer.direction === "inbound" && peer.state === "ready");
      return isHeard && channels.every(({ peer }) => peer !== null) ? true : undefined;
    }, 120_000);
    expect((await monerod.info()).synchronized).toBe(true);
    overBefore = new Set(nodeProxy.recordings.filter(({ closed }) => closed));
  }, 150_000);

  test("transactions go both ways at once", async () => {
    for (const { blob } of ours) {
      const answer = await node.post("/send_raw_transaction", { tx_as_hex: blob });
      expect(answer).toMatchObject({ status: "OK" });
    }
    for (const { blob } of theirs) {
      expect(await monerod.sendRawTransaction(blob)).toMatchObject({ status: "OK" });
    }
    const inPool = async (): Promise<true | undefined> => {
      const pool = await monerod.poolTransactionIds("all");
      return ours.every(({ id }) => pool.includes(id)) ? true : undefined;
    };
    await until(inPool, 200_000, evidence);
    for (const { id } of theirs) {
      const held = await node.statusWhere(
        ({ transactions }) => transactions.find((one) => one.id === id),
        200_000,
      );
      expect(held).toMatchObject({ state: "forward", origin: "tor", sends: 0 });
    }
  }, 230_000);

  test("each of the node's streams ends with its epoch, by the node; monerod's lasts", async () => {
    const ended = (): LevinStream[] =>
      noisyStreams(nodeProxy).filter(({ stream }) => stream.closed && !overBefore.has(stream));
    const enough = (): true | undefined =>
      ended().length >= CHANNELS * EPOCHS &&
      sumOf(noisyStreams(monerodProxy), "frames") >= MONEROD_FRAMES_MIN
        ? true
        : undefined;
    await until(enough, 200_000, evidence);
    for (const { stream } of ended()) {
      expect(stream.endedBy).toBe("client");
      const [first, last] = [stream.sent.at(0)?.at ?? 0, stream.sent.at(-1)?.at ?? 0];
      // Half of it, because this process may look late at how a stream begins.
      expect(last - first).toBeGreaterThan(EPOCH_MS.low / 2);
    }
    for (const { frames, stream } of levinStreams(nodeProxy)) {
      if (frames > 0 && !overBefore.has(stream)) expect(stream.endedBy).not.toBe("proxy");
    }
    // The node's hidden service brought monerod's stream once, and has it still.
    expect(noisyStreams(monerodProxy).map(({ stream }) => stream.endedBy)).toEqual([undefined]);
  }, 230_000);

  test("no stream carried two transactions, and none of monerod's went back", () => {
    const streams = levinStreams(nodeProxy);
    for (const { transactions, noise, stream } of streams) {
      // One without noise was there for the chain's height, or for the node's address.
      const isForAnother = noise === 0 && stream.closed;
      expect(transactions.length).toBeLessThanOrEqual(isForAnother ? 0 : 1);
    }
    const ids = streams.flatMap(({ transactions }) => transactions);
    expect([...new Set(ids)].sort()).toEqual(ours.map(({ id }) => id).sort());
    const toNode = levinStreams(monerodProxy).flatMap(({ transactions }) => transactions);
    expect([...new Set(toNode)].sort()).toEqual(theirs.map(({ id }) => id).sort());
  });

  test("after a handshake nothing but frames leaves the node, as many as it counts", async () => {
    const seen = levinStreams(nodeProxy);
    const { sent_at_ticks: counted } = await zoneWhere((zone) => zone, 10_000);
    for (const { oddFrames, handshakeBytes } of seen) {
      expect(oddFrames).toEqual([]);
      expect(handshakeBytes).toBeGreaterThan(200);
    }
    const noise = counted.noise_bytes / FRAME_BYTES;
    expect(sumOf(seen, "noise")).toBeLessThanOrEqual(noise);
    // What was under way on a stream when it was closed may not have come through.
    const caughtUp = (): true | undefined => {
      const now = noisyStreams(nodeProxy);
      const ended = now.filter(({ stream }) => stream.closed).length;
      return sumOf(now, "noise") + 2 * ended >= noise ? true : undefined;
    };
    await until(caughtUp, 30_000, evidence);
    expect(noise).toBeGreaterThan(CHANNELS * EPOCHS);
    expect(sumOf(noisyStreams(monerodProxy), "noise")).toBeGreaterThan(0);
  }, 60_000);

  test("where reuse is allowed one stream carries two, and the recording shows it", async () => {
    const proxy = await RecordingProxy.listen(nodeProxy.target);
    try {
      const other = await NodeProcess.start({
        arguments: [
          ...["--tx-proxy", `tor,127.0.0.1:${proxy.port}`, "--stream-reuse", "allow"],
          ...["--add-exclusive-node", monerodOnion, ...SHORT],
        ],
      });
      for (const { blob } of reused) {
        await other.post("/send_raw_transaction", { tx_as_hex: blob });
      }
      const isShared = (): true | undefined =>
        levinStreams(proxy).some(({ transactions }) => new Set(transactions).size > 1)
          ? true
          : undefined;
      await until(isShared, 180_000, () => JSON.stringify([other.lines, other.errors]));
    } finally {
      proxy.close();
    }
  }, 210_000);
});
