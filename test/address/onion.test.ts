import { describe, expect, test } from "bun:test";
import { base32nopad } from "@scure/base";
import fc from "fast-check";
import { AddressError } from "../../lib/address/error.ts";
import {
  checkOnionLeniently,
  ONION_V3_CHARACTERS,
  onionName,
  onionPublicKey,
} from "../../lib/address/onion.ts";
import { seedOnions, specificationOnions } from "./known-onions.ts";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

function codeOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof AddressError) return error.code;
    throw error;
  }
}

const publicKey = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe("onion names that others made", () => {
  test.each([...specificationOnions, ...seedOnions])("%s", (name) => {
    const key = onionPublicKey(name);
    expect(key).toHaveLength(32);
    expect(onionName(key)).toBe(name);
    expect(() => checkOnionLeniently(name)).not.toThrow();
  });

  test("there are nine of them", () => {
    expect(new Set([...specificationOnions, ...seedOnions]).size).toBe(9);
  });
});

describe("onion names of any key", () => {
  test("come back as that key", () => {
    fc.assert(
      fc.property(publicKey, (key) => {
        const name = onionName(key);
        expect(name).toMatch(/^[a-z2-7]{56}\.onion$/);
        expect(name.length - ".onion".length).toBe(ONION_V3_CHARACTERS);
        expect(onionPublicKey(name)).toEqual(Uint8Array.from(key));
      }),
      { numRuns: 10_000, seed: 1 },
    );
  });

  test("one wrong letter anywhere is noticed, but not by the lenient check", () => {
    let missed = 0;
    fc.assert(
      fc.property(publicKey, fc.nat(55), fc.integer({ min: 1, max: 31 }), (key, place, by) => {
        const name = onionName(key);
        const letter = ALPHABET[(ALPHABET.indexOf(name[place] ?? "") + by) % 32] ?? "";
        const wrong = name.slice(0, place) + letter + name.slice(place + 1);
        const code = codeOf(() => onionPublicKey(wrong));
        if (code === undefined) missed++;
        else expect(["onion-checksum", "onion-version"]).toContain(code);
        expect(() => checkOnionLeniently(wrong)).not.toThrow();
      }),
      { numRuns: 10_000, seed: 2 },
    );
    // Two bytes of checksum let one in 65,536 pass.
    expect(missed).toBeLessThanOrEqual(3);
  });

  test.each([0, 31, 33])("a key of %i bytes is refused", (length) => {
    expect(() => onionName(new Uint8Array(length))).toThrow(RangeError);
  });
});

describe("wrong onion names", () => {
  const [name = ""] = specificationOnions;

  test("another version byte is told from a wrong checksum", () => {
    const bytes = base32nopad.decode(name.slice(0, 56).toUpperCase());
    bytes[34] = 4;
    const four = `${base32nopad.encode(bytes).toLowerCase()}.onion`;
    expect(codeOf(() => onionPublicKey(four))).toBe("onion-version");
    expect(() => onionPublicKey(four)).toThrow("has version byte 4");
    expect(() => checkOnionLeniently(four)).not.toThrow();
  });

  test.each([
    ["onion-v2", "expyuzz4wqqyqhjn.onion"],
    ["onion-length", `a${name}`],
    ["onion-length", name.slice(1)],
    ["onion-length", `www.${name}`],
    ["onion-length", ".onion"],
    ["upper-case", name.toUpperCase().replace(".ONION", ".onion")],
    ["onion-alphabet", `0${name.slice(1)}`],
    ["onion-alphabet", `ſ${name.slice(1)}`],
  ])("%s: %s", (code, text) => {
    expect(codeOf(() => onionPublicKey(text))).toBe(code);
  });

  test("the lenient check still asks for length and alphabet, in either case", () => {
    expect(codeOf(() => checkOnionLeniently(name.toUpperCase()))).toBeUndefined();
    expect(codeOf(() => checkOnionLeniently("expyuzz4wqqyqhjn.onion"))).toBe("onion-v2");
    expect(codeOf(() => checkOnionLeniently(name.slice(1)))).toBe("onion-length");
    expect(codeOf(() => checkOnionLeniently(`1${name.slice(1)}`))).toBe("onion-alphabet");
  });
});
