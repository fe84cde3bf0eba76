import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** Everything that can go wrong between us, an I2P router and the other end. */
export type I2pErrorCode =
  // what the user wrote
  | "base64-invalid"
  | "destination-invalid"
  | "private-key-invalid"
  | "encrypted-name-invalid"
  | "request-invalid"
  | "key-refused"
  // our router
  | "router-unreachable"
  | "router-closed"
  | "router-refused"
  | "version-unsupported"
  | "malformed-reply"
  | "overlong-reply"
  | "unexpected-reply"
  | "session-name-taken"
  | "destination-in-use"
  | "session-gone"
  | "already-forwarding"
  | "name-unknown"
  | "deadline"
  | "aborted"
  // beyond our router
  | "peer-unreachable"
  | "peer-deadline";

const places: Readonly<Record<I2pErrorCode, FaultPlace>> = {
  "base64-invalid": "config",
  "destination-invalid": "config",
  "private-key-invalid": "config",
  "encrypted-name-invalid": "config",
  "request-invalid": "config",
  "key-refused": "config",
  "router-unreachable": "local",
  "router-closed": "local",
  "router-refused": "local",
  "version-unsupported": "local",
  "malformed-reply": "local",
  "overlong-reply": "local",
  "unexpected-reply": "local",
  "session-name-taken": "local",
  "destination-in-use": "local",
  "session-gone": "local",
  "already-forwarding": "local",
  "name-unknown": "local",
  deadline: "local",
  aborted: "local",
  "peer-unreachable": "peer",
  "peer-deadline": "peer",
};

/**
 * I2P did not do what was asked. `where` tells "my router is broken" (`local`) from "the peer is
 * down" (`peer`) and from "what I wrote is wrong" (`config`). No message ever quotes a private key,
 * nor any text that may be one.
 */
export class I2pError extends Fault<I2pErrorCode> {
  /**
   * @param code what went wrong; decides `where`
   * @param message one sentence that names the value, unless it may be secret, and the remedy
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(code: I2pErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, places[code], message, options);
  }
}

/**
 * Whether trying again later can help: the router or the other end may come back, a wrong key does
 * not mend itself.
 *
 * @param error what was thrown
 */
export function mayRecover(error: I2pError): boolean {
  return error.where !== "config" && error.code !== "version-unsupported";
}
