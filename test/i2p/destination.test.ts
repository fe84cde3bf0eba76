import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeI2pBase64 } from "../../lib/i2p/base64.ts";
import { Destination } from "../../lib/i2p/destination.ts";
import { I2pError } from "../../lib/i2p/error.ts";
import { PrivateDestination } from "../../lib/i2p/private-destination.ts";
import { mutated } from "../levin/mutation.ts";
import { exchanges, madeDsaKeys, madeKeys, valueIn } from "./recording.ts";

const RUNS = 10_000;
const made = PrivateDestination.parse(madeKeys.private);
const publicBytes = made.destination.bytes;
const privateBytes = bytesOf(madeKeys.private);

/** Bytes of I2P base64, by a way that is not the one under test. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll("-", "+").replaceAll("~", "/"), "base64"));
}

/** The code with which reading fails, and the message. */
function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (!(error instanceof I2pError)) throw error;
    expect(error.where).toBe("config");
    return `${error.code}: ${error.message}`;
  }
  throw new Error("It was to be refused.");
}

/** The bytes with some replaced. */
function changed(bytes: Uint8Array, at: number, values: readonly number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

describe("a destination", () => {
  test("that a router made has the name under which the router finds it", () => {
    const destination = Destination.parse(madeKeys.public);
    expect(destination.name).toBe(madeKeys.name);
    expect(destination).toMatchObject({ signatureType: 7, encryptionType: 0 });
    expect(destination.bytes).toHaveLength(391);
    expect(String(destination)).toBe(madeKeys.public);
    expect(JSON.stringify(destination)).toBe(`"${madeKeys.public}"`);
  });

  test("without a certificate is a DSA one", () => {
    const destination = Destination.parse(madeDsaKeys.public);
    expect(destination.bytes).toHaveLength(387);
    expect(destination.signatureType).toBe(0);
    expect(destination.ed25519Key).toBeUndefined();
  });

  test("every one that the router looked up has the name that was asked for", () => {
    const found = exchanges.filter(
      ({ command, reply }) => /^NAMING .*b32\.i2p$/.test(command) && reply?.includes("VALUE="),
    );
    expect(found.length).toBeGreaterThan(0);
    for (const { command, reply } of found) {
      const destination = Destination.parse(valueIn(reply ?? "", "VALUE"));
      expect(destination.name).toBe(valueIn(command, "NAME"));
    }
  });

  test("gives copies, so that nobody can change it", () => {
    made.destination.bytes.fill(0);
    expect(made.destination.name).toBe(madeKeys.name);
    const source = publicBytes.slice();
    const destination = Destination.from(source);
    source.fill(0);
    expect(destination.name).toBe(madeKeys.name);
  });

  test("equals its like only", () => {
    expect(Destination.parse(madeKeys.public).equals(made.destination)).toBe(true);
    expect(Destination.parse(madeDsaKeys.public).equals(made.destination)).toBe(false);
  });

  test.each([
    ["cut off in its fixed part", publicBytes.slice(0, 386), "has 386 bytes"],
    ["cut off in its certificate", publicBytes.slice(0, 390), "is cut off"],
    ["longer than it says", Uint8Array.of(...publicBytes, 0), "1 bytes too many"],
    ["a private key", privateBytes, "288 bytes too many"],
    ["a hashcash certificate", changed(publicBytes, 384, [1]), "kind 1 with 4 bytes"],
    ["a key certificate without types", changed(publicBytes, 384, [5, 0, 3]), "with 3 bytes"],
    ["a full certificate of no kind", changed(publicBytes, 384, [0]), "kind 0 with 4 bytes"],
    ["a huge certificate", changed(publicBytes, 385, [0xff, 0xff]), "65535 bytes"],
  ])("%s is refused", (_name, bytes, words) => {
    const message = refusal(() => Destination.from(bytes));
    expect(message).toStartWith("destination-invalid: ");
    expect(message).toContain(words);
  });

  test("of random and mutated bytes is refused or is what was read", () => {
    const near = mutated([publicBytes, Destination.parse(madeDsaKeys.public).bytes]);
    fc.assert(
      fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 500 })), (bytes) => {
        let read: Destination;
        try {
          read = Destination.from(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(I2pError);
          return;
        }
        expect(read.bytes).toEqual(bytes);
        expect(Destination.parse(String(read)).name).toBe(read.name);
      }),
      { numRuns: RUNS },
    );
  });
});

describe("a private key", () => {
  test("that a router made begins with its destination and fits it", () => {
    expect(made.destination.name).toBe(madeKeys.name);
    expect(made.reveal()).toBe(madeKeys.private);
    expect(PrivateDestination.from(privateBytes).reveal()).toBe(madeKeys.private);
    expect(PrivateDestination.parse(`${madeKeys.private}\n`).reveal()).toBe(madeKeys.private);
  });

  test("of the default signature is read too", () => {
    const dsa = PrivateDestination.parse(madeDsaKeys.private);
    expect(String(dsa.destination)).toBe(madeDsaKeys.public);
    expect(dsa.reveal()).toBe(madeDsaKeys.private);
  });

  test("every one in the recordings is read", () => {
    const keys = exchanges.flatMap(({ reply = "" }) =>
      /^SESSION STATUS RESULT=OK|^DEST REPLY/.test(reply)
        ? [/(?:PRIV|DESTINATION)=(\S+)/.exec(reply)?.[1] ?? ""]
        : [],
    );
    expect(keys.length).toBeGreaterThan(8);
    for (const key of keys) expect(PrivateDestination.parse(key).reveal()).toBe(key);
  });

  test.each([
    ["only the public part", publicBytes, "public part only"],
    ["a byte short", privateBytes.slice(0, -1), "678 bytes where its types ask for 679"],
    ["a byte long", Uint8Array.of(...privateBytes, 0), "680 bytes"],
    [
      "a damaged signing key",
      changed(privateBytes, 678, [(privateBytes[678] ?? 0) ^ 1]),
      "does not fit",
    ],
    [
      "a damaged public key",
      changed(privateBytes, 383, [(privateBytes[383] ?? 0) ^ 1]),
      "does not fit",
    ],
    ["no signing key", changed(privateBytes, 647, new Array(32).fill(0)), "offline-signed"],
    ["an unknown signature", changed(privateBytes, 388, [99]), "signature type 99"],
  ])("with %s is refused, and never quoted", (_name, bytes, words) => {
    const message = refusal(() => PrivateDestination.from(bytes));
    expect(message).toStartWith("private-key-invalid: ");
    expect(message).toContain(words);
    expect(message).not.toMatch(/[A-Za-z0-9~-]{24}/);
  });

  test("of mutated bytes is refused or is what was read", () => {
    const near = mutated([privateBytes, bytesOf(madeDsaKeys.private)]);
    let accepted = 0;
    fc.assert(
      fc.property(near, (bytes) => {
        try {
          expect(PrivateDestination.from(bytes).reveal()).toBe(encodeI2pBase64(bytes));
          accepted++;
        } catch (error) {
          expect(error).toBeInstanceOf(I2pError);
        }
      }),
      { numRuns: RUNS },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});
