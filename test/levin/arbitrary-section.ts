import fc from "fast-check";
import type { Section, StorageArray, StorageEntry } from "../../lib/levin/storage.ts";

const string = fc.uint8Array({ maxLength: 80 });
const double = fc.double({ noNaN: true });
const i64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });

/** A field's name: any bytes, one character each; often a name that monerod uses. */
const name = fc.oneof(
  fc.constantFrom("_", "adr", "addr", "id", "node_data", "payload_data", "top_id", "txs"),
  fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => String.fromCharCode(...bytes)),
);

function numbers<T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(item, { maxLength: 70 });
}

const flatArray: fc.Arbitrary<StorageArray> = fc.oneof(
  numbers(i64).map(
    (list) => ({ type: "array", of: "i64", value: BigInt64Array.from(list) }) as const,
  ),
  numbers(u64).map(
    (list) => ({ type: "array", of: "u64", value: BigUint64Array.from(list) }) as const,
  ),
  numbers(double).map(
    (list) => ({ type: "array", of: "double", value: Float64Array.from(list) }) as const,
  ),
  fc.int32Array().map((value) => ({ type: "array", of: "i32", value }) as const),
  fc.int16Array().map((value) => ({ type: "array", of: "i16", value }) as const),
  fc.int8Array().map((value) => ({ type: "array", of: "i8", value }) as const),
  fc.uint32Array().map((value) => ({ type: "array", of: "u32", value }) as const),
  fc.uint16Array().map((value) => ({ type: "array", of: "u16", value }) as const),
  fc.uint8Array().map((value) => ({ type: "array", of: "u8", value }) as const),
  fc.uint8Array({ max: 1 }).map((value) => ({ type: "array", of: "bool", value }) as const),
  numbers(string).map((value) => ({ type: "array", of: "string", value }) as const),
);

const flatEntry: fc.Arbitrary<StorageEntry> = fc.oneof(
  i64.map((value) => ({ type: "i64", value }) as const),
  u64.map((value) => ({ type: "u64", value }) as const),
  fc.integer().map((value) => ({ type: "i32", value }) as const),
  fc.integer({ min: -32_768, max: 32_767 }).map((value) => ({ type: "i16", value }) as const),
  fc.integer({ min: -128, max: 127 }).map((value) => ({ type: "i8", value }) as const),
  fc.nat(0xffff_ffff).map((value) => ({ type: "u32", value }) as const),
  fc.nat(0xffff).map((value) => ({ type: "u16", value }) as const),
  fc.nat(0xff).map((value) => ({ type: "u8", value }) as const),
  double.map((value) => ({ type: "double", value }) as const),
  string.map((value) => ({ type: "string", value }) as const),
  fc.boolean().map((value) => ({ type: "bool", value }) as const),
  flatArray,
);

/** An object of any shape: every type, arrays of every type, objects and arrays within each. */
export const arbitrarySection: fc.Arbitrary<Section> = fc.letrec<{
  section: Section;
  array: StorageArray;
  entry: StorageEntry;
}>((tie) => ({
  section: fc
    .array(fc.tuple(name, tie("entry")), { maxLength: 6, depthIdentifier: "storage" })
    .map((fields) => new Map(fields)),
  array: fc.oneof(
    { depthIdentifier: "storage", maxDepth: 4 },
    flatArray,
    fc
      .array(tie("section"), { maxLength: 4, depthIdentifier: "storage" })
      .map((value) => ({ type: "array", of: "object", value }) as const),
    fc
      .array(tie("array"), { maxLength: 4, depthIdentifier: "storage" })
      .map((value) => ({ type: "array", of: "array", value }) as const),
  ),
  entry: fc.oneof(
    { depthIdentifier: "storage", maxDepth: 4 },
    { weight: 4, arbitrary: flatEntry },
    {
      weight: 2,
      arbitrary: tie("section").map((value) => ({ type: "object", value }) as const),
    },
    { weight: 1, arbitrary: tie("array") },
  ),
})).section;
