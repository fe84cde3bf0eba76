import { afterAll, afterEach, beforeAll, describe as describeGroup, expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PrivateI2pNetwork } from "../../lib/devnet/i2p.ts";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import type { ProbeResult } from "../../lib/probe/result.ts";
import { probeResultSchema } from "../../lib/probe/result-schema.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { ClientAuthKey, parseClientCredentialFile } from "../../lib/tor/client-auth.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import { probeOne } from "../cli/probe-program.ts";
import { binary } from "./binary.ts";
import { requireDaemon } from "./daemon.ts";
import { controlOf, dataDirectory, endServices, greeter, HsProcess, hs } from "./hs-process.ts";
import { until } from "./node-process.ts";

/*
 * What `anonctl hs` makes, `anonctl probe` reaches, both as they are built: on a private Tor network
 * and on a private network of real i2pd.
 */

const WEB_PAGE = "HTTP/1.1 204 No Content\r\n\r\n";
const OF_THE_PAGE = ["--expect", "status=204"];
const UP_MS_MAX = 30_000;
/**
 * A tor that was killed can leave circuits behind at its old introduction points; the client's tor
 * tries them, each attempt up to a minute, before it fetches the new descriptor. Usual is 3 s.
 */
const RETURN_MS_MAX = 150_000;

const tools = requireDaemon("tor", "tor-gencert");

tools.describe("an onion service of anonctl's, probed through another tor", () => {
  const { test } = tools;
  let network: PrivateTorNetwork;
  let host: PrivateTorClient;
  let user: PrivateTorClient;

  beforeAll(async () => {
    network = await PrivateTorNetwork.start({
      clients: [{ name: "host" }, { name: "user", socksFlags: ["ExtendedErrors"] }],
    });
    const [first, second] = network.clients;
    if (first === undefined || second === undefined) throw new Error("A client is missing.");
    [host, user] = [first, second];
  }, 150_000);

  afterEach(async () => {
    await endServices();
  });

  afterAll(async () => {
    await network?.stop();
  }, 30_000);

  const through = (): string[] => ["--tx-proxy", `tor,127.0.0.1:${user.socksPort}`];

  /** Makes a service that leads to a web page; the words name where it is kept. */
  const create = async (...words: string[]): Promise<{ address: string; kept: string[] }> => {
    const port = ["--port", `80:127.0.0.1:${await greeter(WEB_PAGE)}`];
    const kept = ["--data-dir", dataDirectory()];
    const made = await hs("create", "web", ...port, ...kept, ...words);
    expect(made).toMatchObject({ code: 0, errors: "" });
    return { address: made.first.address ?? "", kept };
  };

  /** Runs the example to its end; `left` is what it left behind on the disk. */
  const runExample = async (port: number) => {
    const temporary = dataDirectory();
    const script = join(import.meta.dir, "../../examples/hs_and_probe.sh");
    const child = spawn("/bin/sh", [script, `127.0.0.1:${port}`], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"],
        HOME: temporary,
        TMPDIR: temporary,
        ANONCTL: binary(),
        CONTROL: `127.0.0.1:${host.controlPort}`,
        TX_PROXY: `tor,127.0.0.1:${user.socksPort}`,
      },
    });
    const out: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => out.push(line));
    createInterface({ input: child.stderr }).on("line", (line) => out.push(line));
    const [code] = await once(child, "close");
    return { code, out: out.join("\n"), left: readdirSync(temporary) };
  };

  test("created, served, watched until published and probed, in one script", async () => {
    const run = await runExample(await greeter(WEB_PAGE));
    expect(run.out).toMatch(/Made the onion service "web".*; published\n/s);
    expect(run.out.match(/^ok {2}.*\.onion:80/gm)).toHaveLength(2);
    expect(run.code).toBe(0);
    expect(run.left).toEqual([]);
    // The same with nothing behind it: the script does not pass by itself.
    const [closed = 0] = await pickPorts(1);
    const none = await runExample(closed);
    expect(none.out).toContain("; published\n");
    expect(none.out).toContain("at rendezvous (peer)");
    expect(none.code).toBe(1);
    expect(none.left).toEqual([]);
  }, 120_000);

  test("with client auth: no key, a wrong one and its own are three verdicts", async () => {
    const { address, kept } = await create("--client-auth", "laptop");
    const shown = await hs("show", "web", ...kept);
    const file = shown.first.clients?.[0]?.file ?? "";
    const own = parseClientCredentialFile(readFileSync(file, "utf8"));
    const serving = new HsProcess(["serve", ...kept, ...controlOf(host)]);
    const watch = await hs("watch", "web", ...kept, ...controlOf(host));
    expect(watch.code).toBe(0);
    await serving.state("up", 1, UP_MS_MAX);
    const tor = await controlClient(user);
    const verdict = async (): Promise<string> => {
      const target = `http://${address}/`;
      const { result, run } = await probeOne([...through(), ...OF_THE_PAGE, target]);
      return `${result.layer} ${result.where} ${result.code}, exit code ${run.code}`;
    };
    try {
      expect(await verdict()).toBe("descriptor config client-auth-missing, exit code 2");
      await tor.onionClientAuthAdd(address, ClientAuthKey.generate(systemRandom));
      expect(await verdict()).toBe("descriptor config client-auth-wrong, exit code 2");
      await tor.onionClientAuthAdd(address, own.key);
      expect(await verdict()).toBe("protocol null ok, exit code 0");
    } finally {
      await tor.onionClientAuthRemove(address);
      await tor.close();
    }
    expect(await serving.end("SIGTERM")).toBe(0);
  }, 120_000);

  test("passes again at the same address after its tor was killed and restarted", async () => {
    const { address, kept } = await create();
    const serving = new HsProcess(["serve", ...kept, ...controlOf(host)]);
    await serving.state("up", 1, UP_MS_MAX);
    const target = `http://${address}/`;
    const probed = async (...words: string[]): Promise<ProbeResult> =>
      (await probeOne([...through(), ...OF_THE_PAGE, ...words, target])).result;
    expect(await probed()).toMatchObject({ ok: true, code: "ok" });
    await host.kill("SIGKILL");
    await serving.state("waiting", 1, UP_MS_MAX);
    const patience = ["--open-deadline", "5s", "--attempts", "1"];
    expect(await probed(...patience)).toMatchObject({ ok: false, where: expect.any(String) });
    await host.restart({ deadlineMs: UP_MS_MAX });
    await serving.state("up", 2, UP_MS_MAX);
    expect((await hs("watch", address, "--timeout", "60s", ...controlOf(host))).code).toBe(0);
    const passes = async () => {
      const result = await probed();
      return result.ok ? result : undefined;
    };
    const again = await until(passes, RETURN_MS_MAX, () => JSON.stringify(serving.lines));
    expect(again).toMatchObject({ target, layer: "protocol", facts: { status: 204 } });
    expect(await serving.end("SIGTERM")).toBe(0);
  }, 230_000);
});

