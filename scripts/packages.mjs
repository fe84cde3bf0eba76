import { spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { runOnTerminal } from "./child.mjs";
import { root } from "./root.mjs";

/**
 * One package as npm's lock files describe it.
 *
 * @typedef {{ version?: string, integrity?: string, optional?: boolean }} LockedPackage
 */

/** Where Debian puts daemons, which an ordinary user's PATH leaves out. */
const DAEMON_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Debian's hook that says whether a package may start its service; 101 means no. */
const SERVICE_POLICY = "/usr/sbin/policy-rc.d";

/** A placeholder stands where Bun belongs until its install script has run; Bun itself is larger. */
const BUN_BYTES_MIN = 10_000_000;

/** Exit code for something that this machine lacks. */
const EXIT_MISSING = 3;

/** Command name → Debian package that brings it. */
export const debianPackages = /** @type {Record<string, string>} */ (
  JSON.parse(readFileSync(join(root, "scripts/debian-packages.json"), "utf8"))
);

/**
 * @param {string} path a lock file of npm's
 * @returns {Record<string, LockedPackage>} its packages by folder
 */
function lockedPackages(path) {
  return JSON.parse(readFileSync(path, "utf8")).packages;
}

/**
 * Reads what package-lock.json says about one package.
 *
 * @param {string} name package name
 * @returns {LockedPackage | undefined} undefined when the lock does not hold it
 */
export function lockedPackage(name) {
  return lockedPackages(join(root, "package-lock.json"))[`node_modules/${name}`];
}

/** @returns {boolean} whether node_modules is there, whole, and what the lock file asks for */
function packagesAreCurrent() {
  // npm writes this file last, so an install that was cut short does not have it.
  const installedLock = join(root, "node_modules/.package-lock.json");
  if (!existsSync(installedLock)) {
    return false;
  }
  const installed = lockedPackages(installedLock);
  return Object.entries(lockedPackages(join(root, "package-lock.json"))).every(
    ([folder, wanted]) => {
      const found = installed[folder];
      return (
        folder === "" ||
        (found === undefined ? wanted.optional === true : found.integrity === wanted.integrity)
      );
    },
  );
}

/**
 * Installs the npm packages of the lock file, unless they are there.
 *
 * @returns {Promise<boolean>} false when npm could not
 */
export async function installNpmPackages() {
  if (packagesAreCurrent()) {
    return true;
  }
  process.stdout.write("Installing npm packages\n");
  return (await runOnTerminal("npm", ["ci", "--include=dev", "--no-audit", "--no-fund"])) === 0;
}

/**
 * @param {string} command a program's name
 * @returns {boolean} whether it is on this machine
 */
export function hasCommand(command) {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...DAEMON_FOLDERS];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return statSync(join(folder, command)).isFile();
    } catch {
      return false;
    }
  });
}

/**
 * Forbids packages to start their services while `work` runs: a tor started by its package would
 * dial the real network. A policy that the machine has already is left alone.
 *
 * @template T
 * @param {() => Promise<T>} work what installs the packages
 * @returns {Promise<T>} what `work` gives
 */
async function withoutServices(work) {
  if (existsSync(SERVICE_POLICY)) {
    return work();
  }
  const removePolicy = () => rmSync(SERVICE_POLICY, { force: true });
  writeFileSync(SERVICE_POLICY, "#!/bin/sh\nexit 101\n");
  chmodSync(SERVICE_POLICY, 0o755);
  process.once("exit", removePolicy);
  try {
    return await work();
  } finally {
    removePolicy();
    process.off("exit", removePolicy);
  }
}

/**
 * Installs Debian packages for commands that are missing, when this user may.
 *
 * @param {readonly string[]} commands names from {@link debianPackages}
 * @returns {Promise<string[]>} the packages that are still missing, empty when all is there
 */
export async function installDebianPackages(commands) {
  const missingPackages = () => [
    ...new Set(
      commands
        .filter((command) => !hasCommand(command))
        .map((command) => debianPackages[command] ?? command),
    ),
  ];
  const missing = missingPackages();
  if (missing.length === 0 || process.getuid?.() !== 0 || !hasCommand("apt-get")) {
    return missing;
  }
  process.stdout.write(`Installing Debian packages: ${missing.join(", ")}\n`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const patience = ["-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"];
  await withoutServices(async () => {
    await runOnTerminal("apt-get", [...patience, "update"], env);
    await runOnTerminal(
      "apt-get",
      [...patience, "install", "-y", "--no-install-recommends", ...missing],
      env,
    );
  });
  return missingPackages();
}

/**
 * The command a person types to get Debian packages that this user may not install.
 *
 * @param {readonly string[]} packages Debian package names
 * @returns {string} one line
 */
export function installCommand(packages) {
  return `sudo apt-get install --no-install-recommends ${packages.join(" ")}`;
}

/**
 * Brings a fresh checkout to where its programs run: Debian's commands, npm's packages, the build.
 *
 * @param {readonly string[]} commands names from {@link debianPackages} that are needed
 * @returns {Promise<number>} exit code; what is missing was told
 */
export async function prepare(commands) {
  const missing = await installDebianPackages(commands);
  if (missing.length > 0) {
    process.stderr.write(
      `This machine lacks ${missing.join(" and ")}. Type this once, then try again:\n  ${installCommand(missing)}\n`,
    );
    return EXIT_MISSING;
  }
  if (!(await installNpmPackages())) {
    return EXIT_MISSING;
  }
  return runOnTerminal(process.execPath, ["scripts/build.mjs"]);
}

/**
 * Finds the Bun that npm installed.
 *
 * @returns {string} absolute path
 * @throws {Error} when no Bun for this machine was installed
 */
export function bunExecutable() {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const cpu = process.arch === "arm64" ? "aarch64" : process.arch;
  const found = [
    join(root, "node_modules/bun/bin/bun.exe"),
    // Where npm runs no install scripts, the executable stays in the package of its platform.
    join(root, `node_modules/@oven/bun-${system}-${cpu}/bin/bun`),
  ].find((path) => existsSync(path) && statSync(path).size >= BUN_BYTES_MIN);
  if (found === undefined) {
    throw new Error(`No Bun for ${system}-${cpu} in node_modules; run: npm ci`);
  }
  return found;
}

/**
 * Runs `npm pack` quietly in a folder.
 *
 * @param {string} spec package name and version
 * @param {string} folder where the archive goes
 * @returns {string | undefined} the archive's path; undefined when the registry does not give it
 */
export function packNpmPackage(spec, folder) {
  const packed = spawnSync("npm", ["pack", "--silent", "--pack-destination", folder, spec], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const name = packed.stdout?.trim().split("\n").at(-1);
  return packed.status === 0 && name ? join(folder, name) : undefined;
}
