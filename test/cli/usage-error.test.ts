import { afterEach, describe, expect, test } from "bun:test";
import { clear, run } from "./program.ts";

afterEach(clear);

describe("what commander refuses is told like everything else", () => {
  test.each<[string, string[], string]>([
    ["node", ["--bogus"], "node"],
    ["probe", ["--bogus"], "probe"],
    ["hs", ["--bogus"], "hs"],
    ["hs", ["create"], "hs create"],
    ["hs", ["serve", "--bogus"], "hs serve"],
    ["hs", ["auth", "add", "--bogus"], "hs auth add"],
    ["hs", ["watch", "--tor", "lunch"], "hs watch"],
    ["devnet", ["sideways"], "devnet"],
    ["devnet", ["up", "--bogus"], "devnet up"],
    ["devnet", ["up", "--monerod", "x"], "devnet up"],
  ])("anonctl %s %p", (name, words, command) => {
    const { code, out, errors } = run(name, ...words);
    expect([code, out]).toEqual([2, ""]);
    const [first, ...rest] = errors.trimEnd().split("\n");
    expect(first).toStartWith(`anonctl ${name}: `);
    expect(rest.at(-1)).toBe(`See anonctl ${command} --help.`);
    expect(errors).not.toContain("error: ");
  });

  test("and what we refuse too", () => {
    for (const words of [
      ["node", "--bridge", "x"],
      ["devnet", "up", "--tor", "--delay", "1"],
    ]) {
      const { code, errors } = run(...words);
      expect(code).toBe(2);
      expect(errors).toStartWith(`anonctl ${words[0]}: `);
    }
  });
});
