import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ZoneError, type ZoneErrorCode } from "../../lib/zone/error.ts";
import { parseAnonymousInbound, parseTxProxy, type TxProxy } from "../../lib/zone/option.ts";
import { seedOnions } from "../address/known-onions.ts";

/** Time for ten thousand runs of a property, on a machine that is busy with something else. */
const PROPERTY_MS_MAX = 60_000;

const ONION = seedOnions[0] ?? "";
const B32 = `${"a".repeat(52)}.b32.i2p`;
const PORT = 18_083;

/** What a refused option says, with its code in front. */
function refusal(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    if (error instanceof ZoneError) return `${error.code} ${error.where}: ${error.message}`;
    throw error;
  }
  throw new Error("The option was taken.");
}

describe("--tx-proxy", () => {
  test.each<[string, Partial<TxProxy>]>([
    ["tor,127.0.0.1:9050", { version: "5", outboundMax: 12, noise: "on" }],
    ["tor,127.0.0.1:9050,disable_noise", { outboundMax: 12, noise: "silent" }],
    ["tor,127.0.0.1:9050,16,disable_noise", { outboundMax: 16, noise: "silent" }],
    ["tor,127.0.0.1:9050,disable_noise,16", { outboundMax: 16, noise: "silent" }],
    ["i2p,127.0.0.1:4447,disable_noise,3", { zone: "i2p", outboundMax: 3, noise: "silent" }],
    [
      "tor,socks5://me:secret@127.0.0.1:9050,disable_noise,2",
      { noise: "silent", outboundMax: 2, credentials: { user: "me", password: "secret" } },
    ],
    ["tor,127.0.0.1:9050,16", { outboundMax: 16 }],
    ["tor,127.0.0.1:9050,1", { outboundMax: 1 }],
    ["tor,127.0.0.1:9050,10000", { outboundMax: 10_000 }],
    ["tor,[::1]:9050", { proxy: { host: "::1", port: 9050 } }],
    ["tor,unix:/run/tor/socks", { proxy: { path: "/run/tor/socks" } }],
    ["tor,socks5://unix:/run/tor/socks,3", { proxy: { path: "/run/tor/socks" }, outboundMax: 3 }],
    ["tor,socks4a://127.0.0.1:9050", { version: "4a" }],
    ["tor,socks5://127.0.0.1:9050", { version: "5" }],
    ["i2p,127.0.0.1:4447", { zone: "i2p", version: "4a", outboundMax: 12 }],
    ["i2p,socks5://127.0.0.1:4447", { zone: "i2p", version: "5" }],
    ["tor,socks5://me:secret@127.0.0.1:9050", { credentials: { user: "me", password: "secret" } }],
    ["tor,socks5://me:a:b/c@127.0.0.1:9050", { credentials: { user: "me", password: "a:b/c" } }],
    ["tor,socks5://me:p@ss@127.0.0.1:9050", { credentials: { user: "me", password: "p@ss" } }],
  ])("%s", (text, part) => {
    const proxy = parseTxProxy(text);
    expect(proxy).toMatchObject({ zone: "tor", ...part });
    if (!("credentials" in part)) expect(proxy).not.toHaveProperty("credentials");
  });

  test.each<[string, ZoneErrorCode, string]>([
    ["", "unknown-zone", '"" in --tx-proxy'],
    ["public,127.0.0.1:9050", "unknown-zone", '"public" in --tx-proxy public,127.0.0.1:9050'],
    ["Tor,127.0.0.1:9050", "unknown-zone", '"Tor"'],
    ["toString,127.0.0.1:9050", "unknown-zone", '"toString"'],
    ["tor", "bad-tx-proxy", "--tx-proxy tor has a wrong IP:PORT"],
    ["tor,", "bad-tx-proxy", "has a wrong IP:PORT"],
    ["tor,127.0.0.1", "bad-tx-proxy", '"127.0.0.1" has no port'],
    ["tor,127.0.0.1:0", "bad-tx-proxy", 'Port "0"'],
    ["tor,127.0.0.1:70000", "bad-tx-proxy", 'Port "70000"'],
    ["tor,::1:9050", "bad-tx-proxy", "brackets"],
    ["tor,localhost:9050", "bad-tx-proxy", 'names "localhost", which is not an IP'],
    [`tor,${ONION}:9050`, "bad-tx-proxy", "which is not an IP"],
    ["tor,unix:", "bad-tx-proxy", "empty socket path"],
    ["tor,http://127.0.0.1:9050", "bad-tx-proxy", "tor,http://127.0.0.1:9050"],
    ["tor,127.0.0.1:9050,0", "bad-tx-proxy", '"0" for the number of links'],
    ["tor,127.0.0.1:9050,10001", "bad-tx-proxy", '"10001"'],
    ["tor,127.0.0.1:9050,many", "bad-tx-proxy", '"many"'],
    ["tor,127.0.0.1:9050,", "bad-tx-proxy", '"" for the number of links'],
    ["tor,127.0.0.1:9050,1,2", "bad-tx-proxy", "has too many parts"],
    ["tor,127.0.0.1:9050,disable_noise,disable_noise", "bad-tx-proxy", "has disable_noise twice"],
    ["tor,127.0.0.1:9050,disable_noise,1,2", "bad-tx-proxy", "has too many parts"],
    ["tor,127.0.0.1:9050,disable-noise", "bad-tx-proxy", '"disable-noise" for the number'],
    ["tor,disable_noise,127.0.0.1:9050", "bad-tx-proxy", "for the number of links"],
    ["tor,socks4a://me:secret@127.0.0.1:9050", "bad-tx-proxy", "only socks5:// takes"],
    ["tor,me:secret@127.0.0.1:9050", "bad-tx-proxy", "only socks5:// takes"],
    ["tor,socks5://me@127.0.0.1:9050", "bad-tx-proxy", "needs USER:PASSWORD"],
    ["tor,socks5://me:@127.0.0.1:9050", "bad-tx-proxy", "needs USER:PASSWORD"],
    ["tor,socks5://:secret@127.0.0.1:9050", "bad-tx-proxy", "needs USER:PASSWORD"],
    [`tor,socks5://me:${"x".repeat(256)}@127.0.0.1:9050`, "bad-tx-proxy", "over 255 bytes"],
    [`tor,socks5://${"é".repeat(128)}:x@127.0.0.1:9050`, "bad-tx-proxy", "over 255 bytes"],
    ["tor,socks5://me:a,b@127.0.0.1:9050", "bad-tx-proxy", "a comma before its @"],
  ])("%p is refused with a word on why", (text, code, words) => {
    const said = refusal(() => parseTxProxy(text));
    expect(said).toStartWith(`${code} config: `);
    expect(said).toContain(words);
    expect(said).not.toContain("secret");
    expect(said).not.toContain("xxxx");
    expect(said).toContain("as in tor,127.0.0.1:9050,16");
  });

  test(
    "credentials never stand in a message, however the option is wrong",
    () => {
      const secret = "Zq7SECRETzq";
      const dirt = fc.constantFrom("", "/", ",", ":", "@", "//", "#", " ", "\n", "é");
      const option = fc
        .tuple(
          fc.constantFrom("tor,", "i2p,", "toor,", "", "tor;", "Tor,"),
          fc.constantFrom("socks5://", "socks4a://", "socks5h://", "http://", "socks5:/", ""),
          fc.tuple(dirt, dirt, dirt).map(([a, b, c]) => `u${a}${secret}${b}:${c}${secret}`),
          fc.constantFrom("127.0.0.1:9050", "localhost:9050", "127.0.0.1", "::1:9", ""),
          fc.constantFrom("", ",", ",16", ",0", ",1,2", ",disable_noise", ",disable_noise,2"),
        )
        .map(([zone, scheme, user, place, max]) => `${zone}${scheme}${user}@${place}${max}`);
      fc.assert(
        fc.property(option, (text) => {
          let said = "";
          try {
            parseTxProxy(text);
          } catch (error) {
            expect(error).toBeInstanceOf(ZoneError);
            said = String(error);
          }
          expect(said).not.toContain("SECRET");
        }),
        { numRuns: 10_000 },
      );
    },
    PROPERTY_MS_MAX,
  );

  test(
    "any text is an option or a ZoneError, never a crash",
    () => {
      const word = fc.constantFrom(
        "tor",
        "i2p",
        ",",
        "socks5://",
        "@",
        ":",
        "127.0.0.1",
        "9",
        "unix:",
      );
      const text = fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join("")),
      );
      fc.assert(
        fc.property(text, (written) => {
          try {
            parseTxProxy(written);
          } catch (error) {
            expect(error).toBeInstanceOf(ZoneError);
          }
        }),
        { numRuns: 10_000 },
      );
    },
    PROPERTY_MS_MAX,
  );
});

