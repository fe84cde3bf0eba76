import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeRlp,
  decodeRlpPrefix,
  encodeRlp,
  RLP_DEPTH_MAX,
  RLP_ITEMS_MAX,
  type RlpItem,
  readRlpInteger,
  rlpInteger,
} from "../../lib/ethereum/rlp.ts";
import { mutated, RUNS } from "../levin/mutation.ts";
import invalid from "../vectors/ethereum/rlp-invalid.json";
import valid from "../vectors/ethereum/rlp-valid.json";
import { anyItem, codeOf, hex } from "./arbitrary-rlp.ts";

/** A value as the vectors write it: text, 0x text, # and decimal digits, number, list. */
function itemOf(value: unknown): RlpItem {
  if (Array.isArray(value)) return value.map(itemOf);
  if (typeof value === "number") return rlpInteger(value);
  if (typeof value !== "string") throw new Error(`What is ${value}?`);
  if (value.startsWith("#")) return rlpInteger(BigInt(value.slice(1)));
  return value.startsWith("0x") ? hex(value) : new TextEncoder().encode(value);
}

/** Lists only as plain arrays of plain byte arrays, for comparing. */
function plain(item: RlpItem): unknown {
  return item instanceof Uint8Array ? Buffer.from(item).toString("hex") : item.map(plain);
}

describe("RLP", () => {
  test.each(Object.entries(valid))("writes and reads Ethereum's vector %s", (_name, vector) => {
    const item = itemOf(vector.in);
    expect(Buffer.from(encodeRlp(item))).toEqual(Buffer.from(hex(vector.out)));
    expect(plain(decodeRlp(hex(vector.out)))).toEqual(plain(item));
  });

  test.each(Object.entries(invalid))("refuses Ethereum's vector %s", (_name, vector) => {
    expect(codeOf(() => decodeRlp(hex(vector.out)))).toBe("rlp-malformed");
  });

  test("any item survives, and what follows it is told", () => {
    const property = fc.property(anyItem, fc.uint8Array({ maxLength: 9 }), (item, tail) => {
      const bytes = encodeRlp(item);
      expect(plain(decodeRlp(bytes))).toEqual(plain(item));
      const read = decodeRlpPrefix(Buffer.concat([bytes, tail]));
      expect(read.bytesRead).toBe(bytes.length);
      expect(codeOf(() => decodeRlp(Buffer.concat([bytes, tail])))).toBe(
        tail.length === 0 ? "none" : "rlp-malformed",
      );
    });
    fc.assert(property, { numRuns: RUNS });
  });

  test("what can be read has one spelling: written again it is the same", () => {
    const originals = Object.values(valid).map((vector) => hex(vector.out).slice(0, 400));
    for (const bytes of [fc.uint8Array({ maxLength: 80 }), mutated(originals)]) {
      let readable = 0;
      const property = fc.property(bytes, (value) => {
        let item: RlpItem | undefined;
        const code = codeOf(() => {
          item = decodeRlp(value);
        });
        if (item === undefined) {
          expect(code).toStartWith("rlp-");
          return;
        }
        readable++;
        expect(Buffer.from(encodeRlp(item)).equals(value)).toBe(true);
      });
      fc.assert(property, { numRuns: RUNS });
      expect(readable).toBeGreaterThan(100);
    }
  });

  test("depth, items and lengths are bounded before anything is allocated", () => {
    const nested = (depth: number): RlpItem => (depth === 0 ? [] : [nested(depth - 1)]);
    expect(codeOf(() => decodeRlp(encodeRlp(nested(RLP_DEPTH_MAX - 1))))).toBe("none");
    expect(codeOf(() => decodeRlp(encodeRlp(nested(RLP_DEPTH_MAX))))).toBe("rlp-too-deep");
    const wide = (items: number): RlpItem => Array.from({ length: items }, () => []);
    expect(codeOf(() => decodeRlp(encodeRlp(wide(RLP_ITEMS_MAX - 1))))).toBe("none");
    expect(codeOf(() => decodeRlp(encodeRlp(wide(RLP_ITEMS_MAX))))).toBe("rlp-too-many-items");
    expect(codeOf(() => decodeRlp(hex("bfffffffffffffffff")))).toBe("rlp-malformed");
    expect(codeOf(() => decodeRlp(hex("bdffffffffffff")))).toBe("rlp-malformed");
  });

  test("an integer has no leading zero and no more bytes than its field", () => {
    const property = fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      expect(readRlpInteger(rlpInteger(value), 8)).toBe(value);
    });
    fc.assert(property, { numRuns: RUNS });
    expect(codeOf(() => readRlpInteger(Uint8Array.of(0), 8))).toBe("rlp-malformed");
    expect(codeOf(() => readRlpInteger(Uint8Array.of(1, 0, 0), 2))).toBe("rlp-malformed");
    expect(codeOf(() => readRlpInteger([], 2))).toBe("rlp-malformed");
    expect(codeOf(() => readRlpInteger(undefined, 2))).toBe("rlp-malformed");
    expect(() => rlpInteger(-1)).toThrow(RangeError);
  });
});
