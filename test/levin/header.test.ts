import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LevinError } from "../../lib/levin/error.ts";
import {
  decodeHeader,
  encodeHeader,
  FLAG,
  LEVIN_HEADER_BYTES,
  type LevinHeader,
} from "../../lib/levin/header.ts";
import { mutated, RUNS } from "./mutation.ts";
import { vector, vectorNames } from "./vectors.ts";

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof LevinError) return error.code;
    throw error;
  }
  return "none";
}

const header: fc.Arbitrary<LevinHeader> = fc.record({
  length: fc.maxSafeNat(),
  expectResponse: fc.boolean(),
  command: fc.nat(0xffff_ffff),
  returnCode: fc.integer(),
  flags: fc.nat(0xffff_ffff),
});

describe("Levin header", () => {
  test("reads what monerod wrote", () => {
    expect(decodeHeader(vector("handshake_req_tor"))).toEqual({
      length: 243,
      expectResponse: true,
      command: 1001,
      returnCode: 0,
      flags: FLAG.REQUEST,
    });
    expect(decodeHeader(vector("handshake_res_tor"))).toEqual({
      length: 374,
      expectResponse: false,
      command: 1001,
      returnCode: 1,
      flags: FLAG.RESPONSE,
    });
    expect(decodeHeader(vector("noise")).flags).toBe(FLAG.BEGIN | FLAG.END);
  });

  test.each([...vectorNames])("writes that of %s as monerod did", (name) => {
    const bytes = vector(name);
    expect(encodeHeader(decodeHeader(bytes))).toEqual(bytes.slice(0, LEVIN_HEADER_BYTES));
  });

  test("any header survives", () => {
    const property = fc.property(header, (value) => {
      expect(decodeHeader(encodeHeader(value))).toEqual(value);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  test("a negative return code survives", () => {
    const value = { length: 0, expectResponse: false, command: 2003, returnCode: -6, flags: 2 };
    expect(decodeHeader(encodeHeader(value)).returnCode).toBe(-6);
  });

  test("a length of 64 bits is read as at least so large", () => {
    const bytes = encodeHeader(decodeHeader(vector("noise")));
    bytes.fill(0xff, 8, 16);
    expect(decodeHeader(bytes).length).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
  });

  test("each way of being wrong has its code, and the fault is the peer's", () => {
    const bytes = encodeHeader(decodeHeader(vector("noise")));
    expect(codeOf(() => decodeHeader(bytes.slice(0, 32)))).toBe("truncated");
    for (let at = 0; at < 8; at++) {
      const wrong = bytes.slice();
      wrong[at] = 0x7f;
      expect(codeOf(() => decodeHeader(wrong))).toBe("signature");
    }
    bytes[29] = 2;
    expect(codeOf(() => decodeHeader(bytes))).toBe("version");
    expect(() => decodeHeader(bytes)).toThrow(expect.objectContaining({ where: "peer" }));
  });

  test("random and mutated bytes give a header or a LevinError", () => {
    const originals = vectorNames.map((name) => vector(name).slice(0, LEVIN_HEADER_BYTES));
    for (const bytes of [fc.uint8Array({ maxLength: 40 }), mutated(originals)]) {
      const property = fc.property(bytes, (value) => {
        codeOf(() => decodeHeader(value));
      });
      fc.assert(property, { numRuns: RUNS });
    }
  });
});
