import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** What can go wrong with a node as a whole. */
export type RelayErrorCode =
  | "data-dir"
  | "data-dir-in-use"
  | "data-dir-network"
  | "data-dir-version"
  | "store-failed"
  | "listen-failed"
  | "bad-forward-delay";

/** The node can't start, or can't keep what it was given. */
export class RelayError extends Fault<RelayErrorCode> {
  /**
   * @param code which way it failed
   * @param where whose fault it is
   * @param message one sentence that names the file or address and says what to do
   * @param options `cause`: the error underneath
   */
  constructor(
    code: RelayErrorCode,
    where: FaultPlace,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(code, where, message, options);
  }
}
