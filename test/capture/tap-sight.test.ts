import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FlowWatch, type TapKind } from "../../lib/capture/tap-flow.ts";
import { FrameLog, FrameRoom } from "../../lib/capture/tap-frames.ts";
import { parseTapPlace } from "../../lib/capture/tap-place.ts";
import { SocksSight } from "../../lib/capture/tap-socks.ts";
import {
  encodeMessage,
  FRAME_BYTES,
  framesOf,
  type LevinMessage,
  noiseFrame,
} from "../../lib/levin/frame.ts";
import { encodeHeader, FLAG } from "../../lib/levin/header.ts";
import { COMMAND } from "../../lib/monero/message-command.ts";
import { SocksClientHandshake } from "../../lib/socks/client-handshake.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServerHandshake } from "../../lib/socks/server-handshake.ts";

const OPEN = { external: false, direct: false };

function message(command: number, bytes: number, kind: LevinMessage["kind"] = "notify") {
  return { kind, command, returnCode: 0, payload: new Uint8Array(bytes) };
}

/** What a node sends, with the kind and the size of each frame. */
const spoken: readonly (readonly [string, Uint8Array])[] = [
  ["handshake", encodeMessage(message(COMMAND.HANDSHAKE, 300, "request"))],
  ["noise", noiseFrame()],
  ["payload", framesOf(message(COMMAND.NEW_TRANSACTIONS, 2_000))[0] ?? new Uint8Array()],
  ...framesOf(message(COMMAND.NEW_TRANSACTIONS, 8_000)).map((one) => ["fragment", one] as const),
  ["timed-sync", encodeMessage(message(COMMAND.TIMED_SYNC, 172, "request"))],
  ["other", encodeMessage(message(COMMAND.SUPPORT_FLAGS, 0, "request"))],
];

function fragmentsOf(bytes: number): readonly Uint8Array[] {
  return framesOf(message(COMMAND.NEW_TRANSACTIONS, bytes));
}

function endOf(bytes: number): Uint8Array {
  return fragmentsOf(bytes).at(-1) ?? new Uint8Array();
}

function headerOf(fields: { readonly length: number }): Uint8Array {
  const { REQUEST } = FLAG;
  return encodeHeader({
    ...{ ...fields, expectResponse: false, command: COMMAND.HANDSHAKE },
    ...{ returnCode: 0, flags: REQUEST },
  });
}

function watching(kind: TapKind = "tap"): FlowWatch {
  const place = { id: 0, kind, from: "127.0.0.1:1", to: "127.0.0.1:2" };
  return new FlowWatch(place, 1_000, new FrameRoom());
}

/** Cuts bytes where the numbers say, and hands them on. */
function cut(bytes: Uint8Array, sizes: readonly number[], take: (part: Uint8Array) => void): void {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    take(bytes.slice(at, at + size));
    at += size;
  }
}

