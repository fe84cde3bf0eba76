import { expect, test } from "bun:test";
import fc from "fast-check";
import { SocksClientHandshake } from "../../lib/socks/client-handshake.ts";
import { MESSAGE_BYTES_MAX, type SocksRequest } from "../../lib/socks/message.ts";
import { SocksServerHandshake } from "../../lib/socks/server-handshake.ts";
import { anyBound, anyRequest } from "./arbitrary-request.ts";
import {
  CODEC_RUNS,
  concatenated,
  cuts,
  hex,
  pieces,
  runClient,
  runServer,
} from "./conversation.ts";

const runs = { numRuns: CODEC_RUNS };
const stream = fc.uint8Array({ maxLength: 40 });

/** All that a client of this request sends, from its greeting to its request. */
function clientBytes(request: SocksRequest): Uint8Array {
  const handshake = new SocksClientHandshake(request);
  const parts = [handshake.start()];
  const grants = request.version !== "5" ? [] : request.auth ? ["0502", "0100"] : ["0500"];
  for (const grant of grants) {
    const step = handshake.receive(hex(grant));
    if (step.kind === "send") parts.push(step.bytes);
  }
  return concatenated(parts);
}

/** All that a server sends to grant this request, as messages. */
function serverMessages(
  request: SocksRequest,
  bound: { host: string; port: number },
): Uint8Array[] {
  const server = new SocksServerHandshake();
  const first = runServer(server, [clientBytes(request)]);
  const sent = hex(first.sent);
  const messages = sent.length === 4 ? [sent.slice(0, 2), sent.slice(2)] : [sent];
  return [...messages.filter((message) => message.length > 0), server.granted(bound)];
}

test("a server reads what a client wrote, however it is split", () => {
  fc.assert(
    fc.property(anyRequest, stream, cuts, (request, data, places) => {
      const bytes = concatenated([clientBytes(request), data]);
      const outcome = runServer(new SocksServerHandshake(), pieces(bytes, places));
      expect(outcome.request).toEqual(request);
      expect(outcome.rest).toBe(Buffer.from(data).toString("hex"));
    }),
    runs,
  );
});

test("a client reads what a server wrote, however it is split", () => {
  fc.assert(
    fc.property(anyRequest, anyBound, stream, cuts, (request, bound, data, places) => {
      fc.pre(request.command === "connect");
      const messages = serverMessages(request, bound);
      const last = messages.pop() ?? hex("");
      const chunks = [...messages, ...pieces(concatenated([last, data]), places)];
      const outcome = runClient(new SocksClientHandshake(request), chunks);
      const ipv4Only = request.version !== "5" && !/^[0-9.]+$/.test(bound.host);
      expect(outcome.reply).toMatchObject(ipv4Only ? { host: "0.0.0.0" } : bound);
      expect(outcome.rest).toBe(Buffer.from(data).toString("hex"));
    }),
    runs,
  );
});

/** Random bytes, and good bytes with a few of them changed, cut or repeated. */
function damaged(good: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    kind: fc.constantFrom("set" as const, "cut" as const, "repeat" as const),
    at: fc.nat(1_000),
    byte: fc.nat(255),
  });
  const mutated = fc
    .tuple(good, fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([bytes, changes]) => {
      let result = new Uint8Array(bytes);
      for (const { kind, at, byte } of changes) {
        const place = at % (result.length + 1);
        if (kind === "set" && place < result.length) result[place] = byte;
        if (kind === "cut") result = result.slice(0, place);
        if (kind === "repeat") result = new Uint8Array([...result, ...result.subarray(place)]);
      }
      return result;
    });
  return fc.oneof(fc.uint8Array({ maxLength: 1_600 }), mutated);
}

/** Method choice, verdict and request of one client. */
const CLIENT_BYTES_MAX = 257 + 513 + MESSAGE_BYTES_MAX;
const REPLY_BYTES_MAX = 2 + 2 + 262;

test("any bytes at a server end the same however they are split, and soon", () => {
  fc.assert(
    fc.property(damaged(anyRequest.map(clientBytes)), cuts, (bytes, places) => {
      const single = pieces(bytes, Array.from(bytes.keys()));
      const byByte = runServer(new SocksServerHandshake(), single);
      const split = runServer(new SocksServerHandshake(), pieces(bytes, places));
      expect({ ...split, taken: 0 }).toEqual({ ...byByte, taken: 0 });
      expect(byByte.taken).toBeLessThanOrEqual(CLIENT_BYTES_MAX);
    }),
    runs,
  );
});

test("any bytes at a client end the same however they are split, and soon", () => {
  const conversation = anyRequest.chain((request) =>
    fc.record({
      request: fc.constant(request),
      bytes: damaged(anyBound.map((bound) => serverMessages(request, bound).at(-1) ?? hex(""))),
    }),
  );
  fc.assert(
    fc.property(conversation, cuts, ({ request, bytes }, places) => {
      const before = serverMessages(request, { host: "0.0.0.0", port: 0 }).slice(0, -1);
      const run = (chunks: Uint8Array[]): object => ({
        ...runClient(new SocksClientHandshake(request), [...before, ...chunks]),
        taken: 0,
      });
      const single = pieces(bytes, Array.from(bytes.keys()));
      const byByte = runClient(new SocksClientHandshake(request), [...before, ...single]);
      expect(run(pieces(bytes, places))).toEqual({ ...byByte, taken: 0 });
      expect(byByte.taken).toBeLessThanOrEqual(REPLY_BYTES_MAX);
    }),
    runs,
  );
});

test("any bytes in place of the choice of method end in a step or in an error", () => {
  fc.assert(
    fc.property(
      anyRequest,
      damaged(fc.constantFrom(hex("0500"), hex("0502"))),
      (request, bytes) => {
        const single = pieces(bytes, Array.from(bytes.keys()));
        const outcome = runClient(new SocksClientHandshake(request), single);
        expect(outcome.taken).toBeLessThanOrEqual(REPLY_BYTES_MAX);
        if (bytes.length >= REPLY_BYTES_MAX) {
          expect(outcome.reply !== undefined || outcome.error !== undefined).toBe(true);
        }
      },
    ),
    runs,
  );
});
