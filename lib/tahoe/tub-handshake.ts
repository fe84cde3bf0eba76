import { createHash, X509Certificate } from "node:crypto";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { base32nopad, base64urlnopad } from "@scure/base";
import type { Clock, Timer } from "../runtime/clock.ts";
import { TahoeError } from "./error.ts";
import type { TubIdentity } from "./furl.ts";
import { MeteredStream } from "./metered-stream.ts";
import { secureOver } from "./tls-over-stream.ts";
import { TubNegotiation } from "./tub-negotiation.ts";

/** Which Tub, and the limits. */
export interface TubProofOptions {
  /** Who the Tub has to be; the fURL's swissnum is not asked for, so it can't be sent. */
  readonly identity: TubIdentity;
  /** The name that was dialed, for the Host header. */
  readonly host: string;
  /** How long the proof may take, in milliseconds from the call. */
  readonly deadlineMs: number;
  /** Measures the deadline and the timings. */
  readonly clock: Clock;
  /** Calls the proof off. */
  readonly signal?: AbortSignal | undefined;
}

/** A Tub that holds its identity. */
export interface TubProof {
  readonly identity: TubIdentity;
  /** The protocol that was agreed on, such as `TLSv1.3`. */
  readonly tlsVersion: string;
  /** Milliseconds from the call. */
  readonly elapsedMs: {
    readonly firstByte: number;
    /** Until the Tub consented to TLS; 0 for a NURL, which begins with TLS. */
    readonly negotiated: number;
    /** Until the certificate was there and the right one. */
    readonly proven: number;
  };
}

/**
 * Proves that a Tub is alive and the one that is meant, over a stream that is connected to it:
 * Foolscap's negotiation and TLS for a Tub id, TLS alone for a NURL's hash. The conversation ends
 * there, before anything is asked of the Tub. The stream belongs to this function and is destroyed
 * whatever happens.
 *
 * @param stream connected, with nothing read from it yet
 * @param options which Tub, and the limits
 * @throws TahoeError `silent` when nothing came before the deadline, `stalled` when something did,
 *   `closed`, `not-a-tub`, `unknown-tub`, `tls-failed`, `wrong-identity`, `aborted`
 *
 * @example
 * ```ts
 * const { identity } = parseFurl(text);
 * await proveTubOver(stream, { identity, host, clock: realClock, deadlineMs: 30_000 });
 * ```
 */
export function proveTubOver(stream: Duplex, options: TubProofOptions): Promise<TubProof> {
  return new Promise((resolve, reject) => {
    new Conversation(stream, options, resolve, reject).begin();
  });
}

/**
 * Compares a certificate with the identity that a fURL or a NURL names.
 *
 * @param identity who it has to be
 * @param certificate DER, of a peer that has proven to hold its key
 * @throws TahoeError `wrong-identity`; `tls-failed` when the certificate can't be read
 */
export function checkIdentity(identity: TubIdentity, certificate: Uint8Array): void {
  const [wanted, found] =
    identity.kind === "tub"
      ? [identity.tubId, tubIdOf(certificate)]
      : [identity.hash, spkiHashOf(certificate)];
  if (wanted === found) return;
  throw new TahoeError(
    "wrong-identity",
    `The peer proved to be ${found}, not ${wanted}; do not trust it, and ask for a new fURL.`,
  );
}

/**
 * The id of the Tub that holds a certificate. SHA-1 is Foolscap's choice; posing as a Tub would
 * take a second preimage, for which no way is known.
 *
 * @param certificate DER
 * @returns 32 characters of base32
 */
export function tubIdOf(certificate: Uint8Array): string {
  const hash = createHash("sha1").update(certificate).digest();
  return base32nopad.encode(hash).toLowerCase();
}

/**
 * The hash by which a NURL names a certificate's public key.
 *
 * @param certificate DER
 * @returns 43 characters of base64url: SHA-256 of the SubjectPublicKeyInfo
 * @throws TahoeError `tls-failed` when the certificate can't be read
 */
export function spkiHashOf(certificate: Uint8Array): string {
  try {
    const { publicKey } = new X509Certificate(certificate);
    const info = publicKey.export({ type: "spki", format: "der" });
    return base64urlnopad.encode(createHash("sha256").update(info).digest());
  } catch (cause) {
    throw new TahoeError("tls-failed", "The peer's certificate can't be read; it is no Tub.", {
      cause,
    });
  }
}

