import { Fault } from "../runtime/fault.ts";

/** What can be wrong with a zone's options, or with what is asked of its ways. */
export type ZoneErrorCode =
  | "bad-tx-proxy"
  | "bad-proxy"
  | "bad-anonymous-inbound"
  | "bad-rotation"
  | "unknown-zone"
  | "no-proxy"
  | "no-address"
  | "only-onion"
  | "internal-address";

/** A zone was configured in a way that can't work, or is asked for what it has no proxy for. */
export class ZoneError extends Fault<ZoneErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that quotes the value and says what is allowed
   */
  constructor(code: ZoneErrorCode, message: string) {
    super(code, "config", message);
  }
}
