import { I2pError } from "./error.ts";

/** Longest line read: i2pd's own buffer has 8,192 bytes, and the largest keys need about half. */
export const SAM_LINE_BYTES_MAX = 16_384;
/** Longest command: what i2pd's buffer holds with the line's end. */
export const SAM_COMMAND_BYTES_MAX = 8_191;
/** As much of a router's own words as an error quotes. */
const QUOTED_CHARACTERS_MAX = 200;

/** What a result code looks like; anything else is not shown. */
export const RESULT_CODE = /^[A-Z0-9_]{1,40}$/;

const LINE_END = 0x0a;
const NO_BYTES = new Uint8Array(0);

/** How a reply is shown, in errors and logs too: what it is about and how it ended. */
const SHOWN = Symbol.for("nodejs.util.inspect.custom");

/**
 * A line of the router. Its values may be private keys, so none of them is printed.
 *
 * @see https://geti2p.net/en/docs/api/samv3
 */
export class SamReply {
  /** Its first two words, such as `SESSION STATUS`. */
  readonly topic: string;
  readonly #values: ReadonlyMap<string, string>;

  /**
   * @param topic its first two words
   * @param values what follows, by key
   */
  constructor(topic: string, values: ReadonlyMap<string, string>) {
    this.topic = topic;
    this.#values = values;
  }

  /** `OK`, or the code of a refusal; undefined where the line has none. */
  get result(): string | undefined {
    return this.#values.get("RESULT");
  }

  /** The router's own words about a refusal, to be shown: cut to fit, without anything like a key. */
  get message(): string {
    const text = this.#values.get("MESSAGE") ?? "";
    return quoted(text.replace(/[A-Za-z0-9~=-]{16,}/g, "…"));
  }

  /**
   * A value of the line; it may be secret.
   *
   * @param key as the router writes it, in capitals
   */
  value(key: string): string | undefined {
    return this.#values.get(key);
  }

  /** Its topic and its result, no values. */
  toString(): string {
    const shown = RESULT_CODE.test(this.result ?? "") ? ` ${this.result}` : "";
    return `${this.topic}${shown}`;
  }

  /** The same text as `toString`. */
  toJSON(): string {
    return this.toString();
  }

  [SHOWN](): string {
    return this.toString();
  }
}

/**
 * A command as SAM 3.1 reads it: words, then `KEY=VALUE` pairs, without quotes, which i2pd does not
 * understand.
 *
 * @param words such as `["STREAM", "CONNECT"]`
 * @param values keys and values in the order in which they are sent; values may be secret
 * @returns the line with its end
 * @throws I2pError `request-invalid` where a key or a value can't be written so, or where the line
 *   gets too long; the message names the key and never the value
 */
export function encodeSamCommand(
  words: readonly string[],
  values: Readonly<Record<string, string | number>> = {},
): Uint8Array {
  const parts = [...words];
  for (const [key, value] of Object.entries(values)) {
    const text = String(value);
    if (!/^[A-Za-z][A-Za-z0-9._-]{0,99}$/.test(key)) {
      throw new I2pError("request-invalid", `A SAM option can't have the name "${quoted(key)}".`);
    }
    if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text)) {
      throw new I2pError(
        "request-invalid",
        `The value of SAM option "${key}" is empty or has a space, a quote or another character that SAM 3.1 can't carry.`,
      );
    }
    parts.push(`${key}=${text}`);
  }
  const line = `${parts.join(" ")}\n`;
  if (line.length > SAM_COMMAND_BYTES_MAX) {
    throw new I2pError(
      "request-invalid",
      `The SAM command ${words.join(" ")} has ${line.length} bytes; a router takes ${SAM_COMMAND_BYTES_MAX}.`,
    );
  }
  return new TextEncoder().encode(line);
}

/**
 * Reads one line of the router.
 *
 * @param line without its end
 * @throws I2pError `malformed-reply`; the message holds nothing of the line but its topic
 */
export function parseSamReply(line: string): SamReply {
  const [, topic, rest = ""] = /^([A-Z]{1,16} [A-Z]{1,16})(?: (.*))?$/s.exec(line) ?? [];
  if (topic === undefined) {
    throw malformed("does not begin with two words in capitals; is that port a SAM port?");
  }
  const values = new Map<string, string>();
  const pair = / *([A-Za-z0-9._-]{1,100})(?:=("(?:[^"\\]|\\.)*"|[^ "]*))?(?= |$)/sy;
  while (pair.lastIndex < rest.length) {
    if (/^ *$/.test(rest.slice(pair.lastIndex))) break;
    const [, key, text = ""] = pair.exec(rest) ?? [];
    if (key === undefined) throw malformed(`of topic ${topic} is not made of KEY=VALUE pairs`);
    if (values.has(key)) throw malformed(`of topic ${topic} gives a key twice`);
    values.set(key, text.startsWith('"') ? unquoted(text) : text);
  }
  return new SamReply(topic, values);
}

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/gs, "$1");
}

function quoted(text: string): string {
  return text.replace(/[^\x20-\x7e…]/g, "?").slice(0, QUOTED_CHARACTERS_MAX);
}

function malformed(what: string): I2pError {
  return new I2pError("malformed-reply", `The router's answer ${what}.`);
}

/** A line, and the bytes after it. */
export interface SamLine {
  /** Without its end. */
  readonly line: string;
  /** What came behind it: a view of the chunk. */
  readonly rest: Uint8Array;
}

/** Puts lines together from chunks; holds at most one line. */
export class SamLineReader {
  #held: Uint8Array = NO_BYTES;
  #length = 0;

  /**
   * Takes bytes up to the end of a line.
   *
   * @param chunk what came; copied where it is kept
   * @returns the line that ends in this chunk, or undefined when none does
   * @throws I2pError `overlong-reply`
   */
  read(chunk: Uint8Array): SamLine | undefined {
    const end = chunk.indexOf(LINE_END);
    const part = end === -1 ? chunk : chunk.subarray(0, end);
    const length = this.#length + part.length;
    if (length > SAM_LINE_BYTES_MAX) {
      throw new I2pError(
        "overlong-reply",
        `The router's answer is longer than ${SAM_LINE_BYTES_MAX} bytes; is that port a SAM port?`,
      );
    }
    if (this.#held.length < length) this.#grow(length);
    this.#held.set(part, this.#length);
    this.#length = length;
    if (end === -1) return undefined;
    const line = new TextDecoder().decode(this.#held.subarray(0, length));
    // The line may have held a private key.
    this.#held.fill(0);
    this.#length = 0;
    return { line, rest: chunk.subarray(end + 1) };
  }

  #grow(length: number): void {
    const larger = new Uint8Array(Math.min(SAM_LINE_BYTES_MAX, Math.max(256, 2 * length)));
    larger.set(this.#held.subarray(0, this.#length));
    this.#held.fill(0);
    this.#held = larger;
  }
}
