import { afterAll, beforeAll, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pickPorts } from "../../lib/devnet/ports.ts";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import type { ProbeResult } from "../../lib/probe/result.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { ClientAuthKey } from "../../lib/tor/client-auth.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import { probeOne } from "../cli/probe-program.ts";
import { requireDaemon } from "./daemon.ts";

const { describe, test, path } = requireDaemon("tor");

/** A name that nobody has published. */
const ABSENT = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";
const PASSWORD = "correct horse";
const OPEN_PORT = 80;
const CLOSED_PORT = 81;
const UNLISTED_PORT = 82;

describe("anonctl probe on a real private Tor network", () => {
  let tor: PrivateTorNetwork;
  let service: PrivateTorClient;
  let doomed: PrivateTorClient;
  let plain: PrivateTorClient;
  let extended: PrivateTorClient;
  let server: Server;
  let directory = "";
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "anonctl-probe-"));
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end("HTTP/1.1 204 No Content\r\n\r\n"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const [closed = 0] = await pickPorts(1);
    const target = { host: "127.0.0.1", port };
    tor = await PrivateTorNetwork.start({
      clients: [
        {
          name: "service",
          onionServices: [{ virtualPort: OPEN_PORT, target }],
        },
        { name: "doomed", onionServices: [{ virtualPort: OPEN_PORT, target }] },
        { name: "plain" },
        { name: "extended", socksFlags: ["ExtendedErrors"] },
      ],
    });
    [service, doomed, plain, extended] = clientsOf(tor);
    for (const host of [service, doomed]) {
      await tor.reachable(onionOf(host), OPEN_PORT, { through: plain });
      await tor.reachable(onionOf(host), OPEN_PORT, { through: extended });
    }
    // One service with two ports, of which one leads nowhere.
    const control = await controlOf(service);
    const { address: name } = await control.addOnion({
      ports: [
        { virtualPort: OPEN_PORT, target },
        { virtualPort: CLOSED_PORT, target: { host: "127.0.0.1", port: closed } },
      ],
      flags: ["Detach"],
    });
    twoPorts = name;
    await tor.reachable(twoPorts, OPEN_PORT, { through: extended });
    await tor.reachable(twoPorts, OPEN_PORT, { through: plain });
    await control.close();
  }, 150_000);

  let twoPorts = "";

  afterAll(async () => {
    await tor?.stop();
    for (const socket of sockets) socket.destroy();
    server?.close();
    rmSync(directory, { recursive: true, force: true });
  }, 30_000);

  const through = (client: PrivateTorClient): string[] => [
    "--tx-proxy",
    `tor,127.0.0.1:${client.socksPort}`,
  ];
  const watching = (client: PrivateTorClient): string[] => [
    ...through(client),
    "--tor-control",
    `127.0.0.1:${client.controlPort}`,
  ];

  test("a service that is up passes, in samples on circuits of their own", async () => {
    const { result, run } = await probeOne([
      ...watching(extended),
      ...["--samples", "3", "--expect", "status=204", `${onionOf(service)}:${OPEN_PORT}`],
    ]);
    expect(run.code).toBe(0);
    expect(result).toMatchObject({ ok: true, layer: "protocol", attempts: 3 });
    expect(result.samples).toMatchObject({ count: 3, ok: 3 });
  }, 60_000);

  test("an absent descriptor, a closed target and an unlisted port each name their layer", async () => {
    const list = [`${ABSENT}:80`, `${twoPorts}:${CLOSED_PORT}`, `${twoPorts}:${UNLISTED_PORT}`];
    const expected = [
      { layer: "descriptor", where: "peer", code: "descriptor-not-found" },
      { layer: "rendezvous", where: "peer", code: "target-closed" },
      { layer: "rendezvous", where: "peer", code: "port-not-offered" },
    ];
    for (const [index, target] of list.entries()) {
      const { result, run } = await probeOne([...through(extended), target]);
      expect(result).toMatchObject({ ok: false, may_be: [], ...expected[index] });
      expect(run.code).toBe(1);
    }
  }, 90_000);

  test("without ExtendedErrors it says what can't be told apart; a control port tells more", async () => {
    const absent = await probeOne([...through(plain), `${ABSENT}:80`]);
    expect(absent.result).toMatchObject({ layer: "descriptor", may_be: ["introduction"] });
    const seen = await probeOne([...watching(plain), `${ABSENT}:80`]);
    expect(seen.result).toMatchObject({ layer: "descriptor", may_be: [] });
    expect(seen.result.descriptor).toMatchObject({ state: "failed" });
    expect(seen.result.descriptor?.reasons).toContain("NOT_FOUND");
    const closed = await probeOne([...through(plain), `${twoPorts}:${CLOSED_PORT}`]);
    expect(closed.result).toMatchObject({ layer: "rendezvous", code: "general-failure" });
    expect(closed.result.may_be).toContain("descriptor");
  }, 90_000);

  test("client authorization: no key, a wrong one and the right one are three verdicts", async () => {
    const own = ClientAuthKey.generate(systemRandom);
    const stranger = ClientAuthKey.generate(systemRandom);
    const control = await controlOf(service);
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const published = Promise.withResolvers<void>();
    await control.events(["HS_DESC"], (event) => {
      if (event.type === "HS_DESC" && event.action === "UPLOADED") published.resolve();
    });
    const { address: name } = await control.addOnion({
      ports: [{ virtualPort: OPEN_PORT, target: { host: "127.0.0.1", port } }],
      clientAuth: [own.publicKey],
    });
    // A tor that has found no descriptor asks the same directories again only after a while.
    await published.promise;
    const client = await controlOf(extended);
    const target = `${name}:${OPEN_PORT}`;
    const probed = async (): Promise<string> => {
      const { result } = await probeOne([...through(extended), target]);
      return `${result.layer} ${result.where} ${result.code}`;
    };
    expect(await probed()).toBe("descriptor config client-auth-missing");
    await client.onionClientAuthAdd(name, stranger);
    expect(await probed()).toBe("descriptor config client-auth-wrong");
    await client.onionClientAuthAdd(name, own);
    expect(await probed()).toBe("protocol null ok");
    await client.close();
    await control.close();
  }, 120_000);

  test("a malformed address, and a tor that hangs and is gone", async () => {
    const malformed = await probeOne([
      ...through(plain),
      `${onionOf(service).replace(/^./, (first) => (first === "7" ? "6" : "7"))}:80`,
    ]);
    expect(malformed.result).toMatchObject({ layer: "address", where: "config" });
    expect(malformed.run.code).toBe(2);
    await plain.kill("SIGSTOP");
    const hangs = await probeOne([
      ...through(plain),
      ...["--proxy-deadline", "2s", `${onionOf(service)}:80`],
    ]);
    expect(hangs.result).toMatchObject({ layer: "proxy", where: "local", code: "proxy-silent" });
    expect(hangs.run.code).toBe(3);
    await plain.kill("SIGCONT");
    await plain.kill("SIGKILL");
    const gone = await probeOne([...through(plain), `${onionOf(service)}:80`]);
    expect(gone.result).toMatchObject({
      layer: "proxy",
      where: "local",
      code: "proxy-unreachable",
    });
    expect(gone.run.code).toBe(3);
  }, 60_000);

  test("a tor that has not bootstrapped, and one whose control password is wrong", async () => {
    const scratch = await Scratch.create();
    try {
      const idle = await startIdleTor(scratch);
      const { result, run } = await probeOne([
        ...["--tx-proxy", `tor,127.0.0.1:${idle.socksPort}`],
        ...["--tor-control", `127.0.0.1:${idle.controlPort}`, "--bootstrap-deadline", "2s"],
        `${onionOf(service)}:80`,
      ]);
      expect(result).toMatchObject({
        layer: "bootstrap",
        where: "local",
        code: "not-bootstrapped",
      });
      expect(result.evidence.join(" ")).toMatch(/tor is at \d+ %/);
      expect(run.code).toBe(3);
      const file = join(directory, "password");
      const withPassword = async (password: string): Promise<ProbeResult> => {
        writeFileSync(file, `${password}\n`);
        const probed = await probeOne([
          ...["--tx-proxy", `tor,127.0.0.1:${idle.socksPort}`, "--tor-password-file", file],
          ...["--tor-control", `127.0.0.1:${idle.controlPort}`, "--bootstrap-deadline", "1s"],
          `${onionOf(service)}:80`,
        ]);
        return probed.result;
      };
      expect(await withPassword("wrong")).toMatchObject({
        ...{ layer: "bootstrap", where: "config", code: "control-password-wrong" },
      });
      expect(await withPassword(PASSWORD)).toMatchObject({ code: "not-bootstrapped" });
    } finally {
      await scratch.close();
    }
  }, 60_000);

  test("a service whose tor has ended fails at the introduction", async () => {
    const target = `${onionOf(doomed)}:${OPEN_PORT}`;
    expect((await probeOne([...through(extended), target])).result.ok).toBe(true);
    await doomed.kill("SIGTERM");
    // A request that reaches an introduction point before the news of the service's end gets no
    // answer; the next one does.
    const patience = ["--open-deadline", "10s", "--attempts", "4"];
    const { result } = await probeOne([...through(extended), ...patience, target]);
    expect(result).toMatchObject({ ok: false, layer: "introduction", where: "peer", may_be: [] });
  }, 120_000);
});