/** Carries a proof out over a stream. */
class Conversation {
  readonly #stream: Duplex;
  readonly #options: TubProofOptions;
  readonly #resolve: (proof: TubProof) => void;
  readonly #reject: (error: unknown) => void;
  readonly #startedAt: number;
  readonly #negotiation: TubNegotiation | undefined;
  #secured: TLSSocket | undefined;
  #timer: Timer | undefined;
  #firstByte: number | undefined;
  #negotiated = 0;
  #hasEnded = false;

  constructor(
    stream: Duplex,
    options: TubProofOptions,
    resolve: (proof: TubProof) => void,
    reject: (error: unknown) => void,
  ) {
    this.#stream = stream;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#startedAt = options.clock.now();
    const { identity, host } = options;
    this.#negotiation =
      identity.kind === "tub" ? new TubNegotiation(identity.tubId, host) : undefined;
  }

  begin(): void {
    const { clock, deadlineMs, signal } = this.#options;
    const stream = this.#stream;
    stream.on("error", this.#onClose);
    stream.on("close", this.#onClose);
    stream.on("end", this.#onClose);
    signal?.addEventListener("abort", this.#onAbort);
    this.#timer = clock.setTimer(this.#startedAt + deadlineMs, this.#onDeadline);
    if (signal?.aborted) this.#onAbort();
    else if (stream.destroyed) this.#onClose();
    else if (this.#negotiation === undefined) this.#secure();
    else {
      stream.on("data", this.#onData);
      stream.resume();
      stream.write(this.#negotiation.start());
    }
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#noteFirstByte();
    try {
      if (this.#negotiation?.receive(chunk).kind !== "secure") return;
      this.#negotiated = this.#elapsed();
      // Paused before our listener goes, so that no byte passes while nobody listens.
      this.#stream.pause();
      this.#stream.off("data", this.#onData);
      this.#secure();
    } catch (error) {
      this.#fail(error);
    }
  };

  #secure(): void {
    const secured = secureOver(new MeteredStream(this.#stream, () => this.#noteFirstByte()));
    this.#secured = secured;
    secured.on("secureConnect", () => this.#onSecure(secured));
    secured.on("error", this.#onTlsError);
    secured.on("close", this.#onClose);
  }

  #onSecure(secured: TLSSocket): void {
    try {
      const { raw } = secured.getPeerCertificate();
      if (raw === undefined) {
        throw new TahoeError("tls-failed", "The peer showed no certificate; it is no Tub.");
      }
      const { identity } = this.#options;
      checkIdentity(identity, raw);
      const elapsedMs = {
        firstByte: this.#firstByte ?? 0,
        negotiated: this.#negotiated,
        proven: this.#elapsed(),
      };
      const tlsVersion = secured.getProtocol() ?? "unknown";
      this.#release();
      this.#resolve({ identity, tlsVersion, elapsedMs });
    } catch (error) {
      this.#fail(error);
    }
  }

  readonly #onTlsError = (cause: Error): void => {
    if (this.#hasEnded) {
      this.#onClose(cause);
      return;
    }
    const message = `The peer does not speak TLS (${cause.message}); check the port.`;
    this.#fail(new TahoeError("tls-failed", message, { cause }));
  };

  readonly #onClose = (cause?: unknown): void => {
    this.#hasEnded = true;
    const when = this.#secured === undefined ? "instead of answering" : "in the middle of TLS";
    const message = `The peer closed the connection ${when}; check that a Tub listens there.`;
    this.#fail(new TahoeError("closed", message, { cause }));
  };

  readonly #onAbort = (): void => {
    const cause = this.#options.signal?.reason;
    this.#fail(new TahoeError("aborted", "The proof was called off.", { cause }));
  };

  readonly #onDeadline = (): void => {
    const seconds = this.#options.deadlineMs / 1000;
    this.#fail(
      this.#firstByte === undefined
        ? new TahoeError(
            "silent",
            `The peer took our request and said nothing for ${seconds} s; it may be no Tub at all.`,
          )
        : new TahoeError(
            "stalled",
            `The peer began to answer and did not finish within ${seconds} s; try again or allow more time.`,
          ),
    );
  };

  #noteFirstByte(): void {
    this.#firstByte ??= this.#elapsed();
  }

  #elapsed(): number {
    return this.#options.clock.now() - this.#startedAt;
  }

  #fail(error: unknown): void {
    this.#release();
    this.#reject(error);
  }

  #release(): void {
    this.#timer?.cancel();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const stream of [this.#stream, this.#secured]) {
      if (stream === undefined) continue;
      stream.off("data", this.#onData);
      stream.off("end", this.#onClose);
      stream.off("close", this.#onClose);
      stream.off("error", this.#onClose);
      // Errors that come while the stream closes have nobody else to go to.
      stream.on("error", () => {});
      stream.destroy();
    }
  }
}
