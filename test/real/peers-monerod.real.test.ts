import { afterEach, expect } from "bun:test";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { onionName } from "../../lib/address/onion.ts";
import { Monerod } from "../../lib/devnet/monerod.ts";
import type { PeerAddress, PeerEntry } from "../../lib/monero/message.ts";
import { poll } from "../../lib/process/deadline.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { SocksServer } from "../../lib/socks/server.ts";
import { anonctl } from "../cli/peers-program.ts";
import { PeerTeller } from "../peers/peer-teller.ts";
import { requireDaemon } from "./daemon.ts";

const { test } = requireDaemon("monerod");

/** The first start replays the chain: 9 s on a quiet machine. */
const TEST_MS_MAX = 180_000;
const PATIENCE = { deadlineMs: 60_000 };
const PEERS_EACH = 120;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

const random = new SeededRandom(6);
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const onion = (): string => onionName(random.bytes(32));
const i2p = (): string =>
  `${Array.from({ length: 52 }, () => BASE32[random.uint32() % 32]).join("")}.b32.i2p`;

/** Entries of every shape that monerod keeps: with and without port of RPC, pruning, price. */
function entries(count: number, address: (index: number) => PeerAddress): PeerEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    address: address(index),
    id: (BigInt(random.uint32()) << 32n) | BigInt(random.uint32()),
    lastSeen: 0n,
    pruningSeed: index % 3 === 0 ? 384 + (index % 8) : 0,
    rpcPort: index % 4 === 0 ? 18_089 : 0,
    rpcCreditsPerHash: index % 5 === 0 ? 7 : 0,
  }));
}

const publicPeers = entries(PEERS_EACH, (index) =>
  index % 2 === 0
    ? { type: "ipv4", host: `203.0.113.${index}`, port: 18_080 + index }
    : { type: "ipv6", host: `2001:db8:${index.toString(16)}::${index}`, port: 18_080 },
);
const torPeers = entries(PEERS_EACH, (index) => ({
  type: "tor",
  host: onion(),
  port: 18_083 + index,
}));
const i2pPeers = entries(PEERS_EACH, () => ({ type: "i2p", host: i2p(), port: 1 }));

async function teller(peers: readonly PeerEntry[]): Promise<PeerTeller> {
  const made = await PeerTeller.listen(peers);
  cleanups.push(() => made.close());
  return made;
}

/** A proxy that leads every name to one port of this machine. */
async function proxyTo(port: number): Promise<number> {
  const server = await SocksServer.listen({
    connect: async () => {
      const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      await once(socket, "connect");
      return socket;
    },
  });
  cleanups.push(() => server.close());
  return server.address().port;
}

async function scratchFolder(): Promise<Scratch> {
  const scratch = await Scratch.create();
  cleanups.push(() => scratch.close());
  return scratch;
}

const counts = z.object({ white_list: z.array(z.unknown()), gray_list: z.array(z.unknown()) });

async function peerList(monerod: Monerod): Promise<string> {
  const url = `http://127.0.0.1:${monerod.rpcPort}/get_peer_list`;
  const answer = await fetch(url, { method: "POST", body: '{"public_only":false}' });
  return await answer.text();
}

/** The state that it wrote when it was ended; which folder, its port says. */
function stateFile(dataDirectory: string): string {
  const name = readdirSync(dataDirectory, { recursive: true })
    .map(String)
    .find((path) => path.endsWith("p2pstate.bin"));
  if (name === undefined) throw new Error("monerod wrote no p2pstate.bin.");
  return join(dataDirectory, name);
}

async function exported(directory: string, ...words: string[]): Promise<Buffer> {
  const where = ["--regtest", "--data-dir", directory];
  const { code, out, errors } = await anonctl(["peers", "export", ...where, ...words]);
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  return out;
}

const entry = z.object({
  host: z.string(),
  id: z.string(),
  port: z.number(),
  last_seen: z.number(),
  pruning_seed: z.number().default(0),
  rpc_port: z.number().default(0),
  rpc_credits_per_hash: z.number().default(0),
});
const lists = z.object({ white_list: z.array(entry), gray_list: z.array(entry) });
const ownDocument = z.object({
  zones: z.record(
    z.string(),
    z.array(
      z.object({
        address: z.string(),
        list: z.string(),
        last_seen: z.string().nullable(),
        monero: z.object({
          peer_id: z.string(),
          pruning_seed: z.number(),
          rpc_port: z.number(),
          rpc_credits_per_hash: z.number(),
        }),
      }),
    ),
  ),
});

/** What monerod told, entry by entry, in our words; ids kept as the digits that they are. */
function told(text: string): string[] {
  const answer = lists.parse(JSON.parse(text.replace(/"id": (\d+)/g, '"id": "$1"')));
  return (["white", "gray"] as const).flatMap((list) =>
    answer[`${list}_list`].map((one) => {
      const host = one.host.includes(":") && one.port !== 0 ? `[${one.host}]` : one.host;
      const address = one.port === 0 ? host : `${host}:${one.port}`;
      const { id, last_seen, pruning_seed, rpc_port, rpc_credits_per_hash } = one;
      return [address, list, last_seen, id, pruning_seed, rpc_port, rpc_credits_per_hash].join(" ");
    }),
  );
}

