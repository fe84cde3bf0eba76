import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { SocksError } from "../../lib/socks/error.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServer, type SocksServerOptions } from "../../lib/socks/server.ts";
import { hex } from "./conversation.ts";
import {
  ByteReader,
  closeAfterwards,
  closeAll,
  dialled,
  listening,
  rejection,
} from "./loopback.ts";

afterEach(closeAll);

const limits = { deadlineMs: 5_000, clock: realClock };
const GREETING = "050100";
const REQUEST = "0501000306612e746573740050";
const GRANTED = "05000001000000000000";

async function serving(options: SocksServerOptions): Promise<SocksServer> {
  const server = await SocksServer.listen(options);
  closeAfterwards(() => void server.close());
  return server;
}

/** A server whose streams all lead to one port of loopback. */
function leadingTo(port: number, more: Partial<SocksServerOptions> = {}): Promise<SocksServer> {
  return serving({ connect: () => dialled(port), ...more });
}

/** A service that sends back what it gets, and ends when its client does. */
const echo = (socket: Socket): void => {
  socket.pipe(socket);
};

async function through(server: SocksServer, change: Partial<SocksRequest> = {}): Promise<Socket> {
  const request = { version: "5", command: "connect", host: "a.test", port: 80 } as const;
  const asked = { ...request, ...change };
  const socket = await connectThroughSocks({ proxy: server.address(), request: asked, ...limits });
  closeAfterwards(() => socket.destroy());
  return socket;
}

/** A client that is driven by hand. */
async function raw(server: SocksServer): Promise<ByteReader> {
  return new ByteReader(await dialled(server.address().port));
}

/** Waits until the server holds so many connections. */
async function holds(server: SocksServer, connections: number): Promise<void> {
  while (server.connections !== connections) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("a stream through the server", () => {
  const requests: Partial<SocksRequest>[] = [
    {},
    { auth: { user: "u", password: "p" } },
    { host: "::1" },
    { version: "4", host: "192.0.2.7" },
    { version: "4a", userId: "bob" },
  ];

  test.each(requests)("%j: the request arrives, and bytes go both ways", async (change) => {
    const { port } = await listening(echo);
    const seen: SocksRequest[] = [];
    const server = await serving({
      connect: (request) => {
        seen.push(request);
        return dialled(port);
      },
    });
    const socket = await through(server, change);
    socket.write(hex("beef"));
    expect(await new ByteReader(socket).take(2)).toBe("beef");
    const { auth, ...plain } = change;
    expect(seen).toMatchObject([{ command: "connect", host: "a.test", port: 80, ...plain }]);
    expect(seen[0]?.auth).toEqual(auth && { user: hex("75"), password: hex("70") });
  });

  test("loses and changes nothing of 32 MB each way", async () => {
    const { port } = await listening(echo);
    const socket = await through(await leadingTo(port));
    const sent = createHash("sha256");
    const got = createHash("sha256");
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      got.update(chunk);
    });
    socket.resume();
    const random = new SeededRandom(1);
    const block = random.bytes(1 << 20);
    for (let i = 0; i < 32; i++) {
      block.set(random.bytes(64), i * 64);
      const copy = new Uint8Array(block);
      sent.update(copy);
      if (!socket.write(copy)) await once(socket, "drain");
    }
    socket.end();
    await once(socket, "end");
    expect(bytes).toBe(32 << 20);
    expect(got.digest("hex")).toBe(sent.digest("hex"));
  });

  test("carries what comes along with the request, and with its answer", async () => {
    const { port } = await listening((socket) => {
      socket.write(hex("cafe"));
      echo(socket);
    });
    const client = await raw(await leadingTo(port));
    client.socket.write(hex(`${GREETING}${REQUEST}beef`));
    expect(await client.take(2 + 10 + 4)).toBe(`0500${GRANTED}cafebeef`);
  });

  test("ends one way at a time", async () => {
    const { port } = await listening(async (socket) => {
      const reader = new ByteReader(socket);
      socket.write(await reader.rest());
      socket.end();
    });
    const server = await leadingTo(port);
    const socket = await through(server);
    socket.write(hex("beef"));
    socket.end();
    expect(Buffer.from(await new ByteReader(socket).rest(), "hex").toString()).toBe("beef");
    await holds(server, 0);
  });

  test("ends the other way first, too", async () => {
    const told = Promise.withResolvers<string>();
    const { port } = await listening(async (socket) => {
      socket.end(hex("cafe"));
      told.resolve(await new ByteReader(socket).rest());
    });
    const server = await leadingTo(port);
    const socket = await through(server);
    expect(await new ByteReader(socket).rest()).toBe("cafe");
    socket.write(hex("beef"));
    socket.end();
    expect(await told.promise).toBe("beef");
    await holds(server, 0);
  });

  test("breaks off when either side does", async () => {
    const { port, accepted } = await listening(() => undefined);
    const server = await leadingTo(port);
    const first = await through(server);
    first.resetAndDestroy();
    await holds(server, 0);
    const second = await through(server);
    const reader = new ByteReader(second);
    await holds(server, 1);
    accepted[1]?.resetAndDestroy();
    expect(await reader.rest()).toBe("");
    second.destroy();
    await holds(server, 0);
  });

  test("waits for a reader that does not read", async () => {
    const { port, accepted } = await listening((socket) => socket.pause());
    const socket = await through(await leadingTo(port));
    const block = new Uint8Array(1 << 20);
    // Socket buffers of four ends take a few megabytes; 64 would have to be held in memory.
    let blocks = 0;
    while (blocks < 64) {
      blocks++;
      if (socket.write(block)) continue;
      const full = Symbol("full");
      const drained = once(socket, "drain");
      const waited = new Promise((resolve) => setTimeout(resolve, 300, full));
      if ((await Promise.race([drained, waited])) === full) break;
    }
    expect(blocks).toBeLessThan(32);
    // And it all arrives when the reader does read.
    let bytes = 0;
    accepted[0]?.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    accepted[0]?.resume();
    socket.end();
    if (accepted[0]) await once(accepted[0], "end");
    expect(bytes).toBe(blocks << 20);
  });

  test("can lead to any duplex, not only a socket", async () => {
    const upper = new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _encoding, done) {
        this.push(chunk.toString().toUpperCase());
        done();
      },
      final(done) {
        this.push(null);
        done();
      },
    });
    const server = await serving({ connect: async () => upper });
    const socket = await through(server);
    socket.write("abc");
    socket.end();
    expect(await new ByteReader(socket).rest()).toBe(Buffer.from("ABC").toString("hex"));
    await holds(server, 0);
  });

  test("that is already broken when it is handed over breaks the client's", async () => {
    const server = await serving({
      connect: async () => {
        const stream = new Duplex({ read: () => undefined });
        stream.destroy();
        await once(stream, "close");
        return stream;
      },
    });
    const client = await raw(server);
    client.socket.write(hex(`${GREETING}${REQUEST}`));
    await client.rest();
    client.socket.destroy();
    await holds(server, 0);
  });
});

