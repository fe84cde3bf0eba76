import { execFile } from "node:child_process";
import { access, constants, realpath, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { ProcessError } from "./error.ts";

/** Making an authority's keys takes 2 s; a machine under load needs more. */
const RUN_MS_MAX = 60_000;

/**
 * Looks a program up in the search path.
 *
 * @param name the program's file name, such as "tor"
 * @param path the folders to look in, as in `PATH`; this process's own by default
 * @returns its absolute path, or undefined when no folder has it
 */
export async function findProgram(
  name: string,
  path: string = process.env["PATH"] ?? "",
): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder === "") continue;
    const file = join(folder, name);
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  return undefined;
}

/**
 * Looks up programs that must be there.
 *
 * @param names the programs' file names
 * @param path the folders to look in, as in `PATH`; this process's own by default
 * @returns their absolute paths, in order
 * @throws ProcessError `program-missing`, naming every one that is missing and how to install it
 */
export async function requirePrograms<const Names extends readonly string[]>(
  names: Names,
  path?: string,
): Promise<{ [K in keyof Names]: string }> {
  const found = await Promise.all(names.map((name) => findProgram(name, path)));
  const missing = names.filter((_, index) => found[index] === undefined);
  if (missing.length > 0) {
    throw new ProcessError(
      "program-missing",
      `Not on this machine: ${missing.join(", ")}; install with: apt-get install tor monero`,
    );
  }
  return found as { [K in keyof Names]: string };
}

/**
 * What tells one build of a program from another: part of the key under which its files are
 * cached. monerod takes a whole second to say its version, so the file itself is looked at.
 *
 * @param program absolute path
 * @returns the file's path behind links, its size and when it was changed
 */
export async function programIdentity(program: string): Promise<string> {
  const file = await realpath(program);
  const { size, mtimeMs } = await stat(file);
  return `${file} ${size} ${Math.floor(mtimeMs)}`;
}

/**
 * Runs a program to its end.
 *
 * @param program absolute path
 * @param arguments_ its arguments
 * @param options `input`: what it reads on standard input; `home`: its home directory
 * @returns what it wrote to standard output, trimmed
 * @throws ProcessError `program-exited` with what it wrote to standard error
 */
export async function runProgram(
  program: string,
  arguments_: readonly string[],
  options: { input?: string; home?: string } = {},
): Promise<string> {
  const { input = "", home = "/nonexistent" } = options;
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, LC_ALL: "C" };
  return await new Promise((resolve, reject) => {
    const child = execFile(
      program,
      [...arguments_],
      { env, timeout: RUN_MS_MAX },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout.trim());
          return;
        }
        const said = stderr.trim().split("\n").at(-1) ?? "";
        reject(
          new ProcessError("program-exited", `${program} failed: ${said || error.message}`, {
            cause: error,
          }),
        );
      },
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}
