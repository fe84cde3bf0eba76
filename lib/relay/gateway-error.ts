import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** What can go wrong between a wallet and the remote daemon behind the node. */
export type GatewayErrorCode =
  | "bad-daemon"
  | "daemon-in-clear"
  | "no-way"
  | "bad-certificate-file"
  | "bad-login"
  | "certificate-refused"
  | "tls-failed"
  | "login-refused"
  | "bad-answer"
  | "too-much"
  | "closed"
  | "deadline";

/** The remote daemon is set up wrong, can't be reached as asked, or does not keep to HTTP. */
export class GatewayError extends Fault<GatewayErrorCode> {
  /**
   * @param code which way it failed
   * @param where whose fault it is
   * @param message one sentence that names the value and says what to do
   * @param options `cause`: the error underneath
   */
  constructor(
    code: GatewayErrorCode,
    where: FaultPlace,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(code, where, message, options);
  }
}
