import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TransactionError } from "../../lib/monero/transaction-error.ts";
import { TransactionReader } from "../../lib/monero/transaction-reader.ts";
import { varint } from "./transaction-builder.ts";

const MAX = 2n ** 64n - 1n;

function reading(...bytes: number[]): TransactionReader {
  return new TransactionReader(Uint8Array.from(bytes));
}

/** Varints by the definition, in arithmetic that can't lose a bit; undefined where one is wrong. */
function expected(bytes: readonly number[]): { value: bigint; length: number } | undefined {
  let value = 0n;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    value += BigInt(byte & 127) << BigInt(7 * i);
    if (value > MAX || i > 9) return undefined;
    if (byte === 0 && i > 0) return undefined;
    if (byte < 128) return { value, length: i + 1 };
  }
  return undefined;
}

describe("varints", () => {
  test("every 64-bit number comes back", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: MAX }), fc.nat(63), (number, shift) => {
        const value = number >> BigInt(shift);
        const bytes = varint(value);
        const reader = reading(...bytes, 0xaa);
        expect(reader.varint("a test")).toBe(value);
        expect(reader.offset).toBe(bytes.length);
        expect(reading(...bytes).skipVarint("a test")).toBe(value === 0n);
      }),
      { numRuns: 10_000, seed: 11 },
    );
  });

  test("the borders of every group come back", () => {
    for (let bit = 0n; bit < 64n; bit++) {
      for (const value of [(1n << bit) - 1n, 1n << bit, (1n << bit) + 1n]) {
        if (value < 0n || value > MAX) continue;
        expect(reading(...varint(value)).varint("a test")).toBe(value);
      }
    }
    expect(reading(...varint(MAX)).varint("a test")).toBe(MAX);
  });

  test("any bytes give what the definition gives, or the module's error", () => {
    const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 14 }), (bytes) => {
        const want = expected(bytes);
        const reader = reading(...bytes);
        try {
          const value = reader.varint("a test");
          expect(want).toEqual({ value, length: reader.offset });
        } catch (error) {
          if (!(error instanceof TransactionError)) throw error;
          expect(want).toBeUndefined();
        }
      }),
      { numRuns: 10_000, seed: 12 },
    );
  });
});

describe("counts and bytes", () => {
  test("a count is allowed exactly as far as the bytes reach", () => {
    expect(reading(3, 1, 1, 1).count("things", 1)).toBe(3);
    expect(reading(3, 1, 1, 1, 1, 1, 1).count("things", 2)).toBe(3);
    expect(() => reading(3, 1, 1, 1, 1, 1).count("things", 2)).toThrow(
      "The transaction claims 3 things, more than its last 5 bytes can hold.",
    );
    expect(reading(0).count("things", 100)).toBe(0);
  });

  test("bytes are copied, not seen through", () => {
    const blob = Uint8Array.of(1, 2, 3, 4);
    const reader = new TransactionReader(blob);
    reader.skip(1, "a test");
    const copy = reader.copy(2, "a test");
    blob.fill(9);
    expect([...copy]).toEqual([2, 3]);
    expect(reader.remaining).toBe(1);
    expect(() => reader.copy(2, "a test")).toThrow("The transaction ends within a test");
    expect(() => reader.skip(2, "a test")).toThrow(TransactionError);
    expect(reader.byte("a test")).toBe(9);
    expect(() => reader.byte("a test")).toThrow(TransactionError);
  });
});
