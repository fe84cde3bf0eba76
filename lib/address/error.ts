import { Fault } from "../runtime/fault.ts";

/** Each way in which a text can fail to be an address. */
export type AddressErrorCode =
  | "empty"
  | "too-long"
  | "not-an-address"
  | "port-missing"
  | "port-invalid"
  | "brackets-missing"
  | "bad-ipv4"
  | "bad-ipv6"
  | "bad-name"
  | "onion-v2"
  | "onion-length"
  | "onion-alphabet"
  | "onion-checksum"
  | "onion-version"
  | "upper-case"
  | "i2p-length"
  | "i2p-alphabet"
  | "wrong-zone";

/** A text that is not an address, or not one of the zone that was asked for. */
export class AddressError extends Fault<AddressErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that quotes the text and says what is allowed
   */
  constructor(code: AddressErrorCode, message: string) {
    super(code, "config", message);
  }
}
