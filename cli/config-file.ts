import { readBounded } from "./bounded-file.ts";
import { UsageError } from "./usage-error.ts";

/** A configuration file is a page of text; anything larger is some other file. */
const CONFIG_BYTES_MAX = 65_536;

/** One `name=value` line of a configuration file. */
export interface ConfigLine {
  readonly name: string;
  /** "1" for a bare name. */
  readonly value: string;
  readonly isBare?: true;
  /** From 1. */
  readonly line: number;
}

/**
 * Reads a file in monero.conf's format.
 *
 * @param file its path
 * @throws UsageError `bad-config-file`, with the line where there is one
 */
export function readConfigFile(file: string): ConfigLine[] {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readBounded(file, CONFIG_BYTES_MAX);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError("bad-config-file", `--config-file ${file} can't be read (${reason}).`);
  }
  if (bytes === undefined) {
    throw new UsageError(
      "bad-config-file",
      `${file} has over ${CONFIG_BYTES_MAX} bytes; that is no configuration.`,
    );
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return parseConfig(text, file);
}

/**
 * Reads monero.conf's format: `name=value` a line, a bare `name` for a switch, `#` begins a
 * comment, names may repeat.
 *
 * @param text the file's text
 * @param file its name, for messages
 * @throws UsageError `bad-config-file` with the line
 * @see boost `program_options/detail/config_file.hpp`, which monerod uses
 */
export function parseConfig(text: string, file: string): ConfigLine[] {
  const lines: ConfigLine[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const content = raw.replace(/#.*$/, "").trim();
    if (content === "") continue;
    const equals = content.indexOf("=");
    const name = (equals < 0 ? content : content.slice(0, equals)).trim();
    // monerod's names, and one of Tahoe-LAFS.
    if (!/^(?:[a-z][a-z0-9-]*|reveal-IP-address)$/.test(name)) {
      throw new UsageError(
        "bad-config-file",
        // Only the first word: what follows may be a proxy's password.
        `${file}, line ${index + 1}: "${name.split(/\s/, 1)[0]?.slice(0, 60)}" is not the name of an option; write name=value, as in tx-proxy=tor,127.0.0.1:9050.`,
      );
    }
    const value = equals < 0 ? "1" : content.slice(equals + 1).trim();
    lines.push({ name, value, line: index + 1, ...(equals < 0 && { isBare: true }) });
  }
  return lines;
}
