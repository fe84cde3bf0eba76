import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { exitCodeOf } from "../../lib/runtime/fault.ts";
import {
  BRIDGES_MAX,
  type Bridge,
  bridgeTorrc,
  findPlugin,
  formatBridge,
  parseBridge,
} from "../../lib/tor/bridge.ts";
import { TorError } from "../../lib/tor/error.ts";
import { rejection } from "../socks/loopback.ts";

const FINGERPRINT = "617756750D15DD7F98ECB4F1929824E0AF4EC175";
const CERT = "LLpOopEWUDRto3x5ifcYTV58EN0gZYj7XjZj29lYDe7JZbLwXhzlI58QaQ5+SkLxhdwSMg";
const LINE = `obfs4 192.0.2.7:443 ${FINGERPRINT} cert=${CERT} iat-mode=0`;
const PLAIN = `192.0.2.7:9001 ${FINGERPRINT}`;

function refusal(text: string): TorError {
  try {
    parseBridge(text, "--bridge");
  } catch (error) {
    if (error instanceof TorError) return error;
    throw error;
  }
  throw new Error("It was taken.");
}

describe("a bridge line", () => {
  test("with a transport is read whole", () => {
    expect(parseBridge(LINE)).toEqual({
      transport: "obfs4",
      host: "192.0.2.7",
      port: 443,
      fingerprint: FINGERPRINT,
      arguments: new Map([
        ["cert", CERT],
        ["iat-mode", "0"],
      ]),
    });
  });

  test.each([
    ["without a transport", PLAIN, PLAIN],
    ["without a fingerprint", "192.0.2.7:9001", "192.0.2.7:9001"],
    ["as bridges are handed out", `Bridge ${LINE}`, LINE],
    ["in torrc's own manner", `  bRIDGE\t${PLAIN}  `, PLAIN],
    ["with a fingerprint in lower case", PLAIN.toLowerCase(), PLAIN],
    ["over IPv6", `obfs4 [2001:db8::1]:443 cert=${CERT} iat-mode=2`, undefined],
    [
      "with its arguments the other way round",
      `obfs4 192.0.2.7:1 iat-mode=1 cert=${CERT}`,
      undefined,
    ],
  ])("%s is read and written", (_what, text, written = text) => {
    expect(formatBridge(parseBridge(text))).toBe(written);
  });

  test.each([
    ["nothing", "", "has no IP:PORT"],
    ["a transport alone", "obfs4", "has no IP:PORT"],
    ["no port", `obfs4 192.0.2.7 ${FINGERPRINT}`, "wrong IP:PORT"],
    ["port 0", `192.0.2.7:0 ${FINGERPRINT}`, "wrong IP:PORT"],
    ["a host name", `bridge.example.org:443 ${FINGERPRINT}`, "would be looked up"],
    ["an onion", `obfs4 ${"a".repeat(56)}.onion:443 ${FINGERPRINT}`, "wrong IP:PORT"],
    ["another transport", `snowflake 192.0.2.3:80 ${FINGERPRINT}`, 'transport "snowflake"'],
    ["obfs4 in upper case", LINE.replace("obfs4", "OBFS4"), 'transport "OBFS4"'],
    ["a short fingerprint", LINE.replace(FINGERPRINT, "6177"), "not 40 hex digits"],
    ["a fingerprint in groups", PLAIN.replace("6177", "6177 "), "not 40 hex digits"],
    ["two fingerprints", `${PLAIN} ${FINGERPRINT}`, "not NAME=VALUE"],
    ["arguments without a transport", `${PLAIN} cert=${CERT}`, "cert=… without a transport"],
    ["no cert", `obfs4 192.0.2.7:443 ${FINGERPRINT} iat-mode=0`, "lacks cert="],
    ["no iat-mode", `obfs4 192.0.2.7:443 ${FINGERPRINT} cert=${CERT}`, "lacks iat-mode="],
    ["a cut cert", LINE.replace(CERT, CERT.slice(1)), "cert=… that is not 70 characters"],
    ["a cert with padding", LINE.replace(CERT, `${CERT}==`), "cert=… that is not 70 characters"],
    ["an odd iat-mode", LINE.replace("mode=0", "mode=3"), "iat-mode=… that is not 0, 1 or 2"],
    ["an argument twice", `${LINE} iat-mode=0`, "iat-mode=… twice"],
    ["an unknown argument", `${LINE} url=https://x`, "url=…, which obfs4 does not know"],
    ["a second line", `${LINE}\nSocksPort 9050`, "plain ASCII on one line"],
    ["a nul", `${LINE}\0`, "plain ASCII on one line"],
    ["a no-break space", LINE.replace(" ", "\u00a0"), "plain ASCII on one line"],
    ["a comment", `${LINE} #mine`, "not NAME=VALUE"],
    ["far too much", `${LINE}${" ".repeat(1_000)}`, "over 1024"],
  ])("with %s is refused, and says why", (_what, text, words) => {
    const error = refusal(text);
    expect(error.code).toBe("bridge-invalid");
    expect(exitCodeOf(error.where)).toBe(2);
    expect(error.message).toStartWith("--bridge ");
    expect(error.message).toContain(words);
    expect(error.message).not.toContain("\n");
  });

  test("never has its secret in a message", () => {
    const secret = CERT.slice(10, 40);
    const spoil = fc.tuple(
      fc.nat({ max: LINE.length - 1 }),
      fc.constantFrom("", " ", "=", "\n", "\0", "x", "#", "\u20ac", "a=b "),
    );
    fc.assert(
      fc.property(spoil, ([at, put]) => {
        try {
          parseBridge(LINE.slice(0, at) + put + LINE.slice(at + 1));
        } catch (error) {
          expect(error).toBeInstanceOf(TorError);
          expect(String(error)).not.toContain(secret);
          expect(String(error).length).toBeLessThan(700);
        }
      }),
      { numRuns: 10_000 },
    );
  });
});

