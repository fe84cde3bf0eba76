import { isIP, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import type { SecuredStream } from "./conversation.ts";

/** A stream that TLS is laid over. */
export interface TlsStream {
  readonly socket: TLSSocket;
  /** Settles when the handshake is over; rejects with the reason. */
  readonly secured: Promise<SecuredStream>;
}

/**
 * Lays TLS over a stream that is open already; opens no connection of its own. Certificates that no
 * authority signed are let through and reported, since an onion name proves itself.
 *
 * @param stream open and paused; it belongs to the result from now on
 * @param serverName the host asked for; empty to name none
 */
export function layTlsOver(stream: Socket, serverName: string): TlsStream {
  const socket = connect({
    socket: stream,
    rejectUnauthorized: false,
    ...(serverName !== "" && isIP(serverName) === 0 ? { servername: serverName } : {}),
  });
  const secured = new Promise<SecuredStream>((resolve, reject) => {
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerCertificate();
      resolve({
        certificate: certificate.raw === undefined ? undefined : Uint8Array.from(certificate.raw),
        valid: socket.authorized,
        reason: reasonOf(socket.authorizationError),
        protocol: socket.getProtocol() ?? "TLS",
      });
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("The stream ended.")));
  });
  return { socket, secured };
}

function reasonOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === "string" ? error : "";
}
