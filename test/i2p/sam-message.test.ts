import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { I2pError } from "../../lib/i2p/error.ts";
import {
  encodeSamCommand,
  parseSamReply,
  SAM_LINE_BYTES_MAX,
  SamLineReader,
} from "../../lib/i2p/sam-message.ts";
import { mutated, split } from "../levin/mutation.ts";
import { exchanges } from "./recording.ts";

const RUNS = 10_000;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (line: string): Uint8Array => new TextEncoder().encode(line);
const replies = exchanges.flatMap(({ reply }) =>
  reply !== undefined && /^[A-Z]+ [A-Z]+ /.test(reply) ? [reply] : [],
);

function codeOf(act: () => unknown): string {
  try {
    act();
    return "fine";
  } catch (error) {
    if (!(error instanceof I2pError)) throw error;
    return error.code;
  }
}

/** What comes out of a reader that is fed chunk by chunk, up to the first line. */
function firstLine(chunks: readonly Uint8Array[]): { line: string; rest: string } | undefined {
  const reader = new SamLineReader();
  for (const [index, chunk] of chunks.entries()) {
    const found = reader.read(chunk);
    if (found === undefined) continue;
    const rest = [found.rest, ...chunks.slice(index + 1)].map(text).join("");
    return { line: found.line, rest };
  }
  return undefined;
}

describe("a command", () => {
  test("has words, then keys and values in the order given", () => {
    const line = encodeSamCommand(["STREAM", "FORWARD"], {
      ID: "srv",
      PORT: 21900,
      SILENT: "true",
    });
    expect(text(line)).toBe("STREAM FORWARD ID=srv PORT=21900 SILENT=true\n");
  });

  test.each([
    ["a line's end", "a\nQUIT"],
    ["a space", "a b"],
    ["a quote", 'a"b'],
    ["a backslash", "a\\b"],
    ["a carriage return", "a\rb"],
    ["nothing", ""],
    ["a zero byte", "a\0b"],
    ["a letter beyond ASCII", "é"],
  ])("can't smuggle %s in, and does not quote the value", (_name, value) => {
    const secret = `SECRET${value}`.slice(value === "" ? 6 : 0);
    try {
      encodeSamCommand(["SESSION", "CREATE"], { "i2cp.leaseSetPrivKey": secret });
    } catch (error) {
      expect(error).toMatchObject({ code: "request-invalid", where: "config" });
      expect(String(error)).toContain("i2cp.leaseSetPrivKey");
      expect(String(error)).not.toContain("SECRET");
      return;
    }
    throw new Error("It was to be refused.");
  });

  test.each(["a b", "a=b", "", "a\nb", "1a"])("has no key %p", (key) => {
    expect(codeOf(() => encodeSamCommand(["A", "B"], { [key]: "1" }))).toBe("request-invalid");
  });

  test("is no longer than a router's buffer", () => {
    const longest = 8_191 - "A B C=\n".length;
    expect(encodeSamCommand(["A", "B"], { C: "x".repeat(longest) })).toHaveLength(8_191);
    const act = (): unknown => encodeSamCommand(["A", "B"], { C: "x".repeat(longest + 1) });
    expect(codeOf(act)).toBe("request-invalid");
  });
});

