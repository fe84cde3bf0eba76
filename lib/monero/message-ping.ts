import { FieldWriter, fieldName, fieldNames, ObjectFields } from "../levin/storage-fields.ts";
import { StorageReader } from "../levin/storage-reader.ts";
import { MoneroMessageError, required } from "./message-error.ts";

/** The answer to 1003: proof that a node listens where it says. */
export interface PingResponse {
  readonly peerId: bigint;
}

/** The answer to 1007. */
export interface SupportFlagsResponse {
  /** Bits; 1 is fluffy blocks. */
  readonly supportFlags: number;
}

const PEER_ID = fieldName("peer_id");
const STATUS = fieldName("status");
const PING_NAMES = fieldNames(PEER_ID, STATUS);
const SUPPORT_FLAGS = fieldName("support_flags");
const SUPPORT_FLAGS_NAMES = fieldNames(SUPPORT_FLAGS);

/** `PING_OK_RESPONSE_STATUS_TEXT`: anything else means that the ping failed. */
const STATUS_OK = Uint8Array.of(0x4f, 0x4b);

/** @returns the payload of a request 1003 or 1007, which have no fields */
export function encodeEmptyRequest(): Uint8Array {
  return new FieldWriter().finish();
}

/**
 * @param payload portable storage, perhaps with bytes behind it
 * @throws LevinError, or MoneroMessageError `missing-field` or `bad-status`
 */
export function decodePingResponse(payload: Uint8Array): PingResponse {
  let peerId: bigint | undefined;
  let status: Uint8Array | undefined;
  const reader = new StorageReader(payload);
  const fields = new ObjectFields(reader, PING_NAMES, reader.enterObject());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    if (name === PEER_ID) peerId = reader.unsigned64();
    else status = reader.string();
  }
  const [o, k] = STATUS_OK;
  const found = required(status, "status");
  if (found.length !== STATUS_OK.length || found[0] !== o || found[1] !== k) {
    throw new MoneroMessageError("bad-status", "The peer answered a ping with a status but OK.");
  }
  return { peerId: required(peerId, "peer_id") };
}

/** @returns the payload of a response 1003 */
export function encodePingResponse(message: PingResponse): Uint8Array {
  const out = new FieldWriter();
  out.u64(PEER_ID, message.peerId);
  out.string(STATUS, STATUS_OK);
  return out.finish();
}

/**
 * @param payload portable storage, perhaps with bytes behind it
 * @throws LevinError, or MoneroMessageError `missing-field`
 */
export function decodeSupportFlagsResponse(payload: Uint8Array): SupportFlagsResponse {
  let supportFlags: number | undefined;
  const reader = new StorageReader(payload);
  const fields = new ObjectFields(reader, SUPPORT_FLAGS_NAMES, reader.enterObject());
  for (let name = fields.next(); name !== undefined; name = fields.next()) {
    supportFlags = reader.unsigned(0xffff_ffff);
  }
  return { supportFlags: required(supportFlags, "support_flags") };
}

/** @returns the payload of a response 1007 */
export function encodeSupportFlagsResponse(message: SupportFlagsResponse): Uint8Array {
  const out = new FieldWriter();
  out.u32(SUPPORT_FLAGS, message.supportFlags);
  return out.finish();
}
