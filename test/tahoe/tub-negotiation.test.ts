import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TahoeError } from "../../lib/tahoe/error.ts";
import { TUB_ANSWER_BYTES_MAX, TubNegotiation } from "../../lib/tahoe/tub-negotiation.ts";
import { mutated, RUNS, split } from "../levin/mutation.ts";

const TUB_ID = "sisi4zenj7cxncgvdog7szg3yxbrnamy";
/* What a Tub of Debian's python3-foolscap 21.7 answers. */
const CONSENT =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\nConnection: Upgrade\r\n\r\n";
const UNKNOWN = "HTTP/1.1 500 Internal Server Error: unknown TubID\r\n\r\n";
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** How a negotiation ends: its last step, or the code of its error. */
function outcome(...parts: readonly Uint8Array[]): string {
  const negotiation = new TubNegotiation(TUB_ID, "tub");
  let last = "more";
  try {
    for (const part of parts) last = negotiation.receive(part).kind;
  } catch (error) {
    if (error instanceof TahoeError) return error.code;
    throw error;
  }
  return last;
}

describe("Foolscap's negotiation", () => {
  test("asks for the Tub and for TLS, and for nothing else", () => {
    const request = new TextDecoder().decode(new TubNegotiation(TUB_ID, "a.onion").start());
    expect(request).toBe(
      `GET /id/${TUB_ID} HTTP/1.1\r\nHost: a.onion\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n`,
    );
  });

  test("consent may be split anywhere", () => {
    const property = fc.property(fc.array(fc.nat(), { maxLength: 9 }), (cuts) => {
      const parts = split(bytesOf(CONSENT), cuts).filter((part) => part.length > 0);
      expect(outcome(...parts)).toBe("secure");
    });
    fc.assert(property, { numRuns: RUNS });
    expect(outcome(...[...bytesOf(CONSENT)].map((byte) => Uint8Array.of(byte)))).toBe("secure");
  });

  test.each([
    ["unknown-tub", UNKNOWN],
    ["not-a-tub", "HTTP/1.1 404 Not Found\r\n\r\n"],
    ["not-a-tub", "HTTP/1.1 200 OK\r\nUpgrade: TLS/1.0\r\n\r\n"],
    ["not-a-tub", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"],
    ["not-a-tub", "HTTP/1.1 101 TLS/1.0\r\n\r\n"],
    ["not-a-tub", `${CONSENT}more`],
    ["not-a-tub", "SSH-2.0-OpenSSH"],
    ["not-a-tub", "G"],
    ["not-a-tub", "\x15\x03\x01"],
    ["not-a-tub", `HTTP/1.1 101 ${"x".repeat(TUB_ANSWER_BYTES_MAX)}`],
    ["more", ""],
    ["more", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0"],
  ])("ends as %s with %p", (expected, answer) => {
    expect(outcome(bytesOf(answer))).toBe(expected);
    expect(outcome(...[...bytesOf(answer)].map((byte) => Uint8Array.of(byte)))).toBe(
      expected === "not-a-tub" && answer.endsWith("\r\n\r\nmore") ? "negotiation-over" : expected,
    );
  });

  test("random and mutated answers end in a step or an error of ours, within the bound", () => {
    const originals = [bytesOf(CONSENT), bytesOf(UNKNOWN)];
    for (const bytes of [fc.uint8Array({ maxLength: 200 }), mutated(originals)]) {
      const property = fc.property(bytes, fc.array(fc.nat(), { maxLength: 3 }), (answer, cuts) => {
        const codes = ["secure", "more", "not-a-tub", "unknown-tub", "negotiation-over"];
        expect(codes).toContain(outcome(...split(answer, cuts)));
      });
      fc.assert(property, { numRuns: RUNS });
    }
    const endless = Array.from({ length: 100 }, () => bytesOf(`HTTP/1.1 ${"x".repeat(90)}`));
    expect(outcome(...endless)).toBe("not-a-tub");
  });

  test("a peer's words in a message can't steer a terminal", () => {
    const negotiation = new TubNegotiation(TUB_ID, "tub");
    expect(() => negotiation.receive(bytesOf("\x1b[2Jhello\nrest"))).toThrow(/"\uFFFD\[2Jhello"/);
  });
});
