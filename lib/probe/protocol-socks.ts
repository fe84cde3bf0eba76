import {
  beginningOf,
  type Conversation,
  type ConversationStep,
  endedEarly,
  otherProtocol,
} from "./conversation.ts";

const GREETING = Uint8Array.of(5, 2, 0, 2);
const VERSION = 5;
const methods: ReadonlyMap<number, string> = new Map([
  [0x00, "none"],
  [0x02, "password"],
  [0xff, "refused"],
]);

/** A SOCKS5 server: greeted, and asked for nothing (RFC 1928, section 3). */
export function socksConversation(): Conversation {
  let first: number | undefined;
  const receive = (bytes: Uint8Array): ConversationStep => {
    const [a, b] = first === undefined ? bytes : [first, bytes[0]];
    if (a === undefined) return { kind: "more" };
    if (a !== VERSION) {
      return otherProtocol("SOCKS5", `It answered a SOCKS5 greeting with ${beginningOf(bytes)}.`);
    }
    if (b === undefined) {
      first = a;
      return { kind: "more" };
    }
    const method = methods.get(b);
    if (method === undefined) {
      return otherProtocol("SOCKS5", `It chose method ${b}, which was not offered.`);
    }
    return {
      kind: "done",
      facts: { method },
      evidence: [`It is a SOCKS5 server, method ${method}.`],
    };
  };
  return {
    start: () => ({ kind: "send", bytes: GREETING }),
    receive,
    ended: () => endedEarly("SOCKS", first === undefined ? 0 : 1),
  };
}
