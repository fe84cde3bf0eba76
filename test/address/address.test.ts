import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  ADDRESS_CHARACTERS_MAX,
  formatAddress,
  type HostKind,
  makeAddress,
  parseAddress,
  parseAddressOf,
} from "../../lib/address/address.ts";
import { AddressError, type AddressErrorCode } from "../../lib/address/error.ts";
import { onionName } from "../../lib/address/onion.ts";
import type { Zone } from "../../lib/address/zone.ts";
import { Fault } from "../../lib/runtime/fault.ts";
import { seedOnions, specificationOnions } from "./known-onions.ts";

const [onion = ""] = specificationOnions;
const b32 = "uqj3aphckqtjsitz7kxx5flqpwjlq5ppr3chazfued7xucv3nheq.b32.i2p";

function errorOf(read: () => unknown): AddressError | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof AddressError) return error;
    throw error;
  }
}

describe("what is an address", () => {
  test.each<[string, Zone, HostKind, string]>([
    ["127.0.0.1:18080", "public", "ipv4", "127.0.0.1:18080"],
    ["0.0.0.0:1", "public", "ipv4", "0.0.0.0:1"],
    ["255.255.255.255:65535", "public", "ipv4", "255.255.255.255:65535"],
    ["1.2.3.4:00080", "public", "ipv4", "1.2.3.4:80"],
    ["[::1]:18080", "public", "ipv6", "[::1]:18080"],
    ["[FE80:0:0:0:0:0:0:1]:9", "public", "ipv6", "[fe80::1]:9"],
    ["[1:0:0:2:0:0:0:3]:9", "public", "ipv6", "[1:0:0:2::3]:9"],
    ["[2001:db8::0:1]:9", "public", "ipv6", "[2001:db8::1]:9"],
    ["[::ffff:1.2.3.4]:9", "public", "ipv6", "[::ffff:102:304]:9"],
    ["[1:2:3:4::1.2.3.4]:9", "public", "ipv6", "[1:2:3:4::102:304]:9"],
    ["[1:2:3:4:5:6:255.0.0.1]:9", "public", "ipv6", "[1:2:3:4:5:6:ff00:1]:9"],
    ["localhost:80", "public", "dns", "localhost:80"],
    ["Seeds.MoneroSeeds.SE:18080", "public", "dns", "seeds.moneroseeds.se:18080"],
    ["_service.a-b.xn--nxasmq6b.com:443", "public", "dns", "_service.a-b.xn--nxasmq6b.com:443"],
    [`${onion}:18083`, "tor", "onion3", `${onion}:18083`],
    [`${b32}:1`, "i2p", "b32i2p", `${b32}:1`],
    ["stats.i2p:80", "i2p", "i2pname", "stats.i2p:80"],
  ])("%s is of the %s zone (%s)", (text, zone, kind, canonical) => {
    const address = parseAddress(text);
    expect(address.zone).toBe(zone);
    expect(address.kind).toBe(kind);
    expect(formatAddress(address)).toBe(canonical);
    expect(parseAddress(canonical)).toEqual(address);
    expect(makeAddress(address.host, address.port)).toEqual(address);
  });

  test("Monero's onion seeds are", () => {
    expect(seedOnions).toHaveLength(6);
    for (const name of seedOnions) expect(parseAddress(`${name}:18083`).zone).toBe("tor");
  });

  test("a default port fills the gap and nothing else", () => {
    const options = { defaultPort: 18080 };
    expect(parseAddress("1.2.3.4", options).port).toBe(18080);
    expect(parseAddress("[::1]", options).port).toBe(18080);
    expect(parseAddress(onion, options).port).toBe(18080);
    expect(parseAddress("1.2.3.4:5", options).port).toBe(5);
    expect(errorOf(() => parseAddress("1.2.3.4:0", options))?.code).toBe("port-invalid");
    expect(errorOf(() => parseAddress("1.2.3.4", { defaultPort: 0 }))?.code).toBe("port-invalid");
  });

  test("lenient reading takes what monerod takes, and writes it in lower case", () => {
    const wrongChecksum = `${onion.startsWith("a") ? "b" : "a"}${onion.slice(1)}`;
    const lenient = { lenient: true };
    expect(parseAddress(`${wrongChecksum}:1`, lenient).host).toBe(wrongChecksum);
    expect(parseAddress(`${onion.toUpperCase()}:1`, lenient).host).toBe(onion);
    expect(makeAddress(onion.toUpperCase(), 1, lenient).zone).toBe("tor");
    expect(errorOf(() => parseAddress(`${wrongChecksum}:1`))?.code).toBe("onion-checksum");
    expect(errorOf(() => parseAddress("expyuzz4wqqyqhjn.onion:1", lenient))?.code).toBe("onion-v2");
  });
});

