import { int32At } from "./bytes.ts";
import { LevinError } from "./error.ts";

/** The size of a Levin header. */
export const LEVIN_HEADER_BYTES = 33;
/** `0x0101010101012101`, little-endian: the first bytes of every header. */
export const LEVIN_SIGNATURE: Uint8Array = Uint8Array.of(1, 0x21, 1, 1, 1, 1, 1, 1);
/** The only protocol version there is. */
const LEVIN_VERSION = 1;

/**
 * The bits of a header's flags. `BEGIN` and `END` mark the first and the last fragment; both
 * together, with neither `REQUEST` nor `RESPONSE`, mark noise.
 */
export const FLAG = { REQUEST: 1, RESPONSE: 2, BEGIN: 4, END: 8 } as const;

/** What monerod's handlers return: 1 for success, the rest as in `levin_base.h`. */
export const RETURN_CODE = { OK: 1, NONE: 0, HANDLER_NOT_DEFINED: -6, FORMAT: -7 } as const;

/**
 * A Levin header.
 *
 * Source: monero `contrib/epee/include/net/levin_base.h`, `bucket_head2`.
 */
export interface LevinHeader {
  /** Bytes that follow the header, padding included. */
  readonly length: number;
  /** Whether the sender waits for a response. */
  readonly expectResponse: boolean;
  /** The command; 0 for noise and fragments. */
  readonly command: number;
  /** Signed; of meaning in responses only. */
  readonly returnCode: number;
  /** Bits of `FLAG`. */
  readonly flags: number;
}

const OFFSET = {
  LENGTH: 8,
  LENGTH_HIGH: 12,
  EXPECT_RESPONSE: 16,
  COMMAND: 17,
  RETURN_CODE: 21,
  FLAGS: 25,
} as const;
const VERSION_OFFSET = 29;
const TWO_POW_32 = 4_294_967_296;

/**
 * Reads a header.
 *
 * @param bytes at least 33 bytes; the rest is not looked at
 * @returns the header; a length above 2^53 comes rounded, which no limit lets pass
 * @throws LevinError `truncated`, `signature` or `version`
 */
export function decodeHeader(bytes: Uint8Array): LevinHeader {
  if (bytes.length < LEVIN_HEADER_BYTES) {
    throw new LevinError("truncated", `A Levin header has 33 bytes, not ${bytes.length}.`);
  }
  checkSignature(bytes, 0, LEVIN_SIGNATURE.length);
  return headerAt(bytes, 0);
}

/**
 * Reads a header whose signature was checked.
 *
 * @param bytes 33 bytes or more behind `at`
 * @param at where the header begins
 * @throws LevinError `version`
 */
export function headerAt(bytes: Uint8Array, at: number): LevinHeader {
  const version = int32At(bytes, at + VERSION_OFFSET) >>> 0;
  if (version !== LEVIN_VERSION) {
    throw new LevinError("version", `The peer speaks Levin version ${version}; only 1 is known.`);
  }
  const high = int32At(bytes, at + OFFSET.LENGTH_HIGH) >>> 0;
  return {
    length: (int32At(bytes, at + OFFSET.LENGTH) >>> 0) + high * TWO_POW_32,
    expectResponse: bytes[at + OFFSET.EXPECT_RESPONSE] !== 0,
    command: int32At(bytes, at + OFFSET.COMMAND) >>> 0,
    returnCode: int32At(bytes, at + OFFSET.RETURN_CODE),
    flags: int32At(bytes, at + OFFSET.FLAGS) >>> 0,
  };
}

/**
 * Compares the beginning of a header with the signature.
 *
 * @param bytes hold the header or its beginning
 * @param at where the header begins
 * @param count how many of its bytes are there
 * @throws LevinError `signature`
 */
export function checkSignature(bytes: Uint8Array, at: number, count: number): void {
  const compared = Math.min(count, LEVIN_SIGNATURE.length);
  for (let i = 0; i < compared; i++) {
    if (bytes[at + i] === LEVIN_SIGNATURE[i]) continue;
    throw new LevinError(
      "signature",
      `The peer does not speak Levin: byte ${i} of its header is ${bytes[at + i]}, not ${LEVIN_SIGNATURE[i]}.`,
    );
  }
}

/**
 * Writes a header.
 *
 * @param header any header
 * @returns 33 bytes
 */
export function encodeHeader(header: LevinHeader): Uint8Array {
  const bytes = new Uint8Array(LEVIN_HEADER_BYTES);
  writeHeader(bytes, 0, header);
  return bytes;
}

/**
 * Writes a header into a larger buffer.
 *
 * @param target has 33 bytes of room behind `at`, all zero
 * @param at where the header begins
 * @param header any header
 */
export function writeHeader(target: Uint8Array, at: number, header: LevinHeader): void {
  for (let i = 0; i < LEVIN_SIGNATURE.length; i++) target[at + i] = LEVIN_SIGNATURE[i] ?? 0;
  writeUint32(target, at + OFFSET.LENGTH, header.length);
  writeUint32(target, at + OFFSET.LENGTH_HIGH, Math.floor(header.length / TWO_POW_32));
  target[at + OFFSET.EXPECT_RESPONSE] = header.expectResponse ? 1 : 0;
  writeUint32(target, at + OFFSET.COMMAND, header.command);
  writeUint32(target, at + OFFSET.RETURN_CODE, header.returnCode);
  writeUint32(target, at + OFFSET.FLAGS, header.flags);
  target[at + VERSION_OFFSET] = LEVIN_VERSION;
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
}
