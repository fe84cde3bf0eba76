import { InvalidArgumentError, type Option } from "commander";
import { Fault } from "../lib/runtime/fault.ts";

/** What can be wrong with what the user wrote on the command line or in a file. */
export type UsageErrorCode = "bad-option" | "bad-config-file";

/** An option or a configuration file that can't be used as written; exit code 2. */
export class UsageError extends Fault<UsageErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that names the option and what is allowed
   */
  constructor(code: UsageErrorCode, message: string) {
    super(code, "config", message);
  }
}

/**
 * Reads an option's text by a parser that knows no options, and names the option in what it says.
 *
 * @param option its name, without dashes
 * @param read throws what is wrong with the text
 * @throws UsageError that begins with the option; what is not the user's fault as it was
 */
export function naming<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault) || error.where !== "config") throw error;
    throw new UsageError("bad-option", `--${option}: ${error.message}`);
  }
}

/** A command as commander makes it, with its types or without. */
interface Speaker {
  readonly commands: readonly Speaker[];
  readonly options: readonly Option[];
  name(): string;
  configureOutput(output: { outputError: (text: string, write: Write) => void }): unknown;
  showHelpAfterError(text: string): unknown;
}

type Write = (text: string) => void;

/**
 * Has commander's own messages begin as all others do, with the command's name, and end with where
 * to read on; those of subcommands too.
 *
 * @param command complete, named "anonctl NAME"
 * @returns the same command
 */
export function withNamedErrors<C extends Speaker>(command: C): C {
  nameErrors(command, command.name(), command.name());
  return command;
}

function nameErrors(command: Speaker, prefix: string, words: string): void {
  command.configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, `${prefix}: `)),
  });
  command.showHelpAfterError(`See ${words} --help.`);
  for (const option of command.options) if (option.required) refuseOptionAsValue(option);
  for (const one of command.commands) nameErrors(one, prefix, `${words} ${one.name()}`);
}

/** A forgotten value must not make a file's name of the next option: it might be one that protects. */
function refuseOptionAsValue(option: Option): void {
  const { parseArg } = option;
  option.argParser((value: string, before: unknown) => {
    if (value.startsWith("--")) {
      throw new InvalidArgumentError(
        `${value.slice(0, 100)} is an option; give ${option.long} its value first.`,
      );
    }
    return parseArg === undefined ? value : parseArg(value, before);
  });
}
