import { afterAll, beforeAll, expect } from "bun:test";
import type { Socket } from "node:net";
import { createServer, type Server } from "node:net";
import { ControlClient } from "../../lib/tor/control-client.ts";
import { probe, probeOne, resultsOf } from "../cli/probe-program.ts";
import { requireDaemon } from "./daemon.ts";
import { ONION_PORT, type PrivateMonero, startPrivateMonero } from "./private-monero.ts";

const { describe, test } = requireDaemon("tor", "monerod");

describe("anonctl probe and a real monerod behind a real onion service", () => {
  let network: PrivateMonero;
  let raw: Server;
  let control: ControlClient;
  /** Onion names that lead to listeners which are no monerod. */
  let mute = "";
  let echo = "";
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    network = await startPrivateMonero();
    const service = network.tor.clients[0];
    const user = network.tor.clients[1];
    if (service === undefined || user === undefined) throw new Error("A tor client is missing.");
    raw = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.resume();
    });
    const echoing = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.pipe(socket);
    });
    control = await ControlClient.connect({
      place: { host: "127.0.0.1", port: service.controlPort },
      cookieFile: service.cookieFile,
    });
    [mute = "", echo = ""] = await Promise.all(
      [raw, echoing].map(async (server) => {
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const address = server.address();
        const port = typeof address === "object" && address !== null ? address.port : 0;
        const target = { host: "127.0.0.1", port };
        const onion = await control.addOnion({ ports: [{ virtualPort: ONION_PORT, target }] });
        await network.tor.reachable(onion.address, ONION_PORT, { through: user });
        return `${onion.address}:${ONION_PORT}`;
      }),
    );
    raw.once("close", () => echoing.close());
  }, 180_000);

  afterAll(async () => {
    await control?.close();
    for (const socket of sockets) socket.destroy();
    raw?.close();
    await network?.stop();
  }, 30_000);

  test("it tells network, height and version, and is told from what is not monerod", async () => {
    const { height } = await network.monerod.info();
    const run = await probe([
      ...["--tx-proxy", `tor,127.0.0.1:${network.socksPort}`, "--json", "--answer-deadline", "4s"],
      ...["--expect", `network=mainnet,height=${height}`],
      ...[network.onion, mute, echo],
    ]);
    expect(run.code).toBe(1);
    const found = new Map(resultsOf(run).map((result) => [result.target, result]));
    const good = found.get(network.onion);
    expect(good).toMatchObject({ ok: true, protocol: "monero", layer: "protocol" });
    expect(good?.facts).toMatchObject({
      ...{ network: "mainnet", height, foreign_peers: 0, peer_id_hidden: true, support_flags: 0 },
    });
    expect(good?.facts["version"]).toBeGreaterThan(0);
    expect(good?.facts["timed_sync_ms"]).toBeGreaterThan(0);
    expect(found.get(mute)).toMatchObject({ ok: false, layer: "answer", code: "silent" });
    expect(found.get(echo)).toMatchObject({
      ...{ ok: false, layer: "protocol", code: "not-the-protocol" },
    });
  }, 60_000);

  test("conditions that it does not meet", async () => {
    const { result, run } = await probeOne([
      ...["--tx-proxy", `tor,127.0.0.1:${network.socksPort}`],
      ...["--expect", "height>=3000000", network.onion],
    ]);
    expect(result).toMatchObject({ ok: false, layer: "protocol", code: "expectation-failed" });
    expect(run.code).toBe(1);
    const other = await probeOne([
      ...["--tx-proxy", `tor,127.0.0.1:${network.socksPort}`],
      ...["--expect", "network=testnet", network.onion],
    ]);
    expect(other.result).toMatchObject({
      ok: false,
      layer: "answer",
      code: "closed-without-answer",
    });
  }, 60_000);

  test("one that stalls, from outside and where the service leads", async () => {
    const local = network.monerod;
    await local.kill("SIGSTOP");
    try {
      const { result } = await probeOne([
        ...["--tx-proxy", `tor,127.0.0.1:${network.socksPort}`, "--answer-deadline", "3s"],
        network.onion,
      ]);
      expect(result).toMatchObject({ ok: false, layer: "answer", where: "peer", code: "silent" });
    } finally {
      await local.kill("SIGCONT");
    }
    const { result } = await probeOne([
      "--tx-proxy",
      `tor,127.0.0.1:${network.socksPort}`,
      network.onion,
    ]);
    expect(result.ok).toBe(true);
  }, 60_000);
});
