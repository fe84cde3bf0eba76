import { afterAll, expect } from "bun:test";
import { onionName } from "../../lib/address/onion.ts";
import { formatRecord } from "../../lib/ethereum/enr.ts";
import { makeRecord } from "../../lib/ethereum/enr-write.ts";
import { rlpInteger } from "../../lib/ethereum/rlp.ts";
import { SocksServer } from "../../lib/socks/server.ts";
import { requireDaemon } from "./daemon.ts";
import { EthereumProcess, endEthereumNodes } from "./ethereum-process.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";

const { describe, test } = requireDaemon("setpriv");

const ONION = onionName(new Uint8Array(32).fill(3));
/** The last rotation begins after 45 s; a peer that fails is dialed again within 64 s by then. */
const ROTATED_MS_MAX = 150_000;

afterAll(async () => {
  await endEthereumNodes();
  await endNodes();
});

/** A proxy that opens nothing, with the user names of which it is asked, in order. */
async function refusingProxy(): Promise<{ port: number; users: string[]; server: SocksServer }> {
  const users: string[] = [];
  const server = await SocksServer.listen({
    connect: async ({ auth }) => {
      const user = Buffer.from(auth?.user ?? "").toString();
      if (!users.includes(user)) users.push(user);
      throw new Error("Nobody is there.");
    },
  });
  return { port: server.address().port, users, server };
}

type Start = (words: readonly string[]) => Promise<unknown>;

const startEthereum: Start = async (words) => {
  const pairs = { onion3: Buffer.from(ONION), tcp: rlpInteger(30_303) };
  const record = makeRecord({ privateKey: new Uint8Array(32).fill(4), pairs });
  return await EthereumProcess.start([...words, "--peer", formatRecord(record.bytes)]);
};

const startMonero: Start = async (words) =>
  await NodeProcess.start({ arguments: [...words, "--add-peer", `${ONION}:18083`] });

/** The user names with which a node asks, until it has asked with a second one. */
async function usersOf(start: Start): Promise<string[]> {
  const { port, users, server } = await refusingProxy();
  await start(["--tor-proxy", `127.0.0.1:${port}`, "--tor-rotate-circuits", "30s"]);
  await until(() => (users.length > 1 ? true : undefined), ROTATED_MS_MAX);
  await server.close();
  return users;
}

describe("--tor-rotate-circuits", () => {
  test(
    "nodes of both kinds ask with other credentials after a while, by themselves",
    async () => {
      const both = await Promise.all([usersOf(startEthereum), usersOf(startMonero)]);
      for (const user of both.flat()) expect(user).toMatch(/^[0-9a-f]{32}$/);
    },
    ROTATED_MS_MAX + 30_000,
  );
});
