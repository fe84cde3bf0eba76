import fc from "fast-check";
import type { ControlMessage, ReplyLine } from "../../lib/tor/control-message.ts";

const content = fc.string({ maxLength: 30 }).map((text) =>
  // Any byte may come, but a line end is the end.
  Buffer.from(text, "utf8")
    .toString("latin1")
    .replace(/[\r\n]/g, "."),
);

const line: fc.Arbitrary<ReplyLine> = fc.oneof(
  { weight: 3, arbitrary: content.map((text) => ({ text })) },
  fc.record({
    text: content,
    data: fc.array(fc.oneof(content, fc.constantFrom(".", "..", "")), { maxLength: 4 }),
  }),
);

/** The last line of a message has no data block. */
const lines = fc
  .tuple(fc.array(line, { maxLength: 4 }), content)
  .map(([before, last]) => [...before, { text: last }]);

const reply = fc
  .tuple(fc.constantFrom(200, 250, 251, 510, 552), lines)
  .map(([code, all]): ControlMessage => ({ kind: "reply", code, lines: all }));

const event = fc
  .tuple(fc.stringMatching(/^[A-Z_]{1,12}$/), content, lines)
  .map(([type, text, others]): ControlMessage => {
    // A message of one line ends with it; a longer one ends with another.
    const all =
      others.length > 1 ? [{ text: `${type} ${text}` }, ...others] : [{ text: `${type} ${text}` }];
    return { kind: "event", type, text, lines: all };
  });

/** Any message of tor's. */
export const arbitraryMessage: fc.Arbitrary<ControlMessage> = fc.oneof(reply, event);

/**
 * The lines of a message as tor would send them; parts that must not be torn apart stay together.
 *
 * @param message any
 * @returns text for the wire, a line and its data block each
 */
export function encodedParts(message: ControlMessage): string[] {
  const code = message.kind === "reply" ? message.code : 650;
  return message.lines.map(({ text, data }, index) => {
    if (data !== undefined) {
      const stuffed = data.map((one) => `${one.startsWith(".") ? "." : ""}${one}\r\n`).join("");
      return `${code}+${text}\r\n${stuffed}.\r\n`;
    }
    return `${code}${index === message.lines.length - 1 ? " " : "-"}${text}\r\n`;
  });
}
