import { describe, test } from "bun:test";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import debianPackages from "../../scripts/debian-packages.json";

/** A program that a test runs for real; the Debian package that brings it is in the table. */
export type Daemon = keyof typeof debianPackages;

/** What a file of tests gets for the daemons it asked for. */
export interface RequiredDaemons {
  /** `test` where every daemon is here; else one that reports its tests as skipped, by name. */
  readonly test: typeof test;
  /** `describe` likewise: the hooks of a skipped group do not run. */
  readonly describe: typeof describe;
  /** Full path of each daemon that is here. */
  readonly path: (daemon: Daemon) => string;
}

/** Where Debian puts daemons, which an ordinary user's PATH leaves out. */
const DAEMON_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/**
 * Finds a daemon on this machine.
 *
 * @param daemon name of the program
 * @returns its full path, undefined when it is not installed
 */
export function findDaemon(daemon: Daemon): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...DAEMON_FOLDERS];
  return folders
    .map((folder) => join(folder, daemon))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * Names the daemons without which a file of tests means nothing. Where one is missing, the tests
 * are reported as skipped, by name; under `CI=true` one test fails and says what to install.
 *
 * @param daemons programs that the tests start
 * @returns the `test` and `describe` to declare the tests with
 */
export function requireDaemon(...daemons: readonly Daemon[]): RequiredDaemons {
  const missing = daemons.filter((daemon) => findDaemon(daemon) === undefined);
  const path = (daemon: Daemon): string => {
    const found = findDaemon(daemon);
    if (found === undefined) {
      throw new Error(`No ${daemon} on this machine: ${remedy([daemon])}.`);
    }
    return found;
  };
  if (missing.length === 0) {
    return { test, describe, path };
  }
  if (process.env["CI"] === "true") {
    test(`${missing.join(" and ")} must be on this machine`, () => {
      throw new Error(
        `Not on this machine: ${missing.join(", ")}. To mend it: ${remedy(missing)}.`,
      );
    });
  }
  // The real functions carry the types; `skipIf(true)` gives the same shape and reports the names.
  return { test: test.skipIf(true), describe: describe.skipIf(true), path };
}

function remedy(daemons: readonly Daemon[]): string {
  const packages = new Set(daemons.map((daemon) => debianPackages[daemon]));
  return `apt-get install ${[...packages].join(" ")}`;
}
