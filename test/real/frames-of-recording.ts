import { LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import type { Chunk, Recording } from "./recording-proxy.ts";

/** What a node wrote on one recorded stream after SOCKS and the plain Levin handshake. */
export interface SentFrames {
  /** Bytes of the handshake request, header included. */
  readonly handshakeBytes: number;
  /** What followed, chunk by chunk as it was written. */
  readonly chunks: readonly Chunk[];
}

const LEVIN_SIGNATURE = Buffer.from("0121010101010101", "hex");

/**
 * Finds what followed the handshake on a stream.
 *
 * @param recording of a stream that a node opened
 * @returns undefined while no whole handshake was written
 */
export function framesOfRecording(recording: Recording): SentFrames | undefined {
  const first = recording.sent.findIndex(({ bytes }) =>
    Buffer.from(bytes.subarray(0, LEVIN_SIGNATURE.length)).equals(LEVIN_SIGNATURE),
  );
  const handshake = recording.sent[first];
  if (handshake === undefined) return undefined;
  const length = Number(Buffer.from(handshake.bytes).readBigUInt64LE(8));
  return {
    handshakeBytes: LEVIN_HEADER_BYTES + length,
    chunks: recording.sent.slice(first + 1),
  };
}
