import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { SeededRandom } from "../../lib/runtime/random.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { hex } from "./conversation.ts";
import { ByteReader, closeAll, dialled, listening } from "./loopback.ts";
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
    const sent = await heldBack(socket);
    // And it all arrives when the reader does read.
    let bytes = 0;
    accepted[0]?.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    accepted[0]?.resume();
    socket.end();
    if (accepted[0]) await once(accepted[0], "end");
    expect(bytes).toBe(sent);
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
