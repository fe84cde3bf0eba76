import { afterEach, describe, expect, test } from "bun:test";
import { type ProbeOptions, probeTarget } from "../../lib/probe/probe.ts";
import { readTarget } from "../../lib/probe/target.ts";
import { closeAfterwards, closeAll, closedPort, listening } from "../socks/loopback.ts";
import { ExitProxy, isolationOf } from "../zone/exit-proxy.ts";
import { greeter, simulatedPeer } from "../zone/tor-peer.ts";
import { probeOptions } from "./playground.ts";

afterEach(closeAll);

const OPEN = "198.51.100.7:30303";
const NAME = "node.example.com:443";

async function exits(): Promise<ExitProxy> {
  const proxy = await ExitProxy.start();
  closeAfterwards(() => void proxy.close());
  return proxy;
}

/** Probes a text for an open stream in anonymize mode, with open dials at hand. */
async function probed(text: string, socksPort: number | undefined) {
  const told: string[] = [];
  const options = probeOptions(socksPort ?? 0);
  const gates = socksPort === undefined ? {} : options.routes.gates;
  const routes = { ...options.routes, mode: "anonymize" as const, direct: true, gates };
  const all: ProbeOptions = { ...options, routes, onNotice: ({ text }) => told.push(text) };
  const target = await readTarget(text, "tcp");
  const result = await probeTarget({ line: 1, target }, all);
  if (result === undefined) throw new Error("The probe was called off.");
  return { result, told };
}

describe("a probe in anonymize mode", () => {
  test("meets an open address, or a name that it does not look up, at an exit", async () => {
    const proxy = await exits();
    const { port } = await greeter("exit");
    for (const text of [OPEN, NAME]) {
      proxy.lead(text.replace(/:\d+$/, ""), port);
      const { result, told } = await probed(text, proxy.port);
      expect(result).toMatchObject({ ok: true, zone: "public", address: text, attempts: 1 });
      expect(told).toEqual([]);
    }
    expect(proxy.asked).toEqual([OPEN, NAME]);
    const labels = proxy.requests.map(isolationOf).filter((label) => !label.startsWith("gate-"));
    for (const label of labels) expect(label).toMatch(/^exit-probe-[0-9a-f]+-\d+$/);
    expect(new Set(labels).size).toBe(2);
  });

  test("goes to the onion first, and tells that it goes to an exit where that fails", async () => {
    const peer = await simulatedPeer();
    const dual = await probed(peer.record({ onion: true, ip: true }), peer.socksPort);
    expect(dual.result).toMatchObject({ ok: true, zone: "tor" });
    expect(dual.told).toEqual([]);
    // Its open address is one of this machine, which no exit is asked for.
    const lost = await probed(peer.record({ onion: "absent", ip: true }), peer.socksPort);
    expect(lost.result).toMatchObject({ ok: false, zone: "tor", code: "descriptor-not-found" });
    expect([lost.told, peer.visitors.length]).toEqual([[], 0]);
    const proxy = await exits();
    proxy.lead("198.51.100.7", (await greeter("exit")).port);
    const tub = `pb://${"a".repeat(32)}@tcp:${OPEN},tor:${peer.onion}:3457/swissnum`;
    const { result, told } = await probed(tub, proxy.port);
    expect(proxy.asked).toEqual([`${peer.onion}:3457`, OPEN]);
    expect(told).toEqual([expect.stringContaining(`${peer.onion}:3457 is not reached`)]);
    expect(told[0]).toEndWith(`dialing ${OPEN} through an exit of Tor.`);
    expect(result.evidence[0]).toBe(told[0] ?? "");
  });

  test("says why an exit did not reach it, and dials nothing openly", async () => {
    const proxy = await exits();
    const here = await listening((socket) => socket.destroy());
    const local = await probed(`127.0.0.1:${here.port}`, proxy.port);
    expect(local.result).toMatchObject({
      ...{ ok: false, layer: "address", where: "config", code: "internal-address", attempts: 0 },
    });
    expect(local.result.evidence[0]).toContain("which no exit of Tor reaches");
    const gone = await probed(OPEN, proxy.port);
    expect(gone.result).toMatchObject({ ok: false, layer: "rendezvous", code: "host-unreachable" });
    const down = await probed(OPEN, await closedPort());
    expect(down.result).toMatchObject({ ok: false, layer: "proxy", code: "proxy-unreachable" });
    for (const text of [OPEN, `127.0.0.1:${here.port}`]) {
      const none = await probed(text, undefined);
      expect(none.result).toMatchObject({ ok: false, where: "config", code: "no-proxy" });
      expect(none.result.advice).toContain("--tx-proxy tor");
    }
    expect([here.accepted.length, proxy.asked]).toEqual([0, [OPEN]]);
  });
});
