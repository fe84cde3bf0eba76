import { Fault } from "../runtime/fault.ts";

/** Each way in which a list of peers can fail as a whole. */
export type ImportErrorCode =
  | "list-unreadable"
  | "list-too-large"
  | "unknown-format"
  | "unsupported-version"
  | "damaged"
  | "mixed-zones"
  | "wrong-network"
  | "not-exportable"
  | "output-failed"
  | "rpc-failed";

/** A list of peers of which nothing was taken, or none could be written. */
export class ImportError extends Fault<ImportErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that names the list and what to do
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(code: ImportErrorCode, message: string, options?: { cause?: unknown }) {
    const isLocal = code === "rpc-failed" || code === "output-failed";
    super(code, isLocal ? "local" : "config", message, options);
  }
}