describe("any line", () => {
  const bridge: fc.Arbitrary<Bridge> = fc
    .record({
      host: fc.oneof(fc.ipV4(), fc.constant("2001:db8::1")),
      port: fc.integer({ min: 1, max: 65_535 }),
      fingerprint: fc.option(fc.constant(FINGERPRINT), { nil: undefined }),
      cert: fc.option(
        fc.stringMatching(/^[A-Za-z0-9+/]{70}$/).map((cert) => cert),
        { nil: undefined },
      ),
      mode: fc.constantFrom("0", "1", "2"),
    })
    .map(({ cert, mode, ...rest }) =>
      cert === undefined
        ? { ...rest, transport: undefined, arguments: new Map() }
        : {
            ...rest,
            transport: "obfs4" as const,
            arguments: new Map([
              ["cert", cert],
              ["iat-mode", mode],
            ]),
          },
    );

  test("that is written is read as the same, and is one torrc line", () => {
    fc.assert(
      fc.property(bridge, (one) => {
        expect(parseBridge(formatBridge(one))).toEqual(one);
        const lines = bridgeTorrc([one], "/usr/bin/obfs4proxy");
        for (const line of lines) expect(line).toMatch(/^[A-Z][A-Za-z]+ [!"$-~ ]+$/);
      }),
      { numRuns: 10_000 },
    );
  });

  test("is taken or refused with one error, whatever it is", () => {
    const word = fc.oneof(
      fc.constantFrom(
        "obfs4",
        "Bridge",
        "192.0.2.7:443",
        FINGERPRINT,
        `cert=${CERT}`,
        "iat-mode=0",
      ),
      fc.string({ maxLength: 80 }),
      fc.string({ unit: "binary", maxLength: 20 }),
    );
    let taken = 0;
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        try {
          const read = parseBridge(words.join(" "));
          expect(parseBridge(formatBridge(read))).toEqual(read);
          taken++;
        } catch (error) {
          expect(error).toBeInstanceOf(TorError);
        }
      }),
      { numRuns: 10_000 },
    );
    expect(taken).toBeGreaterThan(0);
  });
});

describe("torrc", () => {
  test("has tor enter by its bridges alone", () => {
    expect(bridgeTorrc([parseBridge(LINE), parseBridge(PLAIN)], "/usr/bin/obfs4proxy")).toEqual([
      "UseBridges 1",
      "ClientTransportPlugin obfs4 exec /usr/bin/obfs4proxy",
      `Bridge ${LINE}`,
      `Bridge ${PLAIN}`,
    ]);
    expect(bridgeTorrc([], undefined)).toEqual([]);
    expect(bridgeTorrc([parseBridge(PLAIN)], undefined)).toEqual([
      "UseBridges 1",
      `Bridge ${PLAIN}`,
    ]);
  });

  test("takes so many bridges and no more, and no path that tor would cut", () => {
    const many = Array.from({ length: BRIDGES_MAX }, () => parseBridge(PLAIN));
    expect(bridgeTorrc(many, undefined).length).toBe(BRIDGES_MAX + 1);
    const more = [...many, parseBridge(PLAIN)];
    expect(() => bridgeTorrc(more, undefined)).toThrow(
      expect.objectContaining({ code: "bridge-invalid" }),
    );
    for (const path of ["/opt/my tools/obfs4proxy", "/opt/#1/obfs4proxy", "obfs4proxy"]) {
      expect(() => bridgeTorrc([parseBridge(LINE)], path)).toThrow(
        expect.objectContaining({ code: "transport-missing" }),
      );
    }
  });
});

describe("obfs4proxy", () => {
  test("is not looked for where no bridge needs it", async () => {
    expect(await findPlugin([parseBridge(PLAIN)], "/nowhere")).toBeUndefined();
    expect(await findPlugin([], "/nowhere")).toBeUndefined();
  });

  test("that is missing comes with how to install it", async () => {
    const error = await rejection(findPlugin([parseBridge(LINE)], "/nowhere"));
    expect(error).toMatchObject({ code: "transport-missing", where: "local" });
    expect(String(error)).toContain("apt-get install obfs4proxy");
  });
});