describe("frames at a tap", () => {
  test("have their truth and their size, however they are split", () => {
    const all = Buffer.concat(spoken.map(([, bytes]) => bytes));
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 8 }),
        (sizes) => {
          const watch = watching();
          let timeMs = 1_000;
          cut(all, sizes, (part) => watch.take("out", part, timeMs++));
          const { out } = watch.flow();
          expect(out.kinds).toEqual(spoken.map(([kind]) => kind) as typeof out.kinds);
          expect([...out.bytes]).toEqual(spoken.map(([, bytes]) => bytes.length));
          expect([out.isLevin, out.unfinishedBytes, out.passedBytes]).toEqual([
            ...[true, 0, all.length],
          ]);
          // Times never fall, and none is outside of what was seen.
          expect([...out.timesMs]).toEqual([...out.timesMs].sort((a, b) => a - b));
          expect(out.timesMs.every((ms) => ms >= 1_000 && ms < timeMs)).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("have the time of their first byte", () => {
    const watch = watching();
    const frame = noiseFrame();
    watch.take("out", frame.slice(0, 10), 5);
    watch.take("out", frame.slice(10), 9);
    watch.take("out", Buffer.concat([frame, frame.slice(0, 1)]), 20);
    watch.take("out", frame.slice(1), 31);
    expect([...watch.flow().out.timesMs]).toEqual([5, 20, 20]);
  });

  test("what is no Levin is logged as it passes, and never stops the tap", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 80 })), (chunks) => {
        const watch = watching();
        for (const chunk of chunks) watch.take("in", chunk, 1);
        const { in: back } = watch.flow();
        const total = chunks.reduce((sum, { length }) => sum + length, 0);
        expect(back.bytes.reduce((sum, one) => sum + one, 0) + back.unfinishedBytes).toBe(total);
      }),
      { numRuns: 1_000 },
    );
  });

  test("a stream that turns into something else keeps the frames before it", () => {
    const watch = watching();
    watch.take("out", Buffer.concat([noiseFrame(), Buffer.from("GET / HTTP/1.1")]), 1);
    watch.take("out", Buffer.from("more"), 2);
    const { out } = watch.flow();
    expect(out.kinds).toEqual(["noise", "other", "other"]);
    expect([...out.bytes]).toEqual([FRAME_BYTES, 14, 4]);
    expect(out.isLevin).toBe(false);
  });

  test("a message larger than any that a node holds is one frame, and what follows is known", () => {
    const watch = watching();
    const large = encodeMessage(message(COMMAND.NEW_TRANSACTIONS, 9_000_000));
    const all = Buffer.concat([large, noiseFrame()]);
    cut(all, [65_536, 1, 32], (part) => watch.take("out", part, 1));
    const { out } = watch.flow();
    expect(out.kinds).toEqual(["payload", "noise"]);
    expect([...out.bytes]).toEqual([large.length, FRAME_BYTES]);
    expect(out.unfinishedBytes).toBe(0);
  });

  test.each([
    ["a fragment without a start", fragmentsOf(8_000)[1] ?? new Uint8Array()],
    ["a length that no node takes", headerOf({ length: 100_000_001 })],
    ["a fragment after the last", Buffer.concat([...fragmentsOf(8_000), endOf(8_000)])],
  ])("%s is no Levin", (_, bytes) => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 8 }),
        (sizes) => {
          const watch = watching();
          cut(bytes, sizes, (part) => watch.take("out", part, 1));
          const { out } = watch.flow();
          expect(out.isLevin).toBe(false);
          expect(out.kinds.at(-1)).toBe("other");
          // Every byte is in a frame, whatever it was taken for.
          expect(out.bytes.reduce((sum, one) => sum + one, 0)).toBe(bytes.length);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("what has begun and not ended is told", () => {
    const watch = watching();
    watch.take("out", noiseFrame().slice(0, 10), 1);
    expect(watch.flow().out.unfinishedBytes).toBe(10);
    watch.take("out", noiseFrame().slice(10, 100), 1);
    expect(watch.flow().out.unfinishedBytes).toBe(100);
    watch.take("out", noiseFrame().slice(100), 1);
    expect(watch.flow().out.unfinishedBytes).toBe(0);
  });

  test("of more frames than there is room for, the first are kept and the rest is counted", () => {
    const log = new FrameLog(new FrameRoom(64));
    for (let i = 0; i < 100; i++) log.add(i, 1, "noise");
    expect([log.length, log.dropped, log.frames().timesMs.at(-1)]).toEqual([64, 36, 63]);
  });
});

const requests: readonly (readonly [string, SocksRequest])[] = [
  ["4a", { version: "4a", command: "connect", host: "a.onion", port: 80 }],
  ["4", { version: "4", command: "connect", host: "10.0.0.1", port: 80 }],
  ["5", { version: "5", command: "connect", host: "a.onion", port: 80 }],
  [
    "5 with a password",
    {
      ...{ version: "5", command: "connect", host: "a.onion", port: 80 },
      auth: { user: "me", password: "x" },
    },
  ],
];

/** Both sides of a handshake, in the order in which they speak. */
function conversation(request: SocksRequest): (readonly ["client" | "proxy", Uint8Array])[] {
  const client = new SocksClientHandshake(request);
  const server = new SocksServerHandshake();
  const lines: (readonly ["client" | "proxy", Uint8Array])[] = [["client", client.start()]];
  for (;;) {
    const [, said = new Uint8Array()] = lines.at(-1) ?? [];
    let step = server.receive(said);
    while (step.kind === "send") {
      lines.push(["proxy", step.bytes]);
      const answer = client.receive(step.bytes);
      if (answer.kind === "send") lines.push(["client", answer.bytes]);
      step = server.receive(answer.kind === "send" ? answer.bytes : new Uint8Array());
    }
    if (step.kind !== "request") throw new Error(step.kind);
    lines.push(["proxy", server.granted()]);
    return lines;
  }
}

