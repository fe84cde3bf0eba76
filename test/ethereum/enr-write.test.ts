import { describe, expect, test } from "bun:test";
import { ENR, SignableENR } from "@chainsafe/enr";
import { keccak_256 } from "@noble/hashes/sha3.js";
import fc from "fast-check";
import { onionName } from "../../lib/address/onion.ts";
import {
  decodeRecord,
  formatRecord,
  parseRecord,
  RECORD_BYTES_MAX,
} from "../../lib/ethereum/enr.ts";
import { pairText, readPairText } from "../../lib/ethereum/enr-pair.ts";
import { changesTo, makeRecord, updateRecord } from "../../lib/ethereum/enr-write.ts";
import { publicKeyOf, signRecoverably } from "../../lib/ethereum/node-key.ts";
import { encodeRlp, type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { anyItem, codeOf, hex } from "./arbitrary-rlp.ts";

/* The record of EIP-778, "Test Vectors" (CC0). */
const EXAMPLE =
  "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";
const KEY = hex("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291");
const NODE_ID = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7";
const OTHER_KEY = new Uint8Array(32).fill(9);
/** Each run signs and verifies, which takes milliseconds. */
const SIGNED_RUNS = 500;

const ONION = onionName(new Uint8Array(32).fill(7));
const tcp = rlpInteger(30_303);
const onion3 = new TextEncoder().encode(ONION);
const made = (pairs: Record<string, RlpItem>, sequence = 1n) =>
  makeRecord({ privateKey: KEY, sequence, pairs });

/** Signs whatever is given, in the order given. */
function signedAsIs(pairs: readonly RlpItem[]): Uint8Array {
  const items = [rlpInteger(1), ...pairs];
  const signature = signRecoverably(keccak_256(encodeRlp(items)), KEY).slice(0, 64);
  return encodeRlp([signature, ...items]);
}

const key = fc
  .oneof(fc.string({ maxLength: 12 }), fc.constantFrom("__proto__", "constructor", "x", ""))
  .map((text) => Buffer.from(text, "utf8").toString("latin1"))
  .filter((text) => !/^(?:id|ip6?|onion3|secp256k1|(?:tcp|udp|quic)6?)$/.test(text));
const freePairs = fc.uniqueArray(fc.tuple(key, anyItem), {
  ...{ maxLength: 4, selector: ([name]: [string, RlpItem]) => name },
});

describe("a record is made", () => {
  test("as EIP-778's example, letter for letter", () => {
    const pairs = { udp: readPairText("udp", "30303"), ip: readPairText("ip", "127.0.0.1") };
    const record = made(pairs);
    expect(formatRecord(record.bytes)).toBe(EXAMPLE);
    expect(Buffer.from(record.nodeId).toString("hex")).toBe(NODE_ID);
    expect(record.sequence).toBe(1n);
  });

  test("with exactly 300 bytes, and not with 301", () => {
    const bytes = (length: number): Record<string, RlpItem> => ({
      x: new Uint8Array(length).fill(255),
    });
    const spare = RECORD_BYTES_MAX - made(bytes(150)).bytes.length;
    expect(made(bytes(150 + spare)).bytes.length).toBe(300);
    expect(codeOf(() => made(bytes(151 + spare)))).toBe("record-too-large");
    const full = made(bytes(150 + spare));
    const longer = { x: new Uint8Array(151 + spare).fill(255) };
    expect(codeOf(() => updateRecord(full, KEY, longer))).toBe("record-too-large");
  });

  test.each<[string, string, RlpItem]>([
    ["pair-invalid", "id", new TextEncoder().encode("v4")],
    ["pair-invalid", "secp256k1", new Uint8Array(33)],
    ["pair-invalid", "ip", new Uint8Array(16)],
    ["pair-invalid", "ip", []],
    ["pair-invalid", "ip6", new Uint8Array(4)],
    ["pair-invalid", "tcp", new Uint8Array(0)],
    ["pair-invalid", "udp", Uint8Array.of(0, 1)],
    ["pair-invalid", "tcp6", Uint8Array.of(1, 0, 0)],
    ["pair-invalid", "udp6", []],
    ["pair-invalid", "\u0142", new Uint8Array(0)],
    ["onion3-invalid", "onion3", new TextEncoder().encode(ONION.toUpperCase())],
  ])("%s for a wrong value of %s", (code, name, value) => {
    expect(codeOf(() => made({ [name]: value }))).toBe(code);
    expect(codeOf(() => updateRecord(made({}), KEY, { [name]: value }))).toBe(code);
  });

  test("only with a sequence number of 64 bits, and with a key", () => {
    expect(made({}, 2n ** 64n - 1n).sequence).toBe(2n ** 64n - 1n);
    expect(made({}, 0n).sequence).toBe(0n);
    expect(codeOf(() => made({}, 2n ** 64n))).toBe("sequence-invalid");
    expect(codeOf(() => made({}, -1n))).toBe("sequence-invalid");
    const privateKey = new Uint8Array(32);
    expect(codeOf(() => makeRecord({ privateKey, pairs: {} }))).toBe("key-invalid");
  });

  test("any pairs come back, sorted, whatever order they were given in", () => {
    const property = fc.property(
      freePairs,
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      (list, sequence) => {
        const pairs = Object.fromEntries(list);
        const size = list.reduce(
          (sum, [name, value]) => sum + name.length + 9 + encodeRlp(value).length,
          140,
        );
        fc.pre(size <= RECORD_BYTES_MAX);
        const record = parseRecord(formatRecord(made(pairs, sequence).bytes));
        const names = [...record.pairs.keys()];
        expect(names).toEqual([...names].sort((a, b) => (a < b ? -1 : 1)));
        expect(new Set(names)).toEqual(new Set([...Object.keys(pairs), "id", "secp256k1"]));
        for (const [name, value] of list) expect(record.pairs.get(name)).toEqual(value);
        expect(record.sequence).toBe(sequence);
        expect(record.publicKey).toEqual(publicKeyOf(KEY));
      },
    );
    fc.assert(property, { numRuns: SIGNED_RUNS });
  });
});

describe("a record is changed", () => {
  const record = made({ tcp, onion3 }, 7n);

  test("with its number raised by one, all other pairs as they were", () => {
    const next = updateRecord(record, KEY, { tcp: rlpInteger(30_304), x: [tcp] });
    expect(next.sequence).toBe(8n);
    expect([...next.pairs.keys()]).toEqual(["id", "onion3", "secp256k1", "tcp", "x"]);
    expect(next.pairs.get("onion3")).toEqual(onion3);
    const gone = updateRecord(next, KEY, { x: undefined });
    expect(gone.sequence).toBe(9n);
    expect(gone.pairs.has("x")).toBe(false);
  });

  test("not at all where nothing changes: the very same record, signature and number", () => {
    expect(updateRecord(record, KEY, {})).toBe(record);
    expect(updateRecord(record, KEY, { tcp, onion3, absent: undefined })).toBe(record);
    expect(updateRecord(record, KEY, changesTo(record, { onion3, tcp }))).toBe(record);
  });

  test("to hold given pairs and no other", () => {
    const next = updateRecord(record, KEY, changesTo(record, { udp: tcp }));
    expect([...next.pairs.keys()]).toEqual(["id", "secp256k1", "udp"]);
    expect(next.sequence).toBe(8n);
  });

  test("to a given number, which must be above the old one", () => {
    expect(updateRecord(record, KEY, {}, { sequence: 20n }).sequence).toBe(20n);
    for (const sequence of [0n, 7n]) {
      expect(codeOf(() => updateRecord(record, KEY, {}, { sequence }))).toBe("sequence-invalid");
    }
    const last = made({}, 2n ** 64n - 1n);
    expect(codeOf(() => updateRecord(last, KEY, { tcp }))).toBe("sequence-invalid");
  });

  test("by nobody else, and never in what the key decides", () => {
    expect(codeOf(() => updateRecord(record, OTHER_KEY, { tcp }))).toBe("record-other-key");
    for (const name of ["id", "secp256k1"]) {
      expect(codeOf(() => updateRecord(record, KEY, { [name]: undefined }))).toBe("pair-invalid");
    }
  });
});

describe("@chainsafe/enr agrees", () => {
  test("on what we write", () => {
    const property = fc.property(
      fc
        .uint8Array({ minLength: 32, maxLength: 32 })
        .filter((bytes) => (bytes[0] ?? 0) < 255 && bytes.some((byte) => byte > 0)),
      fc.ipV4(),
      // It reads no number 0, and no port of one byte.
      fc.integer({ min: 256, max: 65_535 }),
      fc.bigInt({ min: 1n, max: 2n ** 53n - 1n }),
      fc.uint8Array({ maxLength: 40 }),
      (privateKey, ip, port, sequence, custom) => {
        const pairs = {
          ...{ ip: readPairText("ip", ip), tcp: rlpInteger(port), udp: rlpInteger(port) },
          ...{ onion3, zz: custom },
        };
        const record = makeRecord({ privateKey, sequence, pairs });
        const theirs = ENR.decodeTxt(formatRecord(record.bytes));
        expect(theirs.nodeId).toBe(Buffer.from(record.nodeId).toString("hex"));
        expect(theirs.seq).toBe(sequence);
        expect([theirs.ip, theirs.tcp, theirs.udp]).toEqual([ip, port, port]);
        expect(Uint8Array.from(theirs.kvs.get("onion3") ?? [])).toEqual(onion3);
        expect(Uint8Array.from(theirs.kvs.get("zz") ?? [])).toEqual(custom);
      },
    );
    fc.assert(property, { numRuns: SIGNED_RUNS / 2 });
  });

  test("that we can read what it writes", () => {
    const theirs = SignableENR.createV4(KEY);
    theirs.ip = "203.0.113.7";
    theirs.ip6 = "2001:db8::7";
    theirs.tcp = 30_303;
    theirs.udp6 = 9_000;
    theirs.set("onion3", onion3);
    theirs.seq = 41n;
    const record = parseRecord(theirs.encodeTxt());
    expect(record.sequence).toBe(41n);
    expect(Buffer.from(record.nodeId).toString("hex")).toBe(theirs.nodeId);
    const texts = [...record.pairs].map(([name, value]) => [name, pairText(name, value)]);
    expect(Object.fromEntries(texts)).toMatchObject({
      ...{ ip: "203.0.113.7", ip6: "2001:db8::7", tcp: "30303", udp6: "9000", onion3: ONION },
    });
    // Its signature is not ours to replace while nothing changes.
    expect(formatRecord(updateRecord(record, KEY, { tcp }).bytes)).toBe(theirs.encodeTxt());
  });

  test("but not on what EIP-778 forbids: it takes that, and writes none of 300 bytes", () => {
    const own = made({ tcp }).pairs;
    const [id, secp256k1] = ["id", "secp256k1"].map((name): [Uint8Array, RlpItem] => [
      new TextEncoder().encode(name),
      own.get(name) ?? [],
    ]);
    if (id === undefined || secp256k1 === undefined) throw new Error("No identity.");
    const x = (length: number): [Uint8Array, RlpItem] => [
      new TextEncoder().encode("x"),
      new Uint8Array(length).fill(255),
    ];
    const cases: readonly (readonly [string, readonly [Uint8Array, RlpItem][]])[] = [
      ["record-unsorted", [secp256k1, id]],
      ["record-unsorted", [id, secp256k1, x(1), x(1)]],
      ["record-too-large", [id, secp256k1, x(400)]],
    ];
    for (const [code, pairs] of cases) {
      const bytes = signedAsIs(pairs.flat());
      expect(ENR.decode(bytes).seq).toBe(1n);
      expect(codeOf(() => decodeRecord(bytes))).toBe(code);
    }
    const spare = RECORD_BYTES_MAX - made({ x: new Uint8Array(150) }).bytes.length;
    const full = { x: new Uint8Array(150 + spare) };
    expect(made(full).bytes.length).toBe(RECORD_BYTES_MAX);
    expect(() => SignableENR.createV4(KEY, full).encode()).toThrow("less than 300 bytes");
  });
});
