import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LevinError } from "../../lib/levin/error.ts";
import { LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import {
  decodeStorage,
  encodeStorage,
  type Section,
  type StorageArray,
  type StorageEntry,
} from "../../lib/levin/storage.ts";
import { STORAGE_SIGNATURE } from "../../lib/levin/storage-type.ts";
import { elementsAllocated } from "./allocation.ts";
import { arbitrarySection } from "./arbitrary-section.ts";
import { mutated, RUNS } from "./mutation.ts";
import { joined, vector, vectorNames } from "./vectors.ts";

/** What decoding gives: the code of its error, or "none". */
function codeOf(bytes: Uint8Array): string {
  try {
    decodeStorage(bytes);
  } catch (error) {
    if (!(error instanceof LevinError)) throw error;
    expect(error.where).toBe("peer");
    return error.code;
  }
  return "none";
}

/** Portable storage by hand: numbers are bytes, texts are ASCII. */
function storage(...parts: readonly (number | string)[]): Uint8Array {
  const body = parts.flatMap((part) =>
    typeof part === "number" ? [part] : [...Buffer.from(part)],
  );
  return joined(STORAGE_SIGNATURE, Uint8Array.from(body));
}

function fieldOf(entry: StorageEntry): Section {
  return new Map([["x", entry]]);
}

function nested(levels: number): Section {
  let section: Section = new Map();
  for (let level = 1; level < levels; level++) {
    section = fieldOf({ type: "object", value: section });
  }
  return section;
}

/** 2^40 as a varint of eight bytes. */
const TWO_POW_40 = [3, 0, 0, 0, 0, 4, 0, 0];

const payloads = vectorNames
  .filter((name) => name !== "noise" && !name.startsWith("fragment"))
  .map((name) => vector(name).slice(LEVIN_HEADER_BYTES));

describe("portable storage of monerod", () => {
  test("every recorded payload is written to the same bytes, trailing zeros aside", () => {
    expect(payloads.length).toBe(13);
    for (const payload of payloads) {
      const { section, bytesRead } = decodeStorage(payload);
      expect(encodeStorage(section)).toEqual(payload.slice(0, bytesRead));
      expect(payload.slice(bytesRead).every((byte) => byte === 0)).toBe(true);
    }
  });

  test("a handshake has its fields and types", () => {
    const { section } = decodeStorage(vector("handshake_req_tor").slice(LEVIN_HEADER_BYTES));
    const node = section.get("node_data");
    if (node?.type !== "object") throw new Error("There is no node_data.");
    expect([...node.value]).toEqual([
      ["my_port", { type: "u32", value: 0 }],
      [
        "network_id",
        {
          type: "string",
          value: Uint8Array.from(Buffer.from("1230f171610441611731008216a1a110", "hex")),
        },
      ],
      ["peer_id", { type: "u64", value: 1n }],
    ]);
  });
});

describe("encoding", () => {
  test("an empty object is the signature and a zero", () => {
    expect(encodeStorage(new Map())).toEqual(storage(0));
  });

  test("fields are sorted by the bytes of their names", () => {
    const section: Section = new Map();
    for (const name of ["b", "a", "\xff", "aa", "B", "_"]) {
      section.set(name, { type: "u8", value: 1 });
    }
    const { section: read } = decodeStorage(encodeStorage(section));
    expect([...read.keys()]).toEqual(["B", "_", "a", "aa", "b", "\xff"]);
  });

  const written: [StorageEntry, number[]][] = [
    [{ type: "i64", value: -2n }, [1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    [{ type: "i32", value: -2 }, [2, 0xfe, 0xff, 0xff, 0xff]],
    [{ type: "i16", value: -2 }, [3, 0xfe, 0xff]],
    [{ type: "i8", value: -2 }, [4, 0xfe]],
    [{ type: "u64", value: 0x0102n }, [5, 2, 1, 0, 0, 0, 0, 0, 0]],
    [{ type: "u32", value: 0xfffefdfc }, [6, 0xfc, 0xfd, 0xfe, 0xff]],
    [{ type: "u16", value: 0x0102 }, [7, 2, 1]],
    [{ type: "u8", value: 200 }, [8, 200]],
    [{ type: "double", value: 1 }, [9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]],
    [{ type: "string", value: Uint8Array.of(7, 8) }, [10, 8, 7, 8]],
    [{ type: "bool", value: true }, [11, 1]],
    [{ type: "object", value: new Map() }, [12, 0]],
    [{ type: "array", of: "u16", value: Uint16Array.of(1, 2) }, [0x87, 8, 1, 0, 2, 0]],
    [{ type: "array", of: "bool", value: Uint8Array.of(1, 0) }, [0x8b, 8, 1, 0]],
    [{ type: "array", of: "string", value: [Uint8Array.of(9)] }, [0x8a, 4, 4, 9]],
    [{ type: "array", of: "object", value: [new Map(), new Map()] }, [0x8c, 8, 0, 0]],
    [
      { type: "array", of: "array", value: [{ type: "array", of: "i8", value: Int8Array.of(-1) }] },
      [0x8d, 4, 0x84, 4, 0xff],
    ],
  ];
  for (const [entry, bytes] of written) {
    const what = entry.type === "array" ? `array of ${entry.of}` : entry.type;
    test(`${what} has type byte ${bytes[0]}`, () => {
      expect(encodeStorage(fieldOf(entry))).toEqual(storage(4, 1, "x", ...bytes));
      expect(decodeStorage(storage(4, 1, "x", ...bytes)).section).toEqual(fieldOf(entry));
    });
  }

  test.each([
    [63, 1],
    [64, 2],
    [16_383, 2],
    [16_384, 4],
    [1_000_000, 4],
  ])("a string of %d bytes has a length of %d", (length, lengthBytes) => {
    const section = fieldOf({ type: "string", value: new Uint8Array(length).fill(5) });
    const bytes = encodeStorage(section);
    expect(bytes.length).toBe(STORAGE_SIGNATURE.length + 1 + 2 + 1 + lengthBytes + length);
    expect(decodeStorage(bytes)).toEqual({ section, bytesRead: bytes.length });
  });

  test.each<[string, Section]>([
    ["u8", fieldOf({ type: "u8", value: 256 })],
    ["u16", fieldOf({ type: "u16", value: -1 })],
    ["u32", fieldOf({ type: "u32", value: 1.5 })],
    ["i8", fieldOf({ type: "i8", value: 128 })],
    ["i16", fieldOf({ type: "i16", value: -32_769 })],
    ["i32", fieldOf({ type: "i32", value: 2 ** 31 })],
    ["u64", fieldOf({ type: "u64", value: 1n << 64n })],
    ["i64", fieldOf({ type: "i64", value: 1n << 63n })],
    ["bool", fieldOf({ type: "array", of: "bool", value: Uint8Array.of(2) })],
    ["no name", new Map([["", { type: "u8", value: 1 }]])],
    ["a long name", new Map([["n".repeat(256), { type: "u8", value: 1 }]])],
    ["a wide name", new Map([["\u0100", { type: "u8", value: 1 }]])],
    ["101 levels", nested(101)],
  ])("what cannot be written is a bug of ours: %s", (_what, section) => {
    expect(() => encodeStorage(section)).toThrow(
      expect.objectContaining({ code: "unencodable", where: "bug" }),
    );
  });

  test("a section that holds itself is refused", () => {
    const section: Section = new Map();
    section.set("again", { type: "object", value: section });
    expect(() => encodeStorage(section)).toThrow(LevinError);
  });

  test("a failed write leaves nothing behind for the next one", () => {
    expect(() => encodeStorage(fieldOf({ type: "u8", value: 256 }))).toThrow();
    expect(encodeStorage(new Map())).toEqual(storage(0));
  });
});

describe("decoding", () => {
  test("bytes behind are left alone", () => {
    expect(decodeStorage(storage(0, 9, 9, 9))).toEqual({ section: new Map(), bytesRead: 10 });
  });

  test("an array whose flag stands apart is an array", () => {
    const entry: StorageArray = { type: "array", of: "u8", value: Uint8Array.of(5) };
    expect(decodeStorage(storage(4, 1, "x", 13, 0x88, 4, 5)).section).toEqual(fieldOf(entry));
  });

  test.each<[string, string, Uint8Array]>([
    ["nothing", "storage-signature", new Uint8Array()],
    [
      "another version",
      "storage-signature",
      joined(STORAGE_SIGNATURE.slice(0, 8), Uint8Array.of(2, 0)),
    ],
    ["no field count", "truncated", storage()],
    ["half a varint", "truncated", storage(2, 0)],
    ["a field that is not there", "truncated", storage(4)],
    ["half a name", "truncated", storage(4, 3, "x")],
    ["half a value", "truncated", storage(4, 1, "x", 6, 1, 2, 3)],
    ["half a string", "truncated", storage(4, 1, "x", 10, 12, 1, 2)],
    ["no name", "bad-name", storage(4, 0, 8, 1)],
    ["a name twice", "duplicate-name", storage(8, 1, "x", 8, 1, 1, "x", 8, 1)],
    ["a bool of 2", "out-of-range", storage(4, 1, "x", 11, 2)],
    ["a bool of 2 in an array", "out-of-range", storage(4, 1, "x", 0x8b, 4, 2)],
    ["type 0", "unknown-type", storage(4, 1, "x", 0, 1)],
    ["type 14", "unknown-type", storage(4, 1, "x", 14, 1)],
    ["an array of type 14", "unknown-type", storage(4, 1, "x", 0x8e, 4, 1)],
    ["an array without flag", "wrong-type", storage(4, 1, "x", 13, 8, 4, 5)],
  ])("%s is %s", (_what, code, bytes) => {
    expect(codeOf(bytes)).toBe(code);
  });

  test("every beginning of a message is cut short, and says so", () => {
    const payload = vector("handshake_res_tor").slice(LEVIN_HEADER_BYTES);
    for (let end = STORAGE_SIGNATURE.length; end < payload.length; end++) {
      expect(codeOf(payload.slice(0, end))).toBe("truncated");
    }
  });

  test("100 levels, and no more", () => {
    expect(codeOf(encodeStorage(nested(100)))).toBe("none");
    const deeper = (levels: number, open: readonly (number | string)[]) =>
      storage(...Array.from({ length: levels }, () => open).flat(), 0);
    expect(codeOf(deeper(99, [4, 1, "x", 12]))).toBe("none");
    expect(codeOf(deeper(100, [4, 1, "x", 12]))).toBe("too-deep");
    expect(codeOf(deeper(100, [4, 1, "x", 0x8c, 4]))).toBe("too-deep");
    expect(codeOf(deeper(50_000, [4, 1, "x", 12]))).toBe("too-deep");
    const arrays = Array.from({ length: 50_000 }, () => [0x8d, 4]).flat();
    expect(codeOf(storage(4, 1, "x", ...arrays, 0x88, 0))).toBe("too-deep");
  });

  test("8,192 objects, and no more", () => {
    const objects = (count: number): Section =>
      fieldOf({
        type: "array",
        of: "object",
        value: Array.from({ length: count }, () => new Map()),
      });
    expect(codeOf(encodeStorage(objects(8_192)))).toBe("none");
    expect(codeOf(encodeStorage(objects(8_193)))).toBe("too-many-objects");
  });

  test("8,192 arrays within arrays, and no more", () => {
    const inner: StorageArray = { type: "array", of: "u8", value: new Uint8Array() };
    const arrays = (count: number): Section =>
      fieldOf({ type: "array", of: "array", value: new Array<StorageArray>(count).fill(inner) });
    expect(codeOf(encodeStorage(arrays(8_192)))).toBe("none");
    expect(codeOf(encodeStorage(arrays(8_193)))).toBe("too-many-objects");
  });

  test("16,384 fields of all objects together, and no more", () => {
    const fields = (count: number): Section =>
      new Map(Array.from({ length: count }, (_, i) => [`f${i}`, { type: "u8", value: 1 }]));
    const both = (inner: number): Section =>
      new Map([
        ["a", { type: "object", value: fields(8_000) }],
        ["b", { type: "object", value: fields(inner) }],
      ]);
    expect(codeOf(encodeStorage(fields(16_384)))).toBe("none");
    expect(codeOf(encodeStorage(fields(16_385)))).toBe("too-many-fields");
    expect(codeOf(encodeStorage(both(8_382)))).toBe("none");
    expect(codeOf(encodeStorage(both(8_383)))).toBe("too-many-fields");
  });

  test("16,384 strings, alone and in arrays, and no more", () => {
    const strings = (count: number): StorageArray => ({
      type: "array",
      of: "string",
      value: new Array<Uint8Array>(count).fill(new Uint8Array()),
    });
    const both = (count: number): Section =>
      new Map<string, StorageEntry>([
        ["a", strings(count)],
        ["b", { type: "string", value: new Uint8Array() }],
      ]);
    expect(codeOf(encodeStorage(both(16_383)))).toBe("none");
    expect(codeOf(encodeStorage(both(16_384)))).toBe("too-many-strings");
  });

  test("limits can be set lower", () => {
    const limits = { depthMax: 2, objectsMax: 2, fieldsMax: 3, stringsMax: 0 };
    expect(() => decodeStorage(encodeStorage(nested(3)), limits)).toThrow(
      expect.objectContaining({ code: "too-deep" }),
    );
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])(
    "2^40 elements of type %d are refused before anything is allocated",
    (type) => {
      for (const bytes of [
        storage(4, 1, "x", type | 0x80, ...TWO_POW_40, 1, 2, 3),
        storage(4, 1, "x", 13, type | 0x80, ...TWO_POW_40, 1, 2, 3),
      ]) {
        expect(codeOf(bytes)).toBe("truncated");
        expect(elementsAllocated(() => decodeStorage(bytes))).toBeLessThan(100);
      }
    },
  );

  test("2^40 fields and a string of 2^40 bytes are refused too", () => {
    expect(codeOf(storage(...TWO_POW_40))).toBe("too-many-fields");
    expect(codeOf(storage(4, 1, "x", 10, ...TWO_POW_40))).toBe("truncated");
  });
});

describe("any storage", () => {
  test("survives, and is written to the same bytes again", () => {
    const property = fc.property(
      arbitrarySection,
      fc.uint8Array({ maxLength: 9 }),
      (section, tail) => {
        const bytes = encodeStorage(section);
        const { section: read, bytesRead } = decodeStorage(joined(bytes, tail));
        expect(bytesRead).toBe(bytes.length);
        expect(Bun.deepEquals(sorted(read), sorted(section), true)).toBe(true);
        expect(Buffer.compare(encodeStorage(read), bytes)).toBe(0);
      },
    );
    fc.assert(property, { numRuns: RUNS });
  }, 60_000);

  test("random bytes give a section or a LevinError", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
      const bytes = joined(STORAGE_SIGNATURE, tail);
      codeOf(bytes);
      expect(elementsAllocated(() => decodeStorage(bytes))).toBeLessThanOrEqual(bytes.length * 2);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  test("mutated bytes give a section, which is written again, or a LevinError", () => {
    const made = fc.sample(arbitrarySection, { numRuns: 200, seed: 7 }).map(encodeStorage);
    const property = fc.property(mutated([...payloads, ...made]), (bytes) => {
      const code = codeOf(bytes);
      expect(elementsAllocated(() => decodeStorage(bytes))).toBeLessThanOrEqual(bytes.length * 2);
      if (code !== "none") return;
      const again = encodeStorage(decodeStorage(bytes).section);
      expect(Buffer.compare(encodeStorage(decodeStorage(again).section), again)).toBe(0);
    });
    fc.assert(property, { numRuns: RUNS });
  }, 60_000);
});

/** Sections with fields in order, as what was read has them. */
function sorted(section: Section): unknown {
  return [...section]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, entry]) => [name, sortedEntry(entry)]);
}

function sortedEntry(entry: StorageEntry): unknown {
  if (entry.type === "object") return sorted(entry.value);
  if (entry.type !== "array") return entry;
  if (entry.of === "object") return entry.value.map(sorted);
  if (entry.of === "array") return entry.value.map(sortedEntry);
  return entry;
}
