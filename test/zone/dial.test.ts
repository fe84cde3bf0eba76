import { afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import type { Socket } from "node:net";
import { join } from "node:path";
import { type Address, parseAddressOf } from "../../lib/address/address.ts";
import type { AnonymityZone } from "../../lib/address/zone.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { SocksError } from "../../lib/socks/error.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServerHandshake } from "../../lib/socks/server-handshake.ts";
import { Dialer, dialInZone } from "../../lib/zone/dial.ts";
import { ZoneError } from "../../lib/zone/error.ts";
import { parseTxProxy, type TxProxy } from "../../lib/zone/option.ts";
import { seedOnions } from "../address/known-onions.ts";
import { closeAll, closedPort, listening, rejection } from "../socks/loopback.ts";

afterEach(closeAll);

const onion = parseAddressOf(`${seedOnions[0]}:18083`, "tor");
const i2p = parseAddressOf(`${"a".repeat(52)}.b32.i2p:1`, "i2p");
const open = parseAddressOf("127.0.0.1:18080", "public");

function dialer<Z extends AnonymityZone>(zone: Z, port: number, option = ""): Dialer<Z> {
  const read = parseTxProxy(`${zone},${option}127.0.0.1:${port}`);
  const proxy: TxProxy<Z> = { ...read, zone };
  return new Dialer(proxy, new StreamIsolation(new SeededRandom(1)), realClock);
}

/** A proxy that keeps the requests it gets, and grants or refuses them. */
async function recordingProxy(
  refuse?: SocksError,
): Promise<{ port: number; requests: SocksRequest[]; accepted: readonly Socket[] }> {
  const requests: SocksRequest[] = [];
  const { port, accepted } = await listening((socket) => {
    const handshake = new SocksServerHandshake({ extendedErrors: true });
    socket.on("data", (bytes: Uint8Array) => {
      let step = handshake.receive(bytes);
      while (step.kind === "send") {
        socket.write(step.bytes);
        step = handshake.receive(new Uint8Array(0));
      }
      if (step.kind !== "request") return;
      requests.push(step.request);
      socket.write(refuse === undefined ? handshake.granted() : handshake.refused(refuse));
    });
  });
  return { port, requests, accepted };
}

/** Nobody may come here: a listener at a place to which a leak would go. */
async function trap(): Promise<{ port: number; visitors: readonly Socket[] }> {
  const { port, accepted } = await listening((socket) => socket.destroy());
  return { port, visitors: accepted };
}

function text(bytes: Uint8Array | string | undefined): string {
  return Buffer.from(bytes ?? "").toString();
}

describe("zones are types", () => {
  test("a dialer takes no address of another zone", () => {
    const wrong = async (): Promise<void> => {
      const tor = dialer("tor", 1);
      // @ts-expect-error an I2P address must never reach Tor
      await tor.dial(i2p, { label: "a" });
      // @ts-expect-error a public address must never reach Tor
      await tor.dial(open, { label: "a" });
      // @ts-expect-error nor one of which the zone is not known
      await tor.dial(onion as Address, { label: "a" });
      // @ts-expect-error nor an onion the I2P router
      await dialer("i2p", 1).dial(onion, { label: "a" });
      // @ts-expect-error there is no dialer of the public zone at all
      await dialInZone({}, open, { label: "a" });
      // @ts-expect-error and a Tor dialer can't be put in I2P's place
      await dialInZone({ i2p: tor }, i2p, { label: "a" });
    };
    expect(wrong).toBeFunction();
  });
});

