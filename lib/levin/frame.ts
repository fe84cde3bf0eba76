import { LevinError } from "./error.ts";
import { FLAG, LEVIN_HEADER_BYTES, writeHeader } from "./header.ts";

/** The size of every frame in a noise channel (monero `CRYPTONOTE_NOISE_BYTES`). */
export const FRAME_BYTES = 3_072;
/**
 * Fragments that a message may be cut into, 61,440 bytes of frames in all: at one frame every
 * 15 s they fit in one channel epoch of 5 minutes (monero `CRYPTONOTE_MAX_FRAGMENTS`).
 */
export const FRAGMENTS_MAX = 20;
/** The smallest frame: a header, and room for the header of the message within. */
export const FRAME_BYTES_MIN = 2 * LEVIN_HEADER_BYTES;

/** A message as the layer above sees it, whole and without its header. */
export interface LevinMessage {
  /** A `request` asks for a response, a `notify` does not, a `response` is one. */
  readonly kind: "request" | "notify" | "response";
  /** The command, as in `COMMAND` of the Monero room. */
  readonly command: number;
  /** Signed; 0 in all but responses, where 1 is success. */
  readonly returnCode: number;
  /** Portable storage, perhaps with zeros behind it. */
  readonly payload: Uint8Array;
}

/**
 * A frame that says nothing.
 *
 * @param frameBytes the size of the channel's frames
 * @returns a header with `BEGIN` and `END`, and zeros
 * @throws RangeError when the frame is too small for a header
 * @see monero `contrib/epee/src/levin_base.cpp`, `make_noise_notify`
 */
export function noiseFrame(frameBytes: number = FRAME_BYTES): Uint8Array {
  checkFrameBytes(frameBytes);
  const frame = new Uint8Array(frameBytes);
  writeOuterHeader(frame, frameBytes, FLAG.BEGIN | FLAG.END);
  return frame;
}

/**
 * A message as it goes out on a link without noise: header and payload.
 *
 * @param message any message
 * @returns 33 bytes more than the payload
 */
export function encodeMessage(message: LevinMessage): Uint8Array {
  return encodePadded(message, message.payload.length);
}

/**
 * A message as it goes out in a noise channel: one frame whose length field counts the zeros
 * behind the payload, or the fragments of the whole message, all of one size.
 *
 * @param message any message
 * @param frameBytes the size of the channel's frames
 * @returns 1 to 20 frames of `frameBytes` each, in the order in which they must go out
 * @throws LevinError `too-large` when the message needs more than 20 fragments
 * @throws RangeError when the frame is too small for two headers
 * @see monero `contrib/epee/src/levin_base.cpp`, `make_fragmented_notify`
 */
export function framesOf(message: LevinMessage, frameBytes: number = FRAME_BYTES): Uint8Array[] {
  checkFrameBytes(frameBytes);
  const room = frameBytes - LEVIN_HEADER_BYTES;
  if (message.payload.length <= room) return [encodePadded(message, room)];

  const bytesMax = FRAGMENTS_MAX * room;
  const bytes = LEVIN_HEADER_BYTES + message.payload.length;
  if (bytes > bytesMax) {
    throw new LevinError(
      "too-large",
      `A message of ${bytes} bytes does not fit in a noise channel, which takes ${bytesMax}; send a smaller transaction.`,
      "config",
    );
  }
  const whole = encodeMessage(message);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes; at += room) {
    const frame = new Uint8Array(frameBytes);
    const first = at === 0 ? FLAG.BEGIN : 0;
    const last = at + room >= bytes ? FLAG.END : 0;
    writeOuterHeader(frame, frameBytes, first | last);
    frame.set(whole.subarray(at, at + room), LEVIN_HEADER_BYTES);
    frames.push(frame);
  }
  return frames;
}

function encodePadded(message: LevinMessage, length: number): Uint8Array {
  const bytes = new Uint8Array(LEVIN_HEADER_BYTES + length);
  const { kind, command, returnCode, payload } = message;
  writeHeader(bytes, 0, {
    length,
    expectResponse: kind === "request",
    command,
    returnCode,
    flags: kind === "response" ? FLAG.RESPONSE : FLAG.REQUEST,
  });
  bytes.set(payload, LEVIN_HEADER_BYTES);
  return bytes;
}

function writeOuterHeader(frame: Uint8Array, frameBytes: number, flags: number): void {
  const length = frameBytes - LEVIN_HEADER_BYTES;
  writeHeader(frame, 0, { length, expectResponse: false, command: 0, returnCode: 0, flags });
}

function checkFrameBytes(frameBytes: number): void {
  if (Number.isInteger(frameBytes) && frameBytes >= FRAME_BYTES_MIN) return;
  throw new RangeError(`A frame has at least ${FRAME_BYTES_MIN} bytes, not ${frameBytes}.`);
}
