import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddressOf } from "../../lib/address/address.ts";
import { encodeMessage, FRAME_BYTES, type LevinMessage } from "../../lib/levin/frame.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { COMMAND, commandLimits, decodeNewTransactions } from "../../lib/monero/message.ts";
import { networks } from "../../lib/monero/network.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import { RelayDriver } from "../../lib/relay/driver.ts";
import { RelayError } from "../../lib/relay/error.ts";
import { RelayStore } from "../../lib/relay/store.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import { SocksServer } from "../../lib/socks/server.ts";
import { Dialer, type Dialers } from "../../lib/zone/dial.ts";
import { seedOnions } from "../address/known-onions.ts";
import { until } from "../real/node-process.ts";
import { closeAfterwards, closeAll, dialled, listening, rejection } from "../socks/loopback.ts";
import { hiddenOnly } from "./hidden-only.ts";
import { say, tupleOf } from "./scripted-peer.ts";
import { blobOf, hexOf, idOf } from "./transactions.ts";

afterEach(closeAll);

const onion = parseAddressOf(`${seedOnions[0]}:18083`, "tor");
const WAIT_MS = 10_000;

interface Setup {
  /** Where the proxy listens; without one the node only listens. */
  readonly proxyPort?: number;
  readonly inboundPort?: number;
  readonly inboundMax?: number;
  readonly unfinishedBytesMax?: number;
  /** Waits of the noise channels, of half this and up. */
  readonly everyMs?: number;
}

/** A node whose noise is a thousand times faster than monerod's. */
async function node(setup: Setup): Promise<{ driver: RelayDriver; store: RelayStore }> {
  const directory = mkdtempSync(join(tmpdir(), "anonctl-driver-"));
  const store = RelayStore.open(directory, "regtest");
  const { proxyPort, inboundPort, inboundMax = 2, everyMs = 15 } = setup;
  const targets = proxyPort === undefined ? [] : [{ address: onion, kind: "add" as const }];
  const limits = { outboundMax: 1, inboundMax: inboundPort === undefined ? 0 : inboundMax };
  const core = new RelayCore(
    {
      network: networks.regtest,
      zones: [{ zone: "tor", targets, ...limits, remembered: tupleOf(1, 141) }],
      random: systemRandom,
      schedule: { kind: "uniform", lowMs: everyMs / 2, highMs: everyMs },
    },
    realClock.now(),
  );
  const proxy = { host: "127.0.0.1", port: proxyPort ?? 1 };
  const options = { zone: "tor", version: "5", outboundMax: 1, proxy } as const;
  const dialers: Dialers = {
    tor: new Dialer(options, new StreamIsolation(systemRandom), realClock),
  };
  const listen = { host: "127.0.0.1", port: inboundPort ?? 0 };
  const inbound =
    inboundPort === undefined ? [] : [{ zone: "tor" as const, address: onion, listen, inboundMax }];
  const driver = new RelayDriver({
    ...{ core, store, dialer: hiddenOnly(dialers), inbound, clock: realClock },
    notice: () => undefined,
    ...(setup.unfinishedBytesMax && { unfinishedBytesMax: setup.unfinishedBytesMax }),
  });
  closeAfterwards(() => {
    driver.stop();
    store.close();
    rmSync(directory, { recursive: true, force: true });
  });
  await driver.start();
  return { driver, store };
}

/** Reads a socket as a peer does. */
function listen(socket: Socket, hear: (message: LevinMessage, frames: number) => void): number[] {
  const reader = new LevinReader({ limits: commandLimits });
  const wire: number[] = [];
  reader.setHandshakeDone();
  socket.on("data", (bytes: Uint8Array) => {
    reader.push(bytes);
    for (let found = reader.next(); found !== undefined; found = reader.next()) {
      wire.push(found.wireBytes);
      if (found.kind === "message") hear(found.message, wire.length);
    }
  });
  return wire;
}

/** A SOCKS proxy on loopback whose every stream leads to one server. */
async function proxyTo(
  serve: (socket: Socket) => void,
): Promise<{ port: number; asked: string[] }> {
  const { port } = await listening(serve);
  const asked: string[] = [];
  const proxy = await SocksServer.listen({
    connect: async ({ host }) => {
      asked.push(host);
      return await dialled(port);
    },
  });
  closeAfterwards(() => void proxy.close());
  return { port: proxy.address().port, asked };
}

function trouble({ core }: RelayDriver): string | undefined {
  return core.zones[0]?.targets[0]?.trouble;
}

