import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import denoManifest from "../deno.json";
import manifest from "../package.json";
import lock from "../package-lock.json";
import type { Rule } from "./house/import-rules.ts";
import { readSources, type SourceFact } from "./house/source.ts";
import {
  deferralRule,
  docstringRule,
  fileLengthRule,
  functionLengthRule,
  nameRule,
} from "./house/text-rules.ts";
import { repository, sourceTexts } from "./house/tree.ts";

let sources: SourceFact[] = [];

beforeAll(async () => {
  sources = await readSources(sourceTexts());
});

const lines = (count: number): string => "a();\n".repeat(count);

const rules: readonly (readonly [string, Rule])[] = [
  ["files are short", fileLengthRule],
  ["functions are short", functionLengthRule],
  ["names say what a file holds", nameRule],
  ["what is exported is explained", docstringRule],
  ["nothing is put off, no check is turned off", deferralRule],
];

/** One breach a mutant; the marks are put together here so that this file holds none. */
const mutants: readonly (readonly [string, Rule, string, string])[] = [
  ["a long file", fileLengthRule, "lib/zone/m.ts", lines(401)],
  ["a long function", functionLengthRule, "lib/zone/m.ts", `function f() {\n${lines(69)}}`],
  ["a long arrow", functionLengthRule, "lib/zone/m.ts", `const f = () => {\n${lines(69)}};`],
  ["a long method", functionLengthRule, "cli/m.ts", `class A {\n  f() {\n${lines(69)}}\n}`],
  ["a long script", functionLengthRule, "scripts/m.mjs", `function f() {\n${lines(69)}}`],
  ["a file of no name", nameRule, "lib/zone/utils.ts", ""],
  ["a folder of no name", nameRule, "lib/common/m.ts", ""],
  ["a compound of no name", nameRule, "cli/peer-manager.ts", ""],
  ["an unexplained function", docstringRule, "lib/zone/m.ts", "export function f(): void {}"],
  ["an unexplained type", docstringRule, "lib/zone/m.ts", "// Why.\nexport type A = string;"],
  [
    "an unexplained constant",
    docstringRule,
    "cli/m.ts",
    "/** B. */\nconst b = 1;\nexport const a = b;",
  ],
  ["work put off", deferralRule, "lib/zone/m.ts", `// ${"TO"}${"DO"}: later`],
  ["a lint rule turned off", deferralRule, "lib/zone/m.ts", `// ${"biome"}-ignore lint: no`],
  ["the type check turned off", deferralRule, "test/m.ts", `// @ts-${"ignore"}`],
];

describe("the house rules", () => {
  test.each(rules)("%s", (_name, rule) => {
    expect(rule(sources)).toEqual([]);
  });

  test.each(mutants)("a breach is found: %s", async (_name, rule, path, text) => {
    const breaches = rule(await readSources(new Map([[path, text]])));
    expect(breaches).toHaveLength(1);
    expect(breaches[0]).toStartWith(path);
  });

  test("the longest allowed file and function pass", async () => {
    const text = `/** F. */\nexport function f() {\n${lines(68)}}\n${lines(329)}`;
    const found = await readSources(new Map([["lib/zone/m.ts", text]]));
    expect(found[0]?.lines).toBe(400);
    expect(found[0]?.functions).toEqual([{ name: "f", lines: 70 }]);
    expect(rules.flatMap(([, rule]) => rule(found))).toEqual([]);
  });
});

describe("the packages", () => {
  test("have one exact version each", () => {
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(versions.length).toBeGreaterThan(5);
  });

  test("come from whatever registry the machine is set to: the lock names no host", () => {
    const text = readFileSync(join(repository, "package-lock.json"), "utf8");
    expect(text).toContain('"integrity": "sha512-');
    expect(text).not.toContain('"resolved"');
    expect(text).not.toMatch(/registry/i);
  });

  test("are all in the lock, those for other systems too: npm refuses to install otherwise", () => {
    const packages = z
      .record(
        z.string(),
        z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() }),
      )
      .parse(lock.packages);
    const wanted = Object.values(packages).flatMap((one) =>
      Object.keys(one.optionalDependencies ?? {}),
    );
    expect(wanted.length).toBeGreaterThan(20);
    expect(wanted.filter((name) => packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });

  test("agree on the version of anonctl, which the change log knows", () => {
    expect(denoManifest.version).toBe(manifest.version);
    const changes = readFileSync(join(repository, "CHANGELOG.md"), "utf8");
    expect(changes).toContain(`## [${manifest.version}]`);
  });
});
