import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatEncryptedName, parseEncryptedName } from "../../lib/i2p/encrypted-name.ts";
import { I2pError } from "../../lib/i2p/error.ts";
import names from "../vectors/i2p/encrypted-names.json";

const RUNS = 10_000;

describe("the name of a service with an encrypted lease set", () => {
  test.each(names)("that a router shows is read and written: $name", (vector) => {
    const parts = {
      needsSecret: false,
      needsClientAuth: vector.needsClientAuth,
      signatureType: vector.signatureType,
      publicKey: Uint8Array.from(Buffer.from(vector.publicKey, "hex")),
    };
    expect(parseEncryptedName(vector.name)).toEqual(parts);
    expect(formatEncryptedName(parts)).toBe(vector.name);
  });

  test("every mistyped letter of the key is found", () => {
    const [{ name } = { name: "" }] = names;
    for (let at = 5; at < 56; at++) {
      const wrong = `${name.slice(0, at)}${name.charAt(at) === "a" ? "b" : "a"}${name.slice(at + 1)}`;
      expect(() => parseEncryptedName(wrong)).toThrow("wrong checksum");
    }
  });

  test.each([
    ["a common b32 name", `${"a".repeat(52)}.b32.i2p`],
    ["upper case", `${"A".repeat(56)}.b32.i2p`],
    ["another suffix", `${"a".repeat(56)}.i2p`],
    ["nothing", ""],
    ["a very long text", "a".repeat(100_000)],
  ])("%s is refused in a short sentence", (_name, text) => {
    try {
      parseEncryptedName(text);
    } catch (error) {
      if (!(error instanceof I2pError)) throw error;
      expect(error).toMatchObject({ code: "encrypted-name-invalid", where: "config" });
      expect(error.message.length).toBeLessThan(250);
      return;
    }
    throw new Error("It was to be refused.");
  });

  test("a key of another length can't be named", () => {
    const publicKey = new Uint8Array(31);
    const parts = { needsSecret: false, needsClientAuth: false, signatureType: 7, publicKey };
    expect(() => formatEncryptedName(parts)).toThrow(RangeError);
  });

  test("says what it was made from", () => {
    const parts = fc.record({
      needsSecret: fc.boolean(),
      needsClientAuth: fc.boolean(),
      signatureType: fc.constantFrom(7, 11),
      publicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    });
    fc.assert(
      fc.property(parts, (made) => {
        const name = formatEncryptedName(made);
        expect(name).toMatch(/^[a-z2-7]{56}\.b32\.i2p$/);
        expect(parseEncryptedName(name)).toEqual(made);
      }),
      { numRuns: RUNS },
    );
  });
});
