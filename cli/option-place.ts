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
export function inFile(
  file: string,
  lines: readonly { readonly name: string; readonly value: string; readonly line: number }[],
): PlaceOf {
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
