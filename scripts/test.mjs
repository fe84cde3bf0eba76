// Everything that must hold, by one command on a fresh Debian machine with Node.js and npm:
// packages, build, type check, lint, Deno, and all tests, those against real daemons too.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killChildren, killChildrenOnExit, run } from "./child.mjs";
import { accountForFiles, readJunit } from "./junit.mjs";
import {
  bunExecutable,
  debianPackages,
  installCommand,
  installDebianPackages,
  installNpmPackages,
} from "./packages.mjs";
import { root } from "./root.mjs";

/**
 * @typedef {import("./junit.mjs").TestCase} TestCase
 * @typedef {{ name: string, command: string, args: readonly string[] }} Check
 */

/**
 * The whole run ends then, finished or not: continuous integration has to come to an end. Usual is ten
 * minutes; a machine that is busy with something else takes twice as long, and that is no failure.
 */
const RUN_MS_MAX = 30 * 60_000;

/** One file against real daemons may take this long; the longest waits for three timed syncs. */
const REAL_FILE_MS_MAX = 9 * 60_000;

/** Longest single test, in milliseconds, unless the test sets its own. */
const TEST_MS_MAX = Number(process.env["ANONCTL_TEST_MS_MAX"] ?? 90_000);

/** Longest single test against real daemons, in milliseconds, unless the test sets its own. */
const REAL_TEST_MS_MAX = Number(process.env["ANONCTL_REAL_TEST_MS_MAX"] ?? 240_000);

/** Files against real daemons that run at once: they mostly wait, and the machine has two cores. */
const REAL_FILES_AT_ONCE = 4;

/** More files than this that fail have a cause that goes by no further run. */
const FILES_AGAIN_MAX = 3;

/** Further runs of a file that failed: one of its own, two where real daemons keep their own time. */
const RUNS_AGAIN = { own: 1, real: 2 };

/** @type {TestCase[]} */
const results = [];
/** Failures of a first run whose file passed in a second one. @type {TestCase[]} */
const passedLater = [];
const reports = mkdtempSync(join(tmpdir(), "anonctl-test-"));
process.once("exit", () => rmSync(reports, { recursive: true, force: true }));

/**
 * @param {string} title what ran
 * @param {import("./child.mjs").Ending} ending how it went
 */
function print(title, ending) {
  const seconds = (ending.elapsedMs / 1_000).toFixed(1);
  const word = ending.code === 0 ? "done" : "FAILED";
  process.stdout.write(
    `\n===== ${title}: ${word} in ${seconds} s =====\n${ending.output.trimEnd()}\n`,
  );
}

/**
 * Runs a command that counts as one test.
 *
 * @param {Check} check the command
 * @returns {Promise<boolean>} whether it passed
 */
async function runCheck(check) {
  const ending = await run(check.command, check.args, {
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
  });
  print(check.name, ending);
  const passed = ending.code === 0;
  results.push({ name: check.name, file: "", outcome: passed ? "passed" : "failed" });
  return passed;
}

/**
 * Runs test files in one process of Bun's, and counts from its report.
 *
 * @param {string} title heading of its output
 * @param {readonly string[]} files test files, relative to the root
 * @param {{ testMs: number, limitMs: number, options?: readonly string[] }} limits longest single
 *   test and longest run, in milliseconds; further options of `bun test`
 * @returns {Promise<TestCase[]>} what came of each test
 */
