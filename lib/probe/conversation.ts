import type { FaultPlace } from "../runtime/fault.ts";

/** What a peer told of itself, by name; `--expect` compares these. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/** What a TLS handshake showed. */
export interface SecuredStream {
  /** The peer's certificate in DER; undefined when it sent none. */
  readonly certificate: Uint8Array | undefined;
  /** Whether the certificate is valid for the name that was asked for. */
  readonly valid: boolean;
  /** Why it is not; empty when it is. */
  readonly reason: string;
  /** Such as "TLSv1.3". */
  readonly protocol: string;
}

/** How a conversation went wrong. */
export interface ConversationFault {
  readonly layer: "answer" | "rendezvous" | "protocol";
  /** @default "peer" */
  readonly where?: FaultPlace;
  readonly code: string;
  readonly evidence: string;
  readonly advice: string;
}

/** What happens next in a conversation. */
export type ConversationStep =
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  | { readonly kind: "more" }
  /** The stream becomes TLS; the bytes, if any, go out before. */
  | { readonly kind: "secure"; readonly serverName: string; readonly bytes?: Uint8Array }
  /** `farewell`: bytes to take one's leave with. */
  | {
      readonly kind: "done";
      readonly facts: Facts;
      readonly evidence: readonly string[];
      readonly farewell?: Uint8Array;
    }
  /** `variant`: another way of asking might succeed, on a stream of its own. */
  | { readonly kind: "failed"; readonly fault: ConversationFault; readonly variant?: boolean };

/**
 * One side of a protocol, as a prober speaks it: bytes and the time go in, what to do comes out.
 * After `done` or `failed` nothing more is asked of it.
 */
export interface Conversation {
  /** Begins; `now` in milliseconds. */
  start(now: number): ConversationStep;
  /** Takes bytes of the peer, split anywhere; they may be kept only as a copy. */
  receive(bytes: Uint8Array, now: number): ConversationStep;
  /** The peer has ended or lost the stream. */
  ended(now: number): ConversationStep;
  /** The stream has become TLS. */
  secured?(stream: SecuredStream, now: number): ConversationStep;
}

/** The fault of a peer that ends the stream before it said anything that counts. */
export function endedEarly(protocol: string, bytes: number): ConversationStep {
  const fault: ConversationFault =
    bytes === 0
      ? {
          layer: "answer",
          code: "closed-without-answer",
          evidence: "The stream was opened and then ended without a byte.",
          advice: `Look whether the program behind the service is the ${protocol} one, and what its log says.`,
        }
      : {
          layer: "protocol",
          code: "closed-early",
          evidence: `The stream ended after ${bytes} bytes.`,
          advice: `Look at the log of the program behind the service: it ended a ${protocol} conversation halfway.`,
        };
  return { kind: "failed", fault };
}

/** The fault of a peer that speaks something else. */
export function otherProtocol(protocol: string, evidence: string): ConversationStep {
  return {
    kind: "failed",
    fault: {
      layer: "protocol",
      code: "not-the-protocol",
      evidence,
      advice: `Something answers, but it does not speak ${protocol}: correct the port, or choose another --protocol.`,
    },
  };
}

const PRINTABLE_BYTES_MAX = 24;

/**
 * The beginning of what a peer sent, safe to print.
 *
 * @param bytes any bytes
 * @returns hex of the first bytes
 */
export function beginningOf(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, PRINTABLE_BYTES_MAX)).toString("hex");
  return bytes.length > PRINTABLE_BYTES_MAX ? `${head}…` : head;
}
