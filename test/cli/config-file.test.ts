import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type ConfigLine, parseConfig, readConfigFile } from "../../cli/config-file.ts";
import { UsageError } from "../../cli/usage-error.ts";

/** Time for ten thousand runs of a property, on a machine that is busy with something else. */
const PROPERTY_MS_MAX = 60_000;

const directories: string[] = [];

afterEach(() => {
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
});

function fileWith(content: string | Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), "anonctl-config-"));
  directories.push(directory);
  const file = join(directory, "node.conf");
  writeFileSync(file, content);
  return file;
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof UsageError) return `${error.code} ${error.where}: ${error.message}`;
    throw error;
  }
  throw new Error("It was taken.");
}

describe("a configuration file", () => {
  test("in monero.conf's format", () => {
    const text = [
      "# a comment",
      "",
      "tx-proxy=tor,127.0.0.1:9050,16",
      "  add-peer =  aaa.onion:18083   # the first",
      "add-peer=bbb.onion",
      "\tregtest",
      "testnet=0\r",
      "noise-schedule=uniform:10s..15s",
      "retry=",
      "tx-proxy=tor,socks5://me:a=b@127.0.0.1:9050",
    ].join("\n");
    expect(parseConfig(text, "node.conf")).toEqual([
      { name: "tx-proxy", value: "tor,127.0.0.1:9050,16", line: 3 },
      { name: "add-peer", value: "aaa.onion:18083", line: 4 },
      { name: "add-peer", value: "bbb.onion", line: 5 },
      { name: "regtest", value: "1", line: 6, isBare: true },
      { name: "testnet", value: "0", line: 7 },
      { name: "noise-schedule", value: "uniform:10s..15s", line: 8 },
      { name: "retry", value: "", line: 9 },
      { name: "tx-proxy", value: "tor,socks5://me:a=b@127.0.0.1:9050", line: 10 },
    ]);
  });

  test("of Windows and without an end of line", () => {
    expect(parseConfig("regtest=1\r\ndata-dir=C:\\x y", "f")).toEqual([
      { name: "regtest", value: "1", line: 1 },
      { name: "data-dir", value: "C:\\x y", line: 2 },
    ]);
    expect(parseConfig("", "f")).toEqual([]);
    expect(parseConfig("#", "f")).toEqual([]);
  });

  test.each([
    ["=1", 1],
    ["regtest=1\n--testnet=1", 2],
    ["\n\nData-Dir=x", 3],
    ["[section]", 1],
    ["two words=1", 1],
    ["-=1", 1],
    ["über=1", 1],
  ])("%p is refused with its line", (text, line) => {
    const said = refusal(() => parseConfig(text, "node.conf"));
    expect(said).toStartWith(`bad-config-file config: node.conf, line ${line}: "`);
    expect(said).toContain("name=value");
  });

  test("a broken line does not show a password", () => {
    for (const text of ["tx-proxy tor,socks5://me:secret@127.0.0.1:9050", "TX=me:secret@x"]) {
      expect(refusal(() => parseConfig(text, "f"))).not.toContain("secret");
    }
  });

  test(
    "any text is read or refused by line, and never crashes",
    () => {
      const piece = fc.constantFrom(
        "a",
        "tx-proxy",
        "=",
        "#",
        "\n",
        "\r\n",
        " ",
        "\t",
        "\0",
        "[x]",
        "1",
      );
      const text = fc.oneof(
        fc.string({ unit: "binary", maxLength: 300 }),
        fc.array(piece, { maxLength: 60 }).map((parts) => parts.join("")),
      );
      fc.assert(
        fc.property(text, (written) => {
          let lines: ConfigLine[];
          try {
            lines = parseConfig(written, "f");
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
            expect(String(error)).toMatch(/f, line \d+: /);
            return;
          }
          const count = written.split("\n").length;
          for (const { name, value, line } of lines) {
            expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
            expect(value).toBe(value.trim());
            expect(value).not.toContain("#");
            expect(line).toBeLessThanOrEqual(count);
          }
        }),
        { numRuns: 10_000 },
      );
    },
    PROPERTY_MS_MAX,
  );

  test(
    "what is printed as lines is read back",
    () => {
      const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
      const value = fc
        .string({ maxLength: 60 })
        .map((text) => text.replace(/[#\r\n]/g, "").trim())
        .filter((text) => text !== "");
      fc.assert(
        fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), (pairs) => {
          const text = pairs.map(([key, one]) => `${key} = ${one}`).join("\n");
          const wanted = pairs.map(([key, one], index) => ({
            name: key,
            value: one,
            line: index + 1,
          }));
          expect(parseConfig(text, "f")).toEqual(wanted);
        }),
        { numRuns: 2_000 },
      );
    },
    PROPERTY_MS_MAX,
  );
});

describe("on the disk", () => {
  test("it is read", () => {
    const file = fileWith("regtest=1\n");
    expect(readConfigFile(file)).toEqual([{ name: "regtest", value: "1", line: 1 }]);
  });

  test("what is not there, a directory, or too large is refused by name", () => {
    const missing = "/nowhere/node.conf";
    expect(refusal(() => readConfigFile(missing))).toContain(
      `--config-file ${missing} can't be read`,
    );
    expect(refusal(() => readConfigFile(tmpdir()))).toContain(tmpdir());
    const large = fileWith("#".repeat(65_537));
    expect(refusal(() => readConfigFile(large))).toContain("over 65536 bytes");
    expect(readConfigFile(fileWith("#".repeat(65_536)))).toEqual([]);
    expect(refusal(() => readConfigFile("/dev/zero"))).toContain("over 65536 bytes");
  });

  test("bytes that are no text are refused or passed over, and never crash", () => {
    for (const bytes of [
      Uint8Array.of(0xff, 0xfe, 0x00),
      new Uint8Array(100),
      Uint8Array.of(0xc3),
    ]) {
      expect(refusal(() => readConfigFile(fileWith(bytes)))).toStartWith(
        "bad-config-file config: ",
      );
    }
  });
});