function clientsOf(
  tor: PrivateTorNetwork,
): [PrivateTorClient, PrivateTorClient, PrivateTorClient, PrivateTorClient] {
  const [a, b, c, d] = tor.clients;
  if (a === undefined || b === undefined || c === undefined || d === undefined) {
    throw new Error("The private Tor network lacks a client.");
  }
  return [a, b, c, d];
}

function onionOf(client: PrivateTorClient): string {
  const [name] = client.onions;
  if (name === undefined) throw new Error(`${client.name} has no onion service.`);
  return name;
}

function controlOf(client: PrivateTorClient): Promise<ControlClient> {
  return ControlClient.connect({
    place: { host: "127.0.0.1", port: client.controlPort },
    cookieFile: client.cookieFile,
  });
}

/** A tor whose only authority is a closed port of this machine: it never gets anywhere. */
async function startIdleTor(
  scratch: Scratch,
): Promise<{ readonly socksPort: number; readonly controlPort: number }> {
  const [socksPort = 0, controlPort = 0, closed = 0] = await pickPorts(3);
  const [hashed = ""] =
    spawnSync(path("tor"), ["--quiet", "--hash-password", PASSWORD], {
      encoding: "utf8",
    }).stdout.match(/16:[0-9A-F]+/) ?? [];
  const torrc = scratch.path("idle-torrc");
  const nowhere = "0000000000000000000000000000000000000000";
  const lines = [
    "TestingTorNetwork 1",
    `DirAuthority x orport=${closed} 127.0.0.1:${closed} ${nowhere}`,
    `DataDirectory ${scratch.path("idle")}`,
    ...["GeoIPFile /dev/null", "GeoIPv6File /dev/null"],
    `SocksPort 127.0.0.1:${socksPort} ExtendedErrors`,
    `ControlPort 127.0.0.1:${controlPort}`,
    "CookieAuthentication 1",
    `HashedControlPassword ${hashed}`,
    `__OwningControllerProcess ${process.pid}`,
  ];
  writeFileSync(torrc, `${lines.join("\n")}\n`);
  const child = scratch.spawn({
    name: "tor (idle)",
    program: path("tor"),
    arguments: ["-f", torrc, "--defaults-torrc", "/dev/null"],
    directory: scratch.directory,
  });
  await child.line(/Opened Control listener/, { deadlineMs: 20_000 });
  await child.line(/Bootstrapped/, { deadlineMs: 20_000 });
  return { socksPort, controlPort };
}
