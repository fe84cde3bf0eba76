import type { Rule } from "./import-rules.ts";

/** A file that fits in one head. */
const FILE_LINES_MAX = 400;

/** A function that fits on one screen. */
const FUNCTION_LINES_MAX = 70;

/** Words that say where something was put and not what it is. */
const emptyWords: ReadonlySet<string> = new Set([
  "common",
  "helper",
  "helpers",
  "manager",
  "misc",
  "util",
  "utils",
]);

/** Marks of work put off, and of checks turned off; written apart so as not to match itself. */
const deferredWork: readonly RegExp[] = [
  /\b(?:TO-?DO|FIX-?ME|XX-?X)\b/,
  /biome-?ignore/,
  /@ts-(?:ignore|nocheck)/,
];

/** A file is at most 400 lines long. */
export const fileLengthRule: Rule = (sources) =>
  sources
    .filter((source) => source.lines > FILE_LINES_MAX)
    .map((source) => `${source.path}: ${source.lines} lines, ${FILE_LINES_MAX} allowed`);

/** A function is at most 70 lines long; groups of tests are lists and may be longer. */
export const functionLengthRule: Rule = (sources) =>
  sources
    .filter((source) => !source.path.startsWith("test/"))
    .flatMap((source) =>
      source.functions
        .filter((one) => one.lines > FUNCTION_LINES_MAX)
        .map(
          (one) =>
            `${source.path}: ${one.name} has ${one.lines} lines, ${FUNCTION_LINES_MAX} allowed`,
        ),
    );

/** A file or folder is named for what it holds. */
export const nameRule: Rule = (sources) =>
  sources.flatMap((source) =>
    source.path
      .split(/[/._-]/)
      .filter((word) => emptyWords.has(word.toLowerCase()))
      .map((word) => `${source.path}: "${word}" says nothing`),
  );

/** Everything that the library and the command line export is explained. */
export const docstringRule: Rule = (sources) =>
  sources
    .filter((source) => /^(?:lib|cli)\/|^mod\.ts$/.test(source.path))
    .flatMap((source) =>
      source.undocumented.map((name) => `${source.path}: ${name} has no docstring`),
    );

/** Nothing is put off, and no check is turned off. */
export const deferralRule: Rule = (sources) =>
  sources.flatMap((source) =>
    source.text
      .split("\n")
      .flatMap((line, index) =>
        deferredWork.some((pattern) => pattern.test(line))
          ? [`${source.path}:${index + 1}: ${line.trim()}`]
          : [],
      ),
  );
