import type { Conversation } from "./conversation.ts";

/**
 * A raw stream. Open is enough where the proxy says so only when it knows. I2P's proxies say OK as
 * soon as they have a lease set, be it of a service that has gone: there only a byte is proof.
 *
 * @param openIsProof whether an open stream shows that somebody is there
 */
export function tcpConversation(openIsProof: boolean): Conversation {
  return {
    start: () =>
      openIsProof
        ? {
            kind: "done",
            facts: { silent: true, banner_bytes: 0 },
            evidence: ["The stream is open."],
          }
        : { kind: "more" },
    receive: (bytes) => ({
      kind: "done",
      facts: { silent: false, banner_bytes: bytes.length },
      evidence: [`The peer spoke first, ${bytes.length} bytes.`],
    }),
    ended: () => ({
      kind: "failed",
      fault: {
        layer: "rendezvous",
        code: "closed-at-once",
        evidence: "The proxy said OK, and then the stream ended without a byte.",
        advice:
          "The destination is known, but its program or tunnel is down: start it, or correct its target.",
      },
    }),
  };
}