describe("a request that can't be carried out", () => {
  test("is answered in the client's version", async () => {
    const server = await serving({
      extendedErrors: true,
      connect: async (request) => {
        if (request.port === 81) throw Object.assign(new Error("no"), { code: "ECONNREFUSED" });
        if (request.port === 82) throw new TypeError("A mistake.");
        throw new SocksError("onion-client-auth-missing", "A key is needed.");
      },
    });
    const code = async (change: Partial<SocksRequest>): Promise<unknown> => {
      const error = await rejection(through(server, change));
      return error instanceof SocksError ? error.code : error;
    };
    expect(await code({})).toBe("onion-client-auth-missing");
    expect(await code({ port: 81 })).toBe("connection-refused");
    expect(await code({ port: 82 })).toBe("general-failure");
    expect(await code({ version: "4a" })).toBe("rejected");
    await holds(server, 0);
  });

  test("has its reply read even while the client still sends", async () => {
    const server = await serving({
      connect: async () => {
        throw new SocksError("not-allowed", "No.");
      },
    });
    const client = await raw(server);
    client.socket.write(hex(`${GREETING}${REQUEST}`));
    client.socket.write(new Uint8Array(200_000));
    expect(await client.rest()).toBe("050005020001000000000000");
    client.socket.destroy();
    await holds(server, 0);
  });

  test("is cut when the refused client does not go", async () => {
    const clock = new VirtualClock();
    const server = await serving({
      clock,
      connect: async () => {
        throw new SocksError("not-allowed", "No.");
      },
    });
    const client = await raw(server);
    client.socket.write(hex(`${GREETING}${REQUEST}`));
    expect(await client.rest()).toBe("050005020001000000000000");
    expect(server.connections).toBe(1);
    clock.advance(1_000);
    await holds(server, 0);
  });

  test("look-ups and other commands get 07, strangers nothing", async () => {
    const server = await serving({
      connect: () => Promise.reject(new Error("It was not to be called.")),
    });
    const cases = [
      [`${GREETING}05f0000306612e746573740000`, "050005070001000000000000"],
      [`${GREETING}05020001c00002070050`, "050005070001000000000000"],
      ["050101", "05ff"],
      ["04020050c000020700", "005b000000000000"],
      ["474554202f", ""],
    ] as const;
    for (const [wire, answer] of cases) {
      const client = await raw(server);
      client.socket.write(hex(wire));
      expect([wire, await client.rest()]).toEqual([wire, answer]);
      client.socket.destroy();
    }
    await holds(server, 0);
  });

  test("a wrong password is refused, and so is none", async () => {
    const { port } = await listening(echo);
    const server = await leadingTo(port, {
      authenticate: ({ user, password }) =>
        Buffer.from(user).equals(Buffer.from("u")) && password.length === 2,
    });
    const auth = { user: "u", password: "pw" };
    expect(await rejection(through(server, { auth: { ...auth, password: "p" } }))).toMatchObject({
      code: "auth-refused",
    });
    expect(await rejection(through(server))).toMatchObject({ code: "no-acceptable-method" });
    expect(await rejection(through(server, { version: "4a" }))).toMatchObject({ code: "rejected" });
    (await through(server, { auth })).destroy();
  });
});

