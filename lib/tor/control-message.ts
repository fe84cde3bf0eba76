import { TorError } from "./error.ts";

/** Longest line taken from tor, without its line end; GETINFO's longest real ones have some 10 kB. */
export const LINE_BYTES_MAX = 100_000;
/** Most lines of one reply or event, data lines included; a circuit list has dozens. */
export const REPLY_LINES_MAX = 1_000;
/** Most bytes of one reply or event; the longest that tor sends, a descriptor, has 50,000. */
export const MESSAGE_BYTES_MAX = 4_000_000;
/** Tor itself drops a connection on a longer command (`MAX_COMMAND_LINE_LENGTH`). */
export const COMMAND_BYTES_MAX = 1_048_576;

/** One line of a reply or event. */
export interface ReplyLine {
  /** What follows status code and divider, one character a byte. */
  readonly text: string;
  /** The lines of the data block that follows a `+` line, dots unstuffed; absent elsewhere. */
  readonly data?: readonly string[];
}

/** The answer to one command. */
export interface ControlReply {
  readonly kind: "reply";
  /** The status code of the last line: 2xx done, 5xx refused. */
  readonly code: number;
  /** At least one. */
  readonly lines: readonly ReplyLine[];
}

/** Something that tor tells unasked. */
export interface ControlEventMessage {
  readonly kind: "event";
  /** The first word, such as "HS_DESC". */
  readonly type: string;
  /** The rest of the first line. */
  readonly text: string;
  /** All lines, the first one whole. */
  readonly lines: readonly ReplyLine[];
}

/** What comes from tor. */
export type ControlMessage = ControlReply | ControlEventMessage;

const encoder = new TextEncoder();

