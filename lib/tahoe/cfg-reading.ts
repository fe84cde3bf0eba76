import { quoted } from "./endpoint.ts";
import type { IniFile } from "./ini.ts";

/**
 * How bad it is: a leak shows where the node is, an error keeps Tahoe-LAFS from starting or is
 * ambiguous, a note does no harm.
 */
export type CfgFindingLevel = "leak" | "error" | "note";

/** What a file makes of a node, in the numbers of Tahoe-LAFS' proposal. */
export type UseCase = 1 | 2 | 3;

/** Something found in a tahoe.cfg. */
export interface CfgFinding {
  /** From 1; undefined for what is missing. */
  readonly line: number | undefined;
  readonly level: CfgFindingLevel;
  /** For scripts. */
  readonly code: string;
  /** One sentence with what to write; never with a secret. */
  readonly reason: string;
}

/** What Python takes for true and false in a configuration file. */
const booleans: ReadonlyMap<string, boolean> = new Map([
  ...(["1", "yes", "true", "on"] as const).map((text): [string, boolean] => [text, true]),
  ...(["0", "no", "false", "off"] as const).map((text): [string, boolean] => [text, false]),
]);

/** A tahoe.cfg while it is being judged: its values, and what was found so far. */
export class CfgReading {
  /** The file. */
  readonly ini: IniFile;
  readonly #findings: CfgFinding[] = [];

  /** @param ini the file */
  constructor(ini: IniFile) {
    this.ini = ini;
  }

  /** What was found, in the order of finding. */
  get findings(): readonly CfgFinding[] {
    return this.#findings;
  }

  /**
   * A value that is no secret; undefined where there is none, or one that can't be known.
   *
   * @param section its section
   * @param option its name, as the documents spell it
   */
  text(section: string, option: string): string | undefined {
    const found = this.ini.get(section, option.toLowerCase());
    if (found === undefined) return undefined;
    // Python puts other values in place of %(NAME)s, and refuses a lone percent sign.
    if (found.value.includes("%")) {
      this.error(
        found.line,
        "percent-sign",
        `${option} has a percent sign, which stands for another value; write the value itself.`,
      );
      return undefined;
    }
    return found.value;
  }

  /**
   * Where an option stands.
   *
   * @param section its section
   * @param option its name
   */
  line(section: string, option: string): number | undefined {
    return this.ini.get(section, option.toLowerCase())?.line;
  }

  /**
   * A switch; undefined where it is not given, or can't be read.
   *
   * @param section its section
   * @param option its name
   */
  flag(section: string, option: string): boolean | undefined {
    const text = this.text(section, option);
    if (text === undefined) return undefined;
    const value = booleans.get(text.toLowerCase());
    if (value === undefined) {
      this.error(
        this.line(section, option),
        "not-a-boolean",
        `${option} = ${quoted(text)} is neither true nor false, and Tahoe-LAFS does not start with it.`,
      );
    }
    return value;
  }

  /** Tells of what shows where the node is. */
  leak(line: number | undefined, code: string, reason: string): void {
    this.#tell({ line, level: "leak", code, reason });
  }

  /** Tells of what keeps the node from starting. */
  error(line: number | undefined, code: string, reason: string): void {
    this.#tell({ line, level: "error", code, reason });
  }

  /** Tells of what does no harm. */
  note(line: number | undefined, code: string, reason: string): void {
    this.#tell({ line, level: "note", code, reason });
  }

  /** Once: a value that is looked at twice is found wrong twice. */
  #tell(finding: CfgFinding): void {
    const isTold = this.#findings.some(
      ({ line, reason }) => line === finding.line && reason === finding.reason,
    );
    if (!isTold) this.#findings.push(finding);
  }
}
