import { describe, expect, test } from "bun:test";
import { SocksClientHandshake } from "../../lib/socks/client-handshake.ts";
import { SocksError } from "../../lib/socks/error.ts";
import { recordingText } from "./recording.ts";

/*
 * What our SOCKS client makes of the answers that an I2P router's proxy gave.
 */

interface RecordedReply {
  readonly subject: string;
  readonly version: "4a" | "5";
  readonly reply: Uint8Array;
}

const replies: RecordedReply[] = recordingText("socks.txt")
  .split("\n")
  .flatMap((line) => {
    const [, subject = "", version, reply = ""] =
      /^(.*?) +s(4a|5) +reply=([0-9a-f]+)/.exec(line) ?? [];
    if (version !== "4a" && version !== "5") return [];
    return [{ subject, version, reply: Uint8Array.from(Buffer.from(reply, "hex")) }];
  });

/** The code of the refusal, or "stream". */
function outcome({ version, reply }: RecordedReply): string {
  const handshake = new SocksClientHandshake({
    version,
    command: "connect",
    host: "example.i2p",
    port: 80,
  });
  handshake.start();
  try {
    if (version === "5") handshake.receive(Uint8Array.of(5, 0));
    return handshake.receive(reply).kind === "done" ? "stream" : "unfinished";
  } catch (error) {
    if (!(error instanceof SocksError)) throw error;
    return error.code;
  }
}

/** By subject: what SOCKS 4a and SOCKS 5 say. A service that is down looks like one that is up. */
const expected: Readonly<Record<string, readonly [string, string]>> = {
  success: ["stream", "stream"],
  "target down": ["stream", "stream"],
  "encrypted LS by b33": ["stream", "stream"],
  "encrypted LS by plain b32": ["stream", "stream"],
  "unknown valid b32": ["rejected", "host-unreachable"],
  "malformed b32 (short)": ["rejected", "host-unreachable"],
  "malformed (bad chars)": ["rejected", "host-unreachable"],
  "unknown name.i2p": ["rejected", "host-unreachable"],
  "uppercase b32": ["rejected", "host-unreachable"],
  "uppercase suffix": ["rejected", "address-type-not-supported"],
  "clearnet name": ["rejected", "address-type-not-supported"],
};

describe("an I2P router's SOCKS proxy", () => {
  test("every recorded subject is looked at", () => {
    expect(new Set(replies.map(({ subject }) => subject))).toEqual(new Set(Object.keys(expected)));
  });

  test.each(replies.map((reply) => [`${reply.subject}, SOCKS ${reply.version}`, reply] as const))(
    "%s",
    (_name, reply) => {
      const [by4a = "", by5 = ""] = expected[reply.subject] ?? [];
      expect(outcome(reply)).toBe(reply.version === "5" ? by5 : by4a);
    },
  );
});
