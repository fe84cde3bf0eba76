import { afterAll, afterEach, beforeAll, describe as describeGroup, expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PrivateI2pNetwork } from "../../lib/devnet/i2p.ts";
import { requireDaemon } from "./daemon.ts";
import { dataDirectory, endServices, HsProcess } from "./hs-process.ts";
import { until } from "./node-process.ts";

/*
 * `anonctl hs --i2p` as it is built, at real i2pd in a private network: the service lives on router
 * 2, which is restarted; it is called through routers 3 and 4.
 */

const { describe } = requireDaemon("i2pd", "ip");
const describeAsRoot = process.getuid?.() === 0 ? describe : describeGroup.skip;
const HELLO = "hello from behind the destination";
/** Tunnels of no hops, two each way: the private network is too small for others. */
const TUNNELS = ["inbound", "outbound"].flatMap((way) => [
  ...["--sam-option", `${way}.length=0`],
  ...["--sam-option", `${way}.quantity=2`],
]);
/** Making a session takes i2pd 20 s, or a multiple of it after a start. */
const SESSION_MS_MAX = 100_000;

describeAsRoot("an I2P service of anonctl's", () => {
  let network: PrivateI2pNetwork;
  let server: ChildProcess;
  let target = "";
  /** What the last call through a router told of itself. */
  let lastWords = "";

  beforeAll(async () => {
    network = await PrivateI2pNetwork.start({ routers: 4 });
    const [program = "", ...words] = network.wrapper;
    const script = join(import.meta.dir, "greeter-program.ts");
    server = spawn(program, [...words, process.execPath, script, HELLO], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (server.stdout === null) throw new Error("The greeter's output is not piped.");
    [target = ""] = await once(createInterface({ input: server.stdout }), "line").then(([line]) => [
      String(line),
    ]);
  }, 60_000);

  afterEach(async () => {
    await endServices();
  });

  afterAll(async () => {
    server?.stdin?.end();
    await network?.stop();
  }, 30_000);

  const router = (number: number) => {
    const found = network.routers[number - 1];
    if (found === undefined) throw new Error(`There is no router ${number}.`);
    return found;
  };

  /** What the service says through a router's SOCKS port; empty where nothing comes. */
  const greetingThrough = async (number: number, name: string): Promise<string> => {
    const [program = "", ...words] = network.wrapper;
    const proxy = `socks5h://127.0.0.1:${router(number).socksPort}`;
    const call = ["curl", "-sv", "-m", "5", "--http0.9", "-x", proxy, `http://${name}/`];
    const child = spawn(program, [...words, ...call], { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    lastWords = "";
    child.stderr.on("data", (part: Uint8Array) => {
      lastWords += String(part);
    });
    child.stdout.on("data", (part: Uint8Array) => {
      text += String(part);
    });
    await once(child, "close");
    return text;
  };

  const greeted = async (number: number, name: string): Promise<string> =>
    await until(
      async () => {
        const text = await greetingThrough(number, name);
        return text === "" ? undefined : text;
      },
      60_000,
      () => lastWords,
    );

  describe("made over SAM", () => {
    const { test } = requireDaemon("i2pd", "ip");

    test("answers through another router, and again after its own was restarted", async () => {
      const sam = ["--sam", `127.0.0.1:${router(2).samPort}`];
      const kept = ["--data-dir", dataDirectory()];
      const port = ["--port", `80:127.0.0.1:${target}`];
      const make = new HsProcess(
        ["create", "web", "--i2p", ...port, ...kept, ...sam],
        [...network.wrapper],
      );
      expect(await make.exited).toBe(0);
      const name = make.lines[0]?.address ?? "";
      expect(name).toMatch(/^[a-z2-7]{52}\.b32\.i2p$/);
      const serving = new HsProcess(["serve", ...kept, ...sam, ...TUNNELS], [...network.wrapper]);
      await serving.state("up", 1, SESSION_MS_MAX);
      expect(await greeted(3, name)).toBe(HELLO);
      const watch = new HsProcess(
        ["watch", "web", ...kept, "--sam", `127.0.0.1:${router(3).samPort}`],
        [...network.wrapper],
      );
      expect(await watch.exited).toBe(0);
      // Router 3 holds the lease set of before for up to ten minutes, and so would router 4.
      await network.restartUntilPublished(router(2), name);
      await serving.state("waiting", 1, SESSION_MS_MAX);
      await serving.state("up", 2, SESSION_MS_MAX);
      expect(await greeted(4, name)).toBe(HELLO);
      const list = new HsProcess(["list", ...kept]);
      await list.exited;
      expect(JSON.stringify(list.lines)).toContain(name);
      expect(await serving.end("SIGTERM")).toBe(0);
    }, 400_000);

    test("without a router says so at once", async () => {
      const words = ["create", "web", "--i2p", "--port", "80", "--sam", "127.0.0.1:1"];
      const make = new HsProcess([...words, "--data-dir", dataDirectory()]);
      expect(await make.exited).toBe(3);
      expect(make.errors).toContain("SAM");
    });
  });
});