describe("outbound", () => {
  test("a transaction crosses real sockets in whole frames, and is on the disk before", async () => {
    const arrived: string[] = [];
    const wires: number[][] = [];
    const { port, asked } = await proxyTo((socket) => {
      wires.push(
        listen(socket, (message) => {
          if (message.command === COMMAND.HANDSHAKE)
            socket.write(encodeMessage(say.handshakeAnswer(tupleOf(1, 141))));
          if (message.kind !== "notify") return;
          const { txs } = decodeNewTransactions(message.payload);
          arrived.push(...txs.map((blob) => Buffer.from(blob).toString("hex")));
        }),
      );
    });
    const { driver, store } = await node({ proxyPort: port });
    const submission = driver.submit(blobOf(6));
    expect(submission).toMatchObject({ kind: "taken", transaction: { id: idOf(6) } });
    expect(store.transactions(5_000).map(({ sends }) => sends)).toEqual([0]);
    await until(() => arrived[0], WAIT_MS);
    expect(arrived).toEqual([hexOf(6)]);
    await until(() => (store.transactions(5_000)[0]?.sends === 1 ? true : undefined), WAIT_MS);
    await until(() => ((wires[0]?.length ?? 0) > 50 ? true : undefined), WAIT_MS);
    expect(new Set(wires[0]?.slice(1))).toEqual(new Set([FRAME_BYTES]));
    expect(asked).toEqual([onion.host]);
    expect(driver.traffic(1)?.framesOut).toBeGreaterThan(50);
  });

  test.each<[string, (socket: Socket) => void, RegExp]>([
    ["answers nonsense", (socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"), /./],
    ["closes at once", (socket) => void socket.destroy(), /./],
    ["wants a password that nobody gave", (socket) => void socket.write("\x05\xff"), /./],
  ])("a proxy that %s is asked seldom, and told of", async (_name, serve, words) => {
    const { port, accepted } = await listening(serve);
    const { driver } = await node({ proxyPort: port });
    driver.submit(blobOf(0));
    await until(() => trouble(driver), WAIT_MS);
    expect(trouble(driver)).toMatch(words);
    await Bun.sleep(400);
    // The first wait is at least half a second.
    expect(accepted.length).toBe(1);
    const held = driver.core.pool.get(idOf(0));
    const standing = held && driver.core.standing(held, realClock.now());
    expect(standing?.kind === "held" && standing.reason).toContain(trouble(driver) ?? "?");
  });

  test("a peer that sends garbage is dropped, and its stream with it", async () => {
    const closed = Promise.withResolvers<void>();
    const { port } = await proxyTo((socket) => {
      socket.resume();
      socket.on("close", () => closed.resolve());
      socket.on("end", () => socket.end());
      socket.write("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3 and more of the same\r\n");
    });
    const { driver } = await node({ proxyPort: port });
    await closed.promise;
    expect(await until(() => trouble(driver), WAIT_MS)).toContain(
      "does not speak Monero's protocol",
    );
    expect(driver.core.zones[0]?.links.size).toBe(0);
  });

  test("a peer that does not read is dropped: frames must leave at their ticks or not at all", async () => {
    // Not through the proxy, whose buffers would take minutes of frames.
    const { port } = await listening((socket) => {
      let asked = 0;
      socket.on("data", (bytes: Uint8Array) => {
        asked += bytes.length;
        if (bytes[0] === 5 && bytes.length < 10) socket.write(Uint8Array.of(5, bytes.at(-1) ?? 0));
        else if (bytes[0] === 1 && bytes.length < 100) socket.write(Uint8Array.of(1, 0));
        else if (bytes[0] === 5) socket.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
        else if (asked > 300) {
          socket.write(encodeMessage(say.handshakeAnswer(tupleOf(1, 141))));
          socket.pause();
        }
      });
    });
    const { driver } = await node({ proxyPort: port, everyMs: 0.5 });
    const said = await until(() => trouble(driver), 60_000);
    expect(said).toContain("does not take what is sent");
    expect(driver.core.zones[0]?.links.size).toBe(0);
  }, 60_000);
});

describe("inbound", () => {
  test("a handshake is answered, a timed sync too, and a transaction taken", async () => {
    const { driver } = await node({ inboundPort: 0 });
    const [place] = driver.listening;
    const socket = await dialled(place?.port ?? 0);
    const heard: string[] = [];
    const wire = listen(socket, ({ kind, command }) => heard.push(`${kind} ${command}`));
    socket.write(encodeMessage(say.handshake(tupleOf(2, 10))));
    // In three parts, to begin within a header and within a payload.
    const rest = Buffer.concat([
      encodeMessage(say.timedSync(tupleOf(2, 11))),
      encodeMessage(say.transactions(blobOf(0))),
    ]);
    for (const part of [rest.subarray(0, 20), rest.subarray(20, 300), rest.subarray(300)])
      socket.write(part);
    await until(() => (heard.length === 2 ? true : undefined), WAIT_MS);
    expect(heard).toEqual([`response ${COMMAND.HANDSHAKE}`, `response ${COMMAND.TIMED_SYNC}`]);
    expect(wire[1]).toBe(FRAME_BYTES);
    await until(() => [...driver.core.pool.forward][0], WAIT_MS);
    expect([...driver.core.pool.forward].map(({ id }) => id)).toEqual([idOf(0)]);
  });

  test("one more than allowed is closed, and garbage too", async () => {
    const { driver } = await node({ inboundPort: 0, inboundMax: 2 });
    const [place] = driver.listening;
    const sockets = await Promise.all([1, 2, 3].map(() => dialled(place?.port ?? 0)));
    const closed = sockets.map(
      (socket) =>
        new Promise<number>((resolve) => {
          socket.resume();
          socket.on("close", () => resolve(sockets.indexOf(socket)));
          socket.on("end", () => socket.end());
        }),
    );
    const refused = await Promise.race(closed);
    expect(driver.core.zones[0]?.links.size).toBe(2);
    const other = sockets.findIndex((_, index) => index !== refused);
    sockets[other]?.write("\x16\x03\x01 and what else a TLS client may say to a port");
    expect(await closed[other]).toBe(other);
    await until(() => (driver.core.zones[0]?.links.size === 1 ? true : undefined), WAIT_MS);
  });

  test("whoever makes us hold most is closed, and the others stay", async () => {
    const { driver } = await node({ inboundPort: 0, inboundMax: 3, unfinishedBytesMax: 100_000 });
    const [place] = driver.listening;
    const unfinished = encodeMessage(say.transactions(new Uint8Array(200_000)));
    const sockets = await Promise.all([1, 2, 3].map(() => dialled(place?.port ?? 0)));
    const over: number[] = [];
    for (const [index, socket] of sockets.entries()) {
      // It may be cut off while there is more to read.
      socket.on("error", () => undefined);
      socket.on("end", () => socket.end());
      socket.on("close", () => over.push(index));
      socket.resume();
      socket.write(encodeMessage(say.handshake(tupleOf(2, 10))));
    }
    const zone = driver.core.zones[0];
    const isReady = (): boolean => zone?.inbound.guests === 3 && zone.inbound.strangers === 0;
    await until(() => isReady() || undefined, WAIT_MS);
    sockets[0]?.write(unfinished.subarray(0, 2_000));
    sockets[1]?.write(unfinished.subarray(0, 3_000));
    sockets[2]?.write(unfinished.subarray(0, 120_000));
    await until(() => over.length > 0 || undefined, WAIT_MS);
    expect(over).toEqual([2]);
    expect(zone?.links.size).toBe(2);
  });

  test("a stranger may not send more than a handshake has", async () => {
    const { driver } = await node({ inboundPort: 0 });
    const socket = await dialled(driver.listening[0]?.port ?? 0);
    const closed = new Promise((resolve) => socket.on("close", () => resolve("closed")));
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.resume();
    socket.write(encodeMessage(say.request(COMMAND.HANDSHAKE, new Uint8Array(20_000))));
    expect(await closed).toBe("closed");
    expect(driver.core.zones[0]?.links.size).toBe(0);
  });

  test("a message that never ends is paid for as it comes", async () => {
    const { driver } = await node({ inboundPort: 0, inboundMax: 12 });
    const unfinished = encodeMessage(say.transactions(new Uint8Array(2_000_000)));
    for (let count = 0; count < 12; count++) {
      const socket = await dialled(driver.listening[0]?.port ?? 0);
      socket.resume();
      socket.on("error", () => undefined);
      socket.write(encodeMessage(say.handshake(tupleOf(2, 10))));
      socket.write(unfinished.subarray(0, 1_900_000));
    }
    const overspent = (): number => driver.core.zones[0]?.inbound.overspent ?? 0;
    await until(() => overspent() > 0 || undefined, WAIT_MS);
    expect(driver.core.zones[0]?.links.size).toBeLessThan(12);
  });

  test("a port that is taken is named", async () => {
    const { port: taken } = await listening(() => undefined);
    const error = await rejection(node({ inboundPort: taken }));
    expect(error).toBeInstanceOf(RelayError);
    expect(error).toMatchObject({ code: "listen-failed", where: "local" });
    expect(String(error)).toContain(`127.0.0.1:${taken} for --anonymous-inbound`);
  });

  test("stopping closes listeners and streams", async () => {
    const { driver } = await node({ inboundPort: 0 });
    const [place] = driver.listening;
    const socket = await dialled(place?.port ?? 0);
    socket.resume();
    const closed = new Promise((resolve) => socket.on("end", resolve));
    await until(() => (driver.core.zones[0]?.links.size === 1 ? true : undefined), WAIT_MS);
    driver.stop();
    await closed;
    expect(await rejection(dialled(place?.port ?? 0))).toMatchObject({ code: "ECONNREFUSED" });
  });
});
