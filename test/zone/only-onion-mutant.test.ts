import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const top = join(import.meta.dir, "..", "..");
const copies: string[] = [];

afterAll(() => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});

/** A copy of the library with one thing changed, and what a test of its says. */
function onlyOnionTestOf(
  changes: readonly (readonly [string, string, string])[],
  file = "only-onion.test.ts",
): {
  readonly code: number | null;
  readonly output: string;
} {
  const copy = mkdtempSync(join(tmpdir(), "anonctl-mutant-"));
  copies.push(copy);
  const parts = ["lib", "test/zone", "test/socks", "test/address", "package.json", "tsconfig.json"];
  for (const part of parts) cpSync(join(top, part), join(copy, part), { recursive: true });
  symlinkSync(join(top, "node_modules"), join(copy, "node_modules"));
  for (const [file, from, to] of changes) {
    const path = join(copy, file);
    const text = readFileSync(path, "utf8").replace(/\s+/g, " ");
    expect(text).toContain(from);
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(spaced(from), () => to),
    );
  }
  const words = ["test", "--timeout", "60000", join(copy, "test/zone", file)];
  const run = spawnSync(process.execPath, words, {
    ...{ cwd: copy, encoding: "utf8", timeout: 60_000, env: { ...process.env, NO_COLOR: "1" } },
  });
  return { code: run.status, output: `${run.stdout}${run.stderr}` };
}

/** The text, however it is broken into lines. */
function spaced(text: string): RegExp {
  const words = text.split(" ").map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(words.join("\\s+"));
}

const PLAN = 'mode === "only-onion" ? hiddenSteps(peer, ways) : [';
const OPENER = "staysHidden(mode) ? undefined : opener(clearnet, clock)";
const NEVER = "never dials an open address, whatever the peer has and whatever fails";

describe("a build with gethrelay's formula", () => {
  test("the copy itself passes", () => {
    const { code, output } = onlyOnionTestOf([]);
    expect(output).toContain(`(pass) only-onion mode > ${NEVER}`);
    expect(code).toBe(0);
  }, 60_000);

  test("useTor = hasOnion and (preferTor or not hasClearnet) is caught", () => {
    const formula = 'isHidden && (mode === "prefer-tor" || clearnet.length === 0)';
    const { code, output } = onlyOnionTestOf([
      [
        "lib/zone/mode.ts",
        PLAN,
        `${formula} ? hiddenSteps(peer, ways) : mode !== "default" ? openSteps(peer, ways, false) : [`,
      ],
      ["lib/zone/peer-dialer.ts", OPENER, "opener(clearnet, clock)"],
    ]);
    expect(output).toContain(`(fail) only-onion mode > ${NEVER}`);
    expect(output).toContain('"both kinds of address, and the onion answers": "public"');
    expect(code).not.toBe(0);
  }, 60_000);

  test("a fallback to the open address is caught", () => {
    const { code, output } = onlyOnionTestOf([
      ["lib/zone/mode.ts", PLAN, "["],
      ["lib/zone/peer-dialer.ts", OPENER, "opener(clearnet, clock)"],
    ]);
    expect(output).toContain(`(fail) only-onion mode > ${NEVER}`);
    expect(code).not.toBe(0);
  }, 60_000);

  test("one of the two alone leaks nothing: the dialer has nothing to dial openly with", () => {
    const { output } = onlyOnionTestOf([["lib/zone/mode.ts", PLAN, "["]]);
    expect(output).toContain(`(pass) only-onion mode > ${NEVER}`);
  }, 60_000);
});

describe("anonymize mode, with an exit that is none", () => {
  const NOTHING = "dials nothing openly, whatever fails and whatever is allowed otherwise";
  const EXITS = 'mode === "anonymize" ? exitSteps(peer, ways, isHidden) : openSteps(';
  const OPENLY = 'mode === "anonymize" ? openSteps(peer, ways, isHidden) : openSteps(';
  const plan = ["lib/zone/mode.ts", EXITS, OPENLY] as const;

  test("an open dial in its place is caught, also where the peer is on this machine", () => {
    const open = ["lib/zone/peer-dialer.ts", OPENER, "opener(clearnet, clock)"] as const;
    const { code, output } = onlyOnionTestOf([plan, open], "anonymize.test.ts");
    expect(output).toContain(`(fail) a dialer in anonymize mode > ${NOTHING}`);
    expect(output).toContain(
      "(fail) for any peer and whatever is at hand > a plan of anonymize mode",
    );
    expect(code).not.toBe(0);
  }, 60_000);
});
