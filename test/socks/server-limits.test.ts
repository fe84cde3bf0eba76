import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { SocksError } from "../../lib/socks/error.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServer } from "../../lib/socks/server.ts";
import { hex } from "./conversation.ts";
import { ByteReader, closeAll, dialled, listening, rejection } from "./loopback.ts";
import {
  echo,
  GRANTED,
  GREETING,
  heldBack,
  holds,
  leadingTo,
  REQUEST,
  raw,
  serving,
  through,
} from "./serving.ts";

afterEach(closeAll);

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
    const go = Promise.withResolvers<never>();
    const server = await serving({ connect: () => go.promise });
    const client = await raw(server);
    client.socket.write(hex(`${GREETING}${REQUEST}`));
    expect(await client.take(2)).toBe("0500");
    await heldBack(client.socket);
    go.reject(new SocksError("not-allowed", "No."));
    expect(await client.rest()).toBe("05020001000000000000");
    // What it still sends is taken and dropped, so that no reset overtakes the reply.
    if (client.socket.writableNeedDrain) await once(client.socket, "drain");
    expect(client.socket.writableLength).toBe(0);
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
    expect(await client.take(2)).toBe("0500");
    const sent = createHash("sha256");
    const random = new SeededRandom(2);
    // Small pieces first: several are held at once, and must come out in their order.
    for (const length of [1, 2, 3, 4, 5, 1 << 20, 1 << 23]) {
      const piece = random.bytes(length);
      sent.update(piece);
      client.socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    client.socket.end();
    go.resolve();
    expect(await client.take(10)).toBe(GRANTED);
    while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const got = createHash("sha256");
    const [socket] = accepted;
    socket?.on("data", (chunk: Buffer) => got.update(chunk));
    socket?.resume();
    if (socket) await once(socket, "end");
    expect(got.digest("hex")).toBe(sent.digest("hex"));
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