describe("what is not", () => {
  // The compiler asks for a case of every code, so a new one can't be forgotten here.
  const cases: Record<AddressErrorCode, (() => unknown)[]> = {
    empty: [() => parseAddress("")],
    "too-long": [() => parseAddress("a".repeat(ADDRESS_CHARACTERS_MAX + 1))],
    "not-an-address": [
      () => parseAddress(":80"),
      () => parseAddress("[::1:80"),
      () => parseAddress("[::1]80"),
      () => makeAddress("", 80),
    ],
    "port-missing": [
      () => parseAddress("1.2.3.4"),
      () => parseAddress("1.2.3.4:"),
      () => parseAddress("[::1]"),
      () => parseAddress("[::1]:"),
      () => parseAddress(onion),
    ],
    "port-invalid": [
      () => parseAddress("1.2.3.4:0"),
      () => parseAddress("1.2.3.4:70000"),
      () => parseAddress("1.2.3.4:65536"),
      () => parseAddress("1.2.3.4:100000"),
      () => parseAddress("1.2.3.4:-1"),
      () => parseAddress("1.2.3.4:+1"),
      () => parseAddress("1.2.3.4:1.5"),
      () => parseAddress("1.2.3.4:1e3"),
      () => parseAddress("1.2.3.4: 80"),
      () => parseAddress("1.2.3.4:８０"),
      () => makeAddress("1.2.3.4", 1.5),
      () => makeAddress("1.2.3.4", Number.NaN),
    ],
    "brackets-missing": [() => parseAddress("::1:18080"), () => parseAddress("fe80::1")],
    "bad-ipv4": [
      () => parseAddress("256.1.1.1:80"),
      () => parseAddress("1.2.3:80"),
      () => parseAddress("1.2.3.4.5:80"),
      () => parseAddress("01.2.3.4:80"),
      () => parseAddress("127.1:80"),
      () => parseAddress("2130706433:80"),
    ],
    "bad-ipv6": [
      () => parseAddress("[:::1]:80"),
      () => parseAddress("[1::2::3]:80"),
      () => parseAddress("[fe80::1%eth0]:80"),
      () => parseAddress("[::12345]:80"),
      () => parseAddress("[1.2.3.4]:80"),
      () => parseAddress("[]:80"),
      () => makeAddress("[::1]", 80),
    ],
    "bad-name": [
      () => parseAddress("a..b:80"),
      () => parseAddress("-a.b:80"),
      () => parseAddress("a-.b:80"),
      () => parseAddress("a b:80"),
      () => parseAddress("user@a.b:80"),
      () => parseAddress("a.b/c:80"),
      () => parseAddress("a\0.b:80"),
      () => parseAddress("a.b\n:80"),
      () => parseAddress("bücher.de:80"),
      () => parseAddress(`${"a".repeat(64)}.b:80`),
      () => parseAddress(`${"a.".repeat(127)}b:80`),
      // A name with a final dot would be a DNS name: it must not slip past the suffix.
      () => parseAddress(`${onion}.:80`),
      () => parseAddress(`${b32}.:80`),
      // Looks like a "k", and is one after lower-casing.
      () => parseAddress("\u212Aelvin.com:80"),
      () => parseAddress(".i2p:80"),
    ],
    "onion-v2": [() => parseAddress("expyuzz4wqqyqhjn.onion:80")],
    "onion-length": [
      () => parseAddress("example.onion:80"),
      () => parseAddress(`www.${onion}:80`),
      () => parseAddress(".onion:80"),
      () => makeAddress("a:b.onion", 80),
    ],
    "onion-alphabet": [() => parseAddress(`1${onion.slice(1)}:80`)],
    "onion-checksum": [
      () => parseAddress(`${onion.startsWith("a") ? "b" : "a"}${onion.slice(1)}:80`),
    ],
    // The last letter carries the version alone.
    "onion-version": [() => parseAddress(`${onion.slice(0, 55)}e.onion:80`)],
    "upper-case": [
      () => parseAddress(`${onion.slice(0, 56).toUpperCase()}.onion:80`),
      () => parseAddress(`${b32.toUpperCase()}:80`),
      () => parseAddress("Stats.i2p:80"),
      () => parseAddress("stats.I2P:80"),
    ],
    "i2p-length": [() => parseAddress("abc.b32.i2p:80"), () => parseAddress(`a${b32}:80`)],
    "i2p-alphabet": [() => parseAddress(`0${b32.slice(1)}:80`)],
    "wrong-zone": [
      () => parseAddressOf("1.2.3.4:80", "tor"),
      () => parseAddressOf(`${onion}:80`, "i2p"),
      () => parseAddressOf(`${b32}:80`, "public"),
      () => parseAddressOf("stats.i2p:80", "tor"),
    ],
  };

  for (const [code, reads] of Object.entries(cases)) {
    test.each(reads.map((read) => ({ read })))(`${code}: $read`, ({ read }) => {
      const error = errorOf(read);
      expect(error?.code as string | undefined).toBe(code);
      expect(error).toBeInstanceOf(Fault);
      expect(error?.where).toBe("config");
      expect(error?.message).toMatch(/^[^a-z].*\.$/s);
    });
  }

  test("an upper-case suffix is not taken for a DNS name, which would leak it", () => {
    const capital = onion.replace(".onion", ".Onion");
    for (const text of [onion.toUpperCase(), capital, b32.toUpperCase(), "STATS.I2P"]) {
      let zone: Zone | undefined;
      const error = errorOf(() => {
        zone = parseAddress(`${text}:80`).zone;
      });
      expect(error?.code === "upper-case" || zone === "tor").toBe(true);
    }
  });

  test("messages quote what was written and say what is allowed", () => {
    expect(errorOf(() => parseAddress("1.2.3.4:70000"))?.message).toBe(
      'Port "70000" of "1.2.3.4:70000" is not from 1 to 65535.',
    );
    expect(errorOf(() => parseAddress("::1:18080"))?.message).toContain("[::1]:18080");
    expect(errorOf(() => parseAddressOf("1.2.3.4:80", "tor"))?.message).toContain("tor zone");
  });
});

