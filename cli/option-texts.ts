import { UsageError } from "./usage-error.ts";

/** The values of every option, as texts, in the order in which they were given. */
export type OptionTexts = ReadonlyMap<string, readonly string[]>;

/**
 * What an option that counts once was given as.
 *
 * @param texts what the command line and the configuration file gave
 * @param name the option's
 * @returns undefined where it was not given
 */
export function last(texts: OptionTexts, name: string): string | undefined {
  return texts.get(name)?.at(-1);
}

/**
 * Whether a switch is on.
 *
 * @param texts what the command line and the configuration file gave
 * @param name the option's
 * @throws UsageError where a file gives it another value than 1, true, 0 or false
 */
export function isOn(texts: OptionTexts, name: string): boolean {
  const value = last(texts, name);
  if (value === undefined || value === "0" || value === "false") return false;
  if (value === "1" || value === "true") return true;
  throw new UsageError("bad-option", `--${name} is a switch; "${value}" is neither 1 nor 0.`);
}
