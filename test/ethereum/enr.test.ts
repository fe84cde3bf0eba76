import { describe, expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3.js";
import fc from "fast-check";
import { formatAddress } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import {
  decodeRecord,
  formatRecord,
  onionOf,
  parseRecord,
  publicAddressesOf,
  RECORD_BYTES_MAX,
  signRecord,
} from "../../lib/ethereum/enr.ts";
import { signRecoverably } from "../../lib/ethereum/node-key.ts";
import { encodeRlp, type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { mutated, RUNS } from "../levin/mutation.ts";
import { codeOf, hex } from "./arbitrary-rlp.ts";

/* The record of EIP-778, "Test Vectors" (CC0). */
const EXAMPLE =
  "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";
const KEY = hex("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291");
const NODE_ID = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7";

const ONION = onionName(new Uint8Array(32).fill(7));
/** A fixture of gethrelay's, whose checksum is wrong. */
const LOOSE_ONION = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuv22.onion";
const ascii = (value: string): Uint8Array => new TextEncoder().encode(value);
const ip = Uint8Array.of(127, 0, 0, 1);
const udp = rlpInteger(30_303);

/** Signs whatever is given, in the order given, so that only the rule under test is broken. */
function signedAsIs(pairs: readonly RlpItem[]): Uint8Array {
  const items = [rlpInteger(1), ...pairs];
  const signature = signRecoverably(keccak_256(encodeRlp(items)), KEY).slice(0, 64);
  return encodeRlp([signature, ...items]);
}

const identity = ["id", "v4"].map(ascii);
const key = [ascii("secp256k1"), parseRecord(EXAMPLE).pairs.get("secp256k1") ?? []];
const recordWith = (pairs: Record<string, RlpItem>) =>
  decodeRecord(signRecord({ sequence: 1n, pairs }, KEY));

describe("a node record", () => {
  test("EIP-778's example is read", () => {
    const record = parseRecord(EXAMPLE);
    expect(record.sequence).toBe(1n);
    expect(Buffer.from(record.nodeId).toString("hex")).toBe(NODE_ID);
    expect([...record.pairs.keys()]).toEqual(["id", "ip", "secp256k1", "udp"]);
    expect(record.pairs.get("ip")).toEqual(ip);
    expect(onionOf(record)).toBeUndefined();
    // It names no TCP port, so RLPx can't be spoken there.
    expect(publicAddressesOf(record)).toEqual([]);
  });

  test("EIP-778's example is written, letter for letter", () => {
    expect(formatRecord(signRecord({ sequence: 1n, pairs: { udp, ip } }, KEY))).toBe(EXAMPLE);
  });

  test("one with an onion name and one with all addresses have the sizes measured elsewhere", () => {
    const tcp = rlpInteger(30_303);
    const onion3 = ascii(ONION);
    expect(signRecord({ sequence: 1n, pairs: { tcp, onion3 } }, KEY).length).toBe(197);
    const ip6 = hex("20010db8000000000000000000000001");
    const record = recordWith({ ip, ip6, tcp, tcp6: rlpInteger(30_304), udp, onion3 });
    expect(publicAddressesOf(record).map(formatAddress)).toEqual([
      "127.0.0.1:30303",
      "[2001:db8::1]:30304",
    ]);
    expect(onionOf(record)).toMatchObject({ zone: "tor", host: ONION, port: 30_303 });
  });

  test("a port that is absent or 0 means 30303 for an onion name, and no clear address", () => {
    for (const pairs of [{}, { tcp: rlpInteger(0) }]) {
      const record = recordWith({ ...pairs, ip, onion3: ascii(ONION) });
      expect(onionOf(record)?.port).toBe(30_303);
      expect(publicAddressesOf(record)).toEqual([]);
    }
    expect(onionOf(recordWith({ tcp: rlpInteger(40_404), onion3: ascii(ONION) }))?.port).toBe(
      40_404,
    );
  });

  test("300 bytes are allowed, 301 are not", () => {
    const withBytes = (length: number) =>
      signRecord({ sequence: 1n, pairs: { x: new Uint8Array(length).fill(255) } }, KEY);
    const spare = RECORD_BYTES_MAX - withBytes(150).length;
    expect(decodeRecord(withBytes(150 + spare)).pairs.size).toBe(3);
    expect(withBytes(150 + spare).length).toBe(RECORD_BYTES_MAX);
    expect(codeOf(() => withBytes(151 + spare))).toBe("record-too-large");
    const large = signedAsIs([...identity, ...key, ascii("x"), new Uint8Array(151 + spare)]);
    expect(codeOf(() => decodeRecord(large))).toBe("record-too-large");
    expect(codeOf(() => parseRecord(`enr:${"A".repeat(401)}`))).toBe("record-too-large");
  });

  test("each way of being wrong has its code, though the signature is right", () => {
    expect(codeOf(() => decodeRecord(signedAsIs([...identity, ...key])))).toBe("none");
    const cases: readonly (readonly [string, readonly RlpItem[]])[] = [
      ["record-unsorted", [...key, ...identity]],
      ["record-unsorted", [...identity, ...identity, ...key]],
      ["record-malformed", [...identity, ...key, ascii("x")]],
      ["record-malformed", [...identity, ...key, [], ascii("x")]],
      ["record-malformed", identity],
      ["record-malformed", [...identity, ascii("secp256k1"), new Uint8Array(33)]],
      ["record-identity", [...key]],
      ["record-identity", [ascii("id"), ascii("v5"), ...key]],
    ];
    for (const [code, pairs] of cases) {
      expect(codeOf(() => decodeRecord(signedAsIs(pairs)))).toBe(code);
    }
    expect(codeOf(() => parseRecord(EXAMPLE.slice(4)))).toBe("record-text");
    expect(codeOf(() => parseRecord(`${EXAMPLE}==`))).toBe("record-text");
    expect(codeOf(() => parseRecord(EXAMPLE.slice(0, -3)))).toBe("record-malformed");
  });

  test("an onion name is read strictly or, when asked, as loosely as gethrelay does", () => {
    const loose = decodeRecord(
      signedAsIs([...identity, ascii("onion3"), ascii(LOOSE_ONION), ...key]),
    );
    expect(codeOf(() => onionOf(loose))).toBe("onion3-invalid");
    expect(onionOf(loose, { lenient: true })?.host).toBe(LOOSE_ONION);
    for (const wrong of [
      "",
      ".onion",
      ONION.toUpperCase(),
      ONION.slice(0, -6),
      `a${ONION}`,
      "expyuzz4wqqyqhjn.onion",
      ONION.replace(/^./, "1"),
    ]) {
      const items = [...identity, ascii("onion3"), ascii(wrong), ...key];
      const record = decodeRecord(signedAsIs(items));
      expect(codeOf(() => onionOf(record, { lenient: true }))).toBe("onion3-invalid");
    }
    const list = decodeRecord(signedAsIs([...identity, ascii("onion3"), [], ...key]));
    expect(codeOf(() => onionOf(list, { lenient: true }))).toBe("onion3-invalid");
  });

  test("a wrong onion name is never written", () => {
    const write = (name: string) =>
      signRecord({ sequence: 1n, pairs: { onion3: ascii(name) } }, KEY);
    expect(codeOf(() => write(LOOSE_ONION))).toBe("onion3-invalid");
    expect(codeOf(() => write(ONION.toUpperCase()))).toBe("onion3-invalid");
    expect(codeOf(() => write(ONION))).toBe("none");
  });

  test("mutated and random bytes give an error, never a record that nobody signed", () => {
    const original = signRecord({ sequence: 7n, pairs: { ip, udp, onion3: ascii(ONION) } }, KEY);
    for (const bytes of [fc.uint8Array({ maxLength: 320 }), mutated([original])]) {
      const property = fc.property(bytes, (value) => {
        const code = codeOf(() => decodeRecord(value));
        expect(code === "none").toBe(Buffer.from(value).equals(original));
        if (code !== "none") expect(code).toStartWith("record-");
      });
      fc.assert(property, { numRuns: RUNS });
    }
  });

  test("random text gives an error", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ maxLength: 500 }).map((tail) => `enr:${tail}`),
    );
    const property = fc.property(text, (value) => {
      expect(codeOf(() => parseRecord(value))).toStartWith("record-");
    });
    fc.assert(property, { numRuns: RUNS });
  });
});
