import { afterEach, expect } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { onionName } from "../../lib/address/onion.ts";
import { Monerod } from "../../lib/devnet/monerod.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { regtestTransactions } from "../../lib/devnet/regtest.ts";
import { encodeMessage } from "../../lib/levin/frame.ts";
import { SocksServer } from "../../lib/socks/server.ts";
import { say, tupleOf } from "../relay/scripted-peer.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { leaving, socketsOf } from "./sockets-of.ts";

const { test } = requireDaemon("monerod");

/** Of the regtest chain; nobody holds its keys here. */
const WALLET =
  "42ey1afDFnn4886T7196doS9GPMzexD9gXpsZJDwVjeRVdFCSoHnv7KPbBeGpzJBzHRCAs9UxqeoyFQMYbqSWYTfJJQAWDm";
const TEST_MS_MAX = 240_000;
const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  await endNodes();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function monerod(name: string, exclusiveNodes: readonly string[] = []): Promise<Monerod> {
  const started = await Monerod.start({ name, exclusiveNodes });
  cleanups.push(() => started.stop());
  return started;
}

const [first, second, third] = regtestTransactions;
const inPools = (daemons: readonly Monerod[], id: string, deadlineMs: number): Promise<true> =>
  until(async () => {
    const pools = await Promise.all(daemons.map((one) => one.poolTransactionIds()));
    return pools.every((ids) => ids.includes(id)) ? true : undefined;
  }, deadlineMs);

test(
  "real monerod: a wallet's transaction reaches both public pools by Dandelion++, and shows then",
  async () => {
    const one = await monerod("one");
    const two = await monerod("two");
    const peers = [one, two].flatMap(({ p2pPort }) => [
      "--add-exclusive-node",
      `127.0.0.1:${p2pPort}`,
    ]);
    const node = await NodeProcess.start({
      arguments: [
        ...["--public", "--p2p-bind-ip", "127.0.0.1", "--timed-sync", "5s", ...peers],
        ...["--dandelion-embargo", "poisson:10s"],
      ],
    });
    await until(
      async () => ((await node.get("/get_height"))["height"] === 141 ? true : undefined),
      30_000,
      () => node.errors.join("\n"),
    );
    expect(await node.get("/get_transaction_pool_hashes")).toMatchObject({ tx_hashes: [] });
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: first?.blob });
    expect(answer).toMatchObject({ status: "OK" });
    await inPools([one, two], first?.id ?? "", 90_000);
    await until(
      async () => {
        const { tx_hashes: hashes } = await node.get("/get_transaction_pool_hashes");
        return Array.isArray(hashes) && hashes.includes(first?.id) ? true : undefined;
      },
      60_000,
      () => JSON.stringify(node.lines),
    );
    // What one daemon tells reaches the other by us: they don't know each other.
    await two.sendRawTransaction(second?.blob ?? "");
    await inPools([one, two], second?.id ?? "", 90_000);
    // A new block, which we are told of and can't take, costs no link: not when it comes, and not
    // within the 46 s after which monerod drops who doesn't answer for blocks.
    await one.rpc("generateblocks", { amount_of_blocks: 1, wallet_address: WALLET });
    const synced = await node.statusWhere(({ zones }) => {
      const peers = zones.find(({ zone }) => zone === "public")?.peers ?? [];
      const isDone = peers.every(({ timed_syncs: syncs }) => syncs >= 12);
      return isDone && peers.length === 2 ? peers : undefined;
    }, 120_000);
    expect(synced.map(({ height }) => height).sort()).toEqual(["141", "142"]);
    expect((await one.info()).incomingConnections).toBe(1);
    const sockets = socketsOf([node.pid]);
    expect(sockets.length).toBeGreaterThan(2);
    expect(leaving(sockets)).toEqual([]);
    const drops = node.lines.filter(({ text }) => text?.includes("is not connected"));
    expect(drops).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "real monerod: dials us, and what it tells and what an onion's stream brings reaches the other",
  async () => {
    const one = await monerod("one");
    const [port = 0] = await pickPorts(1);
    const onion = `${onionName(new Uint8Array(32).fill(7))}:18083`;
    const node = await NodeProcess.start({
      arguments: [
        ...["--public", "--p2p-bind-ip", "127.0.0.1", "--p2p-bind-port", "0"],
        ...["--anonymous-inbound", `${onion},127.0.0.1:${port}`],
        ...["--add-exclusive-node", `127.0.0.1:${one.p2pPort}`, "--timed-sync", "5s"],
        ...["--forward-delay", "uniform:3s..6s", "--dandelion-embargo", "poisson:5s"],
      ],
    });
    const ready = node.lines.find(({ schema }) => schema === "anonctl.node.ready.v1");
    const two = await monerod("two", [`127.0.0.1:${ready?.public_inbound?.port ?? 0}`]);
    await node.statusWhere(({ zones }) => {
      const peers = zones.find(({ zone }) => zone === "public")?.peers ?? [];
      return peers.filter(({ state }) => state === "ready").length === 2 ? true : undefined;
    }, 60_000);
    await two.sendRawTransaction(first?.blob ?? "");
    await inPools([one], first?.id ?? "", 120_000);

    const guest = connect({ host: "127.0.0.1", port: node.inboundPort });
    cleanups.push(() => guest.destroy());
    guest.on("error", () => undefined);
    await once(guest, "connect");
    guest.write(encodeMessage(say.handshake(tupleOf(9, 50))));
    await once(guest, "data");
    guest.write(encodeMessage(say.transactions(Buffer.from(second?.blob ?? "", "hex"))));
    const sentAt = performance.now();
    await inPools([one, two], second?.id ?? "", 120_000);
    expect(performance.now() - sentAt).toBeGreaterThan(3_000);

    // A wallet's own waits for an onion, and is not told of.
    const answer = await node.post("/send_raw_transaction", { tx_as_hex: third?.blob });
    expect(answer).toMatchObject({ status: "OK", not_relayed: true });
    await node.statusWhere(({ zones }) => {
      const peers = zones.find(({ zone }) => zone === "public")?.peers ?? [];
      return peers.some(({ timed_syncs: syncs }) => syncs >= 9) ? true : undefined;
    }, 120_000);
    for (const daemon of [one, two]) {
      expect(await daemon.poolTransactionIds()).not.toContain(third?.id ?? "");
    }
    const { tx_hashes: hashes } = await node.get("/get_transaction_pool_hashes");
    expect(hashes).toEqual(expect.arrayContaining([first?.id, second?.id]));
    expect(hashes).not.toContain(third?.id);
  },
  TEST_MS_MAX,
);