function controlClient({ controlPort, cookieFile }: PrivateTorClient): Promise<ControlClient> {
  return ControlClient.connect({ place: { host: "127.0.0.1", port: controlPort }, cookieFile });
}

const routers = requireDaemon("i2pd", "ip");
const describeAsRoot = process.getuid?.() === 0 ? routers.describe : describeGroup.skip;
/** Tunnels of no hops, two each way: the private network is too small for others. */
const TUNNELS = ["inbound", "outbound"].flatMap((way) => [
  ...["--sam-option", `${way}.length=0`],
  ...["--sam-option", `${way}.quantity=2`],
]);
/** Making a session takes i2pd 20 s, or a multiple of it after a start. */
const SESSION_MS_MAX = 100_000;

// The service lives on router 2, which is restarted; it is probed through routers 3 and 4.
describeAsRoot("a destination of anonctl's, probed through another router", () => {
  const { test } = routers;
  let network: PrivateI2pNetwork;
  let server: ChildProcess;
  let target = "";

  beforeAll(async () => {
    network = await PrivateI2pNetwork.start({ routers: 4 });
    const [program = "", ...words] = network.wrapper;
    const script = join(import.meta.dir, "greeter-program.ts");
    server = spawn(program, [...words, process.execPath, script, WEB_PAGE], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (server.stdout === null) throw new Error("The greeter's output is not piped.");
    const [line] = await once(createInterface({ input: server.stdout }), "line");
    target = String(line);
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

  const inside = (...words: string[]): HsProcess => new HsProcess(words, network.wrapper);

  /** Probes a name through a router. */
  const probedThrough = async (number: number, name: string): Promise<ProbeResult> => {
    const [program = "", ...wrapper] = network.wrapper;
    const proxy = ["--tx-proxy", `i2p,127.0.0.1:${router(number).socksPort}`];
    const words = ["probe", "--json", "--answer-deadline", "5s", ...proxy, ...OF_THE_PAGE];
    const child = spawn(program, [...wrapper, binary(), ...words, `http://${name}/`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (part: Uint8Array) => {
      out += String(part);
    });
    await once(child, "close");
    return probeResultSchema.parse(JSON.parse(out));
  };

  /** Probes until it passes: routers learn of a lease set by and by. */
  const passesThrough = async (number: number, name: string): Promise<ProbeResult> => {
    let last: ProbeResult | undefined;
    const look = async (): Promise<ProbeResult | undefined> => {
      last = await probedThrough(number, name);
      return last.ok ? last : undefined;
    };
    return await until(look, 60_000, () => JSON.stringify(last));
  };

  test("passes, and again after its own router was restarted", async () => {
    const sam = ["--sam", `127.0.0.1:${router(2).samPort}`];
    const kept = ["--data-dir", dataDirectory()];
    const port = ["--port", `80:127.0.0.1:${target}`];
    const make = inside("create", "web", "--i2p", ...port, ...kept, ...sam);
    expect(await make.exited).toBe(0);
    const name = make.lines[0]?.address ?? "";
    // Kept, and not up yet.
    expect(await probedThrough(3, name)).toMatchObject({
      ...{ ok: false, layer: "descriptor", code: "lease-set-not-found" },
    });
    const serving = inside("serve", ...kept, ...sam, ...TUNNELS);
    await serving.state("up", 1, SESSION_MS_MAX);
    const passes = { ok: true, zone: "i2p", layer: "protocol", facts: { status: 204 } };
    expect(await passesThrough(3, name)).toMatchObject(passes);
    // Router 3 holds the lease set of before for up to ten minutes, and so would router 4.
    await network.restartUntilPublished(router(2), name);
    await serving.state("waiting", 1, SESSION_MS_MAX);
    await serving.state("up", 2, SESSION_MS_MAX);
    expect(await passesThrough(4, name)).toMatchObject(passes);
    expect(await serving.end("SIGTERM")).toBe(0);
  }, 400_000);
});
