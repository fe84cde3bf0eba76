import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { onionName } from "../../lib/address/onion.ts";
import { TahoeError } from "../../lib/tahoe/error.ts";
import {
  checkLocation,
  LOCATION_CHARACTERS_MAX,
  LOCATION_HINTS_MAX,
  safeLocation,
} from "../../lib/tahoe/location.ts";
import { RUNS } from "../levin/mutation.ts";
import { locationCases } from "./cases.ts";

const ONION = onionName(new Uint8Array(32).fill(7));
const B32 = `${"a".repeat(52)}.b32.i2p`;

/** What Tahoe-LAFS lets through, and must not. */
const holes: readonly string[] = [
  "tor:u.onion:1, tcp:1.2.3.4:5",
  "TCP:1.2.3.4:80",
  "[2001:db8::1]:80",
  "tor:1.2.3.4:80",
  "foo:1.2.3.4:80",
  "unix:/x",
  "auto",
  "tor:u.onion:1,",
];

describe("Tahoe-LAFS' own verdicts", () => {
  const { locations } = locationCases();
  test("there are all of them", () => expect(locations).toHaveLength(22));

  // "disabled" is refused for the port beside it, which is no matter of the location's.
  test.each(locations.filter(({ value }) => !holes.includes(value) && value !== "disabled"))(
    "$value is judged alike",
    ({ value, accepted }) => expect(checkLocation(value).safe).toBe(accepted),
  );

  test.each(holes)("%p gets through there, and not here", (hole) => {
    expect(locations.find(({ value }) => value === hole)?.accepted).toBe(true);
    expect(checkLocation(hole).safe).toBe(false);
  });
});

describe("a location", () => {
  test.each([
    ["disabled", true, undefined],
    ["UNREACHABLE", true, undefined],
    [`tor:${ONION}:3457`, true, undefined],
    [`tor:${ONION}:3457,i2p:${B32}`, true, undefined],
    [`i2p:${B32}:3457`, true, undefined],
    ["i2p:storage.i2p", true, undefined],
    ["onion:80:hiddenServiceDir=/var/lib/tor/my_service", true, undefined],
    ['"onion:80:hiddenServiceDir=/var/lib/tor/my_service"', true, undefined],
    ["AUTODETECT,onion:80:hiddenServiceDir=/var/lib/tor/my_service", false, "auto"],
    ['"AUTODETECT,onion:80:hiddenServiceDir=/x"', false, "auto"],
    ["Auto", false, "auto"],
    ["client.fakelocation:0", false, "tcp"],
    ["ualhejtq2p7ohfbb.onion:29212", false, "tcp"],
    ["tor:12345", false, "tcp"],
    [`tcp:${ONION}:1`, false, "tcp"],
    ['"tcp:1.2.3.4:80"', false, "tcp"],
    [`tor:${ONION}:1,\ntcp:1.2.3.4:80`, false, "tcp"],
    [`tor:${ONION}:1, tor:${ONION}:2`, false, "space"],
    ["disabled,UNREACHABLE", false, "not-alone"],
    [`disabled,tor:${ONION}:1`, false, "not-alone"],
    ["Disabled", false, "unknown"],
    ["", false, "empty"],
    [" ", false, "empty"],
    [`,tor:${ONION}:1`, false, "empty"],
    [`TOR:${ONION}:1`, false, "unknown"],
    [`tor:${ONION}`, false, "unknown"],
    [`tor:${ONION}:0`, false, "unknown"],
    [`tor:${ONION}:65536`, false, "unknown"],
    [`tor:${ONION}:1:x`, false, "unknown"],
    [`tor:1.2.3.4.onion:1`, false, "exit"],
    [`tor:home.example.onion:1`, false, "exit"],
    [`tor:${ONION}.example.com:1`, false, "exit"],
    ["i2p:1.2.3.4:80", false, "unknown"],
    ["i2p:1.2.3.4.i2p", false, "unknown"],
    ["onion:80:hiddenServiceDir=/x:host=1.2.3.4", false, "unknown"],
    ["onion:80:1.2.3.4:hiddenServiceDir=/x", false, "unknown"],
    ["onion:0:hiddenServiceDir=/x", false, "unknown"],
    ["onion:80", false, "tcp"],
    ["onion:80:hiddenServiceDir=", false, "unknown"],
  ])("%p: safe is %p (%p)", (text, safe, fault) => {
    const verdict = checkLocation(text);
    expect([verdict.safe, verdict.fault as string | undefined]).toEqual([safe, fault]);
    expect(verdict.reason).toMatch(/\.$/);
  });

  test("has a bounded length and number of hints", () => {
    const hint = "tor:u.onion:1";
    const many = (count: number): string => Array(count).fill(hint).join(",");
    expect(checkLocation(many(LOCATION_HINTS_MAX)).safe).toBe(true);
    expect(checkLocation(many(LOCATION_HINTS_MAX + 1)).fault).toBe("too-many");
    expect(checkLocation("x".repeat(LOCATION_CHARACTERS_MAX + 1)).fault).toBe("too-long");
  });

  test("that is no use is remarked on, and its reason never holds a control character", () => {
    expect(checkLocation("tor:u.onion:1").remarks[0]).toContain("nobody can reach it");
    expect(checkLocation(`tor:${ONION}:1`).remarks).toEqual([]);
    expect(checkLocation("i2p:abc.b32.i2p").remarks[0]).toContain("nobody can reach it");
    expect(checkLocation("UNREACHABLE").remarks[0]).toContain("write disabled");
    expect(checkLocation("\u001b[2Jx:\u0007").reason).not.toMatch(/\p{Cc}/u);
  });

  test("that is safe is given back without its quotation marks, and no other is", () => {
    expect(safeLocation(` "tor:${ONION}:1" `)).toBe(`tor:${ONION}:1`);
    expect(() => safeLocation("tcp:1.2.3.4:5")).toThrow(TahoeError);
  });

  test("that is safe holds no address, however it is put together", () => {
    const piece = fc.constantFrom(
      ...["tor:", "i2p:", "tcp:", "TCP:", "onion:", "80", ":", "=", ",", " ", "\n", '"', "[", "]"],
      ...["hiddenServiceDir", "/x", ".onion", ".b32.i2p", ".i2p", "a", "1.2.3.4", "::1", "\\"],
      ...["AUTO", "auto", "disabled", "UNREACHABLE", "example.com", ONION, B32, ":1"],
    );
    let safes = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
        const text = pieces.join("");
        const { safe } = checkLocation(text);
        if (!safe) return;
        safes += 1;
        const inner = text.trim().replace(/^"(.*)"$/, "$1");
        if (/^(?:disabled|UNREACHABLE)$/.test(inner)) return;
        for (const hint of inner.split(",")) {
          // Written without a look at how it is read: what may stand there, and nothing else.
          expect(hint).toMatch(
            /^(?:tor:[a-z2-7]+\.onion:\d+|i2p:[a-z0-9.-]+\.i2p(?::\d+)?|onion:\d+:hiddenServiceDir=.+)$/,
          );
          if (!hint.startsWith("onion:")) expect(hint).not.toContain("1.2.3.4");
        }
      }),
      { numRuns: 5 * RUNS },
    );
    expect(safes).toBeGreaterThan(50);
  });
});
