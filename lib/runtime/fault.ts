/**
 * Where a fault lies, so that a person knows whom to ask and a script knows which exit code to give.
 *
 * - `config`: what the user wrote (option, address, file);
 * - `local`: this machine (proxy, control port, router, permission, disk);
 * - `network`: Tor or I2P between the two ends;
 * - `peer`: the other end;
 * - `bug`: anonctl itself.
 */
export type FaultPlace = "config" | "local" | "network" | "peer" | "bug";

/**
 * The base of every error that anonctl throws on purpose.
 *
 * A module extends it with its own closed union of codes, so that `switch (error.code)` is checked
 * by the compiler. The message is one sentence that names the value and what to do about it.
 */
export class Fault<Code extends string = string> extends Error {
  /** The module's own name for what went wrong. */
  readonly code: Code;
  /** Where the fault lies; decides the exit code. */
  readonly where: FaultPlace;

  /**
   * @param code the module's own name for what went wrong
   * @param where where the fault lies
   * @param message one sentence in sentence case, naming the value and the remedy
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(code: Code, where: FaultPlace, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.where = where;
  }
}

/**
 * The exit code of a fault: 2 usage or configuration, 3 something on this machine is missing,
 * 70 a bug, 1 everything that lies beyond this machine.
 *
 * @param where where the fault lies
 * @returns a process exit code
 */
export function exitCodeOf(where: FaultPlace): number {
  switch (where) {
    case "config":
      return 2;
    case "local":
      return 3;
    case "bug":
      return 70;
    case "network":
    case "peer":
      return 1;
  }
}
