import { afterAll, beforeAll, expect } from "bun:test";
import type { Server } from "node:net";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { requireDaemon } from "./daemon.ts";
import { leadTo } from "./lead-to.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { type Recording, RecordingProxy } from "./recording-proxy.ts";
import { WalletRpc } from "./wallet-rpc.ts";

const { describe, test, path } = requireDaemon("tor", "monerod", "monero-wallet-rpc");

const P2P_PORT = 18_083;
const RPC_PORT = 18_081;
/** Coins can be spent 60 blocks after they were made. */
const BLOCKS = 75;
const ATOMIC = 1_000_000_000_000;

const textOf = ({ sent }: Recording): string =>
  Buffer.concat(sent.map(({ bytes }) => bytes)).toString("latin1");

/** User and password of a SOCKS5 stream: greeting of 3 bytes or 4, then 01, user, password. */
function credentialsOf(recording: Recording): string {
  const text = textOf(recording);
  const at = text.indexOf("\x01", 2 + text.charCodeAt(1));
  const user = text.charCodeAt(at + 1);
  const password = text.charCodeAt(at + 2 + user);
  return text.slice(at + 2, at + 3 + user + password);
}

describe("A real wallet at a node whose daemon is a real monerod's RPC behind an onion service", () => {
  let tor: PrivateTorNetwork;
  let monerod: Monerod;
  let lead: Server;
  let proxy: RecordingProxy;
  let node: NodeProcess;
  let scratch: Scratch;
  let wallet: WalletRpc;
  let rpcOnion = "";
  let p2pOnion = "";
  let sent = "";

  beforeAll(async () => {
    const [p2pPort = 0, rpcPort = 0] = await pickPorts(2);
    const host = "127.0.0.1";
    tor = await PrivateTorNetwork.start({
      clients: [
        {
          name: "service",
          onionServices: [
            { virtualPort: P2P_PORT, target: { host, port: p2pPort } },
            { virtualPort: RPC_PORT, target: { host, port: rpcPort } },
          ],
        },
        { name: "user" },
      ],
    });
    const [service, user] = tor.clients;
    if (service === undefined || user === undefined) throw new Error("A client is missing.");
    [p2pOnion = "", rpcOnion = ""] = service.onions;
    monerod = await Monerod.start({
      txProxies: [{ zone: "tor", port: service.socksPort }],
      anonymousInbounds: [{ zone: "tor", address: `${p2pOnion}:${P2P_PORT}`, port: p2pPort }],
    });
    lead = await leadTo(rpcPort, monerod.restrictedRpcPort);
    await tor.reachable(p2pOnion, P2P_PORT, { through: user });
    await tor.reachable(rpcOnion, RPC_PORT, { through: user });
    proxy = await RecordingProxy.listen(user.socksPort);
    scratch = await Scratch.create({});
  }, 180_000);

  afterAll(async () => {
    wallet?.close();
    await scratch?.close();
    await endNodes();
    proxy?.close();
    lead?.close();
    await monerod?.stop();
    await tor?.stop();
  }, 60_000);

  test("The wallet starts on the node alone, and learns the daemon's height", async () => {
    node = await NodeProcess.start({
      arguments: [
        ...["--tx-proxy", `tor,127.0.0.1:${proxy.port}`],
        ...["--add-exclusive-node", `${p2pOnion}:${P2P_PORT}`],
        ...["--daemon", `http://${rpcOnion}:${RPC_PORT}`],
        // A transaction takes one of nine ticks, which are two minutes on the true schedule.
        ...["--noise-schedule", "uniform:1s..2s"],
      ],
    });
    expect(await node.get("/get_info")).toMatchObject({ restricted: true, status: "OK" });
    wallet = await WalletRpc.start({
      program: path("monero-wallet-rpc"),
      ...{ scratch, daemonPort: node.rpcPort },
    });
    const { height } = await monerod.info();
    await wallet.call("refresh");
    expect(await wallet.call("get_height")).toEqual({ height });
  }, 120_000);

  test("It reads blocks through the node, and finds its coins", async () => {
    // A few at a time: each takes a tenth of a second and more.
    for (let made = 0; made < BLOCKS; made += 5) {
      const { address: wallet_address } = wallet;
      await monerod.rpc("generateblocks", { amount_of_blocks: 5, wallet_address });
    }
    // It refreshes by itself too, so that some of the blocks may be here already.
    await wallet.call("refresh");
    expect(await wallet.call("get_height")).toEqual({ height: (await monerod.info()).height });
    const { unlocked_balance } = await wallet.call("get_balance");
    expect(Number(unlocked_balance)).toBeGreaterThan(ATOMIC);
  }, 180_000);

  test("What it sends leaves by the tor zone, and reaches the peer's pool, not the public", async () => {
    await node.statusWhere((status) => {
      const ready = status.zones[0]?.peers.some((peer) => peer.state === "ready");
      return ready === true ? true : undefined;
    }, 60_000);
    const transfer = await wallet.call("transfer", {
      destinations: [{ amount: ATOMIC / 10, address: wallet.address }],
      get_tx_hex: true,
    });
    sent = String(transfer["tx_blob"]);
    const id = String(transfer["tx_hash"]);
    const held = await node.status();
    expect(held.transactions.map((one) => [one.id, one.origin])).toEqual([[id, "rpc"]]);
    await until(async () => {
      const ids = await monerod.poolTransactionIds("all");
      return ids.includes(id) ? true : undefined;
    }, 90_000);
    expect(await monerod.poolTransactionIds("public")).toEqual([]);
    expect(await node.get("/get_transaction_pool_hashes")).not.toHaveProperty("tx_hashes");
  }, 240_000);

  test("Not one byte of it went to the daemon, nor was it asked to take it", () => {
    expect(sent.length).toBeGreaterThan(2_000);
    const asked = proxy.recordings.filter((one) => textOf(one).includes("HTTP/1.1"));
    expect(asked.length).toBeGreaterThan(0);
    const text = asked.map(textOf).join();
    expect(text).toContain("/getblocks.bin");
    expect(text).toContain("/get_outs.bin");
    expect(text).not.toMatch(/raw_?transaction/);
    expect(text).not.toContain(sent.slice(0, 200));
    const bytes = Buffer.from(sent, "hex").toString("latin1");
    expect(text).not.toContain(bytes.slice(100, 132));
    expect(text).not.toMatch(/user-agent/i);
  });

  test("The daemon's streams and the transaction's share no circuit: other credentials", () => {
    const credentials = (onion: string): Set<string> =>
      new Set(proxy.recordings.filter((one) => textOf(one).includes(onion)).map(credentialsOf));
    const read = credentials(rpcOnion);
    const relayed = credentials(p2pOnion);
    expect(read.size).toBeGreaterThan(1);
    expect(relayed.size).toBeGreaterThan(0);
    for (const one of relayed) {
      expect(one.length).toBeGreaterThan(32);
      expect(read.has(one)).toBe(false);
    }
  });
});
