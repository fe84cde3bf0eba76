import { afterEach, expect } from "bun:test";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onionPublicKey } from "../../lib/address/onion.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { leftOver } from "../devnet/gone.ts";
import { requireDaemon } from "./daemon.ts";
import { leaving, socketsOf } from "./sockets-of.ts";

const { test } = requireDaemon("tor");

/** A cold start takes 11 s on a quiet machine, and two of them share its cores with other tests. */
const TEST_MS_MAX = 230_000;
const PATIENCE = { deadlineMs: 60_000 };

const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function greeter(): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end("hello from behind the onion");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

async function greeting(socksPort: number, host: string): Promise<string> {
  const socket = await connectThroughSocks({
    proxy: { host: "127.0.0.1", port: socksPort },
    request: { version: "5", command: "connect", host, port: 80 },
    deadlineMs: 30_000,
    clock: realClock,
  });
  let text = "";
  socket.on("data", (chunk: Uint8Array) => {
    text += String(chunk);
  });
  socket.resume();
  await once(socket, "end");
  socket.destroy();
  return text;
}

async function start(cacheDir: string, target: number): Promise<PrivateTorNetwork> {
  const network = await PrivateTorNetwork.start({
    cacheDir,
    clients: [
      { name: "user" },
      {
        name: "host",
        onionServices: [{ virtualPort: 80, target: { host: "127.0.0.1", port: target } }],
      },
    ],
  });
  cleanups.push(() => network.stop());
  return network;
}

function pidsOf(network: PrivateTorNetwork): number[] {
  return [...network.relayPids, ...network.clients.map(({ pid }) => pid)];
}

test(
  "real tor: two networks made at once, kept, started again, a client killed and restarted",
  async () => {
    const cacheDir = mkdtempSync(join(tmpdir(), "anonctl-test-"));
    cleanups.push(() => rmSync(cacheDir, { recursive: true, force: true }));
    const target = await greeter();

    const coldBegan = performance.now();
    const cold = await Promise.all([start(cacheDir, target), start(cacheDir, target)]);
    const coldMs = performance.now() - coldBegan;
    const all = cold.flatMap(pidsOf);
    expect(new Set(all).size).toBe(12);
    const directories = cold.map(({ clients }) => clients[0]?.cookieFile ?? "");
    expect(directories.every((path) => existsSync(path))).toBe(true);
    await Promise.all(cold.map((network) => network.stop()));
    expect(await leftOver(all, directories)).toEqual([]);

    const warmBegan = performance.now();
    const network = await start(cacheDir, target);
    expect(performance.now() - warmBegan).toBeLessThan(coldMs);
    const [user, host] = network.clients;
    const onion = host?.onions[0] ?? "";
    if (user === undefined || host === undefined) throw new Error("A client is missing.");
    expect(onionPublicKey(onion)).toHaveLength(32);
    await network.reachable(onion, 80, { through: user });
    expect(await greeting(user.socksPort, onion)).toBe("hello from behind the onion");
    expect(readFileSync(host.cookieFile).length).toBe(32);
    const sockets = socketsOf(pidsOf(network));
    expect(sockets.length).toBeGreaterThan(20);
    expect(leaving(sockets)).toEqual([]);

    const before = { socks: user.socksPort, pid: user.pid, hostPid: host.pid };
    await Promise.all([user.kill("SIGKILL"), host.kill("SIGKILL")]);
    expect([user.running, host.running]).toEqual([false, false]);
    await expect(
      network.reachable(onion, 80, { through: user, deadlineMs: 300 }),
    ).rejects.toMatchObject({
      code: "unreachable",
      where: "network",
    });
    await host.restart(PATIENCE);
    await user.restart(PATIENCE);
    expect(user.socksPort).toBe(before.socks);
    expect(user.pid).not.toBe(before.pid);
    expect(host.pid).not.toBe(before.hostPid);
    expect(host.onions[0]).toBe(onion);
    await network.reachable(onion, 80, { through: user, deadlineMs: 60_000 });
    expect([user.running, host.running]).toEqual([true, true]);
  },
  TEST_MS_MAX,
);

test("the look at a process's sockets tells another machine's address from this one's", () => {
  const there = [
    "0101A8C0",
    "B80D0120000000000000000001000000",
    "0000000000000000FFFF00000101A8C0",
  ];
  const here = ["0100007F", "00000000", "00000000000000000000000001000000"];
  const all = [...there, ...here].map((remote) => ({ protocol: "tcp", remote }));
  expect(leaving(all).map(({ remote }) => remote)).toEqual(there);
});

test(
  "real tor: a start that is called off leaves nothing",
  async () => {
    const scratch = await Scratch.create();
    cleanups.push(() => scratch.close());
    const controller = new AbortController();
    const starting = PrivateTorNetwork.start({
      scratch,
      cacheDir: scratch.path("cache"),
      clients: [{ name: "user" }],
      signal: controller.signal,
      onProgress: (what) => {
        if (what.includes("relays")) controller.abort();
      },
    });
    await expect(starting).rejects.toMatchObject({ code: "aborted" });
    expect(scratch.children.size).toBe(0);
  },
  TEST_MS_MAX,
);
