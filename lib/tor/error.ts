import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** Each way in which talking to tor, its keys or its process can fail. */
export type TorErrorCode =
  | "aborted"
  | "address-mismatch"
  | "authentication-impossible"
  | "bootstrap-stalled"
  | "bridge-invalid"
  | "command-invalid"
  | "command-refused"
  | "control-closed"
  | "control-unreachable"
  | "cookie-unreadable"
  | "cookie-wrong"
  | "deadline"
  | "impostor"
  | "key-file"
  | "key-invalid"
  | "malformed-reply"
  | "not-tor"
  | "onion-collision"
  | "onion-unknown"
  | "password-missing"
  | "password-wrong"
  | "reply-too-long"
  | "single-hop-refused"
  | "too-many-commands"
  | "tor-exited"
  | "tor-missing"
  | "transport-missing";

const places: Readonly<Record<TorErrorCode, FaultPlace>> = {
  aborted: "local",
  "address-mismatch": "local",
  "authentication-impossible": "local",
  "bootstrap-stalled": "network",
  "bridge-invalid": "config",
  "command-invalid": "config",
  "command-refused": "local",
  "control-closed": "local",
  "control-unreachable": "local",
  "cookie-unreadable": "local",
  "cookie-wrong": "local",
  deadline: "local",
  impostor: "local",
  "key-file": "local",
  "key-invalid": "config",
  "malformed-reply": "local",
  "not-tor": "local",
  "onion-collision": "config",
  "onion-unknown": "config",
  "password-missing": "config",
  "password-wrong": "config",
  "reply-too-long": "local",
  "single-hop-refused": "config",
  "too-many-commands": "bug",
  "tor-exited": "local",
  "tor-missing": "local",
  "transport-missing": "local",
};

/** Tor, its control port or a key could not do what was asked. */
export class TorError extends Fault<TorErrorCode> {
  /** The code of tor's refusal, 500 to 599, where it gave one. */
  readonly replyCode: number | undefined;

  /**
   * @param code what went wrong; decides `where`
   * @param message one sentence that names the value, never a secret, and what to do about it
   * @param options `cause`: the error underneath; `replyCode`: tor's own code
   */
  constructor(
    code: TorErrorCode,
    message: string,
    options: { cause?: unknown; replyCode?: number } = {},
  ) {
    super(code, places[code], message, "cause" in options ? { cause: options.cause } : {});
    this.replyCode = options.replyCode;
  }
}
