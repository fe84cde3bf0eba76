import { afterAll, afterEach, expect } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Monerod, type MonerodOptions } from "../../lib/devnet/monerod.ts";
import { introduce, type RegtestTip } from "../../lib/devnet/monerod-peer.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { regtestChain, regtestTransactions } from "../../lib/devnet/regtest.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { leftOver } from "../devnet/gone.ts";
import { requireDaemon } from "./daemon.ts";
import { leaving, socketsOf } from "./sockets-of.ts";

const { test } = requireDaemon("monerod");

/** The first start replays the chain: 9 s on a quiet machine. */
const TEST_MS_MAX = 180_000;
const PATIENCE = { deadlineMs: 30_000 };

const cacheDir = mkdtempSync(join(tmpdir(), "anonctl-test-"));
const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

afterAll(() => {
  rmSync(cacheDir, { recursive: true, force: true });
});

async function start(options: MonerodOptions = {}): Promise<Monerod> {
  const monerod = await Monerod.start({ cacheDir, ...options });
  cleanups.push(() => monerod.stop());
  return monerod;
}

const [first, second] = regtestTransactions;
const tip: RegtestTip = {
  height: BigInt(regtestChain.height),
  topId: regtestChain.topId,
  topVersion: regtestChain.topVersion,
  cumulativeDifficulty: BigInt(regtestChain.height),
};

test(
  "real monerod: on the stored chain, takes the stored transactions, restarts on its ports",
  async () => {
    const said: string[] = [];
    const monerod = await start({ onProgress: (what) => said.push(what) });
    expect(said).toEqual(["replaying the regtest chain, once on this machine"]);
    expect(await monerod.info()).toMatchObject({
      height: regtestChain.height,
      topId: regtestChain.topId,
      synchronized: true,
    });
    expect(await monerod.sendRawTransaction(first?.blob ?? "")).toMatchObject({ status: "OK" });
    expect(await monerod.sendRawTransaction("00")).toMatchObject({ status: "Failed" });
    expect(await monerod.poolTransactionIds()).toEqual([first?.id ?? ""]);
    expect(await monerod.rpc("get_version")).toMatchObject({ status: "OK" });
    await expect(monerod.rpc("no_such_method")).rejects.toMatchObject({ code: "rpc-failed" });
    const sockets = socketsOf([monerod.pid]);
    expect(sockets.length).toBeGreaterThan(2);
    expect(leaving(sockets)).toEqual([]);

    const before = { pid: monerod.pid, rpcPort: monerod.rpcPort };
    await monerod.kill("SIGKILL");
    expect(monerod.running).toBe(false);
    await expect(monerod.info()).rejects.toMatchObject({ code: "rpc-failed", where: "local" });
    await monerod.restart();
    expect(monerod.rpcPort).toBe(before.rpcPort);
    expect(monerod.pid).not.toBe(before.pid);
    expect(await monerod.info()).toMatchObject({ synchronized: true });
    const { pid } = monerod;
    await monerod.stop();
    expect(await leftOver([pid, before.pid], [])).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "real monerod: ignores transactions until a peer has claimed its chain",
  async () => {
    const monerod = await start({ synchronised: false });
    expect(await monerod.info()).toMatchObject({ synchronized: false });
    expect(await monerod.sendRawTransaction(second?.blob ?? "")).toMatchObject({ status: "BUSY" });
    await monerod.synchronise(PATIENCE);
    expect(await monerod.sendRawTransaction(second?.blob ?? "")).toMatchObject({ status: "OK" });
  },
  TEST_MS_MAX,
);

test(
  "real monerod: answers a handshake behind a simulated onion, in the tor zone's manner",
  async () => {
    const network = await SimulatedOnionNetwork.start();
    cleanups.push(() => network.close());
    const [port = 0] = await pickPorts(1);
    const { host } = network.addService(18_083, { host: "127.0.0.1", port });
    await start({
      synchronised: false,
      txProxies: [{ zone: "tor", port: network.socksPort }],
      anonymousInbounds: [{ zone: "tor", address: `${host}:18083`, port }],
    });
    const socket = await connectThroughSocks({
      proxy: { host: "127.0.0.1", port: network.socksPort },
      request: { version: "4a", command: "connect", host, port: 18_083 },
      deadlineMs: 10_000,
      clock: realClock,
    });
    cleanups.push(() => socket.destroy());
    socket.resume();
    const answer = await introduce(socket, tip, PATIENCE);
    expect(answer.nodeData).toMatchObject({ peerId: 1n, myPort: 0, supportFlags: 0 });
    expect(answer.payloadData.currentHeight).toBe(tip.height);
    expect(Buffer.from(answer.payloadData.topId).toString("hex")).toBe(tip.topId);
  },
  TEST_MS_MAX,
);

test(
  "real monerod: offline takes no peers",
  async () => {
    const monerod = await start({ offline: true });
    expect(await monerod.info()).toMatchObject({ height: regtestChain.height });
    const socket = connect({ host: "127.0.0.1", port: monerod.p2pPort });
    await expect(once(socket, "connect")).rejects.toThrow();
  },
  TEST_MS_MAX,
);
