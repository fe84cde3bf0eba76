import { Fault } from "../runtime/fault.ts";

/** Each way in which starting, watching or ending another program can fail. */
export type ProcessErrorCode =
  | "aborted"
  | "directory"
  | "not-up"
  | "program-exited"
  | "program-missing"
  | "timed-out";

/** Another program on this machine did not do what was asked; the fault lies on this machine. */
export class ProcessError extends Fault<ProcessErrorCode> {
  /**
   * @param code what went wrong
   * @param message one sentence that names the value and what to do about it
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(code: ProcessErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, "local", message, options);
  }
}
