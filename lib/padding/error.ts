import { Fault } from "../runtime/fault.ts";

/** What can be wrong with a padding schedule or an epoch. */
export type PaddingErrorCode = "bad-schedule";

/** A schedule or an epoch that can't be used as written. */
export class PaddingError extends Fault<PaddingErrorCode> {
  /** @param message one sentence that quotes the text and says what is allowed */
  constructor(message: string) {
    super("bad-schedule", "config", message);
  }
}
