import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { parseAddressOf } from "../../lib/address/address.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";

const open: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A listener that sends back what it gets. */
async function echo(): Promise<{ host: string; port: number }> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  return { host: "127.0.0.1", port: typeof address === "object" ? (address?.port ?? 0) : 0 };
}

async function start(
  options: Parameters<typeof SimulatedOnionNetwork.start>[0] = {},
): Promise<SimulatedOnionNetwork> {
  const network = await SimulatedOnionNetwork.start({ random: new SeededRandom(1), ...options });
  open.push(() => network.close());
  return network;
}

async function dial(
  network: SimulatedOnionNetwork,
  host: string,
  port = 80,
  version: SocksRequest["version"] = "5",
): Promise<Socket> {
  const socket = await connectThroughSocks({
    proxy: { host: "127.0.0.1", port: network.socksPort },
    request: { version, command: "connect", host, port },
    deadlineMs: 10_000,
    clock: realClock,
  });
  socket.on("error", () => undefined);
  return socket;
}

async function answer(socket: Socket, words: string): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Uint8Array) => {
    text += String(chunk);
  });
  socket.resume();
  socket.end(words);
  await once(socket, "end");
  return text;
}

describe("a simulated onion network", () => {
  test("says that it is simulated", async () => {
    expect((await start()).label).toStartWith("simulated:");
  });

  for (const version of ["4a", "5"] as const) {
    test(`leads SOCKS${version} to the listener of an onion address`, async () => {
      const network = await start();
      const { host } = network.addService(80, await echo());
      expect(await answer(await dial(network, host, 80, version), "hello")).toBe("hello");
      const shouted = await dial(
        network,
        `www.${host.slice(0, -6).toUpperCase()}.onion`,
        80,
        version,
      );
      expect(await answer(shouted, "hello again")).toBe("hello again");
    });
  }

  test("makes up valid addresses, and takes given ones with several ports", async () => {
    const network = await start();
    const made = network.addService(80, await echo());
    expect(parseAddressOf(`${made.host}:${made.port}`, "tor")).toEqual(made);
    network.register(parseAddressOf(`${made.host}:81`, "tor"), await echo());
    expect(await answer(await dial(network, made.host, 81), "both")).toBe("both");
    expect(await answer(await dial(network, made.host, 80), "both")).toBe("both");
  });

  test("refuses as tor does", async () => {
    const network = await start();
    const { host } = network.addService(80, await echo());
    const closed = network.addService(80, { host: "127.0.0.1", port: 1 }).host;
    const unknown = "c76swrbdwnejsw3o4fg6rnsypbjnw4dmwnhv3ew6cm72rykrtpif7pad.onion";
    const mistyped = `d${unknown.slice(1)}`;
    const cases = [
      [host, 81, "connection-refused", 0x05],
      [closed, 80, "general-failure", 0x01],
      [unknown, 80, "onion-descriptor-not-found", 0xf0],
      [mistyped, 80, "onion-address-invalid", 0xf6],
      ["expyuzz4wqqyqhjn.onion", 80, "onion-address-invalid", 0xf6],
      ["example.com", 80, "not-allowed", 0x02],
      ["127.0.0.1", 80, "not-allowed", 0x02],
    ] as const;
    for (const [name, port, code, replyCode] of cases) {
      await expect(dial(network, name, port)).rejects.toMatchObject({ code, replyCode });
      await expect(dial(network, name, port, "4a")).rejects.toMatchObject({ code: "rejected" });
    }
  });

  test("without extended errors gives tor's plain codes", async () => {
    const network = await start({ extendedErrors: false });
    const unknown = "c76swrbdwnejsw3o4fg6rnsypbjnw4dmwnhv3ew6cm72rykrtpif7pad.onion";
    await expect(dial(network, unknown)).rejects.toMatchObject({ replyCode: 0x04 });
  });

  test("refuses one service on request, and no longer when told so", async () => {
    const network = await start();
    const [one, other] = [
      network.addService(80, await echo()),
      network.addService(80, await echo()),
    ];
    network.setFaults({ refuse: "onion-introduction-failed" }, one.host);
    await expect(dial(network, one.host)).rejects.toMatchObject({ replyCode: 0xf2 });
    expect(await answer(await dial(network, other.host), "fine")).toBe("fine");
    network.setFaults(undefined, one.host);
    expect(await answer(await dial(network, one.host), "fine")).toBe("fine");
    expect(() => network.setFaults({}, "nobody.onion")).toThrow("not a service");
  });

  test("delays opening and every chunk", async () => {
    const network = await start({ faults: { delayMs: 60, jitterMs: 20 } });
    const { host } = network.addService(80, await echo());
    const began = performance.now();
    const socket = await dial(network, host);
    expect(performance.now() - began).toBeGreaterThanOrEqual(60);
    const sent = performance.now();
    expect(await answer(socket, "slow")).toBe("slow");
    expect(performance.now() - sent).toBeGreaterThanOrEqual(120);
  });

  test("loses open streams when told to, by rate, and with their service", async () => {
    const network = await start();
    const { host } = network.addService(80, await echo());
    const first = await dial(network, host);
    expect(network.openStreams).toBe(1);
    expect(network.drop(host)).toBe(1);
    await once(first.resume(), "end");
    expect(network.openStreams).toBe(0);
    network.setFaults({ dropRate: 200 });
    await once((await dial(network, host)).resume(), "end");
    network.setFaults({});
    const last = await dial(network, host);
    network.unregister(host);
    await once(last.resume(), "end");
    await expect(dial(network, host)).rejects.toMatchObject({ replyCode: 0xf0 });
  });
});
