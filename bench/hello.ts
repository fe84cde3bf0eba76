import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Scratch } from "../lib/process/scratch.ts";

/**
 * Compiles the smallest program with the flags of scripts/build.mjs, once a run.
 *
 * @param scratch where it is put
 * @returns its path
 * @throws Error with what Bun said when it can't be compiled
 */
export function compiledHello(scratch: Scratch): string {
  const path = scratch.path("hello");
  if (existsSync(path)) return path;
  const bun = spawnSync(
    process.execPath,
    [
      ...["build", "--compile", "--minify-whitespace", "--minify-syntax", "--bytecode"],
      ...[
        "--format=esm",
        "--splitting",
        "--no-compile-autoload-dotenv",
        "--no-compile-autoload-bunfig",
      ],
      ...[join(import.meta.dir, "programs/hello.ts"), "--outfile", path],
    ],
    { cwd: scratch.directory, encoding: "utf8" },
  );
  if (bun.status === 0 && existsSync(path)) return path;
  throw new Error(`The hello-world can't be compiled: ${bun.stdout}${bun.stderr}`);
}
