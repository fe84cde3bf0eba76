import { afterAll, afterEach, beforeAll, expect } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { pickPorts, returnPorts } from "../../lib/devnet/ports.ts";
import { poll } from "../../lib/process/deadline.ts";
import { Scratch } from "../../lib/process/scratch.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import {
  ByteReader,
  closeAfterwards,
  closeAll,
  closedPort,
  listening,
  rejection,
} from "../socks/loopback.ts";
import { requireDaemon } from "./daemon.ts";

/* microsocks is a SOCKS5 server that knows nothing of our code, or of Tor. */

const { describe, test, path } = requireDaemon("microsocks");

describe("our client at microsocks", () => {
  let scratch: Scratch;
  let open = 0;
  let guarded = 0;

  /** Bound to loopback on both sides, so that no request can lead off this machine. */
  function start(port: number, more: readonly string[]): void {
    scratch.spawn({
      name: "microsocks",
      program: path("microsocks"),
      arguments: ["-i", "127.0.0.1", "-b", "127.0.0.1", "-p", String(port), ...more],
      directory: scratch.directory,
    });
  }

  async function listens(port: number): Promise<void> {
    // Not by trying to bind it: that would be in microsocks' way.
    const answers = (): Promise<true | undefined> =>
      new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.once("connect", () => resolve(true));
        socket.once("error", () => resolve(undefined));
        socket.once("connect", () => socket.destroy());
      });
    await poll(answers, 20, { deadlineMs: 10_000 }, "microsocks to listen");
  }

  beforeAll(async () => {
    scratch = await Scratch.create();
    [open = 0, guarded = 0] = await pickPorts(2);
    start(open, []);
    start(guarded, ["-u", "alice", "-P", "secret"]);
    await Promise.all([listens(open), listens(guarded)]);
  });

  afterEach(closeAll);

  afterAll(async () => {
    await scratch.close();
    returnPorts([open, guarded]);
  });

  async function through(port: number, change: Partial<SocksRequest>): Promise<Socket> {
    const request = { version: "5", command: "connect", host: "127.0.0.1", port: 1 } as const;
    const socket = await connectThroughSocks({
      proxy: { host: "127.0.0.1", port },
      request: { ...request, ...change },
      deadlineMs: 10_000,
      clock: realClock,
    });
    closeAfterwards(() => socket.destroy());
    return socket;
  }

  test("reaches a service by address and by a name that microsocks resolves", async () => {
    const { port } = await listening((socket) => socket.pipe(socket));
    for (const host of ["127.0.0.1", "localhost"]) {
      const socket = await through(open, { host, port });
      socket.write(Uint8Array.of(0xbe, 0xef));
      expect(await new ByteReader(socket).take(2)).toBe("beef");
    }
  });

  test("loses nothing of 8 MB", async () => {
    const { port } = await listening((socket) => socket.pipe(socket));
    const socket = await through(open, { port });
    const block = new SeededRandom(3).bytes(8 << 20);
    const got = createHash("sha256");
    let bytes = 0;
    const all = new Promise<void>((resolve) => {
      socket.on("data", (chunk: Buffer) => {
        got.update(chunk);
        bytes += chunk.length;
        if (bytes === block.length) resolve();
      });
    });
    socket.resume();
    if (!socket.write(block)) await once(socket, "drain");
    await all;
    expect(got.digest("hex")).toBe(createHash("sha256").update(block).digest("hex"));
  });

  test("gets a service's first words, which may come along with the reply", async () => {
    const { port } = await listening((socket) => socket.write("hello"));
    const socket = await through(open, { port });
    expect(await new ByteReader(socket).take(5)).toBe(Buffer.from("hello").toString("hex"));
  });

  test("gives user name and password, and is told when they are wrong or missing", async () => {
    const { port } = await listening((socket) => socket.pipe(socket));
    const auth = { user: "alice", password: "secret" };
    const socket = await through(guarded, { port, auth });
    socket.write(Uint8Array.of(0xbe, 0xef));
    expect(await new ByteReader(socket).take(2)).toBe("beef");
    const wrong = { ...auth, password: "guess" };
    expect(await rejection(through(guarded, { port, auth: wrong }))).toMatchObject({
      code: "auth-refused",
      where: "config",
    });
    expect(await rejection(through(guarded, { port }))).toMatchObject({
      code: "no-acceptable-method",
    });
  });

  test("does not go on without the credentials that keep its streams apart", async () => {
    const { port, accepted } = await listening((socket) => socket.pipe(socket));
    const auth = { user: "prefix", password: "label" };
    expect(await rejection(through(open, { port, auth }))).toMatchObject({
      code: "no-acceptable-method",
    });
    expect(accepted.length).toBe(0);
  });

  test("is told why a service can't be had", async () => {
    const port = await closedPort();
    expect(await rejection(through(open, { port }))).toMatchObject({
      code: "connection-refused",
      where: "peer",
    });
    expect(
      await rejection(through(open, { command: "resolve", host: "localhost", port })),
    ).toMatchObject({ code: "command-not-supported", where: "local" });
  });
});
