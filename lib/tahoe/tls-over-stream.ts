import type { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";

/**
 * Begins TLS as the client, over a stream that somebody else opened; opens no connection itself.
 *
 * Certificates are not checked against any authority here: a Tub signs its own, and its identity is
 * the hash in the fURL, which the caller compares when `secureConnect` comes. Until then nothing
 * must be sent. TLS still proves that the other end holds the certificate's key. No client
 * certificate, name or earlier session is offered, so that two proofs have nothing in common.
 *
 * @param stream connected; TLS reads and writes it from now on
 * @returns the secured stream; `secureConnect` when the other end has proven its key
 */
export function secureOver(stream: Duplex): TLSSocket {
  return connect({ socket: stream, rejectUnauthorized: false });
}
