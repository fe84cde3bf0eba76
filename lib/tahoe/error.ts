import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** Everything that can go wrong with a fURL, or with the Tub that it names. */
export type TahoeErrorCode =
  // what the user wrote
  | "furl-invalid"
  | "tub-id-invalid"
  | "spki-hash-invalid"
  | "hint-empty"
  | "location-invalid"
  | "endpoint-invalid"
  | "location-unsafe"
  | "cfg-invalid"
  // a conversation: nothing came, it stopped half-way, it closed, it was something else
  | "silent"
  | "stalled"
  | "closed"
  | "not-a-tub"
  | "unknown-tub"
  | "tls-failed"
  | "wrong-identity"
  | "aborted"
  | "negotiation-over";

/** Where a fault lies when the thrower does not say; every other code is the peer's. */
const places: Partial<Record<TahoeErrorCode, FaultPlace>> = {
  "furl-invalid": "config",
  "tub-id-invalid": "config",
  "spki-hash-invalid": "config",
  "hint-empty": "config",
  "location-invalid": "config",
  "endpoint-invalid": "config",
  "location-unsafe": "config",
  "cfg-invalid": "config",
  aborted: "local",
  "negotiation-over": "bug",
};

/**
 * A Tub that can't be named, or that did not prove to be the one named. No message holds any part
 * of a swissnum.
 */
export class TahoeError extends Fault<TahoeErrorCode> {
  /**
   * @param code what went wrong
   * @param message one sentence that names the value and the remedy
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(code: TahoeErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, places[code] ?? "peer", message, options);
  }
}
