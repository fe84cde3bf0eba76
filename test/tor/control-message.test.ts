import { describe, expect, test } from "bun:test";
import {
  COMMAND_BYTES_MAX,
  type ControlMessage,
  ControlReader,
  encodeCommand,
  LINE_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  REPLY_LINES_MAX,
} from "../../lib/tor/control-message.ts";
import { keywordsOf, quotable, quote, unquote, wordsOf } from "../../lib/tor/control-text.ts";
import { answerTo, exchanges, transcript, transcriptNames, wire } from "./transcript.ts";

function read(bytes: Uint8Array, reader = new ControlReader()): ControlMessage[] {
  reader.push(bytes);
  const messages: ControlMessage[] = [];
  for (let one = reader.next(); one !== undefined; one = reader.next()) messages.push(one);
  return messages;
}

const sent = (words: readonly string[], data?: string): string =>
  Buffer.from(encodeCommand(words, data)).toString("utf8");

describe("what tor really said", () => {
  test.each(transcriptNames)("%s: one reply a command, in order", (name) => {
    const all = exchanges(name).filter((one) => one.answer.length > 0);
    expect(all.length).toBeGreaterThan(9);
    const reader = new ControlReader();
    for (const { command, answer } of all) {
      const replies = read(wire(answer), reader).filter((one) => one.kind === "reply");
      expect([command, replies.length]).toEqual([command, 1]);
      const [reply] = replies;
      const last = answer.findLast((line) => /^[25][0-9]{2} /.test(line)) ?? "";
      expect(`${reply?.code} ${reply?.lines.at(-1)?.text}`).toBe(last);
    }
  });

  test.each(transcriptNames)("%s: every command is encoded as it was recorded", (name) => {
    for (const { command } of exchanges(name)) {
      expect(sent(wordsOf(command))).toBe(`${command}\r\n`);
    }
  });

  test("events are counted by type", () => {
    const lines = transcript("info_events").filter((line) => line.who === "S");
    const counts: Record<string, number> = {};
    for (const message of read(wire(lines.map((line) => line.text)))) {
      if (message.kind === "event") counts[message.type] = (counts[message.type] ?? 0) + 1;
    }
    expect(counts).toEqual({
      ADDRMAP: 1,
      BW: 1,
      CIRC: 90,
      HS_DESC: 9,
      HS_DESC_CONTENT: 2,
      NOTICE: 2,
      STREAM: 7,
    });
  });

  test("a list of one is a line, a list of several a block", () => {
    const answers = exchanges("onion").filter((one) => one.command === "GETINFO onions/current");
    const lines = answers.map(({ answer }) => read(wire(answer))[0]?.lines[0]);
    expect(lines[0]?.text).toStartWith("onions/current=tgmjlvsds6ftumfedb3keeopf5dvekhfib67");
    expect(lines[0]?.data).toBeUndefined();
    expect(lines[2]?.text).toBe("onions/current=");
    expect(lines[2]?.data).toHaveLength(7);
  });
});

describe("the reader", () => {
  test("puts an event between two lines of a reply where it belongs", () => {
    const messages = read(
      wire([
        "250-version=1",
        "650 BW 1 2",
        "650+X y",
        "..a",
        ".",
        "250+a=",
        "650 Z",
        ".",
        "650 OK",
        "250 OK",
      ]),
    );
    expect(messages).toEqual([
      { kind: "event", type: "BW", text: "1 2", lines: [{ text: "BW 1 2" }] },
      {
        kind: "event",
        type: "X",
        text: "y",
        lines: [{ text: "X y", data: [".a"] }, { text: "OK" }],
      },
      {
        kind: "reply",
        code: 250,
        lines: [{ text: "version=1" }, { text: "a=", data: ["650 Z"] }, { text: "OK" }],
      },
    ]);
  });

  test("copies what it is given", () => {
    const reader = new ControlReader();
    const bytes = wire(["250 OK"]);
    reader.push(bytes);
    bytes.fill(0);
    expect(reader.next()).toMatchObject({ code: 250 });
  });

  test.each([
    ["no status code", "hello\r\n"],
    ["a status code alone", "250\r\n"],
    ["a status code and something else", "250=OK\r\n"],
    ["a line that ends in LF", "250 OK\n"],
    ["an empty line", "\r\n"],
    ["an event without name", "650  \r\n"],
    ["HTTP", "HTTP/1.0 501 Tor is not an HTTP Proxy\r\n"],
  ])("%s is malformed, and nothing after it is read", (_, text) => {
    const reader = new ControlReader();
    const attempt = (): unknown => read(new TextEncoder().encode(text), reader);
    expect(attempt).toThrow(expect.objectContaining({ code: "malformed-reply", where: "local" }));
    reader.push(wire(["250 OK"]));
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: "malformed-reply" }));
  });

  test("the longest line passes, a longer one does not, ended or not", () => {
    const line = `250 ${"x".repeat(LINE_BYTES_MAX - 4)}`;
    expect(read(wire([line]))).toHaveLength(1);
    const tooLong = expect.objectContaining({ code: "reply-too-long" });
    expect(() => read(wire([`${line}xx`]))).toThrow(tooLong);
    expect(() => read(new TextEncoder().encode(`${line}xx`))).toThrow(tooLong);
  });

  test("the most lines pass, more do not, in a block or not", () => {
    const lines = Array.from({ length: REPLY_LINES_MAX - 1 }, () => "250-x");
    expect(read(wire([...lines, "250 OK"]))[0]?.lines).toHaveLength(REPLY_LINES_MAX);
    const tooLong = expect.objectContaining({ code: "reply-too-long" });
    expect(() => read(wire([...lines, "250-x", "250 OK"]))).toThrow(tooLong);
    expect(() => read(wire(["250+x=", ...lines, "x"]))).toThrow(tooLong);
    expect(() => read(wire(["650+X", ...lines, "x"]))).toThrow(tooLong);
  });

  test("a message of too many bytes does not pass", () => {
    const long = `250-${"x".repeat(LINE_BYTES_MAX - 4)}`;
    const lines = Array.from(
      { length: Math.ceil(MESSAGE_BYTES_MAX / LINE_BYTES_MAX) + 1 },
      () => long,
    );
    const reader = new ControlReader();
    expect(() => {
      for (const line of lines) read(wire([line]), reader);
    }).toThrow(expect.objectContaining({ code: "reply-too-long" }));
  });

  test("a line in many pieces takes time in proportion to its length", () => {
    const piece = new Uint8Array(10).fill(0x78);
    const reader = new ControlReader();
    read(new TextEncoder().encode("250 "), reader);
    for (let i = 0; i < 9_000; i++) expect(read(piece, reader)).toEqual([]);
    expect(read(wire([""]), reader)).toHaveLength(1);
  });
});

