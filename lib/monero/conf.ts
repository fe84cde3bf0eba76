/** One `name=value` line of a monero.conf. */
export interface ConfLine {
  /** The option's name, with its section before a point where one is open. */
  readonly name: string;
  /** Never for a message as it is: it may be a password. */
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** A line that monerod can't read. */
export interface ConfFault {
  /** From 1; 0 for the file as a whole. */
  readonly line: number;
  readonly reason: string;
}

/** A monero.conf, as monerod reads it. */
export interface Conf {
  readonly lines: readonly ConfLine[];
  readonly faults: readonly ConfFault[];
}

/** Longest file looked at: a configuration has some kilobytes. */
export const CONF_CHARACTERS_MAX = 262_144;
/** As many unreadable lines as are told of. */
const FAULTS_MAX = 20;

/**
 * Reads a monero.conf as monerod does: `name=value` a line, `#` begins a comment wherever it stands,
 * `[section]` puts `section.` before the names after it. Never throws: a line that monerod refuses is
 * a fault, and the others are read.
 *
 * @param text the file's text
 * @see boost `program_options/detail/config_file.hpp`, which monerod uses
 */
export function parseConf(text: string): Conf {
  if (text.length > CONF_CHARACTERS_MAX) {
    const reason = `The file has over ${CONF_CHARACTERS_MAX} characters; that is no monero.conf.`;
    return { lines: [], faults: [{ line: 0, reason }] };
  }
  const lines: ConfLine[] = [];
  const faults: ConfFault[] = [];
  let prefix = "";
  for (const [index, raw] of text.split("\n").entries()) {
    const content = trim(raw.split("#", 1)[0] ?? "");
    if (content === "") continue;
    const line = index + 1;
    if (content.startsWith("[") && content.endsWith("]")) {
      const section = content.slice(1, -1);
      prefix = section === "" || section.endsWith(".") ? section : `${section}.`;
      continue;
    }
    const equals = content.indexOf("=");
    if (equals > 0) {
      const name = prefix + trim(content.slice(0, equals));
      lines.push({ name, value: trim(content.slice(equals + 1)), line });
    } else if (faults.length < FAULTS_MAX) {
      const reason =
        "monerod does not start with a line that is not NAME=VALUE; a switch is NAME=1.";
      faults.push({ line, reason });
    }
  }
  return { lines, faults };
}

/** The spaces that boost takes away. */
function trim(text: string): string {
  return text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, "");
}