test(
  "real monerod: --proxy is the only way out, names are the proxy's to resolve, and nothing listens",
  async () => {
    const one = await monerod("one");
    const asked: string[] = [];
    const proxy = await SocksServer.listen({
      connect: async ({ host, port }) => {
        asked.push(`${host}:${port}`);
        const socket = connect({ host: "127.0.0.1", port: one.p2pPort });
        await once(socket, "connect");
        return socket;
      },
    });
    cleanups.push(() => proxy.close());
    const { port } = proxy.address();
    const node = await NodeProcess.start({
      arguments: [
        ...["--proxy", `127.0.0.1:${port}`, "--p2p-bind-ip", "127.0.0.1", "--in-peers", "0"],
        ...["--add-exclusive-node", "node.example:18080", "--timed-sync", "5s"],
      ],
    });
    await until(
      async () => ((await node.get("/get_height"))["height"] === 141 ? true : undefined),
      30_000,
      () => node.errors.join("\n"),
    );
    await node.post("/send_raw_transaction", { tx_as_hex: first?.blob });
    await inPools([one], first?.id ?? "", 60_000);
    expect(new Set(asked)).toEqual(new Set(["node.example:18080"]));
    const sockets = socketsOf([node.pid]);
    expect(leaving(sockets)).toEqual([]);
    // Its RPC listens, and nothing else does.
    const listening = sockets.filter(({ remote }) => /^0+$/.test(remote));
    expect(listening).toHaveLength(1);
  },
  TEST_MS_MAX,
);
