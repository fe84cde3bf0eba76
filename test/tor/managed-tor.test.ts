import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { managedTorrc } from "../../lib/tor/managed-tor.ts";
import { checkPrivate } from "../real/private-torrc.ts";

const paths = { dataDirectory: '/d "x"', cookieFile: "/c", controlPortFile: "/p" };
const AUTHORITY = `DirAuthority a0 orport=1 no-v2 v3ident=${"A".repeat(40)} 127.0.0.1:2 ${"B".repeat(40)}`;
const BOUND = "OutboundBindAddress 127.0.0.1";

describe("a managed tor's configuration", () => {
  test("has ports of this machine, a cookie, an owner, and the caller's lines last", () => {
    expect(managedTorrc(paths, 4711, [AUTHORITY, BOUND]).split("\n")).toEqual([
      'DataDirectory "/d \\"x\\""',
      "SocksPort 127.0.0.1:auto ExtendedErrors",
      "ControlPort 127.0.0.1:auto",
      'ControlPortWriteToFile "/p"',
      "CookieAuthentication 1",
      'CookieAuthFile "/c"',
      "__OwningControllerProcess 4711",
      "Log notice stdout",
      AUTHORITY,
      BOUND,
      "",
    ]);
  });

  test("takes no line that is two", () => {
    for (const line of ["a\nb", "a\r", "\0"]) {
      expect(() => managedTorrc(paths, 1, [line])).toThrow(
        expect.objectContaining({ code: "command-invalid" }),
      );
    }
  });
});

test("a managed tor keeps its data where our own folder has it, though it runs in another", () => {
  const [first] = managedTorrc({ ...paths, dataDirectory: "here/tor" }, 1, []).split("\n");
  expect(first).toBe(`DataDirectory "${resolve("here/tor")}"`);
});

describe("no test starts a tor that knows the real network", () => {
  test("lines without an authority of this machine are refused", () => {
    const elsewhere = AUTHORITY.replace("127.0.0.1", "192.0.2.1");
    for (const lines of [
      [],
      [BOUND],
      [AUTHORITY],
      [elsewhere, BOUND],
      [AUTHORITY, elsewhere, BOUND],
    ]) {
      expect(() => checkPrivate(lines)).toThrow("must not start a tor");
    }
    checkPrivate([AUTHORITY, BOUND]);
  });

  test("every start stands right behind the check", () => {
    const folder = join(import.meta.dir, "..");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    const call = ["ManagedTor", "start("].join(".");
    const starts = files
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(folder, file), "utf8").split("\n"))
      .flatMap((lines) =>
        lines.flatMap((line, at) => (line.includes(call) ? [lines[at - 1] ?? ""] : [])),
      );
    expect(starts.length).toBeGreaterThan(1);
    for (const before of starts) expect(before).toContain("checkPrivate(");
  });
});
