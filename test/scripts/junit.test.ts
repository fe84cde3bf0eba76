import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository } from "../house/tree.ts";

interface TestCase {
  readonly name: string;
  readonly file: string;
  readonly outcome: "passed" | "failed" | "skipped";
}

interface Junit {
  readonly readJunit: (xml: string) => TestCase[];
  readonly accountForFiles: (
    cases: readonly TestCase[],
    files: readonly string[],
    code: number | null,
  ) => TestCase[];
}

// The script runs before any package is installed, so it is plain JavaScript without declarations.
const junit: Junit = await import(join(repository, "scripts/junit.mjs"));

/** Runs test files of the given texts as `npm test` does, and counts them as it does. */
function countOf(texts: Record<string, string>): TestCase[] {
  const folder = mkdtempSync(join(tmpdir(), "anonctl-junit-"));
  try {
    for (const [name, text] of Object.entries(texts)) {
      writeFileSync(
        join(folder, name),
        `import { describe, test, beforeAll } from "bun:test";\n${text}`,
      );
    }
    const files = Object.keys(texts);
    const report = join(folder, "report.xml");
    const child = Bun.spawnSync(
      [
        process.execPath,
        "test",
        "--timeout=300",
        "--reporter=junit",
        `--reporter-outfile=${report}`,
        ...files.map((file) => `./${file}`),
      ],
      { cwd: folder, stdout: "ignore", stderr: "ignore" },
    );
    const xml = Bun.file(report).size > 0 ? readFileSync(report, "utf8") : "";
    return junit.accountForFiles(junit.readJunit(xml), files, child.exitCode);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const outcomes = (cases: readonly TestCase[]): string[] =>
  cases.map((one) => `${one.outcome}: ${one.name}`);

test("passed, failed, skipped and timed-out tests are counted by name", () => {
  const cases = countOf({
    "a.test.ts": `
      test('a "quoted" <name> & more', () => {});
      describe("group", () => { test("bad", () => { throw new Error("x"); }); });
      describe.skip("off", () => { beforeAll(() => {}); test("inner", () => {}); });
      test("hangs", () => new Promise(() => {}));`,
  });
  expect(outcomes(cases)).toEqual([
    'passed: a "quoted" <name> & more',
    "failed: group > bad",
    "skipped: off > inner",
    "failed: hangs",
  ]);
});

test("a file that ends its process with success is a failure", () => {
  const cases = countOf({
    "a.test.ts": 'test("fine", () => {}); test("leaves", () => { process.exit(0); });',
  });
  expect(outcomes(cases)).toEqual([
    "failed: no result: it did not load, ended early, or holds no test",
  ]);
});

test("a file that cannot be loaded, and one without a test, are failures", () => {
  const cases = countOf({
    "a.test.ts": 'test("fine", () => {});',
    "b.test.ts": 'import "./nowhere.ts"; test("never", () => {});',
    "c.test.ts": "",
  });
  expect(cases.filter((one) => one.outcome === "failed").map((one) => one.file)).toEqual([
    "b.test.ts",
    "c.test.ts",
  ]);
  expect(cases).toHaveLength(3);
});

test("a hook that fails is a failure", () => {
  const cases = countOf({
    "a.test.ts": 'beforeAll(() => { throw new Error("x"); }); test("a", () => {});',
  });
  expect(cases.some((one) => one.outcome === "failed")).toBe(true);
});

test("a failing exit code is a failure even where every test in the report passed", () => {
  const cases = [{ name: "a", file: "a.test.ts", outcome: "passed" as const }];
  expect(outcomes(junit.accountForFiles(cases, ["a.test.ts"], 1))).toEqual([
    "passed: a",
    "failed: the test process ended with code 1",
  ]);
  expect(junit.accountForFiles(cases, ["a.test.ts"], 0)).toEqual(cases);
});
