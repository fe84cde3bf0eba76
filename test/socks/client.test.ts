import { afterEach, describe, expect, test } from "bun:test";
import { getEventListeners, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../../lib/runtime/clock.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import {
  connectThroughSocks,
  handshakeOver,
  resolveThroughSocks,
  type SocksProxy,
} from "../../lib/socks/client.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { hex } from "./conversation.ts";
import {
  ByteReader,
  closeAfterwards,
  closeAll,
  closedPort,
  dialled,
  listening,
  rejection,
} from "./loopback.ts";

afterEach(closeAll);

const request: SocksRequest = { version: "5", command: "connect", host: "a.test", port: 80 };
const REQUEST = "0501000306612e746573740050";
const GRANTED = "05000001000000000000";
const limits = { deadlineMs: 5_000, clock: realClock };

/** A proxy that grants a request, then does what the test says. */
function granting(then: (socket: Socket, reader: ByteReader) => void, last = GRANTED) {
  return async (socket: Socket): Promise<void> => {
    const reader = new ByteReader(socket);
    await reader.take(3);
    socket.write(hex("0500"));
    await reader.take(13);
    socket.write(hex(last));
    then(socket, reader);
  };
}

async function open(proxy: SocksProxy, signal?: AbortSignal): Promise<Socket> {
  const socket = await connectThroughSocks({ proxy, request, signal, ...limits });
  closeAfterwards(() => socket.destroy());
  return socket;
}

describe("a stream through a proxy", () => {
  test("sends exactly what was asked, and carries bytes both ways", async () => {
    const seen = Promise.withResolvers<string>();
    const { proxy } = await listening(async (socket) => {
      const reader = new ByteReader(socket);
      const greeting = await reader.take(3);
      socket.write(hex("0500"));
      seen.resolve(`${greeting} ${await reader.take(13)}`);
      socket.write(hex(GRANTED));
      socket.write(hex(await reader.take(2)));
    });
    const socket = await open(proxy);
    expect(await seen.promise).toBe(`050100 ${REQUEST}`);
    socket.write(hex("beef"));
    expect(await new ByteReader(socket).take(2)).toBe("beef");
  });

  test("comes paused, clean of our listeners, half-open, from its first byte on", async () => {
    const { proxy } = await listening(
      granting((socket) => {
        socket.write(hex("c0ffee"));
        socket.end();
      }, `${GRANTED}010203`),
    );
    const socket = await open(proxy);
    for (const event of ["data", "error", "close", "connect"]) {
      expect([event, socket.listenerCount(event)]).toEqual([event, 0]);
    }
    expect(socket.isPaused()).toBe(true);
    expect(socket.allowHalfOpen).toBe(true);
    // Whoever reads late still reads everything: let what is under way arrive first.
    await new Promise((resolve) => setImmediate(resolve));
    const reader = new ByteReader(socket);
    expect(await reader.rest()).toBe("010203c0ffee");
  });

  test("is found in a reply that comes byte by byte", async () => {
    const { proxy } = await listening(async (socket) => {
      const reader = new ByteReader(socket);
      const send = async (text: string): Promise<void> => {
        for (const byte of hex(text)) {
          await new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve));
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await reader.take(3);
      await send("0500");
      await reader.take(13);
      await send(`05000003 04 74657374 0050 beef`);
    });
    expect(await new ByteReader(await open(proxy)).take(2)).toBe("beef");
  });

  test("still answers after our own end", async () => {
    const { proxy } = await listening(
      granting(async (socket, reader) => {
        socket.write(hex(await reader.rest()));
        socket.end();
      }),
    );
    const socket = await open(proxy);
    socket.write(hex("beef"));
    socket.end();
    expect(await new ByteReader(socket).rest()).toBe("beef");
  });

  test("goes over a Unix socket, with tor's 22-byte reply", async () => {
    const folder = mkdtempSync(join(tmpdir(), "anonctl-socks-"));
    closeAfterwards(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "socks");
    const { proxy } = await listening(
      granting((socket) => socket.write(hex("beef")), `05000004${"00".repeat(18)}`),
      path,
    );
    const socket = await open(proxy);
    expect(await new ByteReader(socket).take(2)).toBe("beef");
    const missing = await rejection(open({ path: `${path}-not` }));
    expect(missing).toMatchObject({ code: "proxy-unreachable", where: "local" });
  });

  test("can be had over a socket that is already there", async () => {
    const { port } = await listening(granting(() => undefined, `${GRANTED}beef`));
    const socket = await dialled(port);
    const { reply, rest } = await handshakeOver(socket, request, limits);
    expect(reply.host).toBe("0.0.0.0");
    expect(rest).toEqual(Buffer.from("beef", "hex"));
    expect(socket.isPaused()).toBe(true);
    expect(socket.listenerCount("data")).toBe(0);
  });
});

test("a look-up gives the reply and closes", async () => {
  const { proxy, accepted } = await listening(granting(() => undefined, "05000001c00002070000"));
  const lookUp: SocksRequest = { ...request, command: "resolve", port: 0 };
  const reply = await resolveThroughSocks({ proxy, request: lookUp, ...limits });
  expect(reply).toEqual({ version: "5", hostKind: "ipv4", host: "192.0.2.7", port: 0 });
  const [socket] = accepted;
  if (socket && !socket.destroyed && !socket.readableEnded) await once(socket, "end");
});

describe("a proxy that fails", () => {
  test("by refusing: the stream is closed and the code told", async () => {
    const closed = Promise.withResolvers<string>();
    const { proxy } = await listening(
      granting(async (_, reader) => closed.resolve(await reader.rest()), "05050001000000000000"),
    );
    const error = await rejection(open(proxy));
    expect(error).toMatchObject({ code: "connection-refused", where: "peer", replyCode: 5 });
    expect(await closed.promise).toBe("");
  });

  test("by closing at any point", async () => {
    for (const last of ["", "05", "0500", "050000", "05000001000000"]) {
      const { proxy } = await listening(
        granting((socket) => {
          socket.end();
        }, last),
      );
      const error = await rejection(open(proxy));
      expect([last, error]).toMatchObject([last, { code: "proxy-closed", where: "local" }]);
    }
  });

  test("by resetting the connection", async () => {
    const { proxy } = await listening(async (socket) => {
      await new ByteReader(socket).take(3);
      socket.resetAndDestroy();
    });
    expect(await rejection(open(proxy))).toMatchObject({ code: "proxy-closed" });
  });

  test("by not being there", async () => {
    const error = await rejection(open({ host: "127.0.0.1", port: await closedPort() }));
    expect(error).toMatchObject({ code: "proxy-unreachable", where: "local" });
    expect(String(error)).toContain("ECONNREFUSED");
  });

  test("by speaking HTTP", async () => {
    const { proxy } = await listening((socket) => {
      socket.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    expect(await rejection(open(proxy))).toMatchObject({
      code: "malformed-reply",
      message: "The proxy answers in HTTP; give the address of a SOCKS port instead.",
    });
  });

  test("by having a name, which would have to be looked up", async () => {
    const error = await rejection(open({ host: "localhost", port: 9050 }));
    expect(error).toMatchObject({ code: "request-invalid", where: "config" });
  });

  test("a request that can't be asked opens no connection", async () => {
    const { proxy, accepted } = await listening(() => undefined);
    const bad = { ...request, host: "a b" };
    const error = await rejection(connectThroughSocks({ proxy, request: bad, ...limits }));
    expect(error).toMatchObject({ code: "request-invalid" });
    await dialledOnce(proxy);
    expect(accepted.length).toBe(1);
  });
});

/** Connects once, so that anything that was dialled before has been accepted. */
async function dialledOnce(proxy: SocksProxy): Promise<void> {
  if ("port" in proxy) await dialled(proxy.port);
  await new Promise((resolve) => setImmediate(resolve));
}

describe("limits", () => {
  /** A proxy that stays silent from some point on. */
  function silentAfter(last: string | undefined, reached: () => void) {
    return async (socket: Socket): Promise<void> => {
      const reader = new ByteReader(socket);
      await reader.take(3);
      if (last !== undefined) {
        socket.write(hex(last));
        await reader.take(13);
      }
      reached();
    };
  }

  test("a deadline before the request is the proxy's fault, after it the network's", async () => {
    for (const [last, where] of [
      [undefined, "local"],
      ["0500", "network"],
    ] as const) {
      const clock = new VirtualClock();
      const reached = Promise.withResolvers<void>();
      const { proxy, accepted } = await listening(silentAfter(last, reached.resolve));
      const attempt = rejection(connectThroughSocks({ proxy, request, deadlineMs: 60_000, clock }));
      await reached.promise;
      clock.advance(59_999);
      expect(clock.nextTimerAt()).toBe(60_000);
      clock.advance(1);
      expect(await attempt).toMatchObject({ code: "deadline", where });
      const [socket] = accepted;
      if (socket && !socket.readableEnded) await once(socket, "end");
    }
  });

  test("a deadline ends with the handshake", async () => {
    const clock = new VirtualClock();
    const { proxy } = await listening(granting((socket) => socket.write(hex("beef"))));
    const socket = await connectThroughSocks({ proxy, request, deadlineMs: 1, clock });
    closeAfterwards(() => socket.destroy());
    expect(clock.nextTimerAt()).toBeUndefined();
    clock.advance(1_000_000);
    expect(await new ByteReader(socket).take(2)).toBe("beef");
    expect(socket.destroyed).toBe(false);
  });

  test("a failed handshake leaves no timer either", async () => {
    const clock = new VirtualClock();
    const { proxy } = await listening((socket) => socket.write(hex("05ff")));
    await rejection(connectThroughSocks({ proxy, request, deadlineMs: 1, clock }));
    expect(clock.nextTimerAt()).toBeUndefined();
  });

  test("a signal calls the attempt off", async () => {
    const reached = Promise.withResolvers<void>();
    const { proxy, accepted } = await listening(silentAfter("0500", reached.resolve));
    const controller = new AbortController();
    const attempt = rejection(open(proxy, controller.signal));
    await reached.promise;
    controller.abort(new Error("Stop."));
    expect(await attempt).toMatchObject({ code: "aborted", cause: { message: "Stop." } });
    const [socket] = accepted;
    if (socket && !socket.readableEnded) await once(socket, "end");
  });

  test("a signal that has fired opens no connection", async () => {
    const { proxy, accepted } = await listening(() => undefined);
    const error = await rejection(open(proxy, AbortSignal.abort()));
    expect(error).toMatchObject({ code: "aborted" });
    await dialledOnce(proxy);
    expect(accepted.length).toBe(1);
  });

  test("a signal has no hold on the stream", async () => {
    const { proxy } = await listening(granting((socket) => socket.write(hex("beef"))));
    const controller = new AbortController();
    const socket = await open(proxy, controller.signal);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    controller.abort();
    expect(await new ByteReader(socket).take(2)).toBe("beef");
    expect(socket.destroyed).toBe(false);
  });

  test("a proxy that floods before it is asked is cut off", async () => {
    const closed = Promise.withResolvers<void>();
    const { proxy } = await listening((socket) => {
      socket.on("close", () => closed.resolve());
      socket.write(new Uint8Array(1 << 20).fill(5));
    });
    expect(await rejection(open(proxy))).toMatchObject({ code: "malformed-reply" });
    await closed.promise;
  });
});
