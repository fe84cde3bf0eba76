import { afterAll, beforeAll, expect } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorBridge } from "../../lib/devnet/tor-bridge.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { parseBridge } from "../../lib/tor/bridge.ts";
import type { BootstrapStatus } from "../../lib/tor/event.ts";
import { ManagedTor, type ManagedTorOptions } from "../../lib/tor/managed-tor.ts";
import { probe, probeOne } from "../cli/probe-program.ts";
import { rejection } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";
import {
  controlOf,
  dataDirectory,
  endServices,
  greeter,
  greetingOf,
  greetingOnce,
  HsProcess,
  hs,
} from "./hs-process.ts";
import { endNodes, NodeProcess, until } from "./node-process.ts";
import { checkPrivate, privateTorrc } from "./private-torrc.ts";
import { descendantsOf, isAlive, tcpOf } from "./processes-of.ts";

/* A tor of our own that enters a private network by a bridge, and by nothing else. */

const { describe, test, path } = requireDaemon("tor", "tor-gencert", "obfs4proxy", "strace");
const HELLO = "hello from behind an onion";
const UP_MS_MAX = 60_000;

describe("a tor of our own behind a bridge", () => {
  let network: PrivateTorNetwork;
  let scratch: Scratch;
  let host: PrivateTorClient;
  let obfs4: PrivateTorBridge;
  let plain: PrivateTorBridge;
  let doomed: PrivateTorBridge;
  let onion = "";
  /** What puts a tor into this network; it tells it of no relay but the authority. */
  let torrc: readonly string[] = [];
  const home = process.env["HOME"];

  beforeAll(async () => {
    scratch = await Scratch.create();
    const target = { host: "127.0.0.1", port: await greeter(HELLO) };
    network = await PrivateTorNetwork.start({
      clients: [{ name: "host", onionServices: [{ virtualPort: 80, target }] }],
      bridges: [
        { nickname: "hidden", transport: "obfs4" },
        { nickname: "plain", transport: "none" },
        { nickname: "doomed", transport: "obfs4" },
      ],
    });
    const [client] = network.clients;
    const [first, second, third] = network.bridges;
    if (client === undefined || first === undefined) throw new Error("Something is missing.");
    if (second === undefined || third === undefined) throw new Error("A bridge is missing.");
    [host, obfs4, plain, doomed] = [client, first, second, third];
    onion = host.onions[0] ?? "";
    torrc = await privateTorrc(host, scratch.path("unused"));
    for (const { line } of network.bridges) expect(line).toContain("127.0.0.1:");
    // `anonctl probe` keeps its tor's state there.
    process.env["HOME"] = dataDirectory();
  }, 120_000);

  afterAll(async () => {
    process.env["HOME"] = home;
    await endNodes();
    await endServices();
    await network?.stop();
    await scratch?.close();
  }, 30_000);

  /** The only place where these tests start one; it knows nothing of the network yet. */
  async function start(line: string, options: ManagedTorOptions = {}): Promise<ManagedTor> {
    checkPrivate(torrc);
    return await ManagedTor.start({ ...options, extraTorrc: torrc, bridges: [parseBridge(line)] });
  }

  /** A tor whose every connection is written down. */
  function tracedTor(): { program: string; ports: () => Set<number> } {
    const program = scratch.path("traced-tor");
    const trace = scratch.path("trace");
    const words = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", trace, path("tor")];
    writeFileSync(program, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`);
    chmodSync(program, 0o755);
    const call = /connect\(.*sa_family=AF_INET6?, .*?sin6?_port=htons\((\d+)\).*?"([^"]+)"/g;
    return {
      program,
      ports: () => {
        const calls = [...readFileSync(trace, "utf8").matchAll(call)];
        expect(calls.map(([, , address]) => address)).not.toContainEqual(
          expect.not.stringMatching(/^127\.0\.0\.1$/),
        );
        return new Set(calls.map(([, port]) => Number(port)));
      },
    };
  }

  const socksOf = ({ socks }: ManagedTor): { socksPort: number } => ({
    socksPort: "port" in socks ? socks.port : 0,
  });
  const flagsOf = (line: string): string[] => [
    ...["--tor", "launch", "--bridge", line],
    ...torrc.flatMap((one) => ["--torrc-line", one]),
  ];

  test("with obfs4 joins the network by it and reaches an onion, on no other path", async () => {
    const { program, ports } = tracedTor();
    const steps: BootstrapStatus[] = [];
    const began = realClock.now();
    const tor = await start(obfs4.line, { program, onBootstrap: (step) => steps.push(step) });
    console.log(`ready over obfs4, traced, after ${Math.round(realClock.now() - began)} ms`);
    expect(steps.map(({ tag }) => tag)).toContain("conn_done_pt");
    expect(await greetingOf(socksOf(tor), onion, 80, UP_MS_MAX)).toBe(HELLO);

    // What tor says: one guard, one link, both the bridge.
    const told = await tor.client.getInfo(["entry-guards", "orconn-status"]);
    const name = `$${obfs4.fingerprint}~hidden`;
    expect(told.get("entry-guards")).toBe(`${name} up`);
    expect(told.get("orconn-status")).toBe(`${name} CONNECTED`);

    // What Linux says: tor is connected to obfs4proxy, and that to the bridge.
    const plugin = descendantsOf(tor.pid).find((one) => one.name === "obfs4proxy");
    const sockets = tcpOf(plugin?.pid ?? 0);
    const entry = sockets.find(({ remotePort }) => remotePort === 0)?.localPort ?? 0;
    const outward = sockets.filter(({ localPort }) => localPort !== entry);
    expect(new Set(outward.map(({ remotePort }) => remotePort))).toEqual(new Set([obfs4.port]));
    const behind = descendantsOf(obfs4.pid).find((one) => one.name === "obfs4proxy");
    const accepted = tcpOf(behind?.pid ?? 0).filter(({ localPort }) => localPort === obfs4.port);
    expect(accepted.map(({ remotePort }) => remotePort)).toContain(outward[0]?.localPort ?? -1);

    await tor.stop();
    // And over all of its life, from the first call on: these two ports, and no relay's.
    expect(ports()).toEqual(new Set([entry, obfs4.port]));
    await until(() => (isAlive(plugin?.pid ?? 0) ? undefined : true), 20_000);
  }, 90_000);

  test("without a transport joins by it and starts no other program", async () => {
    const { program, ports } = tracedTor();
    const tor = await start(plain.line, { program });
    expect(await greetingOf(socksOf(tor), onion, 80, UP_MS_MAX)).toBe(HELLO);
    const told = await tor.client.getInfo(["orconn-status"]);
    expect(told.get("orconn-status")).toBe(`$${plain.fingerprint}~plain CONNECTED`);
    expect(descendantsOf(tor.pid).map(({ name }) => name)).toEqual(["tor"]);
    await tor.stop();
    expect(ports()).toEqual(new Set([plain.port]));
  }, 90_000);

  test("that is killed takes obfs4proxy with it", async () => {
    const tor = await start(obfs4.line);
    const plugin = descendantsOf(tor.pid).find((one) => one.name === "obfs4proxy");
    expect(isAlive(plugin?.pid ?? 0)).toBe(true);
    process.kill(tor.pid, "SIGKILL");
    await until(() => (isAlive(plugin?.pid ?? 0) ? undefined : true), 20_000);
    await tor.stop();
  }, 60_000);

  test("has no way out once the bridge is gone", async () => {
    const tor = await start(doomed.line);
    expect(await greetingOf(socksOf(tor), onion, 80, UP_MS_MAX)).toBe(HELLO);
    await doomed.kill();
    expect(await rejection(greetingOnce(socksOf(tor), onion, 80))).toBeInstanceOf(Error);
    expect((await tor.client.getInfo(["orconn-status"])).get("orconn-status")).not.toContain(
      "CONNECTED",
    );
    await tor.stop();
    const error = await rejection(start(doomed.line, { deadlineMs: 4_000 }));
    expect(error).toMatchObject({ code: "bootstrap-stalled", where: "network" });
    expect(String(error)).toMatch(/Tor came to \d+ % in 4 s .*bridge lines are right/);
  }, 90_000);

  test.each([
    ["another's fingerprint", (): string => obfs4.line.replace(obfs4.fingerprint, "A".repeat(40))],
    ["another's cert", (): string => obfs4.line.replace(/cert=.{60}/, `cert=${"A".repeat(60)}`)],
  ])(
    "with %s says how far it came, and no secret",
    async (_what, line) => {
      const error = await rejection(start(line(), { deadlineMs: 4_000 }));
      expect(error).toMatchObject({ code: "bootstrap-stalled" });
      expect(String(error)).toContain("check that the bridge lines are right");
      expect(String(error)).not.toContain("AAAA");
      console.log(String(error));
    },
    60_000,
  );

  test("is a node's: it dials out by it, keeps its own service, and has another when it dies", async () => {
    const peer = await NodeProcess.start({
      arguments: ["--anonymous-inbound", "auto", ...controlOf(host)],
    });
    const service = peer.lines.find(({ schema }) => schema === "anonctl.node.ready.v1")?.service;
    const node = await NodeProcess.start({
      arguments: [
        ...flagsOf(obfs4.line),
        ...["--anonymous-inbound", "auto", "--add-exclusive-node", service ?? ""],
        ...["--timed-sync", "1s"],
      ],
    });
    const ready = (): Promise<unknown> =>
      node.statusWhere(
        ({ zones }) => zones[0]?.peers.find(({ state }) => state === "ready"),
        UP_MS_MAX,
      );
    expect(await ready()).toMatchObject({ direction: "outbound" });
    expect(node.errors.at(0)).toMatch(/^tor: \d+ % /);
    expect(node.errors.at(-1)).toBe("tor: 100 % Done");
    const own = node.lines.find(({ schema }) => schema === "anonctl.node.ready.v1")?.service ?? "";
    const [name = "", port] = own.split(":");
    const through = { through: host, deadlineMs: UP_MS_MAX };
    await network.reachable(name, Number(port), through);
    const torOf = (): number | undefined =>
      descendantsOf(node.pid).find((one) => one.name === "tor")?.pid;
    const first = torOf() ?? 0;
    process.kill(first, "SIGKILL");
    await node.line(({ text }) => text?.includes("own tor is back") === true, UP_MS_MAX);
    expect(torOf()).not.toBe(first);
    await until(
      () =>
        node.lines.filter(({ text }) => text?.includes(" is up: ")).length > 1 ? true : undefined,
      UP_MS_MAX,
    );
    expect(await ready()).toMatchObject({ direction: "outbound" });
    const left = descendantsOf(node.pid);
    expect(left.map((one) => one.name)).toContain("obfs4proxy");
    expect(await node.kill("SIGTERM")).toBe(0);
    await until(() => (left.some(({ pid }) => isAlive(pid)) ? undefined : true), 20_000);
    expect(await peer.kill("SIGTERM")).toBe(0);
  }, 180_000);

  test("is a node's that is called off while it joins", async () => {
    const begun = NodeProcess.begin({
      arguments: [...flagsOf(doomed.line), "--anonymous-inbound", "auto"],
    });
    await until(() => (begun.errors.length > 0 ? true : undefined), UP_MS_MAX);
    const left = descendantsOf(begun.pid);
    expect(await begun.kill("SIGINT")).toBe(130);
    await until(() => (left.some(({ pid }) => isAlive(pid)) ? undefined : true), 20_000);
  }, 60_000);

  test("is a hidden service's", async () => {
    const dataDir = dataDirectory();
    const target = await greeter(HELLO);
    const kept = ["--data-dir", dataDir];
    const made = await hs("create", "web", "--port", `80:127.0.0.1:${target}`, ...kept);
    const serving = new HsProcess(["serve", ...kept, ...flagsOf(obfs4.line)]);
    await serving.state("up", 1, UP_MS_MAX);
    expect(serving.errors).toContain("Connected to pluggable transport");
    expect(await greetingOf(host, made.first.address ?? "", 80, UP_MS_MAX)).toBe(HELLO);
    expect(await serving.end("SIGTERM")).toBe(0);
  }, 120_000);

  test("is a probe's", async () => {
    const { result, run } = await probeOne([...flagsOf(obfs4.line), `tcp://${onion}:80`]);
    expect(run.code).toBe(0);
    expect(run.errors).toContain("Connected to pluggable transport");
    expect(result).toMatchObject({ ok: true, descriptor: { state: "received" } });
    const refused = await probe(["--tor", "launch", "--bridge", "x", `${onion}:80`]);
    expect(refused.code).toBe(2);
    expect(refused.errors).toContain("--bridge");
  }, 120_000);
});
