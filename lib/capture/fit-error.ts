import { Fault } from "../runtime/fault.ts";

/** What of an expectation could not be read. */
export type ExpectationErrorCode = "schedule" | "assertion";

/** A schedule or an assertion that cannot be read. */
export class ExpectationError extends Fault<ExpectationErrorCode> {
  /**
   * @param code what could not be read
   * @param message one sentence naming the text and what would be right
   */
  constructor(code: ExpectationErrorCode, message: string) {
    super(code, "config", message);
  }
}