describe("limits", () => {
  test("connections above the bound are closed, and room comes back", async () => {
    const { port } = await listening(echo);
    const server = await leadingTo(port, { connectionsMax: 2 });
    const first = await through(server);
    await through(server);
    expect(await rejection(through(server))).toMatchObject({ code: "proxy-closed" });
    first.destroy();
    await holds(server, 1);
    await through(server);
    expect(server.connections).toBe(2);
  });

  test("a client that asks for nothing is cut at the deadline", async () => {
    const clock = new VirtualClock();
    const { port } = await listening(echo);
    const server = await leadingTo(port, { clock, handshakeDeadlineMs: 5_000 });
    const client = await raw(server);
    client.socket.write(hex("05"));
    await holds(server, 1);
    clock.advance(4_999);
    expect(server.connections).toBe(1);
    clock.advance(1);
    expect(await client.rest()).toBe("");
    await holds(server, 0);
  });

  test("a stream has no deadline", async () => {
    const clock = new VirtualClock();
    const { port } = await listening(echo);
    const server = await leadingTo(port, { clock });
    const client = await raw(server);
    client.socket.write(hex(`${GREETING}${REQUEST}`));
    await client.take(12);
    expect(clock.nextTimerAt()).toBeUndefined();
    clock.advance(1_000_000);
    client.socket.write(hex("beef"));
    expect(await client.take(2)).toBe("beef");
  });

  test("an attempt that takes too long gets 06, and its late stream is closed", async () => {
    const clock = new VirtualClock();
    const asked = Promise.withResolvers<AbortSignal>();
    const late = Promise.withResolvers<Duplex>();
    const server = await serving({
      clock,
      connectDeadlineMs: 60_000,
      connect: (_, signal) => {
        asked.resolve(signal);
        return late.promise;
      },
    });
    const attempt = rejection(through(server));
    const signal = await asked.promise;
    clock.advance(60_000);
    expect(await attempt).toMatchObject({ code: "ttl-expired" });
    expect(signal.aborted).toBe(true);
    const stream = new Duplex({ read: () => undefined });
    late.resolve(stream);
    await once(stream, "close");
    expect(stream.destroyed).toBe(true);
  });

  test("a client that goes away calls its attempt off", async () => {
    for (const leave of ["destroy", "resetAndDestroy", "end"] as const) {
      const asked = Promise.withResolvers<AbortSignal>();
      const server = await serving({
        connect: (_, signal) => {
          asked.resolve(signal);
          return new Promise(() => undefined);
        },
      });
      const client = await raw(server);
      client.socket.write(hex(`${GREETING}${REQUEST}beef`));
      const signal = await asked.promise;
      client.socket[leave]();
      if (!signal.aborted) await once(signal, "abort");
      await holds(server, 0);
    }
  });

  test("a client that sends ahead of its stream is held back, and loses nothing", async () => {
    const go = Promise.withResolvers<void>();
    const { port, accepted } = await listening((socket) => socket.pause());
    const server = await serving({
      connect: async () => {
        await go.promise;
        return await dialled(port);
      },
    });
    const client = await raw(server);
    client.socket.write(hex(`${GREETING}${REQUEST}`));
    const block = new SeededRandom(2).bytes(1 << 20);
    for (let i = 0; i < 16; i++) client.socket.write(block);
    client.socket.end();
    expect(await client.take(2)).toBe("0500");
    go.resolve();
    expect(await client.take(10)).toBe(GRANTED);
    while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const got = createHash("sha256");
    const [socket] = accepted;
    socket?.on("data", (chunk: Buffer) => got.update(chunk));
    socket?.resume();
    if (socket) await once(socket, "end");
    const expected = createHash("sha256");
    for (let i = 0; i < 16; i++) expected.update(block);
    expect(got.digest("hex")).toBe(expected.digest("hex"));
  });
});

describe("closing", () => {
  test("cuts streams, calls attempts off and frees the port", async () => {
    const { port } = await listening(echo);
    const asked = Promise.withResolvers<AbortSignal>();
    const server = await SocksServer.listen({
      connect: (request, signal) => {
        if (request.port === 80) return dialled(port);
        asked.resolve(signal);
        return new Promise(() => undefined);
      },
    });
    const open = new ByteReader(await through(server));
    const waiting = rejection(through(server, { port: 81 }));
    const signal = await asked.promise;
    const silent = await raw(server);
    await holds(server, 3);
    const { port: own } = server.address();
    await server.close();
    expect(await open.rest()).toBe("");
    expect(await silent.rest()).toBe("");
    expect(await waiting).toMatchObject({ code: "proxy-closed" });
    expect(signal.aborted).toBe(true);
    expect(server.connections).toBe(0);
    expect(() => server.address()).toThrow("is closed");
    const again = await serving({ connect: () => dialled(port), port: own });
    expect(again.address()).toEqual({ host: "127.0.0.1", port: own });
  });

  test("a port that is taken is told", async () => {
    const { port } = await listening(echo);
    const error = await rejection(SocksServer.listen({ connect: () => dialled(port), port }));
    expect(error).toMatchObject({ code: "EADDRINUSE" });
  });
});
