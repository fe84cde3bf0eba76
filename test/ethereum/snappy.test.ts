import { describe, expect, test } from "bun:test";
import { createRequire } from "node:module";
import fc from "fast-check";
import { decodeSnappy, encodeSnappy } from "../../lib/ethereum/snappy.ts";
import { mutated, RUNS } from "../levin/mutation.ts";
import { codeOf } from "./arbitrary-rlp.ts";

/** snappyjs, which @ethereumjs/devp2p uses, is the other implementation here; it has no types. */
const snappy: {
  compress(content: Uint8Array): Uint8Array;
  uncompress(bytes: Uint8Array): Uint8Array;
} = createRequire(createRequire(import.meta.url).resolve("@ethereumjs/devp2p"))("snappyjs");

/** Content with repeats, so that copies of every kind are written. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(255).map((byte) => new Uint8Array(70).fill(byte)),
      fc.constant(Uint8Array.from({ length: 3_000 }, (_, at) => (at * at) % 251)),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Uint8Array.from(Buffer.concat(parts)));

describe("Snappy's raw format", () => {
  test("what the other implementation writes is read", () => {
    const property = fc.property(content, (bytes) => {
      expect(decodeSnappy(snappy.compress(bytes), 100_000)).toEqual(bytes);
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("what we write is read by both", () => {
    const small = fc.uint8Array({ minLength: 1, maxLength: 60 });
    const property = fc.property(small, (bytes) => {
      expect(decodeSnappy(encodeSnappy(bytes), 60)).toEqual(bytes);
      expect(Buffer.from(snappy.uncompress(encodeSnappy(bytes)))).toEqual(Buffer.from(bytes));
    });
    fc.assert(property, { numRuns: 1_000 });
    expect(() => encodeSnappy(new Uint8Array(61))).toThrow(RangeError);
    expect(() => encodeSnappy(new Uint8Array(0))).toThrow(RangeError);
  });

  test("random and mutated bytes give content within the bound, or an error of ours", () => {
    const originals = [1, 2, 3].map((seed) =>
      snappy.compress(Uint8Array.from({ length: 300 }, (_, at) => (at * seed) % 7)),
    );
    for (const bytes of [fc.uint8Array({ maxLength: 60 }), mutated(originals)]) {
      const property = fc.property(bytes, (value) => {
        const read = (): void => {
          expect(decodeSnappy(value, 400).length).toBeLessThanOrEqual(400);
        };
        expect(["none", "message-malformed"]).toContain(codeOf(read));
      });
      fc.assert(property, { numRuns: RUNS });
    }
  });

  test.each([
    ["", "no length"],
    ["ffffffff7f", "a length that no memory holds"],
    ["05", "less than it announces"],
    ["010061ff", "more than it announces"],
    ["02006101ff", "a copy from before the beginning"],
    ["0200610100", "a copy from itself"],
    ["01f4", "a literal cut off"],
  ])("%s is refused: %s", (text) => {
    const bytes = Uint8Array.from(Buffer.from(text, "hex"));
    expect(codeOf(() => decodeSnappy(bytes, 1_000_000))).toBe("message-malformed");
  });
});