/** Words of a command: no spaces or control characters, except spaces between quotation marks. */
const WORD = /^(?:[^\s"\0-\x1f\x7f]|"(?:[^"\\\r\n\0]|\\[^\r\n\0])*")+$/;

/**
 * The bytes of a command.
 *
 * @param words the command and its arguments; a text with spaces or quotation marks in it goes
 *   through `quote` first
 * @param data the block of a `+` command, lines ended by LF or CRLF
 * @throws TorError `command-invalid` where a word could end the line or begin another word
 * @see control-spec, section 2.2
 */
export function encodeCommand(words: readonly string[], data?: string): Uint8Array {
  if (words.length === 0) {
    throw new TorError("command-invalid", "A command for tor has no words; name the command.");
  }
  const length = words.reduce((sum, word) => sum + word.length, data?.length ?? 0);
  // Before anything that takes time in proportion to it.
  if (length > COMMAND_BYTES_MAX) throw tooLong(words, length);
  // The word itself may be a secret, so only its place is told.
  for (const [index, word] of words.entries()) {
    if (WORD.test(word)) continue;
    throw new TorError(
      "command-invalid",
      `Word ${index + 1} of the ${commandName(words)} command is empty or holds a space or control character; quote it.`,
    );
  }
  let text = `${data === undefined ? "" : "+"}${words.join(" ")}\r\n`;
  if (data !== undefined) text += stuffed(data);
  const bytes = encoder.encode(text);
  if (bytes.length > COMMAND_BYTES_MAX) throw tooLong(words, bytes.length);
  return bytes;
}

function tooLong(words: readonly string[], length: number): TorError {
  return new TorError(
    "command-invalid",
    `The ${commandName(words)} command has at least ${length} bytes; tor takes ${COMMAND_BYTES_MAX}.`,
  );
}

function commandName(words: readonly string[]): string {
  return /^[A-Z_]{1,40}$/i.exec(words[0] ?? "")?.[0] ?? "unnamed";
}

function stuffed(data: string): string {
  if (data.includes("\0")) {
    throw new TorError("command-invalid", "A data block for tor holds a NUL; leave it out.");
  }
  const lines = data === "" ? [] : data.split(/\r?\n/);
  if (lines.some((line) => line.includes("\r"))) {
    throw new TorError("command-invalid", "A data block for tor holds half a line end; use CRLF.");
  }
  if (lines.at(-1) === "") lines.pop();
  return `${lines.map((line) => `${line.startsWith(".") ? "." : ""}${line}\r\n`).join("")}.\r\n`;
}

/** A message of which some lines have come. */
interface PartialMessage {
  lines: ReplyLine[];
  lineCount: number;
  byteCount: number;
}

function nothingYet(): PartialMessage {
  return { lines: [], lineCount: 0, byteCount: 0 };
}

/** Room for one usual read; grows to what one line needs. */
const BUFFER_BYTES_LEAST = 4_096;
const LF = 0x0a;
const CR = 0x0d;

/**
 * Takes the bytes that come from tor and gives whole messages. Replies and events are put together
 * apart from each other, by their status codes, so that an event between two lines of a reply
 * spoils neither.
 *
 * After a throw it stays unusable: whoever can't tell where a line ends can't tell a reply from
 * another.
 *
 * @see control-spec, section 2.3
 */
export class ControlReader {
  #buffer = Buffer.alloc(BUFFER_BYTES_LEAST);
  #start = 0;
  #end = 0;
  /** Bytes before this hold no line end. */
  #scanned = 0;
  #reply = nothingYet();
  #event = nothingYet();
  /** The block being read, and whose it is. */
  #block:
    | { readonly owner: PartialMessage; readonly text: string; readonly data: string[] }
    | undefined;
  #broken: TorError | undefined;

  /**
   * @param bytes what came; copied. Call `next` until it gives nothing before the next push.
   */
  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /**
   * @returns the next whole message, or undefined when more bytes are needed
   * @throws TorError `malformed-reply` or `reply-too-long`
   */
  next(): ControlMessage | undefined {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      for (let line = this.#line(); line !== undefined; line = this.#line()) {
        const message = this.#take(line);
        if (message !== undefined) return message;
      }
      return undefined;
    } catch (error) {
      if (error instanceof TorError) this.#broken = error;
      throw error;
    }
  }

  #makeRoom(more: number): void {
    const held = this.#end - this.#start;
    const wanted = held + more;
    const into =
      wanted <= this.#buffer.length / 2
        ? this.#buffer
        : Buffer.alloc(Math.max(BUFFER_BYTES_LEAST, 2 * wanted));
    this.#buffer.copy(into, 0, this.#start, this.#end);
    this.#buffer = into;
    this.#scanned -= this.#start;
    this.#start = 0;
    this.#end = held;
  }

  #line(): string | undefined {
    const found = this.#buffer.subarray(0, this.#end).indexOf(LF, this.#scanned);
    const length = (found < 0 ? this.#end : found) - this.#start;
    // One more than the longest line may have come: the first half of its line end.
    if (length > LINE_BYTES_MAX + 1) {
      throw new TorError(
        "reply-too-long",
        `Tor's control port sent a line of more than ${LINE_BYTES_MAX} bytes; check that tor listens there.`,
      );
    }
    if (found < 0) {
      this.#scanned = this.#end;
      return undefined;
    }
    if (found === this.#start || this.#buffer[found - 1] !== CR) {
      throw malformed("a line that does not end in CRLF");
    }
    const line = this.#buffer.toString("latin1", this.#start, found - 1);
    this.#start = found + 1;
    this.#scanned = this.#start;
    return line;
  }

  #take(line: string): ControlMessage | undefined {
    const block = this.#block;
    if (block !== undefined) {
      count(block.owner, line);
      if (line !== ".") {
        block.data.push(line.startsWith(".") ? line.slice(1) : line);
        return undefined;
      }
      block.owner.lines.push({ text: block.text, data: block.data });
      this.#block = undefined;
      return undefined;
    }
    const code = /^[2-6][0-9][0-9]/.exec(line)?.[0];
    if (code === undefined) throw malformed("a line without status code");
    const isEvent = code.startsWith("6");
    const owner = isEvent ? this.#event : this.#reply;
    const text = line.slice(4);
    count(owner, line);
    switch (line[3]) {
      case "+":
        this.#block = { owner, text, data: [] };
        return undefined;
      case "-":
        owner.lines.push({ text });
        return undefined;
      case " ":
        owner.lines.push({ text });
        return isEvent ? this.#finishEvent() : this.#finishReply(Number(code));
      default:
        throw malformed("a status code that nothing follows");
    }
  }

  #finishReply(code: number): ControlReply {
    const { lines } = this.#reply;
    this.#reply = nothingYet();
    return { kind: "reply", code, lines };
  }

  #finishEvent(): ControlEventMessage {
    const { lines } = this.#event;
    this.#event = nothingYet();
    const [, type, text] = /^([^ ]+) ?([\s\S]*)$/.exec(lines[0]?.text ?? "") ?? [];
    if (type === undefined || text === undefined) throw malformed("an event without a name");
    return { kind: "event", type, text, lines };
  }
}

function count(partial: PartialMessage, line: string): void {
  partial.lineCount++;
  partial.byteCount += line.length;
  if (partial.lineCount > REPLY_LINES_MAX || partial.byteCount > MESSAGE_BYTES_MAX) {
    throw new TorError(
      "reply-too-long",
      `Tor's control port sent a message of more than ${REPLY_LINES_MAX} lines or ${MESSAGE_BYTES_MAX} bytes; ask for less at once.`,
    );
  }
}

function malformed(what: string): TorError {
  return new TorError(
    "malformed-reply",
    `Tor's control port sent ${what}; check that tor listens there.`,
  );
}
