import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** The repository's top folder. */
export const repository = join(import.meta.dir, "../..");

/** Folders and files with source text of ours; vectors are data. */
const places = ["mod.ts", "lib", "cli", "examples", "bench", "scripts", "test"];

/**
 * Reads every source file of the repository.
 *
 * @returns path relative to the top → text, in a fixed order
 */
export function sourceTexts(): Map<string, string> {
  const paths = places
    .filter((place) => existsSync(join(repository, place)))
    .flatMap((place) =>
      statSync(join(repository, place)).isFile()
        ? [place]
        : readdirSync(join(repository, place), { recursive: true, encoding: "utf8" }).map(
            (path) => `${place}/${path}`,
          ),
    )
    .filter((path) => /\.(?:ts|mjs)$/.test(path) && !path.startsWith("test/vectors/"))
    .sort();
  return new Map(paths.map((path) => [path, readFileSync(join(repository, path), "utf8")]));
}
