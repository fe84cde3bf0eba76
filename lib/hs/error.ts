import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** What can go wrong with services that are kept on this machine. */
export type ServiceErrorCode =
  | "bad-name"
  | "bad-port"
  | "exists"
  | "not-found"
  | "store-failed"
  | "damaged"
  | "address-differs"
  | "client-exists"
  | "client-not-found"
  | "too-many-clients"
  | "key-damaged"
  | "not-fit"
  | "no-control"
  | "in-use"
  | "single-hop-refused"
  | "not-published"
  | "called-off";

/** A service can't be made, found or kept. */
export class ServiceError extends Fault<ServiceErrorCode> {
  /**
   * @param code which way it failed
   * @param where whose fault it is
   * @param message one sentence that names the service or file and says what to do
   * @param options `cause`: the error underneath
   */
  constructor(
    code: ServiceErrorCode,
    where: FaultPlace,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(code, where, message, options);
  }
}
