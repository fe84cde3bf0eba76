import { describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { formatAddress } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { TahoeError } from "../../lib/tahoe/error.ts";
import { describeFurl, FURL_CHARACTERS_MAX, type Furl, parseFurl } from "../../lib/tahoe/furl.ts";
import { RUNS } from "../levin/mutation.ts";

const TUB_ID = "sisi4zenj7cxncgvdog7szg3yxbrnamy";
const HASH = "JIj6ezHkdSBlHhrnezAgIC_mrVQHy4KAFyL-8ZNPGPM";
const SECRET = "xphmwz6lx24rh2nxlinni";
const ONION = onionName(new Uint8Array(32).fill(7));
const B32 = `${"a".repeat(52)}.b32.i2p`;

function codeOf(text: string): string {
  try {
    parseFurl(text);
  } catch (error) {
    if (error instanceof TahoeError) return error.code;
    throw error;
  }
  return "none";
}

/** The hints in short: kind, and zone and address where there is one. */
function hintsOf(furl: Furl): string[] {
  return furl.hints.map((hint) =>
    hint.kind === "other"
      ? `other ${hint.text}`
      : `${hint.kind} ${hint.address.zone} ${formatAddress(hint.address)}`,
  );
}

describe("a fURL", () => {
  test.each([
    ["", []],
    ["tcp:127.0.0.1:34399", ["tcp public 127.0.0.1:34399"]],
    ["localhost:47877", ["tcp public localhost:47877"]],
    ["tcp:[2001:db8::1]:80", ["tcp public [2001:db8::1]:80"]],
    [`tor:${ONION}:3457`, [`tor tor ${ONION}:3457`]],
    ["tor:node.example:80", ["tor public node.example:80"]],
    [`i2p:${B32}`, [`i2p i2p ${B32}:1`]],
    [`i2p:${B32}:3457`, [`i2p i2p ${B32}:3457`]],
    // Two parts are HOST:PORT, whatever the host is called.
    ["tor:12345", ["tcp public tor:12345"]],
    // An onion name is not one for TCP, nor the other way round.
    [`tcp:${ONION}:1`, [`other tcp:${ONION}:1`]],
    [`${ONION}:1`, [`other ${ONION}:1`]],
    ["i2p:node.example:80", ["other i2p:node.example:80"]],
    [`tor:${B32}:80`, [`other tor:${B32}:80`]],
    ["future:a=b:c", ["other future:a=b:c"]],
    ["tcp:host:99999", ["other tcp:host:99999"]],
    ["TCP:1.2.3.4:80,tcp:h:1", ["other TCP:1.2.3.4:80", "tcp public h:1"]],
    [`tor:${ONION}:1, tcp:1.2.3.4:5`, [`tor tor ${ONION}:1`, "other  tcp:1.2.3.4:5"]],
  ])("with the hints %p is read and shown without its secret", (hints, expected) => {
    const furl = parseFurl(`pb://${TUB_ID}@${hints}/${SECRET}`);
    expect(furl.identity).toEqual({ kind: "tub", tubId: TUB_ID });
    expect(hintsOf(furl)).toEqual(expected);
    expect(furl.swissnum.equals(SECRET)).toBe(true);
    expect(describeFurl(furl)).toBe(`pb://${TUB_ID}@${hints}/[swissnum]`);
  });

  test("what follows the first 32 characters of the id is left to the future, as in Foolscap", () => {
    expect(parseFurl(`pb://${TUB_ID}extra@/x`).identity).toEqual({ kind: "tub", tubId: TUB_ID });
  });

  test("the name may hold slashes and commas", () => {
    expect(parseFurl(`pb://${TUB_ID}@h:1/a/b,c`).swissnum.equals("a/b,c")).toBe(true);
  });

  test.each([
    ["furl-invalid", ""],
    ["furl-invalid", `pb://${TUB_ID}@h:1/`],
    ["furl-invalid", `pb://${TUB_ID}/x`],
    ["furl-invalid", `http://${TUB_ID}@h:1/x`],
    ["furl-invalid", `pb+tor://${TUB_ID}@${ONION}:1/x`],
    ["furl-invalid", `pb://${TUB_ID}@h:1/${"x".repeat(FURL_CHARACTERS_MAX)}`],
    ["furl-invalid", `pb://${HASH}@h:1/#v=1`],
    ["tub-id-invalid", `pb://${TUB_ID.slice(1)}@h:1/x`],
    ["tub-id-invalid", `pb://${TUB_ID.toUpperCase()}@h:1/x`],
    ["tub-id-invalid", `pb://${TUB_ID.replace("s", "1")}@h:1/x`],
    ["hint-empty", `pb://${TUB_ID}@h:1,/x`],
    ["hint-empty", `pb://${TUB_ID}@,/x`],
    ["spki-hash-invalid", `pb://${TUB_ID}@h:1/x#v=1`],
    ["spki-hash-invalid", `pb://${HASH.slice(0, -1)}N@h:1/x#v=1`],
    ["location-invalid", `pb://${HASH}@h/x#v=1`],
    ["location-invalid", `pb://${HASH}@h:1,i:2/x#v=1`],
  ])("gives %s for %s", (code, text) => {
    expect(codeOf(text)).toBe(code);
  });
});

describe("a NURL", () => {
  test.each([
    ["pb", "127.0.0.1:34399", "tcp", "public"],
    ["pb+tor", `${ONION}:80`, "tor", "tor"],
    ["pb+i2p", `${B32}:80`, "i2p", "i2p"],
  ])("that begins with %s is read and shown without its secret", (scheme, place, kind, zone) => {
    const furl = parseFurl(`${scheme}://${HASH}@${place}/${SECRET}#v=1`);
    expect(furl.identity).toEqual({ kind: "spki", hash: HASH });
    expect(furl.hints).toMatchObject([{ kind, address: { zone } }]);
    expect(furl.swissnum.equals(SECRET)).toBe(true);
    expect(describeFurl(furl)).toBe(`${scheme}://${HASH}@${place}/[swissnum]#v=1`);
  });
});

describe("the swissnum", () => {
  const furl = parseFurl(`pb://${TUB_ID}@h:1/${SECRET}`);

  test("is not in any way of printing a fURL", () => {
    const prints = [
      String(furl.swissnum),
      `${furl.swissnum}`,
      JSON.stringify(furl),
      inspect(furl, { depth: 9, showHidden: true }),
      Bun.inspect(furl, { depth: 9 }),
      describeFurl(furl),
      JSON.stringify(structuredClone({ ...furl.swissnum })),
    ];
    for (const print of prints) expect(print).not.toContain(SECRET);
    expect(prints[0]).toBe("[swissnum]");
    expect(furl.swissnum.equals(`${SECRET}x`)).toBe(false);
  });

  test("is in no error, wherever the fURL is wrong", () => {
    const property = fc.property(fc.nat(), fc.string({ maxLength: 5 }), (at, text) => {
      const whole = `pb://${TUB_ID}@tcp:h:1/${SECRET}`;
      const place = at % (whole.length - SECRET.length);
      const wrong = `${whole.slice(0, place)}${text}${whole.slice(place + 1)}`;
      try {
        parseFurl(wrong);
      } catch (error) {
        expect(inspect(error, { depth: 9 })).not.toContain(SECRET);
      }
    });
    fc.assert(property, { numRuns: RUNS });
  });

  test("random text gives an error of ours", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((tail) => `pb://${TUB_ID}@${tail}`),
      fc.string().map((tail) => `pb://${HASH}@${tail}/x#v=1`),
    );
    const property = fc.property(text, (value) => {
      const code = codeOf(value);
      if (code === "none") expect(parseFurl(value).hints.length).toBeLessThan(100);
    });
    fc.assert(property, { numRuns: RUNS });
  });
});
