import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { makeAddress } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { enodePairs, enodesOf, formatEnode, parseEnode } from "../../lib/ethereum/enode.ts";
import { readPairText } from "../../lib/ethereum/enr-pair.ts";
import { makeRecord } from "../../lib/ethereum/enr-write.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { codeOf } from "./arbitrary-rlp.ts";

const privateKey = new Uint8Array(32).fill(9);
const publicKey = publicKeyOf(privateKey);
const ID = Buffer.from(publicKey).toString("hex");
const ONION = onionName(new Uint8Array(32).fill(7));

function urlsOf(texts: Readonly<Record<string, string>>): string[] {
  const pairs = Object.entries(texts).map(([key, text]) => [key, readPairText(key, text)]);
  const record = makeRecord({ privateKey, pairs: Object.fromEntries(pairs) });
  return enodesOf(record).map((enode) => formatEnode(enode).replace(ID, "KEY"));
}

describe("enode URLs and records", () => {
  test("a record has one URL for each address, the hidden one first and without discovery", () => {
    const open = { ip: "203.0.113.7", ip6: "2001:db8::7", tcp: "30303", udp: "30301" };
    expect(urlsOf({ ...open, onion3: ONION })).toEqual([
      `enode://KEY@${ONION}:30303?discport=0`,
      "enode://KEY@203.0.113.7:30303?discport=30301",
      "enode://KEY@[2001:db8::7]:30303?discport=30301",
    ]);
    expect(urlsOf({ ...open, tcp6: "30304", udp6: "30304" })).toEqual([
      "enode://KEY@203.0.113.7:30303?discport=30301",
      "enode://KEY@[2001:db8::7]:30304",
    ]);
    expect(urlsOf({ ip: "203.0.113.7", tcp: "30303" })).toEqual([
      "enode://KEY@203.0.113.7:30303?discport=0",
    ]);
    expect(urlsOf({ onion3: ONION })).toEqual([`enode://KEY@${ONION}:30303?discport=0`]);
    expect(urlsOf({ ip: "203.0.113.7", udp: "30301" })).toEqual([]);
  });

  test("URL, record, URL again: nothing is lost", () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const host = fc.oneof(fc.ipV4(), fc.ipV6());
    const place = fc.oneof(
      fc.tuple(host, port, fc.oneof(port, fc.constant(0))),
      fc.tuple(
        fc.uint8Array({ minLength: 32, maxLength: 32 }).map(onionName),
        port,
        fc.constant(0),
      ),
    );
    const property = fc.property(place, ([name, tcp, discoveryPort]) => {
      const url = formatEnode({ publicKey, address: makeAddress(name, tcp), discoveryPort });
      const enode = parseEnode(url);
      expect(formatEnode(enode)).toBe(url);
      const record = makeRecord({ privateKey, pairs: enodePairs(enode) });
      expect(enodesOf(record)).toEqual([enode]);
    });
    fc.assert(property, { numRuns: 250 });
  });

  test("a name for a resolver, or one of I2P, has no place in a record", () => {
    for (const name of ["node.example", `${"a".repeat(52)}.b32.i2p`]) {
      const enode = parseEnode(`enode://${ID}@${name}:30303`);
      expect(codeOf(() => enodePairs(enode))).toBe("enode-invalid");
    }
  });

  test("an onion name that was read leniently is not written on", () => {
    const loose = ONION.replace(/^./, (sign) => (sign === "a" ? "b" : "a"));
    const enode = parseEnode(`enode://${ID}@${loose}:30303`, { lenient: true });
    expect(codeOf(() => enodePairs(enode))).toBe("onion3-invalid");
  });
});
