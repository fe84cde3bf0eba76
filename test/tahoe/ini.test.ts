import { describe, expect, test } from "bun:test";
import { TahoeError } from "../../lib/tahoe/error.ts";
import { INI_CHARACTERS_MAX, parseIni } from "../../lib/tahoe/ini.ts";

describe("an INI file as Python reads it", () => {
  test.each([
    ["[node]\na = 1", "1", 2],
    ["[node]\nA: 1", "1", 2],
    ["[node]\na = 1\na = 2", "2", 3],
    ["[node]\na=1\n[x]\na=2\n[node]\na=3", "3", 6],
    ["[node]\na = 1 # not a comment", "1 # not a comment", 2],
    ["[node]\n# a = 0\n; a = 0\na = 1", "1", 4],
    ["[node]\na = 1\n  # a comment\n  more", "1\nmore", 2],
    ["[node]\na = 1,\n  2", "1,\n2", 2],
    ["[node]\na = 1\n\n  2\n\n", "1\n\n2", 2],
    ["[node]\na =\n  1", "\n1", 2],
    ["[node]\r\na = 1\r\n", "1", 2],
    ["\u{feff}[node]\na = 1", "1", 2],
    ["[DEFAULT]\na = 1\n[node]\nb = 2", "1", 2],
    ["[node] and so on\na = x = y", "x = y", 2],
    ["  [node]\n  a = 1", "1", 2],
  ])("%j", (text, value, line) => {
    expect(parseIni(text).get("node", "a")).toEqual({ value, line });
  });

  test("an indented line belongs to the value above it, whatever it looks like", () => {
    const ini = parseIni("[node]\nnickname = x\n  reveal-IP-address = false\n  [connections]\n");
    expect(ini.get("node", "reveal-ip-address")).toBeUndefined();
    expect(ini.get("node", "nickname")?.value).toContain("reveal-IP-address = false");
    expect(ini.sections).toEqual(["node"]);
  });

  test("sections are told apart by case, and options are not", () => {
    const ini = parseIni("[Node]\nTUB.Port = 1");
    expect(ini.get("node", "tub.port")).toBeUndefined();
    expect(ini.get("Node", "tub.port")?.value).toBe("1");
  });

  test.each([
    ["a = 1", "Line 1"],
    ["[node]\nno value here", "Line 2"],
    ["[node]\n\n= 1", "Line 3"],
    [`[node]\na = ${"x".repeat(INI_CHARACTERS_MAX)}`, "no tahoe.cfg"],
  ])("%# is refused with its line", (text, words) => {
    expect(() => parseIni(text)).toThrow(words);
    expect(() => parseIni(text)).toThrow(TahoeError);
  });
});
