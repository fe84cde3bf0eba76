import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { pairKeyText } from "../../lib/ethereum/enr.ts";
import { pairText, readPairKey, readPairText } from "../../lib/ethereum/enr-pair.ts";
import { decodeRlp, encodeRlp } from "../../lib/ethereum/rlp.ts";
import { RUNS } from "../levin/mutation.ts";
import { anyItem, codeOf, hex } from "./arbitrary-rlp.ts";

const ownWords = new Set(["id", "secp256k1"]);
const knownKeys = new Set([
  "ip",
  "ip6",
  "tcp",
  "udp",
  "tcp6",
  "udp6",
  "quic",
  "quic6",
  "onion3",
  "eth",
]);
const latin1 = fc
  .uint8Array({ maxLength: 12 })
  .map((bytes) => Buffer.from(bytes).toString("latin1"))
  .filter((key) => !ownWords.has(key));

describe("a pair in words", () => {
  test.each([
    ["ip", "127.0.0.1", "847f000001"],
    ["ip6", "2001:db8::1", "9020010db8000000000000000000000001"],
    ["ip6", "::", "9000000000000000000000000000000000"],
    ["ip6", "1:2:3:4:5:6:7:8", "9000010002000300040005000600070008"],
    ["tcp", "30303", "82765f"],
    ["udp6", "1", "01"],
    ["quic", "9000", "822328"],
    ["eth", "rlp:c7c6843a4b5c6d80", "c7c6843a4b5c6d80"],
    ["client", "anonctl 1.0", "8b616e6f6e63746c20312e30"],
    ["snap", "rlp:c0", "c0"],
    ["x", "0x", "80"],
    ["x", "0x00ff", "8200ff"],
    ["__proto__", "1", "31"],
  ])("%s %s is read and written", (key, text, encoded) => {
    expect(Buffer.from(encodeRlp(readPairText(key, text))).toString("hex")).toBe(encoded);
    expect(pairText(key, decodeRlp(hex(encoded)))).toBe(text);
  });

  test("the eth pair is taken in bare hexadecimal too, as it is", () => {
    for (const text of ["c7c6843a4b5c6d80", "0xC7C6843A4B5C6D80"]) {
      expect(encodeRlp(readPairText("eth", text))).toEqual(hex("c7c6843a4b5c6d80"));
    }
  });

  test.each([
    ["ip", "127.0.0.256"],
    ["ip", "::1"],
    ["ip", "0x7f000001"],
    ["ip6", "127.0.0.1"],
    ["ip6", "fe80::1%eth0"],
    ["ip6", "[::1]"],
    ["tcp", "0"],
    ["tcp", "65536"],
    ["tcp", "-1"],
    ["tcp", ""],
    ["udp", "30303 "],
    ["eth", "c7c6"],
    ["eth", "zz"],
    ["x", "0x1"],
    ["x", "rlp:8101"],
    ["x", "rlp:"],
    ["id", "v4"],
    ["secp256k1", "0x00"],
  ])("%s %s is refused", (key, text) => {
    expect(codeOf(() => readPairText(key, text))).toBe("pair-invalid");
  });

  test("a key without signs, or in broken hexadecimal, is refused", () => {
    expect(codeOf(() => readPairKey(""))).toBe("pair-invalid");
    expect(codeOf(() => readPairKey("0x0"))).toBe("pair-invalid");
    expect(readPairKey("0x")).toBe("");
    expect(readPairKey("ż")).toBe("Å¼");
  });

  test("what is shown is plain, and means the same when read back", () => {
    const plain = /^[ -~]*$/;
    // A key whose meaning is known may hold no value; that one is judged below.
    const unknown = latin1.filter((key) => !knownKeys.has(key));
    const property = fc.property(unknown, anyItem, (key, item) => {
      expect(pairKeyText(key)).toMatch(plain);
      expect(readPairKey(pairKeyText(key))).toBe(key);
      const text = pairText(key, item);
      expect(text).toMatch(plain);
      expect(readPairText(key, text)).toEqual(item);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  test("any value of a known key is shown in plain signs, and read back the same or refused", () => {
    const known = fc.constantFrom(...knownKeys);
    const value = fc.oneof(anyItem, fc.uint8Array({ minLength: 1, maxLength: 2 }));
    const property = fc.property(known, value, (key, item) => {
      const text = pairText(key, item);
      expect(text).toMatch(/^[ -~]*$/);
      const code = codeOf(() => expect(readPairText(key, text)).toEqual(item));
      expect(["none", "pair-invalid", "onion3-invalid"]).toContain(code);
    });
    fc.assert(property, { numRuns: RUNS });
  });
});
