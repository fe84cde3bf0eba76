// Builds dist/anonctl for this machine; with --all also for the other systems, with checksums.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { bunExecutable, installNpmPackages, lockedPackage, packNpmPackage } from "./packages.mjs";
import { root } from "./root.mjs";

/**
 * A system that anonctl is built for.
 *
 * @typedef {object} Target
 * @property {string} name suffix of the file in dist
 * @property {string} runtime npm package with Bun for that system
 * @property {string} executable Bun's path inside that package
 * @property {string} file name of the finished program
 */

const targets = /** @type {readonly Target[]} */ ([
  {
    name: "linux-x64",
    runtime: "@oven/bun-linux-x64",
    executable: "bin/bun",
    file: "anonctl-linux-x64",
  },
  {
    name: "linux-arm64",
    runtime: "@oven/bun-linux-aarch64",
    executable: "bin/bun",
    file: "anonctl-linux-arm64",
  },
  {
    name: "darwin-arm64",
    runtime: "@oven/bun-darwin-aarch64",
    executable: "bin/bun",
    file: "anonctl-darwin-arm64",
  },
  {
    name: "darwin-x64",
    runtime: "@oven/bun-darwin-x64",
    executable: "bin/bun",
    file: "anonctl-darwin-x64",
  },
  {
    name: "windows-x64",
    runtime: "@oven/bun-windows-x64",
    executable: "bin/bun.exe",
    file: "anonctl-windows-x64.exe",
  },
]);

const dist = join(root, "dist");
const runtimes = join(root, ".cache/bun");

/** @returns {string} version in package.json */
function version() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;
}

/**
 * Compiles cli/main.ts to one executable. The program never reads .env or bunfig.toml from the
 * folder it is started in: the latter could load code. Split, because in one piece every node
 * module that any command imports would be loaded at each start.
 *
 * @param {string} file name of the result in dist
 * @param {readonly string[]} [options] further options of `bun build`
 * @returns {string | undefined} what went wrong, undefined when nothing did
 */
function compile(file, options = []) {
  const folder = mkdtempSync(join(dist, ".build-"));
  const half = join(folder, file);
  const args = [
    "build",
    "--compile",
    "--minify-whitespace",
    "--minify-syntax",
    "--bytecode",
    "--format=esm",
    "--splitting",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--define",
    `ANONCTL_VERSION=${JSON.stringify(version())}`,
    ...options,
    "cli/main.ts",
    "--outfile",
    half,
  ];
  const bun = spawnSync(bunExecutable(), args, { cwd: root, encoding: "utf8" });
  try {
    if (bun.status !== 0 || !existsSync(half)) {
      return `${bun.stdout}${bun.stderr}`.trim();
    }
    renameSync(half, join(dist, file));
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Brings Bun for another system by npm, and checks it against the lock file.
 *
 * @param {Target} target the system
 * @returns {{ path: string } | { missing: string } | { broken: string }} Bun's path, or why not:
 *   `missing` when the registry has none, `broken` when what came is not what the lock promises
 */
function runtimeFor(target) {
  const locked = lockedPackage(target.runtime);
  if (locked?.version === undefined || locked.integrity === undefined) {
    return { missing: `the lock file has no ${target.runtime}` };
  }
  const home = join(runtimes, `${target.name}-${locked.version}`);
  const path = join(home, "package", target.executable);
  if (existsSync(path)) {
    return { path };
  }
  mkdirSync(home, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), "anonctl-runtime-"));
  try {
    const spec = `${target.runtime}@${locked.version}`;
    const archive = packNpmPackage(spec, folder);
    if (archive === undefined) {
      return { missing: `npm does not give ${spec}` };
    }
    const digest = createHash("sha512").update(readFileSync(archive)).digest("base64");
    if (locked.integrity !== `sha512-${digest}`) {
      return { broken: `${basename(archive)} does not match the lock file` };
    }
    const inside = `package/${target.executable}`;
    const tar = spawnSync("tar", ["-xzf", archive, "-C", folder, inside]);
    if (tar.status !== 0) {
      return { broken: `${basename(archive)} holds no ${inside}` };
    }
    mkdirSync(join(path, ".."), { recursive: true });
    copyFileSync(join(folder, inside), `${path}.part`);
    renameSync(`${path}.part`, path);
    return { path };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Builds for one system.
 *
 * @param {Target} target the system
 * @returns {"built" | "missing" | "broken"} how it went
 */
function buildTarget(target) {
  const runtime = runtimeFor(target);
  if (!("path" in runtime)) {
    const [word, reason] = Object.entries(runtime)[0] ?? ["broken", "unknown reason"];
    process.stdout.write(`not built: ${target.name}: ${reason}\n`);
    return word === "missing" ? "missing" : "broken";
  }
  const trouble = compile(target.file, [
    `--target=bun-${target.name}`,
    `--compile-executable-path=${runtime.path}`,
  ]);
  if (trouble !== undefined) {
    process.stdout.write(`not built: ${target.name}: ${trouble}\n`);
    return "broken";
  }
  process.stdout.write(`built: dist/${target.file}\n`);
  return "built";
}

/** @param {readonly string[]} files names in dist whose sums go to dist/SHA256SUMS */
function writeSums(files) {
  const lines = files.map((file) => {
    const sum = createHash("sha256")
      .update(readFileSync(join(dist, file)))
      .digest("hex");
    return `${sum}  ${file}\n`;
  });
  writeFileSync(join(dist, "SHA256SUMS"), lines.join(""));
  process.stdout.write("built: dist/SHA256SUMS\n");
}

/** @returns {Promise<number>} exit code: 1 when something that could be built was not */
async function main() {
  if (!(await installNpmPackages())) {
    return 1;
  }
  mkdirSync(dist, { recursive: true });
  const trouble = compile("anonctl");
  if (trouble !== undefined) {
    process.stderr.write(`not built: anonctl: ${trouble}\n`);
    return 1;
  }
  process.stdout.write("built: dist/anonctl\n");
  if (!process.argv.includes("--all")) {
    return 0;
  }
  const results = targets.map((target) => ({ target, result: buildTarget(target) }));
  const built = results.filter((one) => one.result === "built").map((one) => one.target.file);
  writeSums(["anonctl", ...built]);
  return results.some((one) => one.result === "broken") ? 1 : 0;
}

process.exitCode = await main();
