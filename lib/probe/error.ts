import { Fault } from "../runtime/fault.ts";

/** What can be wrong with what a probe is asked for. */
export type ProbeErrorCode =
  | "bad-target"
  | "bad-expectation"
  | "bad-protocol"
  | "bad-option"
  | "targets-unreadable"
  | "output-failed";

/** A probe that can't be made as it was asked for. */
export class ProbeError extends Fault<ProbeErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that quotes the value and says what is allowed
   * @param options `cause`: the error underneath
   */
  constructor(code: ProbeErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, code === "output-failed" ? "local" : "config", message, options);
  }
}