describe("a SOCKS handshake that is listened in on", () => {
  test.each(requests)(
    "version %s: the request is known, and where the stream begins",
    (_, request) => {
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
          (sizes) => {
            const sight = new SocksSight();
            const streams = { fromClient: "", fromProxy: "" };
            const take = (side: "client" | "proxy", bytes: Uint8Array): void =>
              cut(bytes, sizes, (part) => {
                const rest = sight.take(side, part);
                streams.fromClient += Buffer.from(rest.fromClient).toString();
                streams.fromProxy += Buffer.from(rest.fromProxy).toString();
              });
            const lines = conversation(request);
            for (const [side, bytes] of lines.slice(0, -1)) take(side, bytes);
            // A client may speak before it is answered; a proxy may answer with the stream.
            take("client", Buffer.from("early "));
            const [, granted = new Uint8Array()] = lines.at(-1) ?? [];
            take("proxy", Buffer.concat([granted, Buffer.from("hello")]));
            take("client", Buffer.from("late"));
            expect(sight.request).toMatchObject({ host: request.host, port: request.port });
            expect(sight.refusal).toBeUndefined();
            expect(streams).toEqual({ fromClient: "early late", fromProxy: "hello" });
          },
        ),
        { numRuns: 500 },
      );
    },
  );

  test("a client that sends all at once waits for the method that the proxy chose", () => {
    const sight = new SocksSight();
    const greeting = Uint8Array.of(5, 2, 0, 2);
    const request = Buffer.from([5, 1, 0, 3, 1, 97, 0, 80]);
    expect(sight.take("client", Buffer.concat([greeting, request])).fromClient.length).toBe(0);
    expect(sight.request).toBeUndefined();
    sight.take("proxy", Uint8Array.of(5, 0));
    expect(sight.request).toMatchObject({ host: "a", port: 80 });
  });

  test("a refusal is told, and what follows is no stream", () => {
    const sight = new SocksSight();
    sight.take("client", Uint8Array.of(5, 1, 0));
    sight.take("proxy", Uint8Array.of(5, 0));
    sight.take("client", Buffer.from([5, 1, 0, 3, 1, 97, 0, 80]));
    const rest = sight.take("proxy", Uint8Array.of(5, 4, 0, 1, 0, 0, 0, 0, 0, 0));
    expect(rest.fromProxy.length).toBe(0);
    expect(sight.refusal).toContain("reply 04");
  });

  test("anything else is no SOCKS, and holds no more than a handshake", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array())), (chunks) => {
        const sight = new SocksSight();
        for (const [isClient, chunk] of chunks) sight.take(isClient ? "client" : "proxy", chunk);
      }),
      { numRuns: 5_000 },
    );
    const sight = new SocksSight();
    sight.take("client", Uint8Array.of(5, 1, 2));
    for (let i = 0; i < 100; i++) sight.take("client", new Uint8Array(100));
    expect(sight.refusal).toBe("This is no SOCKS handshake.");
  });
});

describe("the place of a tap", () => {
  test("is read", () => {
    expect(parseTapPlace("tap", "9150=127.0.0.1:9050", OPEN)).toMatchObject({
      listen: { host: "127.0.0.1", port: 9150 },
      target: { host: "127.0.0.1", port: 9050 },
    });
    expect(parseTapPlace("tap", "[::1]:0=[::1]:1", OPEN).listen).toEqual({ host: "::1", port: 0 });
  });

  test.each([
    ["9150", "place"],
    ["9150=localhost:9050", "place"],
    ["9150=9050=1", "place"],
    ["9150=0", "place"],
    ["70000=1", "place"],
    ["0.0.0.0:9150=9050", "external-listen"],
    ["9150=192.0.2.1:9050", "external-target"],
  ])("%s is refused", (text, code) => {
    expect(() => parseTapPlace("tap", text, OPEN)).toThrow(expect.objectContaining({ code }));
  });

  test("beyond this machine only with leave", () => {
    const leave = { external: true, direct: true };
    const place = parseTapPlace("tap", "0.0.0.0:9150=192.0.2.1:9050", leave);
    expect([place.listen.host, place.target.host]).toEqual(["0.0.0.0", "192.0.2.1"]);
  });
});
