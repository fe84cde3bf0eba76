import { afterEach, describe, expect, test } from "bun:test";
import type { Address } from "../../lib/address/address.ts";
import { failedVerdict } from "../../lib/probe/layer.ts";
import { type ProbeOptions, probeTarget } from "../../lib/probe/probe.ts";
import { readTarget } from "../../lib/probe/target.ts";
import { walkByMode } from "../../lib/probe/walk-by-mode.ts";
import type { ConnectivityMode } from "../../lib/zone/mode.ts";
import { closeAll, closedPort } from "../socks/loopback.ts";
import { type RecordContent, type SimulatedPeer, simulatedPeer } from "../zone/tor-peer.ts";
import { probeOptions } from "./playground.ts";

afterEach(closeAll);

interface Setting {
  readonly mode: ConnectivityMode;
  readonly content: RecordContent;
  readonly direct?: boolean;
  readonly socksPort?: number;
}

/** Probes a peer's record for an open stream, as a mode has it. */
async function probed(peer: SimulatedPeer, setting: Setting) {
  const { mode, content, direct = true, socksPort = peer.socksPort } = setting;
  const told: string[] = [];
  const options = probeOptions(socksPort);
  const routes = { ...options.routes, mode, direct };
  const all: ProbeOptions = { ...options, routes, onNotice: ({ text }) => told.push(text) };
  const target = await readTarget(peer.record(content), "tcp");
  const result = await probeTarget({ line: 1, target }, all);
  if (result === undefined) throw new Error("The probe was called off.");
  return { result, told, visited: peer.visitors.length };
}

const dual: RecordContent = { onion: true, ip: true };
const lost: RecordContent = { onion: "absent", ip: true };

describe("a probe of a node with both kinds of address", () => {
  test("goes to the onion in every mode", async () => {
    const peer = await simulatedPeer();
    for (const mode of ["default", "prefer-tor", "only-onion"] as const) {
      const { result, visited, told } = await probed(peer, { mode, content: dual });
      expect(result).toMatchObject({
        ok: true,
        zone: "tor",
        address: `${peer.onion}:${peer.port}`,
      });
      expect([visited, told]).toEqual([0, []]);
    }
  });

  test("falls back where the onion fails and open dials are allowed, and says so", async () => {
    const peer = await simulatedPeer();
    const byDefault = await probed(peer, { mode: "default", content: lost });
    expect(byDefault.result).toMatchObject({
      ...{ ok: true, zone: "public", address: `127.0.0.1:${peer.port}`, attempts: 2 },
    });
    expect(byDefault.result.evidence[0]).toContain("is not reached");
    expect(byDefault.told).toEqual([]);
    const preferring = await probed(peer, { mode: "prefer-tor", content: lost });
    expect(preferring.result).toMatchObject({ ok: true, zone: "public" });
    expect(preferring.told).toHaveLength(1);
    expect(preferring.told[0]).toBe(preferring.result.evidence[0] ?? "");
    const down = await closedPort();
    const proxyless = await probed(peer, { mode: "prefer-tor", content: dual, socksPort: down });
    expect(proxyless.result).toMatchObject({ ok: true, zone: "public" });
    expect(proxyless.told[0]).toContain(`${peer.onion}:${peer.port} is not reached`);
  });

  test("ends at the onion where open dials are not allowed", async () => {
    const peer = await simulatedPeer();
    const { result, visited } = await probed(peer, {
      mode: "default",
      content: lost,
      direct: false,
    });
    expect(result).toMatchObject({ ok: false, zone: "tor", code: "descriptor-not-found" });
    expect(visited).toBe(0);
  });

  test("fails as the onion does where the open address fails too", async () => {
    const peer = await simulatedPeer();
    const tcp = await closedPort();
    const content = { ...lost, tcp };
    const { result } = await probed(peer, { mode: "default", content });
    expect(result).toMatchObject({ ok: false, zone: "tor", code: "descriptor-not-found" });
    expect(result.evidence.at(-1)).toContain(`127.0.0.1:${tcp} fails too`);
  });

  test("never ends at the open address in only-onion mode, even with open dials at hand", async () => {
    const peer = await simulatedPeer();
    const down = await closedPort();
    for (const [content, code, socksPort] of [
      [lost, "descriptor-not-found", undefined],
      [dual, "proxy-unreachable", down],
      [{ ip: true }, "only-onion", undefined],
    ] as const) {
      const setting = { mode: "only-onion" as const, content };
      const { result, visited, told } = await probed(
        peer,
        socksPort === undefined ? setting : { ...setting, socksPort },
      );
      expect(result).toMatchObject({ ok: false, code });
      expect([visited, told]).toEqual([0, []]);
    }
    const { result } = await probed(peer, { mode: "only-onion", content: { ip: true } });
    expect(result).toMatchObject({ layer: "address", where: "config", attempts: 0 });
    expect(result.evidence[0]).toContain("only-onion mode dials no other");
  });

  test("ends where it is called off: nothing is dialed openly, nor said to be", async () => {
    const peer = await simulatedPeer();
    const target = await readTarget(peer.record(lost), "tcp");
    if (target.kind !== "target") throw new Error("It is none.");
    const { routes } = probeOptions(peer.socksPort);
    const stop = new AbortController();
    const [walked, told]: [Address[], string[]] = [[], []];
    const options = { routes: { ...routes, mode: "prefer-tor" as const, direct: true } };
    const said = { signal: stop.signal, onNotice: ({ text }: { text: string }) => told.push(text) };
    const timings = { proxyMs: 1, firstByteMs: undefined, protocolMs: undefined, totalMs: 1 };
    const verdict = failedVerdict({
      ...{ layer: "answer", where: "peer", code: "closed", evidence: ["It broke."], advice: "" },
    });
    const found = await walkByMode(target, { ...options, ...said }, async ({ address }) => {
      walked.push(address);
      stop.abort();
      const walk = { verdict, facts: {}, timings: { ...timings, openMs: undefined }, attempts: 1 };
      return { walk, descriptor: undefined };
    });
    expect([walked.map(({ zone }) => zone), told]).toEqual([["tor"], []]);
    expect(found.walk.verdict).toMatchObject({ evidence: ["It broke."] });
  });

  test("a service on this machine may still be looked at by --self", async () => {
    const peer = await simulatedPeer();
    const options = probeOptions(peer.socksPort);
    const routes = { ...options.routes, mode: "only-onion" as const };
    const target = await readTarget(peer.record({ onion: true }), "tcp");
    const local = { host: "127.0.0.1", port: peer.port };
    const result = await probeTarget({ line: 1, target, local }, { ...options, routes });
    expect(result).toMatchObject({ ok: true, zone: "tor", self: { ok: true } });
    const elsewhere = { host: "192.0.2.1", port: peer.port };
    const other = await probeTarget({ line: 1, target, local: elsewhere }, { ...options, routes });
    expect(other?.self).toMatchObject({ code: "not-on-this-machine" });
  });
});
