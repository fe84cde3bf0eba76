import { EthereumError } from "../ethereum/error.ts";
import { RlpxInitiator } from "../ethereum/rlpx.ts";
import type { RlpxAnswer } from "../ethereum/rlpx-link.ts";
import type { RandomSource } from "../runtime/random.ts";
import {
  beginningOf,
  type Conversation,
  type ConversationStep,
  endedEarly,
  type Facts,
  otherProtocol,
} from "./conversation.ts";

/** Capabilities named in a result; nodes have a handful. */
const CAPABILITIES_MAX = 32;

/**
 * An Ethereum node: RLPx up to its Hello, which only the holder of the node's key can send. Our
 * keys are new each time and our name is empty.
 *
 * @param publicKey the key that the node must hold, 64 bytes
 * @param random draws our keys
 * @see devp2p `rlpx.md`
 */
export function ethereumConversation(publicKey: Uint8Array, random: RandomSource): Conversation {
  const initiator = new RlpxInitiator({ remotePublicKey: publicKey, random });
  let bytesHeard = 0;
  const receive = (bytes: Uint8Array): ConversationStep => {
    bytesHeard += bytes.length;
    const outgoing: Uint8Array[] = [];
    try {
      let step = initiator.receive(bytes);
      while (step.kind === "send") {
        outgoing.push(step.bytes);
        step = initiator.receive();
      }
      if (step.kind === "done") {
        const farewell = Buffer.concat([...outgoing, step.link.farewell()]);
        return { ...answered(step.answer, publicKey), farewell };
      }
    } catch (error) {
      if (!(error instanceof EthereumError)) throw error;
      return faultOf(error, bytes);
    }
    return outgoing.length === 0
      ? { kind: "more" }
      : { kind: "send", bytes: Buffer.concat(outgoing) };
  };
  return {
    start: () => ({ kind: "send", bytes: initiator.start() }),
    receive,
    ended: () => {
      const step = endedEarly("Ethereum", bytesHeard);
      if (step.kind !== "failed" || bytesHeard > 0) return step;
      const evidence =
        "It ended the stream upon our greeting: it holds another key, or is no Ethereum node.";
      return { ...step, fault: { ...step.fault, evidence } };
    },
  };
}

function answered(
  answer: RlpxAnswer,
  publicKey: Uint8Array,
): Extract<ConversationStep, { kind: "done" }> {
  const node_id = Buffer.from(publicKey).toString("hex");
  if (answer.kind === "disconnect") {
    const { name } = answer.reason;
    return {
      kind: "done",
      facts: { node_id, disconnect: name },
      evidence: [`The node holds its key, and took its leave at once: ${name}.`],
    };
  }
  const { clientId, capabilities, protocolVersion } = answer.hello;
  const names = capabilities.slice(0, CAPABILITIES_MAX).map((one) => `${one.name}/${one.version}`);
  const facts: Facts = {
    node_id,
    client: clientId,
    capabilities: names.join(" "),
    rlpx_version: protocolVersion,
  };
  return {
    kind: "done",
    facts,
    evidence: [
      `The node holds its key and is "${clientId}" with ${names.join(", ") || "nothing"}.`,
    ],
  };
}

function faultOf(error: EthereumError, bytes: Uint8Array): ConversationStep {
  if (error.code === "not-rlpx" || error.code === "frame-mac") {
    return otherProtocol("RLPx", `${error.message} It sent ${beginningOf(bytes)}.`);
  }
  return {
    kind: "failed",
    fault: {
      layer: "protocol",
      where: error.where,
      code: error.code,
      evidence: error.message,
      advice: "Compare the node's key with the one in its enode or record, and look at its log.",
    },
  };
}
