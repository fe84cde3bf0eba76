import { Fault } from "../runtime/fault.ts";

/** What can be wrong with how Dandelion++ is set up. */
export type DandelionErrorCode = "bad-embargo";

/** A setting of Dandelion++ that can't be used as written. */
export class DandelionError extends Fault<DandelionErrorCode> {
  /** @param message one sentence that quotes the text and says what is allowed */
  constructor(message: string) {
    super("bad-embargo", "config", message);
  }
}
