import { expect, test } from "bun:test";
import { keccak_256 } from "@noble/hashes/sha3.js";
import fc from "fast-check";
import { describeRecord, recordDocument } from "../../cli/peers-enr-text.ts";
import { AddressError } from "../../lib/address/error.ts";
import { onionName } from "../../lib/address/onion.ts";
import { enodesOf, parseNode } from "../../lib/ethereum/enode.ts";
import {
  addressesOf,
  decodeRecord,
  formatRecord,
  type NodeRecord,
  pairKeyText,
  parseRecord,
} from "../../lib/ethereum/enr.ts";
import { checkRecordPairs, pairText, readPairText } from "../../lib/ethereum/enr-pair.ts";
import { makeRecord } from "../../lib/ethereum/enr-write.ts";
import { EthereumError } from "../../lib/ethereum/error.ts";
import { compressKey, publicKeyOf, signRecoverably } from "../../lib/ethereum/node-key.ts";
import { decodeRlpPrefix, encodeRlp, type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { mutated, RUNS } from "../levin/mutation.ts";
import { hex } from "./arbitrary-rlp.ts";

const KEY = hex("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291");
const OWN = compressKey(publicKeyOf(KEY));
const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

const texts: Record<string, string> = {
  ...{ ip: "203.0.113.7", ip6: "2001:db8::7", tcp: "30303", udp: "30301", tcp6: "30304" },
  ...{ onion3: onionName(new Uint8Array(32).fill(7)), eth: "c7c6843a4b5c6d80" },
};
const pairs = Object.fromEntries(
  Object.entries(texts).map(([key, text]) => [key, readPairText(key, text)]),
);
const original = makeRecord({ privateKey: KEY, pairs });

/** Everything that is ever done with a record of somebody else. */
function useEverything(record: NodeRecord): void {
  for (const lenient of [false, true]) {
    for (const read of [checkRecordPairs, addressesOf, enodesOf]) {
      try {
        read(record, { lenient });
      } catch (error) {
        if (!(error instanceof EthereumError)) throw error;
        expect(["record-malformed", "onion3-invalid"]).toContain(error.code);
      }
    }
    const shown = describeRecord({ record, options: { lenient } }).join("");
    expect(shown).toMatch(/^[ -~]*$/);
    expect(JSON.stringify(recordDocument({ record, options: { lenient } }))).toMatch(/^[ -~]*$/);
  }
  for (const [key, item] of record.pairs) {
    expect(`${pairKeyText(key)} ${pairText(key, item)}`).toMatch(/^[ -~]*$/);
  }
}

/** A record whose values were tampered with before it was signed, keys in order. */
function signedAsIs(values: ReadonlyMap<string, RlpItem>): Uint8Array {
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1));
  const flat = sorted.flatMap(([key, value]): RlpItem[] => [latin1(key), value]);
  const items = [rlpInteger(1), ...flat];
  const signature = signRecoverably(keccak_256(encodeRlp(items)), KEY).slice(0, 64);
  return encodeRlp([signature, ...items]);
}

test("10,000 mutated records in text: an error of ours, or the record itself", () => {
  const text = latin1(formatRecord(original.bytes));
  const property = fc.property(mutated([text]), (bytes) => {
    const said = Buffer.from(bytes).toString("latin1");
    for (const read of [parseRecord, parseNode]) {
      try {
        read(said);
        expect(said).toBe(Buffer.from(text).toString("latin1"));
      } catch (error) {
        if (!(error instanceof EthereumError || error instanceof AddressError)) throw error;
        expect(error.where).toBe("config");
      }
    }
  });
  fc.assert(property, { numRuns: RUNS });
});

test("values tampered with by a node that signs them itself harm nobody", () => {
  const value = fc.oneof(
    mutated(Object.values(pairs).map(encodeRlp)).map((bytes): RlpItem => {
      try {
        return decodeRlpPrefix(bytes).item;
      } catch {
        return bytes.slice(0, 70);
      }
    }),
    fc.uint8Array({ maxLength: 20 }),
  );
  const key = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(texts), "udp6", "quic") },
    fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
  );
  const list = fc.array(fc.tuple(key, value), { minLength: 1, maxLength: 4 });
  let read = 0;
  const property = fc.property(list, (changes) => {
    const identity: [string, RlpItem][] = [
      ["id", latin1("v4")],
      ["secp256k1", OWN],
    ];
    const bytes = signedAsIs(new Map([...Object.entries(pairs), ...changes, ...identity]));
    if (bytes.length > 300) return;
    useEverything(decodeRecord(bytes));
    read += 1;
  });
  fc.assert(property, { numRuns: RUNS / 4 });
  expect(read).toBeGreaterThan(RUNS / 8);
});
