import { describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { SeededRandom } from "../../lib/runtime/random.ts";
import {
  authorizedClientFile,
  ClientAuthKey,
  clientCredentialFile,
  clientKeyText,
  parseAuthorizedClientFile,
  parseClientCredentialFile,
  parseClientKeyText,
} from "../../lib/tor/client-auth.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";

const { address } = OnionKey.generate(new SeededRandom(1));

describe("a client's key", () => {
  test("has both sides' lines", () => {
    const property = fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (secret) => {
      const key = ClientAuthKey.fromSecret(secret);
      const service = authorizedClientFile(key.publicKey);
      expect(service).toMatch(/^descriptor:x25519:[A-Z2-7]{52}\n$/);
      expect(parseAuthorizedClientFile(service)).toEqual(key.publicKey);
      const client = clientCredentialFile(address, key);
      expect(client).toMatch(/^[a-z2-7]{56}:descriptor:x25519:[A-Z2-7]{52}\n$/);
      const read = parseClientCredentialFile(client);
      expect(read.address).toBe(address);
      expect(read.key.equals(key)).toBe(true);
      expect(key.blob()).toBe(`x25519:${Buffer.from(secret).toString("base64")}`);
      expect(key.secret()).toEqual(secret);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("has the public half that RFC 7748 gives it, section 5.2, after one iteration", () => {
    const secret = new Uint8Array(32);
    secret[0] = 9;
    const { publicKey } = ClientAuthKey.fromSecret(secret);
    expect(Buffer.from(publicKey).toString("hex")).toBe(
      "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
    );
  });

  test("is read in either case", () => {
    const { publicKey } = ClientAuthKey.generate(new SeededRandom(2));
    const text = clientKeyText(publicKey);
    expect(parseClientKeyText(text.toLowerCase())).toEqual(publicKey);
  });

  test("does not print its secret", () => {
    const key = ClientAuthKey.generate(new SeededRandom(3));
    const shown = [inspect({ key }, { showHidden: true }), JSON.stringify({ key }), `${key}`];
    for (const text of shown) {
      expect(text).toContain(clientKeyText(key.publicKey));
      expect(text).not.toContain(clientKeyText(key.secret()));
      expect(text).not.toContain(Buffer.from(key.secret()).toString("base64").slice(0, 40));
      expect(text).not.toContain(Buffer.from(key.secret()).toString("hex"));
    }
  });
});

describe("what is no key", () => {
  const key = ClientAuthKey.generate(new SeededRandom(4));
  const good = clientKeyText(key.publicKey);

  test.each([
    ["a short one", () => parseClientKeyText(good.slice(1))],
    ["a long one", () => parseClientKeyText(`${good}A`)],
    ["one outside the alphabet", () => parseClientKeyText(`1${good.slice(1)}`)],
    ["one with bits left over", () => parseClientKeyText(`${good.slice(0, 51)}B`)],
    ["31 bytes", () => ClientAuthKey.fromSecret(new Uint8Array(31))],
    ["another curve", () => parseAuthorizedClientFile(`descriptor:x448:${good}`)],
    [
      "the client's line for the service's",
      () => parseAuthorizedClientFile(clientCredentialFile(address, key)),
    ],
    [
      "the service's line for the client's",
      () => parseClientCredentialFile(authorizedClientFile(key.publicKey)),
    ],
    ["an empty line", () => parseAuthorizedClientFile("")],
  ])("%s is refused and not quoted", (_, parse) => {
    try {
      parse();
      throw new Error("It passed.");
    } catch (error) {
      expect(error).toMatchObject({ code: "key-invalid", where: "config" });
      expect(String(error)).not.toContain(good.slice(2, 40));
    }
  });

  test("a line for no service is refused", () => {
    const line = clientCredentialFile(address, key).replace(/^[a-z2-7]/, "0");
    expect(() => parseClientCredentialFile(line)).toThrow(
      expect.objectContaining({ code: "onion-alphabet" }),
    );
  });
});
