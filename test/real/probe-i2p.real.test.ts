import { afterAll, beforeAll, describe as describeGroup, expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { PrivateI2pNetwork } from "../../lib/devnet/i2p.ts";
import type { ProbeResult } from "../../lib/probe/result.ts";
import { probeResultSchema } from "../../lib/probe/result-schema.ts";
import { binary } from "./binary.ts";
import { requireDaemon } from "./daemon.ts";
import { type InsideCommand, insideAnswer } from "./i2p-inside.ts";
import { until } from "./node-process.ts";

/* The built program inside a private I2P network of real i2pd routers. */

const { describe, test } = requireDaemon("i2pd", "ip");
const isRoot = process.getuid?.() === 0;
const describeAsRoot = isRoot ? describe : describeGroup.skip;

/** A name with no service behind it. */
const NOBODY = "rtab6ks72tecp3bjqeuekb6vsj25cjqprpnoobdpshm3kjzytr2a.b32.i2p";

describeAsRoot("anonctl probe and a real I2P network", () => {
  let network: PrivateI2pNetwork;
  let inside: ChildProcess;
  let name = "";

  beforeAll(async () => {
    network = await PrivateI2pNetwork.start({ routers: 4 });
    const [program = "", ...words] = network.wrapper;
    inside = spawn(program, [...words, process.execPath, join(import.meta.dir, "i2p-inside.ts")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    name = (await ask({ do: "keep", samPort: router(2).samPort })).value ?? "";
    await ask({ do: "state", kind: "up" });
  }, 120_000);

  afterAll(async () => {
    inside?.stdin?.end();
    if (inside !== undefined && inside.exitCode === null) await once(inside, "exit");
    await network?.stop();
  }, 30_000);

  const router = (number: number) => {
    const found = network.routers[number - 1];
    if (found === undefined) throw new Error(`There is no router ${number}.`);
    return found;
  };

  async function ask(command: InsideCommand): Promise<z.infer<typeof insideAnswer>> {
    if (inside.stdout === null || inside.stdin === null) throw new Error("No pipes.");
    const lines = createInterface({ input: inside.stdout });
    inside.stdin.write(`${JSON.stringify({ id: 1, command })}\n`);
    const [line] = await once(lines, "line");
    lines.close();
    return z.object({ answer: insideAnswer }).parse(JSON.parse(String(line))).answer;
  }

  async function probed(number: number, target: string): Promise<ProbeResult> {
    const proxy = `i2p,127.0.0.1:${router(number).socksPort}`;
    const [program = "", ...words] = network.wrapper;
    const child = spawn(
      program,
      [
        ...words,
        binary(),
        "probe",
        "--json",
        "--proxy-deadline",
        "3s",
        "--answer-deadline",
        "5s",
        "--tx-proxy",
        proxy,
        target,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let out = "";
    child.stdout.on("data", (part: Buffer) => {
      out += String(part);
    });
    await once(child, "close");
    return probeResultSchema.parse(JSON.parse(out));
  }

  /** A router that has just come up may not find a lease set at the first request. */
  function found(number: number, target: string): Promise<ProbeResult> {
    const look = async (): Promise<ProbeResult | undefined> => {
      const result = await probed(number, target);
      return result.code === "lease-set-not-found" ? undefined : result;
    };
    return until(look, 40_000);
  }

  test("a service passes through another router", async () => {
    const result = await found(3, `tcp://${name}:80`);
    expect(result).toMatchObject({ ok: true, zone: "i2p", layer: "protocol" });
    expect(result.facts["banner_bytes"]).toBeGreaterThan(0);
  }, 60_000);

  test("one that speaks another protocol, and one that nobody has", async () => {
    expect(await found(3, `http://${name}:80/`)).toMatchObject({
      ...{ ok: false, layer: "protocol", code: "not-the-protocol" },
    });
    const absent = await probed(3, `tcp://${NOBODY}:80`);
    expect(absent).toMatchObject({ ok: false, layer: "descriptor", code: "lease-set-not-found" });
    // I2P says no more than that; what it could be as well is told.
    expect(absent.may_be).toEqual(["bootstrap", "address"]);
  }, 60_000);

  test("a service whose program has gone: OK does not mean reachable", async () => {
    await ask({ do: "close" });
    const result = await probed(3, `tcp://${name}:80`);
    expect(result.ok).toBe(false);
    expect(["rendezvous", "descriptor", "answer"]).toContain(result.layer);
    if (result.layer === "answer") expect(result.may_be).toContain("rendezvous");
    expect(result.where).toBe("peer");
  }, 60_000);

  test("a router that hangs, and one that is gone, are this machine's matter", async () => {
    await router(4).kill("SIGSTOP");
    expect(await probed(4, `tcp://${name}:80`)).toMatchObject({
      ...{ layer: "proxy", where: "local", code: "proxy-silent" },
    });
    await router(4).kill("SIGCONT");
    await router(4).kill("SIGKILL");
    expect(await probed(4, `tcp://${name}:80`)).toMatchObject({
      ...{ layer: "proxy", where: "local", code: "proxy-unreachable" },
    });
  }, 60_000);
});
