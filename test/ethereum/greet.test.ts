import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import type { Socket } from "node:net";
import { type Greeting, type GreetOptions, greetOver } from "../../lib/ethereum/greet.ts";
import { encodeDisconnect, encodeHello } from "../../lib/ethereum/hello.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { closeAll, dialled, listening, rejection } from "../socks/loopback.ts";
import { RlpxRecipient } from "./rlpx-recipient.ts";

const KEY = new Uint8Array(32).fill(5);
const HELLO = encodeHello({
  protocolVersion: 5,
  clientId: "Node/v1",
  capabilities: [{ name: "eth", version: 68 }],
  listenPort: 0,
  publicKey: publicKeyOf(KEY),
});

/** Serves a connection; `auth` is the first chunk that came. */
type Serve = (socket: Socket, auth: Uint8Array) => void;

/** A peer that says nothing before it is spoken to, and a paused stream to it, as a proxy gives it. */
async function peer(serve: Serve): Promise<Socket> {
  const { port } = await listening((socket) => {
    socket.once("data", (auth: Uint8Array) => serve(socket, auth));
  });
  const socket = await dialled(port);
  socket.pause();
  return socket;
}

function greet(socket: Socket, change: Partial<GreetOptions> = {}): Promise<Greeting> {
  return greetOver(socket, {
    remotePublicKey: publicKeyOf(KEY),
    random: new SeededRandom(1),
    clock: realClock,
    deadlineMs: 20_000,
    ...change,
  });
}

async function verdict(serve: Serve): Promise<unknown> {
  const socket = await peer(serve);
  const error = await rejection(greet(socket));
  expect(socket.destroyed).toBe(true);
  return error;
}

describe("greeting a node over a stream", () => {
  afterEach(closeAll);

  test("tells its Hello and the timings, says why it leaves, and closes", async () => {
    const heard = Promise.withResolvers<Uint8Array>();
    const socket = await peer((other, auth) => {
      const recipient = new RlpxRecipient(KEY, new SeededRandom(2));
      other.write(Buffer.concat([recipient.answer(auth), recipient.seal(HELLO)]));
      const chunks: Uint8Array[] = [];
      other.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      other.on("end", () => {
        const all = Buffer.concat(chunks);
        recipient.open(all);
        heard.resolve(recipient.open(new Uint8Array(0)));
      });
    });
    const { answer, elapsedMs } = await greet(socket);
    expect(answer).toMatchObject({ kind: "hello", hello: { clientId: "Node/v1" } });
    expect(elapsedMs.firstByte).toBeGreaterThan(0);
    expect(elapsedMs.ack).toBeGreaterThanOrEqual(elapsedMs.firstByte);
    expect(elapsedMs.answer).toBeGreaterThanOrEqual(elapsedMs.ack);
    expect(await heard.promise).toEqual(encodeDisconnect(8, 5));
    if (!socket.closed) await once(socket, "close");
  });

  test("a listener that says nothing is silent, one that stops half-way has stalled", async () => {
    for (const [code, first] of [
      ["silent", undefined],
      ["stalled", Uint8Array.of(1)],
    ] as const) {
      const clock = new VirtualClock();
      const spoken = Promise.withResolvers<void>();
      const socket = await peer((other) => {
        if (first) other.write(first);
        else spoken.resolve();
      });
      socket.once("data", () => spoken.resolve());
      const greeting = rejection(greet(socket, { clock, deadlineMs: 30_000 }));
      await spoken.promise;
      clock.advanceTo(29_999);
      expect(socket.destroyed).toBe(false);
      clock.advanceTo(30_000);
      expect(await greeting).toMatchObject({ code, where: "peer" });
      expect(socket.destroyed).toBe(true);
    }
  });

  test("one byte now and then does not move the deadline", async () => {
    const clock = new VirtualClock();
    const bytes = [1, 0xea, 4, 5, 6, 7];
    const accepted = Promise.withResolvers<Socket>();
    const socket = await peer((other) => accepted.resolve(other));
    const greeting = rejection(greet(socket, { clock, deadlineMs: 30_000 }));
    const other = await accepted.promise;
    for (const byte of bytes) {
      const arrived = once(socket, "data");
      other.write(Uint8Array.of(byte));
      await arrived;
      clock.advance(4_999);
      expect(socket.destroyed).toBe(false);
    }
    clock.advance(30_000 - clock.now());
    expect(await greeting).toMatchObject({ code: "stalled" });
  });

  test("a peer that closes, and garbage, have their own codes", async () => {
    expect(await verdict((other) => other.end())).toMatchObject({ code: "closed" });
    expect(await verdict((other) => other.resetAndDestroy())).toMatchObject({ code: "closed" });
    expect(await verdict((other) => other.write("HTTP/1.1 400 Bad Request\r\n\r\n"))).toMatchObject(
      {
        code: "not-rlpx",
        where: "peer",
      },
    );
    expect(await verdict((other, auth) => other.write(auth))).toMatchObject({ code: "not-rlpx" });
  });

  test("garbage for ever ends at its first bytes", async () => {
    const flood = new SeededRandom(9).bytes(1 << 16);
    flood.set([0xff, 0xff]);
    const error = await verdict((other) => {
      const more = (): void => {
        while (!other.destroyed && other.write(flood));
        other.once("drain", more);
      };
      more();
    });
    expect(error).toMatchObject({ code: "not-rlpx" });
  });

  test("is called off before and while it waits", async () => {
    const before = await peer(() => undefined);
    const options = { signal: AbortSignal.abort() };
    expect(await rejection(greet(before, options))).toMatchObject({ code: "aborted" });
    const controller = new AbortController();
    const socket = await peer(() => controller.abort());
    const error = await rejection(greet(socket, { signal: controller.signal }));
    expect(error).toMatchObject({ code: "aborted", where: "local" });
    expect(socket.destroyed).toBe(true);
  });

  test("a key off the curve closes the stream too", async () => {
    const socket = await peer(() => undefined);
    const remotePublicKey = new Uint8Array(64);
    expect(await rejection(greet(socket, { remotePublicKey }))).toMatchObject({
      code: "key-invalid",
    });
    expect(socket.destroyed).toBe(true);
  });
});
