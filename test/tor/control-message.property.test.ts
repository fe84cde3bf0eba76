import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  type ControlMessage,
  ControlReader,
  encodeCommand,
} from "../../lib/tor/control-message.ts";
import { quote, unquote, wordsOf } from "../../lib/tor/control-text.ts";
import { TorError } from "../../lib/tor/error.ts";
import { parseEvent } from "../../lib/tor/event.ts";
import { mutated, RUNS, split } from "../levin/mutation.ts";
import { arbitraryMessage, encodedParts } from "./arbitrary-message.ts";
import { exchanges, transcriptNames, wire } from "./transcript.ts";

function readAll(pieces: readonly Uint8Array[]): ControlMessage[] {
  const reader = new ControlReader();
  const messages: ControlMessage[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let one = reader.next(); one !== undefined; one = reader.next()) messages.push(one);
  }
  return messages;
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));

test("messages come back from any pieces", () => {
  const property = fc.property(
    fc.array(arbitraryMessage, { maxLength: 4 }),
    fc.array(fc.nat(), { maxLength: 8 }),
    (messages, cuts) => {
      const bytes = bytesOf(messages.flatMap(encodedParts).join(""));
      expect(readAll(split(bytes, cuts))).toEqual(messages);
    },
  );
  fc.assert(property, { numRuns: RUNS });
});

test("events between the lines of a reply change neither", () => {
  const property = fc.property(
    fc.array(arbitraryMessage, { minLength: 2, maxLength: 5 }),
    fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
    (messages, choices) => {
      const of = (kind: ControlMessage["kind"]): ControlMessage[] =>
        messages.filter((one) => one.kind === kind);
      const replies = of("reply").flatMap(encodedParts);
      const events = of("event").flatMap(encodedParts);
      let text = "";
      for (let at = 0; replies.length + events.length > 0; at++) {
        const from = choices[at % choices.length] === true ? replies : events;
        text += from.shift() ?? "";
        if (from.length === 0 && at > 500)
          text += [...replies.splice(0), ...events.splice(0)].join("");
      }
      const read = readAll([bytesOf(text)]);
      expect<ControlMessage[]>(read.filter((one) => one.kind === "reply")).toEqual(of("reply"));
      expect<ControlMessage[]>(read.filter((one) => one.kind === "event")).toEqual(of("event"));
    },
  );
  fc.assert(property, { numRuns: RUNS });
});

const recorded = transcriptNames
  .flatMap((name) => exchanges(name).map((one) => wire(one.answer)))
  .filter((bytes) => bytes.length > 0 && bytes.length < 2_000);

test("mutated conversations give messages or a TorError, the same for any pieces", () => {
  const outcome = (pieces: readonly Uint8Array[]): unknown => {
    try {
      const messages = readAll(pieces);
      for (const message of messages) if (message.kind === "event") parseEvent(message);
      return messages;
    } catch (error) {
      expect(error).toBeInstanceOf(TorError);
      return (error as TorError).code;
    }
  };
  const property = fc.property(
    mutated(recorded),
    fc.array(fc.nat(), { maxLength: 4 }),
    (bytes, cuts) => {
      expect(outcome(split(bytes, cuts))).toEqual(outcome([bytes]));
    },
  );
  fc.assert(property, { numRuns: RUNS });
});

test("random bytes give messages or a TorError", () => {
  const likely = fc.oneof(
    fc.constantFrom(0x0d, 0x0a, 0x32, 0x35, 0x36, 0x30, 0x20, 0x2b, 0x2d, 0x2e, 0x22, 0x5c),
    fc.nat(255),
  );
  const property = fc.property(fc.array(likely, { maxLength: 200 }), (bytes) => {
    try {
      readAll([Uint8Array.from(bytes)]);
    } catch (error) {
      expect(error).toBeInstanceOf(TorError);
    }
  });
  fc.assert(property, { numRuns: RUNS });
});

test("a command is one line, whatever its words; its words come back", () => {
  const word = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.string({ unit: "binary", maxLength: 20 }).map((text) => `"${text}"`),
    fc.string({ maxLength: 20 }),
  );
  let taken = 0;
  const property = fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
    try {
      const text = new TextDecoder().decode(encodeCommand(words));
      taken++;
      expect(text.endsWith("\r\n")).toBe(true);
      expect(text.slice(0, -2)).not.toMatch(/[\r\n\0]/);
      expect(wordsOf(text.slice(0, -2))).toEqual(words.map((one) => one.toWellFormed()));
    } catch (error) {
      expect(error).toMatchObject({ code: "command-invalid" });
    }
  });
  fc.assert(property, { numRuns: RUNS });
  expect(taken).toBeGreaterThan(RUNS / 100);
});

test("quoting and taking the marks off are each other's reverse", () => {
  const text = fc
    .string({ unit: "binary-ascii", maxLength: 40 })
    .map((one) => one.replace(/[\0\r\n]/g, ""));
  const property = fc.property(text, (one) => {
    expect(unquote(quote(one))).toBe(one);
    expect(wordsOf(`a ${quote(one)} b`)).toHaveLength(3);
  });
  fc.assert(property, { numRuns: RUNS });
});
