import { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import {
  checkServerIdentity,
  connect,
  getCACertificates,
  rootCertificates,
  type TLSSocket,
} from "node:tls";
import { GatewayError } from "./gateway-error.ts";
import type { DaemonOptionNames } from "./gateway-option.ts";

/** Whom a daemon's certificate has to convince. */
export type DaemonTrust =
  /** An authority that this machine trusts has signed it for the daemon's host name. */
  | { readonly kind: "authorities" }
  /** It is one of these, PEM, or one of these has signed it for the daemon's host name. */
  | { readonly kind: "pinned"; readonly certificates: readonly string[] }
  /** Nobody: the stream is encrypted to whoever is there. */
  | { readonly kind: "any" };

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
/** A file of authorities has at most some hundreds. */
const CERTIFICATES_MAX = 1_000;

/**
 * Reads the certificates of a file that an option names.
 *
 * @param text the file's text, PEM
 * @param file option and name, for messages
 * @returns one certificate or more, PEM
 * @throws GatewayError `bad-certificate-file`
 */
export function readCertificates(text: string, file: string): string[] {
  const certificates = text.match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0 || certificates.length > CERTIFICATES_MAX) {
    throw new GatewayError(
      "bad-certificate-file",
      "config",
      `${file} holds ${certificates.length} certificates in PEM form; it needs one, such as the daemon's rpc_ssl.crt.`,
    );
  }
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      throw new GatewayError(
        "bad-certificate-file",
        "config",
        `Certificate ${index + 1} of ${file} can't be read; copy it again.`,
        { cause },
      );
    }
  }
  return [...certificates];
}

/**
 * Lays TLS over a stream that is open already; opens no connection of its own. Nothing is sent
 * before the certificate has convinced. No earlier session is resumed, so that two streams have
 * nothing in common.
 *
 * @param stream open and paused; it belongs to the result from now on
 * @param host the daemon's, for the certificate's names
 * @param trust whom the certificate has to convince
 * @param options how the daemon's options are called
 * @param signal ends the attempt
 * @throws GatewayError `certificate-refused`, or `tls-failed` where the other end speaks no TLS
 */
export function secureDaemonStream(
  stream: Socket,
  host: string,
  trust: DaemonTrust,
  options: DaemonOptionNames,
  signal: AbortSignal,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: stream,
      rejectUnauthorized: false,
      // The names are checked below, against the host that was asked for.
      checkServerIdentity: () => undefined,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...authoritiesOf(trust),
    });
    const onAbort = (): void => fail(signal.reason);
    const onError = (cause: Error): void => fail(tlsFailed(cause, options));
    const onClose = (): void => fail(tlsFailed(undefined, options));
    const letGo = (): void => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", onError);
      socket.off("close", onClose);
    };
    const fail = (error: unknown): void => {
      letGo();
      // Errors that come while the socket closes have nobody else to go to.
      socket.on("error", () => undefined);
      socket.destroy();
      stream.destroy();
      reject(error);
    };
    signal.addEventListener("abort", onAbort);
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.once("secureConnect", () => {
      const refusal = refusalOf(socket, host, trust, options);
      if (refusal !== undefined) return fail(refusal);
      letGo();
      resolve(socket);
    });
    if (signal.aborted) onAbort();
  });
}

function authoritiesOf(trust: DaemonTrust): { ca?: string[] } {
  switch (trust.kind) {
    case "any":
      return {};
    case "pinned":
      return { ca: [...trust.certificates] };
    case "authorities":
      return { ca: machineAuthorities() };
  }
}

/** Those that the machine's owner trusts; the runtime's own where the machine has none. */
function machineAuthorities(): string[] {
  const ofMachine = getCACertificates("system");
  return ofMachine.length > 0 ? ofMachine : [...rootCertificates];
}

function refusalOf(
  socket: TLSSocket,
  host: string,
  trust: DaemonTrust,
  { certFile }: DaemonOptionNames,
): GatewayError | undefined {
  if (trust.kind === "any") return undefined;
  const certificate = socket.getPeerCertificate();
  const { raw } = certificate;
  if (raw === undefined) return refused(host, certFile, "it showed none");
  if (trust.kind === "pinned") {
    const isPinned = trust.certificates.some((one) => new X509Certificate(one).raw.equals(raw));
    if (isPinned) return undefined;
  }
  if (!socket.authorized) {
    return refused(host, certFile, String(socket.authorizationError ?? "unknown"));
  }
  const other = checkServerIdentity(host, certificate);
  if (other === undefined) return undefined;
  return refused(host, certFile, other.message.replace(/\.$/, ""));
}

function refused(host: string, certFile: string, why: string): GatewayError {
  return new GatewayError(
    "certificate-refused",
    "peer",
    `The certificate of ${host} is not trusted (${why}); give it with ${certFile} if it is the daemon's own.`,
  );
}

function tlsFailed(cause: Error | undefined, { withoutTls }: DaemonOptionNames): GatewayError {
  return new GatewayError(
    "tls-failed",
    "peer",
    `TLS with the daemon failed (${cause?.message ?? "it closed the connection"}); if it speaks none, ${withoutTls}.`,
    { cause },
  );
}
