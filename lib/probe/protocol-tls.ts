import { createHash } from "node:crypto";
import {
  type Conversation,
  type ConversationStep,
  endedEarly,
  type Facts,
  type SecuredStream,
} from "./conversation.ts";

/**
 * A TLS server: the handshake, and what its certificate is. A certificate that no authority signed
 * is no fault, since an onion name proves itself.
 *
 * @param serverName the host asked for
 */
export function tlsConversation(serverName: string): Conversation {
  return {
    start: () => ({ kind: "secure", serverName }),
    receive: () => ({ kind: "more" }),
    ended: () => endedEarly("TLS", 0),
    secured: (stream) => ({
      kind: "done",
      facts: tlsFacts(stream),
      evidence: [describeTls(stream)],
    }),
  };
}

/**
 * What a TLS handshake told.
 *
 * @param stream how it ended
 */
export function tlsFacts(stream: SecuredStream): Facts {
  const { certificate } = stream;
  return {
    tls: stream.protocol,
    certificate_valid: stream.valid,
    ...(certificate === undefined
      ? {}
      : { certificate_sha256: createHash("sha256").update(certificate).digest("hex") }),
  };
}

/** One sentence on a TLS handshake. */
export function describeTls(stream: SecuredStream): string {
  const validity = stream.valid ? "valid" : `not valid here (${stream.reason})`;
  return `${stream.protocol}, certificate ${validity}.`;
}

/** The fault of a peer that TLS can't be spoken with. */
export function tlsFailed(reason: string, ended: boolean): ConversationStep {
  if (ended) return endedEarly("TLS", 0);
  return {
    kind: "failed",
    fault: {
      layer: "protocol",
      code: "tls-failed",
      evidence: `The TLS handshake failed: ${reason}.`,
      advice: "Something answers, but TLS can't be agreed on: correct the port or the protocol.",
    },
  };
}
