import type { Capability, Hello } from "../../lib/ethereum/hello.ts";
import { publicKeyOf } from "../../lib/ethereum/node-key.ts";
import { PeerSession, type SessionEvent } from "../../lib/ethereum/peer-session.ts";
import { RlpxInitiator } from "../../lib/ethereum/rlpx.ts";
import type { RlpxLink, RlpxStep } from "../../lib/ethereum/rlpx-link.ts";
import { RlpxResponder } from "../../lib/ethereum/rlpx-responder.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

/** The responder's key. */
export const RESPONDER_KEY = new Uint8Array(32).fill(5);
/** The initiator's key. */
export const INITIATOR_KEY = new Uint8Array(32).fill(6);

/** One side after its handshake. */
export interface Greeted {
  readonly link: RlpxLink;
  readonly hello: Hello;
}

/** Feeds bytes to one side of a handshake as a driver does; gives what it sends and its last step. */
export function feed(
  side: { receive(bytes?: Uint8Array): RlpxStep },
  bytes: Uint8Array,
): { readonly sent: Uint8Array; readonly last: RlpxStep } {
  const sent: Uint8Array[] = [];
  let step = side.receive(bytes);
  while (step.kind === "send") {
    sent.push(step.bytes);
    step = side.receive();
  }
  return { sent: Buffer.concat(sent), last: step };
}

/** Carries a handshake out between our two sides. */
export function shakeHands(
  seed = 1,
  capabilities: { initiator?: readonly Capability[]; responder?: readonly Capability[] } = {},
): { readonly initiator: Greeted; readonly responder: Greeted } {
  const random = new SeededRandom(seed);
  const initiator = new RlpxInitiator({
    remotePublicKey: publicKeyOf(RESPONDER_KEY),
    privateKey: INITIATOR_KEY,
    capabilities: capabilities.initiator,
    random,
  });
  const responder = new RlpxResponder({
    privateKey: RESPONDER_KEY,
    capabilities: capabilities.responder,
    random,
  });
  const answer = feed(responder, initiator.start());
  const first = feed(initiator, answer.sent);
  const second = feed(responder, first.sent);
  return { initiator: greeted(first.last), responder: greeted(second.last) };
}

/** What a handshake that went well has given. */
export function greeted(step: RlpxStep): Greeted {
  if (step.kind !== "done" || step.answer.kind !== "hello") throw new Error("There is no Hello.");
  return { link: step.link, hello: step.answer.hello };
}

/** A session over one side of a handshake. */
export function sessionOf(side: Greeted, now: number, seed = 1): PeerSession {
  return new PeerSession({ ...side, capabilities: [], random: new SeededRandom(seed) }, now);
}

/** What events say, without what is sent. */
export function told(events: readonly SessionEvent[]): SessionEvent[] {
  return events.filter(({ kind }) => kind !== "send");
}

/** What events send, as one chunk. */
export function sent(events: readonly SessionEvent[]): Uint8Array {
  return Buffer.concat(events.flatMap((event) => (event.kind === "send" ? [event.bytes] : [])));
}
