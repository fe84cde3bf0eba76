import { TahoeError } from "../tahoe/error.ts";
import type { TubIdentity } from "../tahoe/furl.ts";
import { checkIdentity } from "../tahoe/tub-handshake.ts";
import { TubNegotiation } from "../tahoe/tub-negotiation.ts";
import {
  type Conversation,
  type ConversationStep,
  endedEarly,
  otherProtocol,
  type SecuredStream,
} from "./conversation.ts";

/**
 * A Tub of Tahoe-LAFS: proof that it is alive and holds its identity. The swissnum is not even
 * known here, so it can't be sent.
 *
 * @param identity who the Tub has to be
 * @param host the name that was dialed
 */
export function tahoeConversation(identity: TubIdentity, host: string): Conversation {
  const negotiation =
    identity.kind === "tub" ? new TubNegotiation(identity.tubId, host) : undefined;
  let bytesHeard = 0;
  return {
    start: () =>
      negotiation === undefined
        ? { kind: "secure", serverName: "" }
        : { kind: "send", bytes: negotiation.start() },
    receive: (bytes) => {
      bytesHeard += bytes.length;
      try {
        const step = negotiation?.receive(bytes);
        return step?.kind === "secure" ? { kind: "secure", serverName: "" } : { kind: "more" };
      } catch (error) {
        return faultOf(error);
      }
    },
    ended: () => endedEarly("Tahoe-LAFS", bytesHeard),
    secured: (stream) => {
      try {
        return proven(identity, stream);
      } catch (error) {
        return faultOf(error);
      }
    },
  };
}

function proven(identity: TubIdentity, stream: SecuredStream): ConversationStep {
  const { certificate } = stream;
  if (certificate === undefined) return otherProtocol("Foolscap", "It showed no certificate.");
  checkIdentity(identity, certificate);
  const facts =
    identity.kind === "tub"
      ? { kind: "tub", tub_id: identity.tubId, tls: stream.protocol }
      : { kind: "nurl", spki_sha256: identity.hash, tls: stream.protocol };
  return { kind: "done", facts, evidence: [`The Tub holds its identity (${stream.protocol}).`] };
}

function faultOf(error: unknown): ConversationStep {
  if (!(error instanceof TahoeError)) throw error;
  if (error.code === "not-a-tub") return otherProtocol("Foolscap", error.message);
  return {
    kind: "failed",
    fault: {
      layer: "protocol",
      where: error.where,
      code: error.code,
      evidence: error.message,
      advice:
        error.code === "wrong-identity"
          ? "Somebody else answers at this place: do not use it, and ask for a new fURL."
          : "Compare the fURL with the one that the Tub's owner gives.",
    },
  };
}
