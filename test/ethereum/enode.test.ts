import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AddressError } from "../../lib/address/error.ts";
import { onionName } from "../../lib/address/onion.ts";
import type { Zone } from "../../lib/address/zone.ts";
import { formatEnode, parseEnode, parseNode } from "../../lib/ethereum/enode.ts";
import { formatRecord, signRecord } from "../../lib/ethereum/enr.ts";
import { EthereumError } from "../../lib/ethereum/error.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { rlpInteger } from "../../lib/ethereum/rlp.ts";
import { RUNS } from "../levin/mutation.ts";
import { codeOf } from "./arbitrary-rlp.ts";

const PRIVATE = new Uint8Array(32).fill(9);
const PUBLIC = publicKeyOf(PRIVATE);
const ID = Buffer.from(PUBLIC).toString("hex");
const ONION = onionName(new Uint8Array(32).fill(7));

describe("an enode URL", () => {
  const places: readonly (readonly [string, Zone, number])[] = [
    ["127.0.0.1:30303", "public", 30_303],
    ["[::1]:30303", "public", 30_303],
    ["node.example:30303?discport=30301", "public", 30_301],
    ["node.example:30303?discport=0", "public", 0],
    [`${ONION}:40404`, "tor", 40_404],
  ];
  test.each(places)("with %s is read and written", (place, zone, discoveryPort) => {
    const enode = parseEnode(`enode://${ID}@${place}`);
    expect(enode.publicKey).toEqual(PUBLIC);
    expect(enode.address.zone).toBe(zone);
    expect(enode.discoveryPort).toBe(discoveryPort);
    expect(formatEnode(enode)).toBe(`enode://${ID}@${place}`);
  });

  test("an onion name in capitals is one when read leniently, and never a name for a resolver", () => {
    const url = `enode://${ID}@${ONION.toUpperCase()}:30303`;
    expect(parseEnode(url, { lenient: true }).address).toMatchObject({ zone: "tor", host: ONION });
    expect(() => parseEnode(url)).toThrow(AddressError);
  });

  test.each([
    ["enode-invalid", ""],
    ["enode-invalid", `enode://${ID}`],
    ["enode-invalid", `enode://${ID.slice(1)}@127.0.0.1:1`],
    ["enode-invalid", `http://${ID}@127.0.0.1:1`],
    ["enode-invalid", `enode://${ID}@127.0.0.1:1/path`],
    ["enode-invalid", `enode://${ID}@127.0.0.1:1?discport=70000`],
    ["enode-invalid", `enode://${ID}@127.0.0.1:1?other=1`],
    ["enode-invalid", `enode://${ID}@${"a".repeat(600)}:1`],
    ["key-invalid", `enode://${"00".repeat(64)}@127.0.0.1:1`],
    ["key-invalid", `enode://${"ff".repeat(64)}@127.0.0.1:1`],
  ])("gives %s for %s", (code, text) => {
    expect(codeOf(() => parseEnode(text))).toBe(code);
  });

  test("random text gives an error of ours", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((place) => `enode://${ID}@${place}`),
    );
    const property = fc.property(text, (value) => {
      try {
        expect(parseEnode(value).publicKey.length).toBe(64);
      } catch (error) {
        expect(error instanceof EthereumError || error instanceof AddressError).toBe(true);
      }
    });
    fc.assert(property, { numRuns: RUNS });
  });
});

describe("a node", () => {
  test("is named by an enode URL or by a record, whose onion name comes first", () => {
    const ip = Uint8Array.of(127, 0, 0, 1);
    const pairs = { ip, tcp: rlpInteger(30_303), onion3: new TextEncoder().encode(ONION) };
    const record = formatRecord(signRecord({ sequence: 1n, pairs }, PRIVATE));
    expect(parseNode(record)).toMatchObject({
      publicKey: PUBLIC,
      addresses: [
        { zone: "tor", host: ONION, port: 30_303 },
        { zone: "public", host: "127.0.0.1", port: 30_303 },
      ],
    });
    expect(parseNode(`enode://${ID}@127.0.0.1:1`).addresses).toHaveLength(1);
  });
});
