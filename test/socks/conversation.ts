import fc from "fast-check";
import type { SocksClientHandshake } from "../../lib/socks/client-handshake.ts";
import { SocksError } from "../../lib/socks/error.ts";
import type { SocksReply, SocksRequest } from "../../lib/socks/message.ts";
import type { SocksServerHandshake } from "../../lib/socks/server-handshake.ts";

/** Runs of a property over a codec. */
export const CODEC_RUNS = 10_000;

/** Bytes from hexadecimal; spaces are for the reader. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

/** Hexadecimal of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Bytes one after the other. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * The bytes in pieces, empty ones among them.
 *
 * @param bytes what to cut
 * @param cuts where, in any order; larger numbers wrap around
 */
export function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  const ends = [...places, bytes.length];
  return ends.map((end, index) => new Uint8Array(bytes.subarray(places[index - 1] ?? 0, end)));
}

/** Where to cut a stream of bytes. */
export const cuts = fc.array(fc.nat(1_000), { maxLength: 12 });

/** How a client's conversation ended. */
export interface ClientOutcome {
  readonly sent: string;
  readonly reply?: SocksReply;
  readonly rest?: string;
  readonly error?: string;
  /** How many bytes of the proxy it took to end it, the whole chunk counted. */
  readonly taken: number;
}

/** Feeds a client the proxy's bytes, chunk by chunk, until it ends or they do. */
export function runClient(
  handshake: SocksClientHandshake,
  chunks: readonly Uint8Array[],
): ClientOutcome {
  const sent = [handshake.start()];
  let taken = 0;
  for (const [index, chunk] of chunks.entries()) {
    taken += chunk.length;
    try {
      const step = handshake.receive(chunk);
      if (step.kind === "send") sent.push(step.bytes);
      if (step.kind !== "done") continue;
      const rest = toHex(concatenated([step.rest, ...chunks.slice(index + 1)]));
      return { sent: toHex(concatenated(sent)), reply: step.reply, rest, taken };
    } catch (error) {
      if (!(error instanceof SocksError)) throw error;
      return { sent: toHex(concatenated(sent)), error: `${error.code} ${error.message}`, taken };
    }
  }
  return { sent: toHex(concatenated(sent)), taken };
}

/** How a server's conversation ended. */
export interface ServerOutcome {
  readonly sent: string;
  readonly request?: SocksRequest;
  readonly rest?: string;
  readonly error?: string;
  /** How many bytes of the client it took to end it, the whole chunk counted. */
  readonly taken: number;
}

/** Feeds a server the client's bytes, chunk by chunk, until it ends or they do. */
export function runServer(
  handshake: SocksServerHandshake,
  chunks: readonly Uint8Array[],
): ServerOutcome {
  const sent: Uint8Array[] = [];
  let taken = 0;
  for (const [index, chunk] of chunks.entries()) {
    taken += chunk.length;
    let step = handshake.receive(chunk);
    while (step.kind === "send") {
      sent.push(step.bytes);
      step = handshake.receive(new Uint8Array(0));
    }
    if (step.kind === "more") continue;
    if (step.kind === "refuse") {
      sent.push(step.bytes);
      return { sent: toHex(concatenated(sent)), error: step.error.code, taken };
    }
    const rest = toHex(concatenated([step.rest, ...chunks.slice(index + 1)]));
    return { sent: toHex(concatenated(sent)), request: step.request, rest, taken };
  }
  return { sent: toHex(concatenated(sent)), taken };
}