/** The same of our export; an anchor stands in monerod's white list. */
function kept(text: string): string[] {
  const { zones } = ownDocument.parse(JSON.parse(text));
  return Object.values(zones).flatMap((peers) =>
    peers.map(({ address, list, last_seen, monero }) => {
      const seconds = last_seen === null ? 0 : Date.parse(last_seen) / 1_000;
      const { peer_id, pruning_seed, rpc_port, rpc_credits_per_hash } = monero;
      const numbers = [seconds, peer_id, pruning_seed, rpc_port, rpc_credits_per_hash];
      return [address, list === "anchor" ? "white" : list, ...numbers].join(" ");
    }),
  );
}

test(
  "real monerod: its peer list comes in through RPC and through its file, and out byte for byte",
  async () => {
    const [open, tor, invisible] = [
      await teller(publicPeers),
      await teller(torPeers),
      await teller(i2pPeers),
    ];
    const scratch = await scratchFolder();
    const monerod = await Monerod.start({
      scratch,
      synchronised: false,
      txProxies: [
        { zone: "tor", port: await proxyTo(tor.port) },
        { zone: "i2p", port: await proxyTo(invisible.port) },
      ],
      exclusiveNodes: [`127.0.0.1:${open.port}`, `${onion()}:18083`, `${i2p()}:1`],
    });
    cleanups.push(() => monerod.stop());
    await poll(
      async () => {
        const list = counts.partial().parse(JSON.parse(await peerList(monerod)));
        const whole = list.gray_list?.length === 3 * PEERS_EACH && list.white_list?.length === 2;
        return whole ? true : undefined;
      },
      100,
      PATIENCE,
      "monerod to learn its peers",
    );

    const byRpc = scratch.path("by-rpc");
    const where = ["--regtest", "--data-dir", byRpc, "--json"];
    const rpc = `127.0.0.1:${monerod.rpcPort}`;
    const imported = await anonctl(["peers", "import", "--rpc", rpc, ...where]);
    expect(imported.errors).toBe("");
    expect(JSON.parse(imported.out.toString())).toMatchObject({
      format: "monerod",
      peers: 3 * PEERS_EACH + 2,
      refused: [],
      zones: {
        public: { added: PEERS_EACH },
        tor: { added: PEERS_EACH + 1 },
        i2p: { added: PEERS_EACH + 1 },
      },
    });
    const answer = await peerList(monerod);
    expect((await exported(byRpc, "--format", "monerod")).toString()).toBe(answer);
    const document = (await exported(byRpc)).toString();
    expect(kept(document).toSorted()).toEqual(told(answer).toSorted());

    const nodes = await anonctl(["peers", "import", "--rpc", rpc, "--public-nodes", ...where]);
    expect(JSON.parse(nodes.out.toString())).toMatchObject({ peers: (3 * PEERS_EACH) / 4 });

    await monerod.kill("SIGTERM");
    const state = stateFile(scratch.path("monerod-0"));
    const byFile = scratch.path("by-file");
    const fromFile = await anonctl(["peers", "import", state, "--regtest", "--data-dir", byFile]);
    expect({ code: fromFile.code, errors: fromFile.errors }).toEqual({ code: 0, errors: "" });
    expect((await exported(byFile, "--format", "monerod")).toString()).toBe(answer);
    const written = await exported(byFile, "--format", "p2pstate");
    expect(written.equals(readFileSync(state))).toBe(true);
  },
  TEST_MS_MAX,
);

test(
  "real monerod: takes our p2pstate.bin for its own, and writes it again byte for byte",
  async () => {
    const scratch = await scratchFolder();
    const nowhere = await proxyTo(1);
    const monerod = await Monerod.start({
      scratch,
      offline: true,
      txProxies: [
        { zone: "tor", port: nowhere },
        { zone: "i2p", port: nowhere },
      ],
    });
    cleanups.push(() => monerod.stop());
    await monerod.kill("SIGTERM");

    const zoned = (peers: readonly PeerEntry[]) =>
      peers.map(({ address: { host, port, type } }, index) => ({
        address: type === "ipv6" ? `[${host}]:${port}` : `${host}:${port}`,
        list: index < 2 ? "anchor" : index % 2 === 0 ? "white" : "gray",
        last_seen: index % 7 === 0 ? null : new Date(1.7e12 + index * 1_000).toISOString(),
        monero: {
          // At 2^63 monerod would write for ever.
          peer_id: String((1n << 63n) + 1n + BigInt(index)),
          pruning_seed: 0,
          rpc_port: index,
          rpc_credits_per_hash: index * 1_000_000,
        },
      }));
    const zones = { public: zoned(publicPeers), tor: zoned(torPeers), i2p: zoned(i2pPeers) };
    const list = JSON.stringify({ schema: "anonctl.peers.v1", network: "regtest", zones });
    const book = ["--regtest", "--data-dir", scratch.path("book")];
    expect(await anonctl(["peers", "import", "-", ...book], list)).toMatchObject({ code: 0 });

    const state = stateFile(scratch.path("monerod-0"));
    await anonctl(["peers", "export", state, "--format", "p2pstate", ...book]);
    const ours = readFileSync(state);
    await monerod.restart({ synchronised: false });
    const answer = await peerList(monerod);
    expect(told(answer)).toHaveLength(3 * PEERS_EACH);
    expect((await exported(scratch.path("book"), "--format", "monerod")).toString()).toBe(answer);
    await monerod.kill("SIGTERM");
    expect(readFileSync(state).equals(ours)).toBe(true);
  },
  TEST_MS_MAX,
);
