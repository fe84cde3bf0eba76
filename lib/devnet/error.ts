import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** Each way in which a private network can fail to come up, stay up or go down. */
export type DevnetErrorCode =
  | "aborted"
  | "already-up"
  | "bad-options"
  | "bad-state"
  | "chain-refused"
  | "directory"
  | "no-free-port"
  | "not-loopback"
  | "not-up"
  | "program-exited"
  | "program-missing"
  | "rpc-failed"
  | "timed-out"
  | "unreachable"
  | "would-dial-out";

const places: Readonly<Record<DevnetErrorCode, FaultPlace>> = {
  aborted: "local",
  "already-up": "config",
  "bad-options": "config",
  "bad-state": "local",
  "chain-refused": "local",
  directory: "local",
  "no-free-port": "local",
  "not-loopback": "config",
  "not-up": "local",
  "program-exited": "local",
  "program-missing": "local",
  "rpc-failed": "local",
  "timed-out": "local",
  unreachable: "network",
  "would-dial-out": "bug",
};

/** A private network on this machine could not do what was asked. */
export class DevnetError extends Fault<DevnetErrorCode> {
  /**
   * @param code what went wrong; decides `where`
   * @param message one sentence that names the value and what to do about it
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(code: DevnetErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, places[code], message, options);
  }
}