describe("the canonical form", () => {
  const lower = "abcdefghijklmnopqrstuvwxyz0123456789";
  const label = fc
    .string({ unit: fc.constantFrom(...lower), minLength: 1, maxLength: 12 })
    .filter((text) => /[a-z]/.test(text));
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((text) => `[${text}]`),
    fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => `${labels.join(".")}.net`),
    fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => onionName(key)),
    fc
      .string({
        unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz234567"),
        minLength: 52,
        maxLength: 52,
      })
      .map((text) => `${text}.b32.i2p`),
    label.map((text) => `${text}.i2p`),
  );
  const port = fc.integer({ min: 1, max: 65_535 });

  test("reads back to an equal address, and is its own canonical form", () => {
    fc.assert(
      fc.property(host, port, (name, number) => {
        const address = parseAddress(`${name}:${number}`);
        const text = formatAddress(address);
        expect(parseAddress(text)).toEqual(address);
        expect(formatAddress(parseAddress(text))).toBe(text);
        expect(text).toBe(text.toLowerCase());
        expect(address.port).toBe(number);
        expect(makeAddress(address.host, address.port)).toEqual(address);
      }),
      { numRuns: 10_000, seed: 1 },
    );
  });

  test("IPv6 in any spelling has one form", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), (groups) => {
        const full = groups.map((group) => group.toString(16).padStart(4, "0"));
        const plain = groups.map((group) => group.toString(16).toUpperCase());
        const one = parseAddress(`[${full.join(":")}]:1`);
        expect(parseAddress(`[${plain.join(":")}]:1`)).toEqual(one);
      }),
      { numRuns: 1_000, seed: 2 },
    );
  });

  test("any text gives an address or an AddressError, quickly", () => {
    const piece = fc.oneof(
      fc.string({ unit: "binary", maxLength: 30 }),
      fc.constantFrom(
        ":",
        "[",
        "]",
        ".",
        "..",
        ".onion",
        ".b32.i2p",
        ".i2p",
        ":80",
        "::1",
        "1.2.3.4",
      ),
      fc.constantFrom(onion, b32, onion.slice(0, 56), "a".repeat(63), "-", "%", "\0", "K"),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.boolean(), (pieces, lenient) => {
        const text = pieces.join("");
        let address: ReturnType<typeof parseAddress>;
        try {
          address = parseAddress(text, { lenient });
        } catch (error) {
          if (!(error instanceof AddressError)) throw error;
          return;
        }
        // Whatever was let through is plain ASCII and reads back.
        expect(formatAddress(address)).toMatch(/^[\x21-\x7e]+$/);
        expect(parseAddress(formatAddress(address), { lenient })).toEqual(address);
      }),
      { numRuns: 10_000, seed: 3 },
    );
  });
});

describe("Forms that another reader would take for something else", () => {
  test.each(["0x7f000001:80", "127.1:80", "a.b.0x10:80", "1.2.3.4.5:80"])(
    "%s ends in a number, so it is no name",
    (text) => {
      expect(errorOf(() => parseAddress(text))?.code).toBe("bad-ipv4");
    },
  );

  test("An onion name with a capital suffix is refused as an i2p name is", () => {
    expect(errorOf(() => parseAddress(`${onion}:80`.replace(".onion", ".Onion")))?.code).toBe(
      "upper-case",
    );
  });

  test("A host that arrives by itself is bounded too", () => {
    expect(errorOf(() => makeAddress("a".repeat(100_000), 1))?.code).toBe("too-long");
  });

  test("A Kelvin sign is no k, not even leniently", () => {
    const kelvin = `\u212A${onion.slice(1)}:80`;
    expect(errorOf(() => parseAddress(kelvin, { lenient: true }))?.code).toBe("onion-alphabet");
  });
});
