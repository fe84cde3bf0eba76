import type { Conf, ConfLine } from "./conf.ts";
import { repeatable } from "./conf-names.ts";

/**
 * How bad it is: a leak shows where the node is or what it does, an error keeps monerod from
 * starting or makes it do other than what was meant, a note does no harm by itself.
 */
export type ConfFindingLevel = "leak" | "error" | "note";

/** Something found in a monero.conf. */
export interface ConfFinding {
  /** From 1; undefined for what is missing. */
  readonly line: number | undefined;
  readonly level: ConfFindingLevel;
  /** For scripts. */
  readonly code: string;
  /** One sentence with what to write; never with a password. */
  readonly reason: string;
}

const trueTexts: ReadonlySet<string> = new Set(["", "1", "on", "yes", "true"]);
const falseTexts: ReadonlySet<string> = new Set(["0", "off", "no", "false"]);

/** As many findings of one kind as are told of: nobody reads more, and none hides another kind. */
const FINDINGS_OF_CODE_MAX = 20;
/** As much of a name as a message takes. */
const NAME_CHARACTERS_MAX = 40;

/**
 * An option's name for a message: its first word, since a mistyped line may go on with a password.
 *
 * @param name as it stands in the file
 */
export function shownName(name: string): string {
  const word = name.split(/\s/, 1)[0] ?? "";
  const isLong = word.length > NAME_CHARACTERS_MAX;
  return JSON.stringify(isLong ? `${word.slice(0, NAME_CHARACTERS_MAX)}…` : word);
}

/** A monero.conf while it is being judged: its values, and what was found so far. */
export class ConfReading {
  readonly #lines: ReadonlyMap<string, readonly ConfLine[]>;
  readonly #findings: ConfFinding[] = [];
  readonly #told = new Map<string, number>();
  #isSafe = true;

  /** @param conf the file */
  constructor(conf: Conf) {
    const lines = new Map<string, ConfLine[]>();
    for (const line of conf.lines) {
      const known = lines.get(line.name);
      if (known === undefined) lines.set(line.name, [line]);
      else known.push(line);
    }
    this.#lines = lines;
    for (const { line, reason } of conf.faults) {
      this.error(line === 0 ? undefined : line, "unreadable", reason);
    }
    for (const [name, [, second]] of lines) {
      if (second === undefined || repeatable.has(name)) continue;
      this.error(
        second.line,
        "given-twice",
        `${shownName(name)} is given twice, and monerod does not start with that; keep one.`,
      );
    }
  }

  /** Whether nothing was a leak or an error, told of or not. */
  get isSafe(): boolean {
    return this.#isSafe;
  }

  /** What was found, in the order of finding; of a great many of one kind the first ones. */
  get findings(): readonly ConfFinding[] {
    return this.#findings;
  }

  /** The names of the options given. */
  get names(): readonly string[] {
    return [...this.#lines.keys()];
  }

  /**
   * Where an option is given, and its values: all of them.
   *
   * @param name the option
   */
  all(name: string): readonly ConfLine[] {
    return this.#lines.get(name) ?? [];
  }

  /**
   * An option that has one value.
   *
   * @param name the option
   */
  one(name: string): ConfLine | undefined {
    return this.all(name)[0];
  }

  /**
   * A switch; off where it is not given or can't be read.
   *
   * @param name the option
   */
  isOn(name: string): boolean {
    const found = this.one(name);
    if (found === undefined) return false;
    const text = found.value.toLowerCase();
    if (trueTexts.has(text)) return true;
    if (!falseTexts.has(text)) {
      this.error(found.line, "not-a-boolean", `${name} is a switch; write ${name}=1 or ${name}=0.`);
    }
    return false;
  }

  /** Tells of what shows where the node is. */
  leak(line: number | undefined, code: string, reason: string): void {
    this.#tell({ line, level: "leak", code, reason });
  }

  /** Tells of what monerod does not start with, or does not do as meant. */
  error(line: number | undefined, code: string, reason: string): void {
    this.#tell({ line, level: "error", code, reason });
  }

  /** Tells of what does no harm by itself. */
  note(line: number | undefined, code: string, reason: string): void {
    this.#tell({ line, level: "note", code, reason });
  }

  /** Once: a value that is looked at twice is found wrong twice. */
  #tell(finding: ConfFinding): void {
    if (finding.level !== "note") this.#isSafe = false;
    const { line, code, reason } = finding;
    const count = this.#told.get(code) ?? 0;
    const isTold = this.#findings.some((one) => one.line === line && one.reason === reason);
    if (isTold || count >= FINDINGS_OF_CODE_MAX) return;
    this.#told.set(code, count + 1);
    this.#findings.push(finding);
  }
}