async function runTests(title, files, limits) {
  const report = join(reports, `${title.replace(/\W+/g, "-")}.xml`);
  const ending = await run(
    bunExecutable(),
    [
      "test",
      `--timeout=${limits.testMs}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...(limits.options ?? []),
      ...files.map((file) => `./${file}`),
    ],
    { limitMs: limits.limitMs, env: { NO_COLOR: "1" } },
  );
  print(title, ending);
  let xml = "";
  try {
    xml = readFileSync(report, "utf8");
  } catch {
    // No report: every file is accounted for as one without a result.
  }
  return accountForFiles(readJunit(xml), files, ending.code);
}

/** @returns {string[]} all test files, relative to the root, in a fixed order */
function testFiles() {
  return readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .map((path) => `test/${path}`)
    .filter((path) => path.endsWith(".test.ts"))
    .sort();
}

/** What takes longest begins first, so that it doesn't keep one lane busy at the end. */
const LONG_FILES = [
  "node-transaction",
  "node-both-ways",
  "node-i2p-faults",
  "node-tor-faults",
  "node-i2p",
  "mixed-testnet",
  "node-load",
  "noise-study",
  "node-features-leak",
  "node-verify",
  "hs-i2p",
].map((name) => `test/real/${name}.real.test.ts`);

/** @param {readonly string[]} files test files, in the order in which they are to begin */
function longFirst(files) {
  const long = LONG_FILES.filter((file) => files.includes(file));
  return [...long, ...files.filter((file) => !long.includes(file))];
}

/**
 * Runs the files against real daemons, each in a process of its own, a few at once.
 *
 * @param {readonly string[]} files test files, relative to the root
 * @returns {Promise<Map<string, TestCase[]>>} what came of each file's tests
 */
async function runRealTests(files) {
  /** @type {Map<string, TestCase[]>} */
  const outcomes = new Map();
  const queue = longFirst(files);
  const lane = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      outcomes.set(file, await runRealFile(file, file));
    }
  };
  await Promise.all(Array.from({ length: REAL_FILES_AT_ONCE }, lane));
  return outcomes;
}

/**
 * @param {string} title heading of its output
 * @param {string} file the test file
 */
async function runRealFile(title, file) {
  return await runTests(title, [file], { testMs: REAL_TEST_MS_MAX, limitMs: REAL_FILE_MS_MAX });
}

/** @param {readonly TestCase[]} cases what came of a file's tests */
function failuresOf(cases) {
  return cases.filter(({ outcome }) => outcome === "failed");
}

/**
 * A machine with two cores that runs everything at once does not always keep up, and real daemons
 * keep their own time: the few files that failed are run once more, alone. What passes only then is
 * named at the end.
 *
 * @param {ReadonlyMap<string, readonly TestCase[]>} outcomes what came of each file's tests
 * @param {number} runs further runs of each
 * @param {(file: string) => Promise<TestCase[]>} runAlone runs one file by itself
 */
async function countTests(outcomes, runs, runAlone) {
  const failed = [...outcomes].filter(([, cases]) => failuresOf(cases).length > 0);
  const again = new Set(failed.length > FILES_AGAIN_MAX ? [] : failed.map(([file]) => file));
  for (const [file, first] of outcomes) {
    let cases = first;
    for (let run = 0; again.has(file) && run < runs && failuresOf(cases).length > 0; run++) {
      cases = await runAlone(file);
    }
    results.push(...cases);
    if (failuresOf(cases).length < failuresOf(first).length) passedLater.push(...failuresOf(first));
  }
}

/**
 * @param {readonly TestCase[]} cases of several files
 * @returns {Map<string, TestCase[]>} the same by file
 */
function byFile(cases) {
  /** @type {Map<string, TestCase[]>} */
  const files = new Map();
  for (const one of cases) files.set(one.file, [...(files.get(one.file) ?? []), one]);
  return files;
}

/**
 * The arguments of a task in deno.json. Deno is not asked to run the task itself: it takes the
 * executable that npm linked for a script.
 *
 * @param {string} name the task
 * @returns {string[]} arguments of `deno`
 */
function denoTask(name) {
  const { tasks } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
  return tasks[name].split(" ").slice(1);
}

/**
 * Runs what needs no daemon: the checks one after another, then all other tests.
 *
 * @param {readonly string[]} files test files, relative to the root
 * @returns {Promise<Map<string, TestCase[]>>} what came of each file's tests
 */
async function runChecksAndTests(files) {
  const bin = (/** @type {string} */ name) => join(root, "node_modules/.bin", name);
  const checks = /** @type {readonly Check[]} */ ([
    { name: "type check", command: bin("tsc"), args: ["--noEmit", "-p", "."] },
    { name: "type check of scripts", command: bin("tsc"), args: ["--noEmit", "-p", "scripts"] },
    { name: "lint and format", command: bin("biome"), args: ["check", "--error-on-warnings", "."] },
    { name: "deno check", command: bin("deno"), args: denoTask("check") },
    { name: "example under Deno", command: bin("deno"), args: denoTask("example") },
  ]);
  for (const check of checks) {
    await runCheck(check);
  }
  const limits = { testMs: TEST_MS_MAX, limitMs: RUN_MS_MAX, options: ["--parallel=2"] };
  return byFile(await runTests("unit, property and integration tests", files, limits));
}

/** Prints what did not pass, by name, and the closing line; sets the exit code. */
function conclude() {
  const count = (/** @type {TestCase["outcome"]} */ outcome) => {
    const found = results.filter((one) => one.outcome === outcome);
    if (outcome !== "passed" && found.length > 0) {
      const names = found.map((one) => `  ${one.file === "" ? "" : `${one.file}: `}${one.name}`);
      process.stdout.write(`\n${outcome}:\n${names.join("\n")}\n`);
    }
    return found.length;
  };
  if (passedLater.length > 0) {
    const names = passedLater.map(({ file, name }) => `  ${file}: ${name}`);
    process.stdout.write(`\npassed only in a second run, alone:\n${names.join("\n")}\n`);
  }
  const passed = count("passed");
  const skipped = count("skipped");
  const failed = count("failed");
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

async function main() {
  if (!(await installNpmPackages())) {
    results.push({ name: "npm packages could not be installed", file: "", outcome: "failed" });
    return;
  }
  const missing = await installDebianPackages(Object.keys(debianPackages));
  if (missing.length > 0) {
    process.stdout.write(
      `Not on this machine: ${missing.join(", ")}. The tests that need them are skipped; to run them too:\n  ${installCommand(missing)}\n`,
    );
  }
  await runCheck({ name: "build", command: process.execPath, args: ["scripts/build.mjs"] });
  const files = testFiles();
  const [real, own] = await Promise.all([
    runRealTests(files.filter((file) => file.startsWith("test/real/"))),
    runChecksAndTests(files.filter((file) => !file.startsWith("test/real/"))),
  ]);
  const limits = { testMs: TEST_MS_MAX, limitMs: REAL_FILE_MS_MAX };
  await countTests(own, RUNS_AGAIN.own, (file) => runTests(`${file}, alone`, [file], limits));
  await countTests(real, RUNS_AGAIN.real, (file) => runRealFile(`${file}, alone`, file));
}

killChildrenOnExit();
const end = setTimeout(() => {
  process.stdout.write(`\nThe run is ended after ${RUN_MS_MAX / 60_000} minutes.\n`);
  results.push({ name: "the whole run in time", file: "", outcome: "failed" });
  killChildren();
}, RUN_MS_MAX);
await main();
clearTimeout(end);
conclude();
