import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BASE64_CHARACTERS_MAX, decodeI2pBase64, encodeI2pBase64 } from "../../lib/i2p/base64.ts";
import { I2pError } from "../../lib/i2p/error.ts";
import { madeKeys } from "./recording.ts";

const RUNS = 10_000;

function codeOf(text: string): string {
  try {
    decodeI2pBase64(text);
    return "fine";
  } catch (error) {
    if (!(error instanceof I2pError)) throw error;
    expect(text.length < 8 || !error.message.includes(text)).toBe(true);
    return error.code;
  }
}

describe("I2P's base64", () => {
  test("has - and ~ where others have + and /", () => {
    expect(encodeI2pBase64(Uint8Array.of(0xfb, 0xef, 0xbe))).toBe("----");
    expect(encodeI2pBase64(Uint8Array.of(0xff, 0xff, 0xff))).toBe("~~~~");
    expect(decodeI2pBase64("--~~")).toEqual(Uint8Array.of(0xfb, 0xef, 0xff));
  });

  test("reads what a router wrote, and writes it again", () => {
    const bytes = decodeI2pBase64(madeKeys.private);
    expect(bytes).toHaveLength(679);
    expect(encodeI2pBase64(bytes)).toBe(madeKeys.private);
    expect(decodeI2pBase64(madeKeys.private.replaceAll("=", ""))).toEqual(bytes);
  });

  test.each([
    ["the common alphabet", "ab+/"],
    ["a space", "ab d"],
    ["a letter beyond ASCII", "abcé"],
    ["one character too many", "abcde"],
    ["too little padding", "ab="],
    ["too much padding", "abc=="],
    ["padding in the middle", "ab==abcd"],
    ["stray bits at the end", "ab~="],
    ["nothing but padding", "=="],
    ["one character", "a"],
    ["more than is read", "a".repeat(BASE64_CHARACTERS_MAX + 4)],
  ])("refuses %s", (_name, text) => {
    expect(codeOf(text)).toBe("base64-invalid");
  });

  test("gives any bytes back, as one text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = encodeI2pBase64(bytes);
        expect(text).toMatch(/^[A-Za-z0-9~-]*={0,2}$/);
        expect(decodeI2pBase64(text)).toEqual(bytes);
      }),
      { numRuns: RUNS },
    );
  });

  test("takes of random texts only what it would write itself", () => {
    const letters = fc.constantFrom(..."ABab019-~=+/ ".split(""));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: letters, maxLength: 12 }), fc.string()), (text) => {
        if (codeOf(text) !== "fine") return;
        const whole = encodeI2pBase64(decodeI2pBase64(text));
        expect([whole, whole.replace(/=+$/, "")]).toContain(text);
      }),
      { numRuns: RUNS },
    );
  });
});
