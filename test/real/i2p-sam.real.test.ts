import { afterAll, beforeAll, describe as describeGroup, expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { PrivateI2pNetwork } from "../../lib/devnet/i2p.ts";
import { leftOver } from "../devnet/gone.ts";
import { requireDaemon } from "./daemon.ts";
import { type InsideAnswer, type InsideCommand, insideAnswer } from "./i2p-inside.ts";
import { until } from "./node-process.ts";

/*
 * Our SAM client at real i2pd, in a private network of four routers. Router 1 is the floodfill; the
 * service lives on router 2, which is restarted; its users are at routers 3 and 4.
 */

const { describe, test } = requireDaemon("i2pd", "ip");
const isRoot = process.getuid?.() === 0;
const describeAsRoot = isRoot ? describe : describeGroup.skip;

const GREETED = "hello from inside\nis anybody there?\n";
/** A name with no service behind it. */
const NOBODY = "rtab6ks72tecp3bjqeuekb6vsj25cjqprpnoobdpshm3kjzytr2a.b32.i2p";
/** Making a session takes i2pd 20.0 s; a second look would be at 40 s. */
const SESSION_MS_MAX = 30_000;

/** The program that runs inside the namespace. */
class InsideProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: InsideAnswer) => void>();
  #last = 0;

  constructor(wrapper: readonly string[]) {
    const [program = "", ...words] = wrapper;
    const script = join(import.meta.dir, "i2p-inside.ts");
    this.#child = spawn(program, [...words, process.execPath, script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (this.#child.stdout === null) throw new Error("The program's output is not piped.");
    const shape = z.object({ id: z.number(), answer: insideAnswer });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const { id, answer } = shape.parse(JSON.parse(line));
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  async ask(command: InsideCommand): Promise<InsideAnswer> {
    const id = ++this.#last;
    const { promise, resolve } = Promise.withResolvers<InsideAnswer>();
    this.#waiting.set(id, resolve);
    this.#child.stdin?.write(`${JSON.stringify({ id, command })}\n`);
    return await promise;
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    await once(this.#child, "exit");
  }
}

describeAsRoot("A service made over SAM at a real router", () => {
  let network: PrivateI2pNetwork;
  let inside: InsideProcess;
  let name = "";

  beforeAll(async () => {
    network = await PrivateI2pNetwork.start({ routers: 4 });
    inside = new InsideProcess(network.wrapper);
  }, 60_000);

  afterAll(async () => {
    await inside?.end();
    await network?.stop();
  }, 30_000);

  const router = (number: number) => {
    const found = network.routers[number - 1];
    if (found === undefined) throw new Error(`There is no router ${number}.`);
    return found;
  };

  const reached = async (version: "4a" | "5", number: number): Promise<string | undefined> => {
    const port = router(number).socksPort;
    const { value } = await inside.ask({ do: "socks", version, port, host: name });
    return value;
  };

  test("nothing inside has a way out", async () => {
    const dial = async (host: string, port: number): Promise<string | undefined> =>
      (await inside.ask({ do: "dial", host, port })).value;
    expect(await dial("198.18.0.1", 9_701)).toBe("connected");
    // Linux says "network is unreachable"; Bun makes "connection refused" of it.
    expect(await dial("192.0.2.1", 80)).toMatch(/^E(NETUNREACH|CONNREFUSED)$/);
    const routes = readFileSync(`/proc/${router(1).pid}/net/route`, "utf8")
      .trim()
      .split("\n");
    expect(routes).toHaveLength(1);
    const devices = readFileSync(`/proc/${router(1).pid}/net/dev`, "utf8").match(/^\s*\w+:/gm);
    expect(devices?.map((device) => device.trim())).toEqual(["lo:"]);
  });

  test("comes up after the router's 20 s, together with a session for calling it", async () => {
    const kept = await inside.ask({ do: "keep", samPort: router(2).samPort });
    name = kept.value ?? "";
    expect(name).toMatch(/^[a-z2-7]{52}\.b32\.i2p$/);
    const [up, session] = await Promise.all([
      inside.ask({ do: "state", kind: "up" }),
      inside.ask({ do: "session", samPort: router(3).samPort }),
    ]);
    expect(up.value).toBe("making up");
    expect(up.ms).toBeWithin(19_000, SESSION_MS_MAX);
    expect(session.value).toMatch(/b32\.i2p$/);
    expect(session.value).not.toBe(name);
  }, 60_000);

  test("is reached through another router's SOCKS port, by SOCKS 5 and 4a", async () => {
    // The lease set is on its way to the floodfills while the session is called up.
    const found = await until(
      () => reached("5", 3),
      60_000,
      () => "It is not found.",
    );
    expect(found).toBe(GREETED);
    expect(await reached("4a", 3)).toBe(GREETED);
  }, 90_000);

  test("is reached by a stream of another router's session, and found by its name", async () => {
    expect(await inside.ask({ do: "stream", host: name })).toMatchObject({ value: GREETED });
    // A router that has just forgotten the lease set asks the floodfill, and says no meanwhile.
    const samPort = router(3).samPort;
    const lookUp = async () => (await inside.ask({ do: "lookup", samPort, host: name })).value;
    expect(await until(lookUp, 20_000)).toBe(name);
  }, 40_000);

  test("that is not there is told from a router that is not there", async () => {
    const nobody = { code: "peer-unreachable", where: "peer" };
    expect((await inside.ask({ do: "stream", host: NOBODY })).error).toEqual(nobody);
    const samPort = router(3).samPort;
    expect((await inside.ask({ do: "lookup", samPort, host: NOBODY })).error).toEqual(nobody);
    const unknown = await inside.ask({ do: "lookup", samPort, host: "nosuch.i2p" });
    expect(unknown.error).toEqual({ code: "name-unknown", where: "local" });
    const wrong = await inside.ask({ do: "lookup", samPort: 1, host: name });
    expect(wrong.error).toEqual({ code: "router-unreachable", where: "local" });
    const socks = await inside.ask({ do: "lookup", samPort: router(3).socksPort, host: name });
    expect(socks.error?.where).toBe("local");
  }, 30_000);

  test("comes back by itself, under the same name, after its router was restarted", async () => {
    await inside.ask({ do: "state", kind: "up" });
    const lost = inside.ask({ do: "state", kind: "waiting" });
    const back = lost.then(() => inside.ask({ do: "state", kind: "up" }));
    // Router 3 holds the lease set of before for up to ten minutes and calls into the void; so
    // would router 4.
    await network.restartUntilPublished(router(2), name);
    expect((await lost).value).toBe("waiting");
    expect((await back).value).toMatch(/^(making (waiting making )*)up$/);
    expect(await reached("5", 4)).toBe(GREETED);
    expect(await reached("4a", 4)).toBe(GREETED);
  }, 240_000);

  test("is taken down when it is closed", async () => {
    expect((await inside.ask({ do: "close" })).value).toBe("closed");
  });
});

describeAsRoot("A private I2P network", () => {
  test("vanishes with its owner, even when that is killed", async () => {
    const script = join(import.meta.dir, "i2p-network-owner.ts");
    const owner = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = await once(createInterface({ input: owner.stdout }), "line");
    const { namespace, pids, directory } = z
      .object({ namespace: z.string(), pids: z.array(z.number()), directory: z.string() })
      .parse(JSON.parse(String(line)));
    expect(readdirSync("/run/netns")).toContain(namespace);
    const names = pids.map((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim());
    expect(names).toEqual(["i2pd", "i2pd"]);
    owner.kill("SIGKILL");
    expect(await leftOver(pids, [directory, `/run/netns/${namespace}`])).toEqual([]);
  }, 45_000);
});
