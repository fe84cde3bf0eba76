import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** Each way in which bytes can fail to be Levin or portable storage. */
export type LevinErrorCode =
  | "signature"
  | "version"
  | "too-large"
  | "fragment-order"
  | "fragment-truncated"
  | "fragment-nested"
  | "undrained"
  | "storage-signature"
  | "truncated"
  | "too-deep"
  | "too-many-objects"
  | "too-many-fields"
  | "too-many-strings"
  | "unknown-type"
  | "wrong-type"
  | "out-of-range"
  | "bad-name"
  | "duplicate-name"
  | "unencodable";

/**
 * Bytes that break Levin framing or portable storage, or a value that cannot be written as either.
 * Unless said otherwise the fault lies with the peer, and its connection should be closed.
 */
export class LevinError extends Fault<LevinErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that quotes the value and says what is allowed
   * @param where where the fault lies: `bug` for values of our own that cannot be written,
   *   `config` for a message of the user's that does not fit
   */
  constructor(code: LevinErrorCode, message: string, where: FaultPlace = "peer") {
    super(code, where, message);
  }
}
