import { Fault } from "../lib/runtime/fault.ts";
import type { ConfigLine } from "./config-file.ts";
import type { OptionTexts } from "./option-texts.ts";
import { UsageError } from "./usage-error.ts";

/** Where an option was given, in words for messages. */
export interface OptionPlace {
  /** The option, as `--add-peer` or `FILE, line 3: add-peer`. */
  readonly name: string;
  /** The option and what it was given as. */
  readonly given: string;
  /** How another option is written in the same place. */
  readonly option: (name: string, text: string) => string;
}

/** Where an option's text was given. */
export type PlaceOf = (option: string, text: string) => OptionPlace;

/** Of an option on the command line. */
export const onCommandLine: PlaceOf = (option, text) => ({
  name: `--${option}`,
  given: `--${option} ${text}`,
  option: (name, value) => `--${name} ${value}`,
});

/**
 * Of options that a configuration file gave, by its lines; all others are the command line's.
 *
 * @param file its name
 * @param lines of the file
 */
export function inFile(file: string, lines: readonly ConfigLine[]): PlaceOf {
  return (option, text) => {
    const found = lines.find(({ name, value }) => name === option && value === text);
    if (found === undefined) return onCommandLine(option, text);
    const place = `${file}, line ${found.line}`;
    return {
      name: `${place}: ${option}`,
      given: `${place}: ${option}=${text}`,
      option: (name, value) => `the line ${name}=${value}`,
    };
  };
}

/** What was read from a configuration file, and what counts of it. */
export interface FileTexts {
  readonly file: string;
  readonly lines: readonly ConfigLine[];
  /** Together with the command line's. */
  readonly texts: OptionTexts;
}

/**
 * Reads options, and names the line of the file where what is wrong stands in one.
 *
 * @param from the file
 * @param read throws what is wrong, the option's name first
 * @throws UsageError with the line; as it was, where the option is the command line's
 */
export function readPlaced<T>(from: FileTexts, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault) || error.where !== "config") throw error;
    const line = lineOf(error.message, from);
    if (line === undefined) throw error;
    throw new UsageError("bad-config-file", `${from.file}, line ${line}: ${error.message}`);
  }
}

/** Only the option that a message names first: later ones are advice. */
function lineOf(message: string, { file, lines, texts }: FileTexts): number | undefined {
  const [, named] = /--([a-z][A-Za-z0-9-]*)/.exec(message) ?? [];
  if (named === undefined || message.startsWith(`${file}, line `)) return undefined;
  const given = texts.get(named) ?? [];
  const here = lines.filter(({ name, value }) => name === named && given.includes(value));
  const isOnlyHere = here.length === 1 && given.length === 1;
  const shown = here.filter(({ value }) => message.includes(`--${named} ${value}`));
  const [longest] = shown.sort((one, other) => other.value.length - one.value.length);
  return (isOnlyHere ? here[0] : longest)?.line;
}
