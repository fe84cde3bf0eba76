import { TahoeError } from "./error.ts";

/** One option of an INI file. */
export interface IniValue {
  /** The value as the program sees it, joined where it goes over several lines. */
  readonly value: string;
  /** Where it begins, from 1. */
  readonly line: number;
}

/** One section: its options by name, in lower case. */
export type IniSection = ReadonlyMap<string, IniValue>;

/** Longest file looked at: a tahoe.cfg has some kilobytes. */
export const INI_CHARACTERS_MAX = 262_144;
/** The section whose options all others have too. */
const DEFAULT_SECTION = "DEFAULT";
/** What Python takes for white space; JavaScript's own set differs by six characters. */
const spaces: ReadonlySet<number> = new Set([
  ...[0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680],
  ...[0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a],
  ...[0x2028, 0x2029, 0x202f, 0x205f, 0x3000],
]);

/** An INI file, read exactly as Python's configparser reads it for Tahoe-LAFS. */
export class IniFile {
  readonly #sections: ReadonlyMap<string, IniSection>;

  /** @param sections as read */
  constructor(sections: ReadonlyMap<string, IniSection>) {
    this.#sections = sections;
  }

  /** The names of the sections, in the order written, without `DEFAULT`. */
  get sections(): readonly string[] {
    return [...this.#sections.keys()].filter((name) => name !== DEFAULT_SECTION);
  }

  /**
   * An option's value; undefined where there is none.
   *
   * @param section its section's name, which is case-sensitive
   * @param option its name, in lower case
   */
  get(section: string, option: string): IniValue | undefined {
    const found = this.#sections.get(section);
    if (found === undefined) return undefined;
    return found.get(option) ?? this.#sections.get(DEFAULT_SECTION)?.get(option);
  }

  /**
   * A section's own options.
   *
   * @param section its name
   */
  options(section: string): IniSection {
    return this.#sections.get(section) ?? new Map();
  }
}

/**
 * Reads an INI file by the rules of Python's `ConfigParser(strict=False)`, with which Tahoe-LAFS
 * reads tahoe.cfg: an indented line goes on with the value above it, whatever it looks like; `#` and
 * `;` begin a comment at the start of a line only; the last of several values counts.
 *
 * @param text the file's text
 * @throws TahoeError `cfg-invalid`, naming the line
 * @see CPython `Lib/configparser.py`, `RawConfigParser._read`
 */
export function parseIni(text: string): IniFile {
  if (text.length > INI_CHARACTERS_MAX) {
    throw new TahoeError(
      "cfg-invalid",
      `The file has over ${INI_CHARACTERS_MAX} characters; that is no tahoe.cfg.`,
    );
  }
  const reading = new Reading();
  const content = text.startsWith("\u{feff}") ? text.slice(1) : text;
  // Python's file iterator gives no empty line after the last line feed.
  const lines = content.endsWith("\n") ? content.slice(0, -1).split("\n") : content.split("\n");
  for (const [index, line] of lines.entries()) reading.take(line, index + 1);
  return reading.finish();
}

interface Growing {
  readonly parts: string[];
  readonly line: number;
}

class Reading {
  readonly #sections = new Map<string, Map<string, Growing>>();
  #section: Map<string, Growing> | undefined;
  #option: Growing | undefined;
  #indent = 0;

  take(line: string, number: number): void {
    const value = strip(line);
    if (value.startsWith("#") || value.startsWith(";")) return;
    if (value === "") {
      this.#option?.parts.push("");
      return;
    }
    const indent = indentOf(line);
    if (this.#option !== undefined && indent > this.#indent) {
      this.#option.parts.push(value);
      return;
    }
    this.#indent = indent;
    const header = /^\[([^\n]+)\]/.exec(value)?.[1];
    if (header !== undefined) this.#open(header);
    else this.#setOption(value, number);
  }

  finish(): IniFile {
    const joined = [...this.#sections].map(([name, options]): [string, IniSection] => [
      name,
      new Map(
        [...options].map(([option, { parts, line }]): [string, IniValue] => [
          option,
          { value: stripEnd(parts.join("\n")), line },
        ]),
      ),
    ]);
    return new IniFile(new Map(joined));
  }

  #open(header: string): void {
    const known = this.#sections.get(header) ?? new Map<string, Growing>();
    this.#sections.set(header, known);
    this.#section = known;
    this.#option = undefined;
  }

  #setOption(value: string, number: number): void {
    if (this.#section === undefined) {
      throw new TahoeError(
        "cfg-invalid",
        `Line ${number} stands before the first section; begin with [node].`,
      );
    }
    const at = value.search(/[=:]/);
    const name = at < 0 ? "" : stripEnd(value.slice(0, at)).toLowerCase();
    if (name === "") {
      throw new TahoeError(
        "cfg-invalid",
        `Line ${number} is neither a section nor an option; write NAME = VALUE.`,
      );
    }
    const option = { parts: [strip(value.slice(at + 1))], line: number };
    // As Python does it: a name that comes again keeps its place, with the new value.
    this.#section.set(name, option);
    this.#option = option;
  }
}

function isSpace(text: string, at: number): boolean {
  return spaces.has(text.charCodeAt(at));
}

function indentOf(text: string): number {
  let at = 0;
  while (at < text.length && isSpace(text, at)) at += 1;
  return at;
}

function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text, end - 1)) end -= 1;
  return text.slice(0, end);
}

function strip(text: string): string {
  const trimmed = stripEnd(text);
  return trimmed.slice(indentOf(trimmed));
}
