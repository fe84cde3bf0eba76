import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** What can keep a tap from being there. */
export type TapErrorCode = "place" | "external-listen" | "external-target" | "listen-failed";

/** A tap that can't be made. */
export class TapError extends Fault<TapErrorCode> {
  /**
   * @param code what is wrong
   * @param message one sentence naming the place and the remedy
   * @param where where the fault lies
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(
    code: TapErrorCode,
    message: string,
    where: FaultPlace = "config",
    options?: { cause?: unknown },
  ) {
    super(code, where, message, options);
  }
}
