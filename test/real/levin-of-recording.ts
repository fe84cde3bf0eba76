import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import { LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import { LevinReader } from "../../lib/levin/reader.ts";
import { COMMAND, commandLimits, decodeNewTransactions } from "../../lib/monero/message.ts";
import { parseTransaction } from "../../lib/monero/transaction.ts";
import type { Recording, RecordingProxy } from "./recording-proxy.ts";

/** What the opener of a recorded stream wrote on it, read as Levin. */
export interface LevinSent {
  /** Bytes of the handshake request, header included. */
  readonly handshakeBytes: number;
  /** Whole frames of 3,072 bytes after it. */
  readonly frames: number;
  /** How many of them were noise. */
  readonly noise: number;
  /** What the last whole frame left over: a frame of which only a part has come so far. */
  readonly restBytes: number;
  /** Sizes of the frames that were not of 3,072 bytes. */
  readonly oddFrames: readonly number[];
  /** Ids of the transactions, one entry a message that carried it. */
  readonly transactions: readonly string[];
}

const LEVIN_SIGNATURE = Buffer.from("0121010101010101", "hex");

/**
 * Reads what was written on a stream.
 *
 * @param recording of a stream that a node or a monerod opened
 * @returns undefined while no whole handshake was written
 */
export function levinSent({ sent }: Recording): LevinSent | undefined {
  const all = Buffer.concat(sent.map(({ bytes }) => bytes));
  const begin = all.indexOf(LEVIN_SIGNATURE);
  if (begin < 0 || all.length < begin + LEVIN_HEADER_BYTES) return undefined;
  const handshakeBytes = LEVIN_HEADER_BYTES + Number(all.readBigUInt64LE(begin + 8));
  const rest = all.subarray(begin + handshakeBytes);
  if (all.length < begin + handshakeBytes) return undefined;
  const reader = new LevinReader({ limits: commandLimits });
  reader.setHandshakeDone();
  reader.push(rest);
  const transactions: string[] = [];
  const sizes: number[] = [];
  let noise = 0;
  for (let event = reader.next(); event !== undefined; event = reader.next()) {
    sizes.push(event.wireBytes);
    if (event.kind === "noise") noise++;
    if (event.kind !== "message" || event.message.command !== COMMAND.NEW_TRANSACTIONS) continue;
    for (const blob of decodeNewTransactions(event.message.payload).txs) {
      transactions.push(Buffer.from(parseTransaction(blob).id).toString("hex"));
    }
  }
  const read = sizes.reduce((sum, size) => sum + size, 0);
  return {
    handshakeBytes,
    frames: sizes.filter((size) => size === FRAME_BYTES).length,
    noise,
    restBytes: rest.length - read,
    oddFrames: sizes.filter((size) => size !== FRAME_BYTES),
    transactions,
  };
}

/** A stream on which a handshake was written, and what followed. */
export interface LevinStream extends LevinSent {
  readonly stream: Recording;
}

/**
 * The streams of a proxy on which a handshake was written, oldest first.
 *
 * @param proxy that recorded them
 */
export function levinStreams(proxy: RecordingProxy): LevinStream[] {
  return proxy.recordings.flatMap((stream) => {
    const sent = levinSent(stream);
    return sent === undefined ? [] : [{ ...sent, stream }];
  });
}

/**
 * Those that carried noise. A node's first stream of all only learns the chain's height, and one
 * now and then only tells the node's address.
 *
 * @param proxy that recorded them
 */
export function noisyStreams(proxy: RecordingProxy): LevinStream[] {
  return levinStreams(proxy).filter(({ noise }) => noise > 0);
}

/**
 * What was counted on several streams, together.
 *
 * @param streams any
 * @param what was counted
 */
export function sumOf(streams: readonly LevinStream[], what: "frames" | "noise"): number {
  return streams.reduce((sum, stream) => sum + stream[what], 0);
}
