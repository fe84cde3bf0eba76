import { Fault } from "../runtime/fault.ts";

/** Each way in which portable storage can fail to be a Monero message. */
export type MoneroMessageErrorCode =
  | "missing-field"
  | "bad-length"
  | "bad-status"
  | "too-many-peers"
  | "address-type"
  | "bad-address";

/** A message that lacks something or holds what it may not. The fault lies with the peer. */
export class MoneroMessageError extends Fault<MoneroMessageErrorCode> {
  /**
   * @param code which way it failed
   * @param message one sentence that names the field and its value
   * @param options `cause`: the error underneath, if there is one
   */
  constructor(code: MoneroMessageErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, "peer", message, options);
  }
}

/**
 * The value of a field that a message must have.
 *
 * @param value what was read, if anything
 * @param name the field's name on the wire
 * @throws MoneroMessageError `missing-field`
 */
export function required<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw new MoneroMessageError("missing-field", `The peer's message lacks the field "${name}".`);
}

/**
 * Bytes that a message must have, in a fixed number.
 *
 * @param value what was read, if anything
 * @param bytes how many
 * @param name the field's name on the wire
 * @throws MoneroMessageError `missing-field` or `bad-length`
 */
export function requiredBytes(
  value: Uint8Array | undefined,
  bytes: number,
  name: string,
): Uint8Array {
  if (value?.length === bytes) return value;
  const found = required(value, name).length;
  throw new MoneroMessageError(
    "bad-length",
    `The field "${name}" has ${found} bytes, not ${bytes}.`,
  );
}
