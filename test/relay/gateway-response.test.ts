import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { GatewayError } from "../../lib/relay/gateway-error.ts";
import { HEAD_BYTES_MAX, ResponseReader } from "../../lib/relay/gateway-response.ts";

interface Read {
  status: number | undefined;
  body: Buffer;
  reusable: boolean | undefined;
}

/** Reads pieces to the end of an answer; an end of the connection follows the last one. */
function readAll(pieces: readonly Uint8Array[]): Read {
  const reader = new ResponseReader();
  const read: Read = { status: undefined, body: Buffer.alloc(0), reusable: undefined };
  const parts: Uint8Array[] = [];
  const work = (): boolean => {
    for (;;) {
      const step = reader.next();
      if (step.kind === "more") return false;
      if (step.kind === "head") read.status = step.head.status;
      else if (step.kind === "body") parts.push(step.bytes);
      else {
        read.reusable = step.reusable;
        return true;
      }
    }
  };
  const isDone = pieces.some((piece) => {
    reader.push(piece);
    return work();
  });
  if (!isDone) {
    reader.ended();
    work();
  }
  read.body = Buffer.concat(parts);
  return read;
}

function split(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const places = [...new Set(at.map((one) => one % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 });

/** An answer in each of the three ways to tell its length. */
const answers = fc
  .record({ status: fc.integer({ min: 200, max: 599 }), chunks, way: fc.nat(2) })
  .filter(({ status }) => status !== 204 && status !== 304);

function encode(status: number, parts: readonly Uint8Array[], way: number): Uint8Array {
  const body = Buffer.concat(parts);
  const line = `HTTP/1.1 ${status} Some Words\r\nServer: Epee-based\r\n`;
  if (way === 0)
    return Buffer.concat([Buffer.from(`${line}Content-length: ${body.length}\r\n\r\n`), body]);
  if (way === 1) return Buffer.concat([Buffer.from(`${line}\r\n`), body]);
  const coded = parts.flatMap((part) => [
    Buffer.from(`${part.length.toString(16)}\r\n`),
    part,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([
    Buffer.from(`${line}Transfer-Encoding: Chunked\r\n\r\n`),
    ...coded,
    Buffer.from("0\r\n\r\n"),
  ]);
}

describe("An answer", () => {
  test("is read the same in whatever pieces it comes", () => {
    fc.assert(
      fc.property(answers, fc.array(fc.nat(), { maxLength: 12 }), (answer, at) => {
        const bytes = encode(answer.status, answer.chunks, answer.way);
        const read = readAll(split(bytes, at));
        expect(read.status).toBe(answer.status);
        expect(read.body.equals(Buffer.concat(answer.chunks))).toBe(true);
        expect(read.reusable).toBe(answer.way !== 1);
      }),
      { numRuns: 10_000 },
    );
  });

  test("that is not whole is never taken for it", () => {
    fc.assert(
      fc.property(answers, fc.nat(), (answer, cut) => {
        const way = answer.way === 1 ? 2 : answer.way;
        const bytes = encode(answer.status, answer.chunks, way);
        const cutAt = cut % bytes.length;
        expect(() => readAll([bytes.subarray(0, cutAt)])).toThrow(GatewayError);
      }),
      { numRuns: 10_000 },
    );
  });

  test("that is garbage, or was changed, fails in a known way or ends", () => {
    const changed = fc.tuple(answers, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), changed), (input) => {
        const bytes = Array.isArray(input)
          ? mutate(encode(input[0].status, input[0].chunks, input[0].way), input[1])
          : input;
        try {
          const { body } = readAll([bytes]);
          expect(body.length).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
        }
      }),
      { numRuns: 10_000 },
    );
  });

  test("has no more head than fits, however it is cut", () => {
    const line = "HTTP/1.1 200 OK\r\n";
    const head = (bytes: number): Uint8Array =>
      Buffer.from(`${line}A: ${"b".repeat(bytes - line.length - 26)}\r\nContent-Length: 0\r\n\r\n`);
    const fits = head(HEAD_BYTES_MAX);
    expect(fits.length).toBeGreaterThan(HEAD_BYTES_MAX - 10);
    for (const size of [1, 100, 10_000]) {
      const pieces = (bytes: Uint8Array): Uint8Array[] =>
        split(
          bytes,
          Array.from({ length: bytes.length / size }, (_, index) => index * size),
        );
      expect(
        readAll(pieces(fits.length > HEAD_BYTES_MAX ? head(HEAD_BYTES_MAX - 10) : fits)).status,
      ).toBe(200);
      expect(() => readAll(pieces(head(HEAD_BYTES_MAX + 20)))).toThrow("head of over");
    }
  });

  test("of status 204 or 304 has no body, whatever it says", () => {
    for (const status of [204, 304]) {
      const bytes = Buffer.from(`HTTP/1.1 ${status} x\r\nContent-Length: 5\r\n\r\n`);
      expect(readAll([bytes])).toMatchObject({ status, reusable: true });
    }
  });

  test("with Connection: close is the last of its connection", () => {
    const bytes = Buffer.from("HTTP/1.1 200 x\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n");
    expect(readAll([bytes]).reusable).toBe(false);
  });
});

function mutate(bytes: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (const [at, value] of changes) copy[at % copy.length] = value;
  return copy;
}
