import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { Tap } from "../../lib/capture/tap.ts";
import { parseTapPlace } from "../../lib/capture/tap-place.ts";
import { FRAME_BYTES, noiseFrame } from "../../lib/levin/frame.ts";
import { poll } from "../../lib/process/deadline.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { SocksServer } from "../../lib/socks/server.ts";
import {
  ByteReader,
  closeAfterwards,
  closeAll,
  closedPort,
  dialled,
  listening,
} from "../socks/loopback.ts";

const taps: Tap[] = [];
const WAIT = { deadlineMs: 10_000 };

afterEach(async () => {
  await Promise.all(taps.splice(0).map((tap) => tap.close()));
  closeAll();
});

async function tapTo(port: number, kind: "tap" | "socks-tap" = "tap", max?: number): Promise<Tap> {
  const place = parseTapPlace(kind, `0=${port}`, { external: false, direct: false });
  const tap = await Tap.listen({
    ...{ place, clock: realClock },
    ...(max === undefined ? {} : { connectionsMax: max }),
  });
  taps.push(tap);
  return tap;
}

async function ended(tap: Tap): Promise<void> {
  await poll(
    () => Promise.resolve(tap.flows().every(({ endedMs }) => endedMs !== undefined) || undefined),
    ...([5, WAIT, "flows to end"] as const),
  );
}

describe("a tap", () => {
  test("passes both directions on, and the end of one ends that one alone", async () => {
    const { port } = await listening(async (socket) => {
      const reader = new ByteReader(socket);
      const asked = await reader.rest();
      socket.end(`${asked.length / 2} bytes`);
    });
    const tap = await tapTo(port);
    const socket = await dialled(tap.port);
    const { localPort } = socket;
    const reader = new ByteReader(socket);
    socket.end(noiseFrame());
    expect(Buffer.from(await reader.rest(), "hex").toString()).toBe(`${FRAME_BYTES} bytes`);
    await ended(tap);
    const [flow] = tap.flows();
    expect(flow?.out.kinds).toEqual(["noise"]);
    expect([flow?.in.passedBytes, flow?.in.isLevin]).toEqual([10, false]);
    expect(flow?.from).toBe(`127.0.0.1:${localPort}`);
    expect(Math.abs((flow?.out.timesMs[0] ?? 0) - realClock.unixMs())).toBeLessThan(10_000);
  });

  test("does not take more from one side than the other takes", async () => {
    const { port, accepted } = await listening((socket) => socket.pause());
    const tap = await tapTo(port);
    const socket = await dialled(tap.port);
    const chunk = Buffer.alloc(65_536);
    let written = 0;
    while (written < 64 * 1_048_576 && socket.write(chunk)) written += chunk.length;
    await Bun.sleep(300);
    const passed = tap.flows()[0]?.out.passedBytes ?? 0;
    expect(passed).toBeLessThan(32 * 1_048_576);
    expect(accepted).toHaveLength(1);
    // What was held back comes when there is room.
    let received = 0;
    accepted[0]?.on("data", (data: Buffer) => {
      received += data.length;
    });
    accepted[0]?.resume();
    socket.end();
    await once(accepted[0] ?? socket, "end");
    expect(received).toBe(tap.flows()[0]?.out.passedBytes ?? -1);
  });

  test("a target that is not there closes the connection, and is told", async () => {
    const tap = await tapTo(await closedPort());
    const socket = await dialled(tap.port);
    socket.end().resume();
    await once(socket, "close");
    expect(tap.flows()[0]?.refusal).toContain("ECONNREFUSED");
  });

  test("connections above the limit are closed, and counted", async () => {
    const { port } = await listening((socket) => socket.pipe(socket));
    const tap = await tapTo(port, "tap", 1);
    const first = await dialled(tap.port);
    first.write("x");
    await once(first, "data");
    const second = await dialled(tap.port);
    second.end().resume();
    await once(second, "close");
    expect([tap.accepted, tap.rejected]).toEqual([1, 1]);
  });

  test("takes a thousand connections at once", async () => {
    const { port } = await listening((socket) => socket.pipe(socket));
    const tap = await tapTo(port);
    const sockets = await Promise.all(Array.from({ length: 1_000 }, () => dialled(tap.port)));
    await Promise.all(
      sockets.map(async (socket) => {
        const reader = new ByteReader(socket);
        socket.write(noiseFrame());
        expect((await reader.take(FRAME_BYTES)).length).toBe(2 * FRAME_BYTES);
      }),
    );
    const flows = tap.flows();
    expect(flows).toHaveLength(1_000);
    for (const { out, in: back } of flows) {
      expect([out.kinds, back.kinds]).toEqual([["noise"], ["noise"]]);
    }
  }, 60_000);

  test("between a program and its SOCKS proxy it knows each stream's destination", async () => {
    const { port } = await listening((socket) => socket.pipe(socket));
    const proxy = await SocksServer.listen({ connect: () => dialled(port) });
    closeAfterwards(() => void proxy.close());
    const tap = await tapTo(proxy.address().port, "socks-tap");
    for (const version of ["4a", "5"] as const) {
      const socket = await connectThroughSocks({
        proxy: { host: "127.0.0.1", port: tap.port },
        request: { version, command: "connect", host: `${version}.onion`, port: 18_083 },
        ...{ deadlineMs: 10_000, clock: realClock },
      });
      closeAfterwards(() => socket.destroy());
      const reader = new ByteReader(socket);
      socket.write(noiseFrame());
      await reader.take(FRAME_BYTES);
    }
    const flows = tap.flows();
    expect(flows.map(({ to }) => to)).toEqual(["4a.onion:18083", "5.onion:18083"]);
    for (const { out, in: back } of flows) {
      // The handshake with the proxy is no part of the stream.
      expect([out.kinds, back.kinds]).toEqual([["noise"], ["noise"]]);
      expect([out.passedBytes, back.passedBytes]).toEqual([FRAME_BYTES, FRAME_BYTES]);
    }
  });
});
