import { describe, expect, test } from "bun:test";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { inspect } from "node:util";
import { ed25519 } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { onionName } from "../../lib/address/onion.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";
import { exchanges } from "./transcript.ts";

/** Keys that tor made, and the names it gave them. */
const recorded = exchanges("onion").flatMap(({ answer }) => {
  const id = /^250-ServiceID=(.*)$/.exec(answer[0] ?? "")?.[1];
  const blob = /^250-PrivateKey=(.*)$/.exec(answer[1] ?? "")?.[1];
  return id === undefined || blob === undefined ? [] : [{ id, blob }];
});

const SEED_HEADER = Buffer.from("302e020100300506032b657004220420", "hex");

describe("a key", () => {
  test("that tor made has the address that tor gave it", () => {
    expect(recorded).toHaveLength(2);
    for (const { id, blob } of recorded) {
      const key = OnionKey.fromBlob(blob);
      expect(key.address).toBe(`${id}.onion`);
      expect(key.blob()).toBe(blob);
      expect(OnionKey.fromExpanded(key.expanded()).equals(key)).toBe(true);
    }
  });

  test("of a seed is the one that node:crypto makes of it", () => {
    const property = fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      const der = Buffer.concat([SEED_HEADER, seed]);
      const pair = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
      const spki = createPublicKey(pair).export({ format: "der", type: "spki" });
      const key = OnionKey.fromSeed(seed);
      expect(Buffer.from(key.publicKey)).toEqual(Buffer.from(spki.subarray(-32)));
      expect(key.address).toBe(onionName(key.publicKey));
    });
    fc.assert(property, { numRuns: 200 });
  });

  test("signs in its expanded form what its public key verifies", () => {
    const seed = new SeededRandom(3).bytes(32);
    const key = OnionKey.fromSeed(seed);
    const der = Buffer.concat([SEED_HEADER, seed]);
    const pair = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const message = Buffer.from("a descriptor");
    const signature = sign(null, message, pair);
    expect(verify(null, message, createPublicKey(pair), signature)).toBe(true);
    expect(ed25519.verify(signature, message, key.publicKey)).toBe(true);
  });

  test("new ones differ, equal ones are equal", () => {
    const random = new SeededRandom(1);
    const one = OnionKey.generate(random);
    expect(one.equals(OnionKey.generate(random))).toBe(false);
    expect(one.equals(OnionKey.generate(new SeededRandom(1)))).toBe(true);
  });

  test("what it hands out is a copy", () => {
    const key = OnionKey.generate(new SeededRandom(2));
    const given = key.expanded();
    const again = OnionKey.fromExpanded(given);
    given.fill(0);
    expect(again.equals(key)).toBe(true);
    expect(key.expanded()).not.toEqual(given);
  });

  test("does not print its secret", () => {
    const key = OnionKey.generate(new SeededRandom(4));
    const secret = Buffer.from(key.expanded());
    const shown = [
      inspect({ key }, { depth: 9, showHidden: true }),
      JSON.stringify({ key }),
      `${key}`,
    ];
    for (const text of shown) {
      expect(text).toContain(key.address);
      for (const form of ["hex", "base64"] as const) {
        expect(text).not.toContain(secret.subarray(0, 30).toString(form));
        expect(text).not.toContain(secret.subarray(32, 62).toString(form));
      }
    }
  });

  test.each([
    ["a seed of 31 bytes", () => OnionKey.fromSeed(new Uint8Array(31))],
    ["a seed of 33 bytes", () => OnionKey.fromSeed(new Uint8Array(33))],
    ["a seed for an expanded key", () => OnionKey.fromExpanded(new Uint8Array(32))],
    ["an expanded key of zeros", () => OnionKey.fromExpanded(new Uint8Array(64))],
    ["an expanded key with low bits", () => OnionKey.fromExpanded(withByte(0, 0x41))],
    ["an expanded key with the high bit", () => OnionKey.fromExpanded(withByte(31, 0xc0))],
    ["a blob of another kind", () => OnionKey.fromBlob("RSA1024:AAAA")],
    ["a blob that is no base64", () => OnionKey.fromBlob("ED25519-V3:!!!!")],
    ["a short blob", () => OnionKey.fromBlob("ED25519-V3:AAAA")],
  ])("%s is none", (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: "key-invalid", where: "config" }));
  });
});

function withByte(at: number, value: number): Uint8Array {
  const expanded = OnionKey.generate(new SeededRandom(5)).expanded();
  expanded[at] = value;
  return expanded;
}