describe("a command", () => {
  test("takes words, quoted words and a block", () => {
    expect(sent(["GETINFO", "version"])).toBe("GETINFO version\r\n");
    expect(sent(["AUTHENTICATE", quote('a "b" \\c')])).toBe('AUTHENTICATE "a \\"b\\" \\\\c"\r\n');
    expect(sent(["LOADCONF"], "a\n.b\r\nc\n")).toBe("+LOADCONF\r\na\r\n..b\r\nc\r\n.\r\n");
    expect(sent(["LOADCONF"], "")).toBe("+LOADCONF\r\n.\r\n");
    expect(sent(["AUTHENTICATE", quote("pässword")])).toBe('AUTHENTICATE "pässword"\r\n');
  });

  test.each([
    [[]],
    [[""]],
    [["GETINFO", "a b"]],
    [["GETINFO", "a\r\nQUIT"]],
    [["GETINFO", '"a\nb"']],
    [["GETINFO", '"open']],
    [["GETINFO", "tab\there"]],
  ])("%j is refused without being quoted", (words) => {
    const secret = words[1] ?? "nothing";
    try {
      encodeCommand(words);
      throw new Error("It passed.");
    } catch (error) {
      expect(error).toMatchObject({ code: "command-invalid" });
      expect(String(error)).not.toContain(secret === "" ? "nothing" : secret);
    }
  });

  test("half line ends, NULs and endless commands are refused", () => {
    const invalid = expect.objectContaining({ code: "command-invalid" });
    expect(() => encodeCommand(["LOADCONF"], "a\rb")).toThrow(invalid);
    expect(() => encodeCommand(["LOADCONF"], "a\0b")).toThrow(invalid);
    expect(() => encodeCommand(["X", "x".repeat(COMMAND_BYTES_MAX)])).toThrow(invalid);
    expect(() => quote("a\nb")).toThrow(invalid);
  });
});

describe("tor's words", () => {
  test("are cut at spaces outside quotation marks", () => {
    expect(wordsOf(' a  "b c" d="e \\" f" ')).toEqual(["a", '"b c"', 'd="e \\" f"']);
    expect(wordsOf("")).toEqual([]);
  });

  test("escapes become bytes", () => {
    expect(unquote('"\\001\\377z"')).toBe("\x01\xffz");
    expect(unquote('"a\\nb\\t\\"\\\\"')).toBe('a\nb\t"\\');
    expect(unquote("plain")).toBe("plain");
    expect(unquote('"')).toBe('"');
  });

  test("keywords lose their marks", () => {
    const [line = ""] = answerTo("info_events", "GETINFO status/bootstrap-phase");
    const keywords = keywordsOf(wordsOf(line));
    expect(keywords.get("PROGRESS")).toBe("100");
    expect(keywords.get("SUMMARY")).toBe("Done");
  });

  test("are quoted in messages without what a terminal would act on", () => {
    expect(quotable("a\x1b[31mb\u0080")).toBe("a?[31mb?");
    expect(quotable("x".repeat(1_000)).length).toBeLessThan(300);
  });
});
