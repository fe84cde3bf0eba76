import { afterAll, beforeAll, expect } from "bun:test";
import { createServer, type Server } from "node:net";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { requireDaemon } from "./daemon.ts";
import { channelsLost, expectSound, type Survival, survive, type WayFault } from "./faulty-way.ts";
import { endNodes, until } from "./node-process.ts";
import { type PrivateMonero, startPrivateMonero } from "./private-monero.ts";

/*
 * A tor that is stopped, killed, frozen for a minute, or replaced by something that speaks no
 * SOCKS: each happens to a node of its own, all at once, and each node has to come back by itself.
 */

const { describe, test } = requireDaemon("tor", "monerod");

const FROZEN_MS = 60_000;
const RESTART_MS_MAX = 90_000;
const NOTHING = new Uint8Array(0);
const random = new SeededRandom(5);
/** What a proxy may answer that is none, one kind a connection. */
const garbage: readonly Uint8Array[] = [
  random.bytes(64),
  Buffer.from("HTTP/1.0 501 Tor is not an HTTP Proxy\r\nContent-Type: text/html\r\n\r\n"),
  NOTHING,
  // The right answer to the greeting, and no sense after it.
  Buffer.concat([Uint8Array.of(5, 0), random.bytes(300)]),
  Buffer.concat([Uint8Array.of(5, 2, 1, 0), random.bytes(300)]),
  random.bytes(1_000_000),
];

/** Answers garbage to whatever comes. */
class GarbageProxy {
  answered = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        socket.end(garbage[this.answered++ % garbage.length] ?? NOTHING);
      });
    });
  }

  static async listen(): Promise<GarbageProxy> {
    const proxy = new GarbageProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  close(): void {
    this.#server.close();
  }
}

describe("A node whose tor fails", () => {
  let network: PrivateMonero;
  let nonsense: GarbageProxy;
  const survivals = new Map<string, Promise<Survival>>();

  beforeAll(async () => {
    network = await startPrivateMonero(4);
    nonsense = await GarbageProxy.listen();
    for (const [index, [name, fault]] of Object.entries(faults).entries()) {
      const user = network.users[index];
      if (user === undefined) throw new Error("A tor is missing.");
      const survival = survive({
        ...{ zone: "tor", peer: network.onion, monerod: network.monerod },
        ...{ socksPort: user.socksPort, transactions: [2 * index, 2 * index + 1] },
        ...fault(user),
      });
      // A test below waits for it and fails with it.
      survival.catch(() => undefined);
      survivals.set(name, survival);
    }
  }, 150_000);

  afterAll(async () => {
    await endNodes();
    nonsense?.close();
    await network?.stop();
  }, 60_000);

  type Steps = Pick<WayFault, "begin" | "last" | "end">;
  const ended = (user: PrivateTorClient, signal: "SIGTERM" | "SIGKILL"): Steps => ({
    begin: async (_, node) => {
      await user.kill(signal);
      await channelsLost(node);
    },
    last: async (_, node) => {
      await node.statusWhere(
        ({ zones }) => zones[0]?.peers.find(({ trouble }) => trouble !== null),
        RESTART_MS_MAX,
      );
    },
    end: async () => await user.restart({ deadlineMs: RESTART_MS_MAX }),
  });
  const faults: Readonly<Record<string, (user: PrivateTorClient) => Steps>> = {
    stopped: (user) => ended(user, "SIGTERM"),
    killed: (user) => ended(user, "SIGKILL"),
    frozen: (user) => ({
      begin: async () => await user.kill("SIGSTOP"),
      last: async () => await Bun.sleep(FROZEN_MS),
      end: async () => await user.kill("SIGCONT"),
    }),
    nonsense: (user) => ({
      begin: async (proxy, node) => {
        proxy.target = nonsense.port;
        proxy.cut();
        await channelsLost(node);
      },
      last: async () => {
        await until(() => (nonsense.answered >= garbage.length ? true : undefined), 150_000);
      },
      end: async (proxy) => {
        proxy.target = user.socksPort;
      },
    }),
  };
  const survivalOf = async (name: string): Promise<Survival> => {
    const survival = survivals.get(name);
    if (survival === undefined) throw new Error(`Nothing is known of "${name}".`);
    const survived = await survival;
    expectSound(survived);
    return survived;
  };

  test("that is stopped: a transaction waits, and leaves once it runs again", async () => {
    const { answer } = await survivalOf("stopped");
    expect(answer).toMatchObject({ status: "OK", anonctl: { delivery: "held" } });
  }, 235_000);

  test("that is killed: the same", async () => {
    const { answer } = await survivalOf("killed");
    expect(answer).toMatchObject({ status: "OK", anonctl: { delivery: "held" } });
  }, 235_000);

  test("that hangs for a minute: the transaction that came meanwhile leaves after it", async () => {
    const { answer } = await survivalOf("frozen");
    expect(answer).toMatchObject({ status: "OK" });
  }, 235_000);

  test("whose place something else has taken, which answers garbage", async () => {
    const { answer } = await survivalOf("nonsense");
    expect(answer).toMatchObject({ status: "OK", anonctl: { delivery: "held" } });
    expect(nonsense.answered).toBeGreaterThanOrEqual(garbage.length);
  }, 235_000);
});
