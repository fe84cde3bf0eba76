import { describe, expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3.js";
import {
  addressesOf,
  decodeRecord,
  formatRecord,
  type NodeRecord,
  onionOf,
  parseRecord,
  publicAddressesOf,
} from "../../lib/ethereum/enr.ts";
import { checkRecordPairs, pairText, readPairText } from "../../lib/ethereum/enr-pair.ts";
import { makeRecord } from "../../lib/ethereum/enr-write.ts";
import { compressKey, publicKeyOf, signRecoverably } from "../../lib/ethereum/node-key.ts";
import { decodeRlp, encodeRlp, type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { codeOf, hex } from "./arbitrary-rlp.ts";

/*
 * gethrelay's tests of its `onion3` entry (p2p/enr/enr_test.go), under their own names. Where it
 * reads a name with a wrong checksum, so does our lenient mode; nothing writes one.
 */

const KEY = new Uint8Array(32).fill(5);
const ONION = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd.onion";
/** Its checksum and its version are wrong. */
const LOOSE = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuv22.onion";
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A record with any onion3 value, as gethrelay would sign it. */
function signedLoosely(onion3: RlpItem, more: readonly RlpItem[] = []): NodeRecord {
  const key = compressKey(publicKeyOf(KEY));
  const pairs = [ascii("id"), ascii("v4"), ...more, ascii("onion3"), onion3];
  const items = [rlpInteger(1), ...pairs, ascii("secp256k1"), key];
  const signature = signRecoverably(keccak_256(encodeRlp(items)), KEY).slice(0, 64);
  return decodeRecord(encodeRlp([signature, ...items]));
}

const read = (value: RlpItem, lenient: boolean) => onionOf(signedLoosely(value), { lenient });

describe("onion3, as gethrelay tests it", () => {
  test("GetSetOnion3", () => {
    const record = makeRecord({
      privateKey: KEY,
      pairs: { onion3: readPairText("onion3", ONION) },
    });
    expect(onionOf(record)?.host).toBe(ONION);
  });

  test("Onion3ENRKey", () => {
    const record = makeRecord({
      privateKey: KEY,
      pairs: { onion3: readPairText("onion3", ONION) },
    });
    expect([...record.pairs.keys()]).toEqual(["id", "onion3", "secp256k1"]);
    expect(Buffer.from(record.bytes).includes("\x86onion3\xb8\x3evww6", 0, "latin1")).toBe(true);
  });

  test("Onion3RoundTrip", () => {
    const encoded = encodeRlp(readPairText("onion3", ONION));
    // A string of exactly 62 characters behind the two bytes that say so.
    expect(encoded.length).toBe(64);
    expect(pairText("onion3", decodeRlp(encoded))).toBe(ONION);
  });

  test("Onion3DecodeErrors", () => {
    for (const value of [Uint8Array.of(0), new Uint8Array(0), new Uint8Array(62)]) {
      for (const lenient of [false, true]) {
        expect(codeOf(() => read(value, lenient))).toBe("onion3-invalid");
      }
    }
  });

  test("Onion3StreamDecodeError", () => {
    for (const value of [[], [ascii(ONION)]]) {
      expect(codeOf(() => read(value, true))).toBe("onion3-invalid");
      const pairs = { onion3: value };
      expect(codeOf(() => makeRecord({ privateKey: KEY, pairs }))).toBe("onion3-invalid");
    }
  });

  test("Onion3InENRRecord", () => {
    const record = signedLoosely(ascii(LOOSE));
    const again = parseRecord(formatRecord(record.bytes));
    for (const one of [record, again]) {
      expect(onionOf(one, { lenient: true })?.host).toBe(LOOSE);
      expect(codeOf(() => onionOf(one))).toBe("onion3-invalid");
      expect(codeOf(() => checkRecordPairs(one, { lenient: true }))).toBe("none");
      expect(codeOf(() => checkRecordPairs(one))).toBe("onion3-invalid");
    }
  });

  test("Onion3WithOtherENREntries", () => {
    const record = makeRecord({
      privateKey: KEY,
      pairs: {
        udp: readPairText("udp", "30303"),
        onion3: readPairText("onion3", ONION),
        tcp: readPairText("tcp", "30303"),
        ip: readPairText("ip", "192.168.1.1"),
      },
    });
    expect(addressesOf(record)).toMatchObject({
      onion: { zone: "tor", host: ONION, port: 30_303 },
      clearnet: [{ zone: "public", host: "192.168.1.1", port: 30_303 }],
    });
    expect(pairText("udp", record.pairs.get("udp") ?? [])).toBe("30303");
  });

  test("a record whose hidden name is none is not taken for one with open addresses only", () => {
    const more = [ascii("ip"), Uint8Array.of(10, 0, 0, 1)];
    const record = signedLoosely(ascii(LOOSE), more);
    expect(publicAddressesOf(record)).toEqual([]);
    expect(codeOf(() => addressesOf(record))).toBe("onion3-invalid");
    expect(addressesOf(record, { lenient: true }).onion?.host).toBe(LOOSE);
  });

  describe("Onion3InvalidFormats", () => {
    test("valid v3 address", () => {
      expect(read(ascii(ONION), false)?.host).toBe(ONION);
    });

    test.each([
      ["too short (v2 address)", "3g2upl4pq6kufc4m.onion"],
      ["missing .onion suffix", ONION.slice(0, -6)],
      ["too long", ONION.replace(".onion", "extra.onion")],
      ["invalid base32 characters (uppercase)", ONION.slice(0, -6).toUpperCase().concat(".onion")],
      ["invalid base32 characters (0)", `0${ONION.slice(1)}`],
      ["invalid base32 characters (1)", `1${ONION.slice(1)}`],
      ["invalid base32 characters (8)", `8${ONION.slice(1)}`],
      ["invalid base32 characters (9)", `9${ONION.slice(1)}`],
      ["empty string", ""],
      ["just .onion", ".onion"],
      ["an upper-case suffix", ONION.replace(".onion", ".ONION")],
      ["a line end behind it", `${ONION}\n`],
    ])("%s", (_name, text) => {
      expect(codeOf(() => readPairText("onion3", text))).toBe("onion3-invalid");
      const pairs = { onion3: ascii(text) };
      expect(codeOf(() => makeRecord({ privateKey: KEY, pairs }))).toBe("onion3-invalid");
      expect(codeOf(() => read(ascii(text), true))).toBe("onion3-invalid");
    });

    test.each([
      ["a letter mistyped", ONION.replace("vww6", "vwx6")],
      ["another version", ONION.replace(/d\.onion/, "c.onion")],
      ["gethrelay's fixture", LOOSE],
    ])("%s: read leniently, never written", (_name, text) => {
      expect(codeOf(() => readPairText("onion3", text))).toBe("onion3-invalid");
      const pairs = { onion3: ascii(text) };
      expect(codeOf(() => makeRecord({ privateKey: KEY, pairs }))).toBe("onion3-invalid");
      expect(codeOf(() => read(ascii(text), false))).toBe("onion3-invalid");
      expect(read(ascii(text), true)?.host).toBe(text);
    });
  });

  test("all addresses, four ports, eth and the onion name are 272 bytes", () => {
    const eth = decodeRlp(hex("cbca84fc64ec048401a5a5a5"));
    // As go-ethereum begins to count: with the milliseconds since 1970.
    const sequence = 1_763_700_000_000n;
    const texts = {
      ...{ ip: "203.0.113.7", ip6: "2001:db8::7", tcp: "30303", udp: "30303" },
      ...{ tcp6: "30303", udp6: "30303", onion3: ONION },
    };
    const pairs = Object.entries(texts).map(([key, text]): [string, RlpItem] => [
      key,
      readPairText(key, text),
    ]);
    const all = makeRecord({
      privateKey: KEY,
      sequence,
      pairs: { ...Object.fromEntries(pairs), eth },
    });
    expect(all.bytes.length).toBe(272);
    const two = { onion3: readPairText("onion3", ONION), tcp: rlpInteger(30_303) };
    expect(makeRecord({ privateKey: KEY, pairs: two }).bytes.length).toBe(197);
  });
});
