import { afterAll, beforeAll, expect } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { PrivateTorNetwork } from "../../lib/devnet/tor.ts";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { poll } from "../../lib/process/deadline.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { ControlClient } from "../../lib/tor/control-client.ts";
import type { BootstrapStatus } from "../../lib/tor/event.ts";
import { ManagedTor, type ManagedTorOptions } from "../../lib/tor/managed-tor.ts";
import { rejection } from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";
import { checkPrivate, privateTorrc } from "./private-torrc.ts";

/* A tor of our own on a private network; each one's lines are checked to name no other network. */

const { describe, test } = requireDaemon("tor", "tor-gencert");
const PATIENCE = { deadlineMs: 30_000 };

describe("a tor of our own", () => {
  let network: PrivateTorNetwork;
  let scratch: Scratch;
  let member: PrivateTorClient;
  let count = 0;

  beforeAll(async () => {
    scratch = await Scratch.create();
    network = await PrivateTorNetwork.start({ clients: [{ name: "member" }] });
    const [one] = network.clients;
    if (one === undefined) throw new Error("The network lacks its client.");
    member = one;
  }, 120_000);

  afterAll(async () => {
    await network?.stop();
    await scratch?.close();
  });

  async function options(
    more: readonly string[] = [],
  ): Promise<Required<Pick<ManagedTorOptions, "dataDirectory" | "extraTorrc">>> {
    const dataDirectory = scratch.path(`data-${count++}`);
    const extraTorrc = [...(await privateTorrc(member, dataDirectory)), ...more];
    return { dataDirectory, extraTorrc };
  }

  /** The only place where these tests start one. */
  async function start(wanted: ManagedTorOptions): Promise<ManagedTor> {
    checkPrivate(wanted.extraTorrc ?? []);
    return await ManagedTor.start(wanted);
  }

  const alive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };

  test("joins the network, hands out its ports, and leaves nothing but its data", async () => {
    const steps: BootstrapStatus[] = [];
    const wanted = await options();
    const began = realClock.now();
    const tor = await start({ ...wanted, onBootstrap: (status) => steps.push(status) });
    console.log(`a managed tor was ready after ${Math.round(realClock.now() - began)} ms`);
    expect(steps.at(-1)).toMatchObject({ percent: 100, tag: "done" });
    const percents = steps.map((step) => step.percent);
    expect(percents).toEqual(percents.toSorted((a, b) => a - b));
    const { socks, control } = tor;
    if (!("port" in socks)) throw new Error("It has no SOCKS port on TCP.");
    const added = await tor.client.addOnion({ ports: [{ virtualPort: 80 }] });
    expect(added.privateKey?.address).toBe(added.address);
    const other = await ControlClient.connect({ place: control, cookieFile: tor.cookieFile });
    expect(await other.listeners("socks")).toEqual([socks]);
    await other.close();
    const socksPort = { socksPort: member.socksPort };
    expect(
      await rejection(network.reachable(added.address, 81, { through: socksPort, deadlineMs: 1 })),
    ).toMatchObject({ code: "unreachable" });
    const { pid } = tor;
    const temporary = dirname(tor.cookieFile);
    expect(existsSync(temporary)).toBe(true);
    await tor.stop();
    expect(alive(pid)).toBe(false);
    expect(existsSync(`${wanted.dataDirectory}/state`)).toBe(true);
    expect(existsSync(temporary)).toBe(false);
  }, 60_000);

  test("whose data another tor has says so", async () => {
    const wanted = await options();
    const tor = await start(wanted);
    const error = await rejection(start(wanted));
    expect(error).toMatchObject({ code: "tor-exited", where: "local" });
    expect(String(error)).toContain("another Tor process");
    await tor.stop();
  }, 60_000);

  test("with a line that tor does not know says which", async () => {
    const error = await rejection(start(await options(["NoSuchOption 1"])));
    expect(error).toMatchObject({ code: "tor-exited" });
    expect(String(error)).toContain("NoSuchOption");
  }, 60_000);

  test("that gets nowhere says how far it came", async () => {
    const steps: BootstrapStatus[] = [];
    const wanted = await options(["DisableNetwork 1"]);
    const error = await rejection(
      start({ ...wanted, deadlineMs: 700, onBootstrap: (status) => steps.push(status) }),
    );
    expect(error).toMatchObject({ code: "bootstrap-stalled", where: "network" });
    expect(String(error)).toMatch(/Tor came to \d+ % in 0\.7 s/);
    expect(steps.length).toBeGreaterThan(0);
  }, 60_000);

  test("that is called off is gone", async () => {
    const aborting = new AbortController();
    const wanted = await options(["DisableNetwork 1"]);
    const starting = start({
      ...wanted,
      signal: aborting.signal,
      onBootstrap: () => aborting.abort(),
    });
    expect(await rejection(starting)).toMatchObject({ code: "aborted" });
    const again = await start({ ...wanted, extraTorrc: wanted.extraTorrc.slice(0, -1) });
    await again.stop();
  }, 60_000);

  test("that is not installed is missing", async () => {
    const error = await rejection(start({ ...(await options()), program: scratch.path("no-tor") }));
    expect(error).toMatchObject({ code: "tor-exited", where: "local" });
  }, 60_000);

  test("tells when it was killed", async () => {
    const tor = await start(await options());
    process.kill(tor.pid, "SIGKILL");
    await tor.exited;
    expect(await tor.client.closed).toMatchObject({ code: "control-closed" });
    await tor.stop();
  }, 60_000);

  test("dies with the process that started it, however that ends", async () => {
    const wanted = await options();
    const file = scratch.path("lines");
    writeFileSync(file, wanted.extraTorrc.join("\n"));
    const program = new URL("managed-tor-owner.ts", import.meta.url).pathname;
    const owner = spawn(process.execPath, [program, file, wanted.dataDirectory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = Promise.withResolvers<string>();
    owner.stdout.setEncoding("utf8").on("data", (text: string) => line.resolve(text));
    const pid = Number(await line.promise);
    expect(alive(pid)).toBe(true);
    const began = realClock.now();
    owner.kill("SIGKILL");
    await poll(async () => (alive(pid) ? undefined : true), 5, PATIENCE, "tor's end");
    console.log(
      `tor was gone ${Math.round(realClock.now() - began)} ms after its owner was killed`,
    );
  }, 60_000);
});