describe("--anonymous-inbound", () => {
  const parse = (text: string) => parseAnonymousInbound(text, PORT);

  test("an onion without a port takes the network's", () => {
    expect(parse(`${ONION},127.0.0.1:18083`)).toMatchObject({
      zone: "tor",
      address: { zone: "tor", kind: "onion3", host: ONION, port: PORT },
      listen: { host: "127.0.0.1", port: 18_083 },
      inboundMax: 64,
    });
  });

  test("port, maximum and IPv6", () => {
    expect(parse(`${ONION}:28083,[::1]:9,5`)).toMatchObject({
      address: { port: 28_083 },
      listen: { host: "::1", port: 9 },
      inboundMax: 5,
    });
  });

  test("an I2P name", () => {
    expect(parse(`${B32},127.0.0.1:18083`)).toMatchObject({
      zone: "i2p",
      address: { zone: "i2p", kind: "b32i2p", host: B32 },
    });
  });

  test.each([
    ["", "An address is missing"],
    [ONION, "has a wrong IP:PORT"],
    [`${ONION},`, "has a wrong IP:PORT"],
    [`${ONION},127.0.0.1`, "has no port"],
    [`${ONION},localhost:18083`, 'names "localhost", which is not an IP'],
    [`${ONION},unix:/run/x`, "needs IP:PORT to listen on"],
    [`${ONION},127.0.0.1:1,0`, '"0" for the number of links'],
    [`${ONION},127.0.0.1:1,x`, '"x" for the number of links'],
    [`${ONION},127.0.0.1:1,2,3`, "has too many parts"],
    ["example.com:18083,127.0.0.1:1", '"example.com:18083", which is not an .onion or .i2p name'],
    ["10.0.0.1:18083,127.0.0.1:1", "which is not an .onion or .i2p name"],
    [`${ONION.replace(/^./, "b")},127.0.0.1:1`, "is wrong"],
    [`${ONION}:0,127.0.0.1:1`, 'Port "0"'],
    ["zbjkbsxc5munw3qu.onion,127.0.0.1:1", "is wrong"],
  ])("%p is refused with a word on why", (text, words) => {
    const said = refusal(() => parse(text));
    expect(said).toStartWith("bad-anonymous-inbound config: ");
    expect(said).toContain(words);
    expect(said).toContain("as in NAME.onion:18083,127.0.0.1:18083");
    expect(said).toContain(text);
  });
});