describe("dialing", () => {
  test("the proxy gets the name, never an address that was looked up", async () => {
    const tor = await recordingProxy();
    await dialer("tor", tor.port).dial(onion, { label: "link-1" });
    expect(tor.requests[0]).toMatchObject({
      version: "5",
      command: "connect",
      host: onion.host,
      port: 18_083,
    });
    const router = await recordingProxy();
    await dialer("i2p", router.port).dial(i2p, { label: "link-1" });
    expect(router.requests[0]).toMatchObject({ version: "4a", host: i2p.host, port: 1 });
  });

  test("two links have different credentials, so that no circuit is shared", async () => {
    const { port, requests } = await recordingProxy();
    const tor = dialer("tor", port);
    for (const label of ["link-1", "link-2", "link-1"]) await tor.dial(onion, { label });
    const pairs = requests.map(({ auth }) => `${text(auth?.user)}:${text(auth?.password)}`);
    expect(pairs[0]).not.toBe(pairs[1]);
    expect(pairs[2]).toBe(pairs[0] ?? "");
    expect(pairs[0]).toMatch(/^[0-9a-f]{32}:link-1$/);
  });

  test("another run of the program has other credentials", async () => {
    const { port, requests } = await recordingProxy();
    for (const seed of [1, 2]) {
      const isolation = new StreamIsolation(new SeededRandom(seed));
      const proxy: TxProxy<"tor"> = { ...parseTxProxy(`tor,127.0.0.1:${port}`), zone: "tor" };
      await new Dialer(proxy, isolation, realClock).dial(onion, { label: "link-1" });
    }
    expect(text(requests[0]?.auth?.user)).not.toBe(text(requests[1]?.auth?.user));
  });

  test("credentials that the user gave are sent as they are", async () => {
    const { port, requests } = await recordingProxy();
    await dialer("tor", port, "socks5://me:secret@").dial(onion, { label: "link-1" });
    expect(text(requests[0]?.auth?.user)).toBe("me");
    expect(text(requests[0]?.auth?.password)).toBe("secret");
  });

  test("no credentials where SOCKS4a or the zone has no place for them", async () => {
    const { port, requests } = await recordingProxy();
    await dialer("tor", port, "socks4a://").dial(onion, { label: "link-1" });
    await dialer("i2p", port, "socks5://").dial(i2p, { label: "link-1" });
    expect(requests.map(({ version, auth }) => [version, auth])).toEqual([
      ["4a", undefined],
      ["5", undefined],
    ]);
  });

  test("an abort ends the attempt, a deadline too", async () => {
    const { port, accepted } = await listening(() => undefined);
    const abort = new AbortController();
    const given = dialer("tor", port).dial(onion, { label: "a", signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    expect(await rejection(given)).toMatchObject({ code: "aborted" });
    const late = dialer("tor", port).dial(onion, { label: "a", deadlineMs: 30 });
    expect(await rejection(late)).toMatchObject({ code: "deadline", where: "local" });
    expect(accepted.length).toBeLessThanOrEqual(2);
  });
});

describe("no other way", () => {
  test("a zone without a proxy is dialed by nobody", async () => {
    const { port, requests } = await recordingProxy();
    const error = await rejection(
      dialInZone({ tor: dialer("tor", port) }, i2p, { label: "link-1" }),
    );
    expect(error).toBeInstanceOf(ZoneError);
    expect(error).toMatchObject({ code: "no-proxy", where: "config" });
    expect(String(error)).toContain(i2p.host);
    expect(String(error)).toContain("--tx-proxy i2p,");
    expect(requests).toEqual([]);
  });

  test("each zone's address goes to its own proxy", async () => {
    const tor = await recordingProxy();
    const router = await recordingProxy();
    const dialers = { tor: dialer("tor", tor.port), i2p: dialer("i2p", router.port) };
    await dialInZone(dialers, onion, { label: "a" });
    await dialInZone(dialers, i2p, { label: "b" });
    expect(tor.requests.map(({ host }) => host)).toEqual([onion.host]);
    expect(router.requests.map(({ host }) => host)).toEqual([i2p.host]);
  });

  test("a proxy that refuses is asked once, and nobody else is", async () => {
    const other = await trap();
    const tor = await recordingProxy(
      new SocksError("onion-descriptor-not-found", "The onion is not there."),
    );
    const dialers = { tor: dialer("tor", tor.port), i2p: dialer("i2p", other.port) };
    expect(await rejection(dialInZone(dialers, onion, { label: "a" }))).toBeInstanceOf(SocksError);
    expect(tor.requests).toHaveLength(1);
    expect(tor.accepted).toHaveLength(1);
    expect(other.visitors).toHaveLength(0);
  });

  test("a proxy that is down is our machine's fault, and nobody else is asked", async () => {
    const other = await trap();
    const dialers = { tor: dialer("tor", await closedPort()), i2p: dialer("i2p", other.port) };
    const error = await rejection(dialInZone(dialers, onion, { label: "a" }));
    expect(error).toMatchObject({ code: "proxy-unreachable", where: "local" });
    expect(other.visitors).toHaveLength(0);
  });

  test("a process that dials through a dead proxy opens no socket but to it", async () => {
    const port = await closedPort();
    const script = join(import.meta.dir, "dial-through.ts");
    const traced = spawnSync(
      process.execPath,
      [script, String(port), `${onion.host}:${onion.port}`],
      { encoding: "utf8", timeout: 20_000 },
    );
    expect(traced.stderr).toBe("");
    expect(JSON.parse(traced.stdout)).toEqual({
      code: "proxy-unreachable",
      opened: [`127.0.0.1:${port}`],
      lookups: [],
    });
  });
});
