import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SeededRandom, systemRandom } from "../../lib/runtime/random.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import { encodePassword } from "../../lib/socks/message.ts";
import { CODEC_RUNS } from "./conversation.ts";

const label = fc
  .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 222 })
  .map((codes) => String.fromCharCode(...codes));

const text = (credentials: { user: string; password: string }): string =>
  JSON.stringify([credentials.user, credentials.password]);

describe("stream isolation", () => {
  test("one label is one circuit, two labels are two", () => {
    const isolation = new StreamIsolation(new SeededRandom(1));
    fc.assert(
      fc.property(label, label, (a, b) => {
        for (const form of ["credentials", "torCredentials"] as const) {
          const same = text(isolation[form](a)) === text(isolation[form](b));
          expect(same).toBe(a === b);
          expect(isolation[form](a)).toEqual(isolation[form](a));
          encodePassword(isolation[form](a));
        }
      }),
      { numRuns: CODEC_RUNS },
    );
  });

  test("no start of the program shares anything with another", () => {
    const seen = new Set<string>();
    for (let start = 0; start < 100; start++) {
      const isolation = new StreamIsolation(systemRandom);
      seen.add(text(isolation.credentials("stem")));
      seen.add(text(isolation.torCredentials("stem")));
    }
    expect(seen.size).toBe(200);
  });

  test("the prefix is 128 random bits and says nothing else", () => {
    const isolation = new StreamIsolation(systemRandom);
    expect(isolation.credentials("stem").user).toMatch(/^[0-9a-f]{32}$/);
    expect(isolation.credentials("stem").password).toBe("stem");
  });

  test("Tor's extended form has the one user name that tor accepts", () => {
    const { user, password } = new StreamIsolation(systemRandom).torCredentials("stem");
    expect(user).toBe("<torS0X>0");
    expect(password).toMatch(/^[0-9a-f]{32}:stem$/);
  });

  test("a label that would not fit or not show is refused", () => {
    const isolation = new StreamIsolation(systemRandom);
    for (const bad of ["", "a b", "ä", "a\0", "x".repeat(223)]) {
      expect(() => isolation.credentials(bad)).toThrow("222 printable ASCII characters");
      expect(() => isolation.torCredentials(bad)).toThrow(
        expect.objectContaining({ code: "request-invalid", where: "config" }),
      );
    }
  });
});
