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