describe("a reply", () => {
  test("every recorded one is read", () => {
    expect(replies.length).toBeGreaterThan(50);
    for (const line of replies) {
      const reply = parseSamReply(line);
      expect(line).toStartWith(reply.topic);
      for (const [, key = "", value = ""] of line.matchAll(/ ([A-Z]+)=([^" ]+)/g)) {
        expect(reply.value(key)).toBe(value);
      }
    }
  });

  test.each([
    ['A B MESSAGE="Unknown STYLE"', "MESSAGE", "Unknown STYLE"],
    ['A B M="a \\"b\\" \\\\c" N=1', "M", 'a "b" \\c'],
    ['A B M="" N=1', "N", "1"],
    ["A B M= N=1", "M", ""],
    ["A B M=a=b==", "M", "a=b=="],
    ["A B  M=a   N=1  ", "N", "1"],
    ["A B FLAG N=1", "FLAG", ""],
  ])("%s", (line, key, value) => {
    expect(parseSamReply(line).value(key)).toBe(value);
  });

  test.each([
    "",
    "HELLO",
    "hello reply RESULT=OK",
    "HTTP/1.1 400 Bad Request",
    'A B M="open',
    'A B M="a"b',
    'A B M=a"b',
    "A B =x",
    "A B M=1 M=2",
    `A B ${"k".repeat(101)}=1`,
  ])("malformed: %p", (line) => {
    expect(codeOf(() => parseSamReply(line))).toBe("malformed-reply");
  });

  test("shows its topic and result, and a message without control characters or keys", () => {
    const key = "A".repeat(100);
    const reply = parseSamReply(`A B RESULT=I2P_ERROR K=${key} MESSAGE="a\x1b[31m ${key} b"`);
    expect(`${reply} ${JSON.stringify(reply)} ${Bun.inspect(reply)}`).not.toContain("AAAA");
    expect(String(reply)).toBe("A B I2P_ERROR");
    expect(reply.message).toBe("a?[31m … b");
    expect(String(parseSamReply(`A B RESULT=${key}`))).toBe("A B");
  });

  test("of random and mutated lines is refused or read, soon", () => {
    const near = mutated(replies.map(bytes)).map(text);
    const hostile = fc.string({ unit: fc.constantFrom(...'AB ="\\x'), maxLength: 60 });
    fc.assert(
      fc.property(fc.oneof(near, hostile, fc.string()), (line) => {
        expect(["fine", "malformed-reply"]).toContain(codeOf(() => parseSamReply(line)));
      }),
      { numRuns: RUNS },
    );
  });

  test.each([
    `A B ${" ".repeat(SAM_LINE_BYTES_MAX)}"`,
    `A B M="${"\\".repeat(SAM_LINE_BYTES_MAX)}`,
    `A B ${"M ".repeat(SAM_LINE_BYTES_MAX / 2)}`,
    `A B ${"a=b ".repeat(SAM_LINE_BYTES_MAX / 4)}"`,
  ])("the longest line of a kind takes no time", (line) => {
    const began = performance.now();
    codeOf(() => parseSamReply(line));
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe("a reader of lines", () => {
  test("leaves what follows the line", () => {
    expect(firstLine([bytes("A B\nhello")])).toEqual({ line: "A B", rest: "hello" });
    expect(firstLine([bytes("A"), bytes(" B"), bytes("\n\n")])).toEqual({
      line: "A B",
      rest: "\n",
    });
  });

  test("reads the longest line and refuses a longer one, also byte by byte", () => {
    const longest = "x".repeat(SAM_LINE_BYTES_MAX);
    expect(firstLine([bytes(`${longest}\n`)])?.line).toBe(longest);
    const single = Array.from(bytes(longest), (byte) => Uint8Array.of(byte));
    expect(firstLine([...single, bytes("\n")])?.line).toBe(longest);
    expect(codeOf(() => firstLine([...single, bytes("x")]))).toBe("overlong-reply");
    expect(codeOf(() => firstLine([bytes(`${longest}x\n`)]))).toBe("overlong-reply");
  });

  test("does not hold on to the chunk", () => {
    const reader = new SamLineReader();
    const chunk = bytes("A B");
    reader.read(chunk);
    chunk.fill(0);
    expect(reader.read(bytes("\n"))?.line).toBe("A B");
  });

  test("finds the same line however the bytes are split", () => {
    fc.assert(
      fc.property(fc.constantFrom(...replies), fc.array(fc.nat(3_000)), (line, cuts) => {
        const chunks = split(bytes(`${line}\nrest`), cuts);
        expect(firstLine(chunks)).toEqual({ line, rest: "rest" });
      }),
      { numRuns: RUNS },
    );
  });
});
