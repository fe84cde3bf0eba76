import { TorError } from "./error.ts";

/** Shortest quotation of tor's own words that still says something; the rest is cut. */
const QUOTED_CHARACTERS_MAX = 200;

/**
 * Puts a text in quotation marks for a command.
 *
 * @param text anything without NUL, carriage return and line feed, for which tor has no spelling
 * @returns the text between quotation marks, with `"` and `\` behind backslashes
 * @throws TorError `command-invalid`
 * @see control-spec, section 2.1.1 [QuotedString]; tor `decode_qstring`
 */
export function quote(text: string): string {
  if (/[\0\r\n]/.test(text)) {
    throw new TorError(
      "command-invalid",
      "A text for tor holds a line end or a NUL; leave it out.",
    );
  }
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/**
 * Takes the quotation marks off a text of tor's, which writes control characters and bytes above
 * 7e as C does: `\n`, `\t`, `\r`, `\377`.
 *
 * @param text as it stands in a reply; without marks it comes back as it is
 * @returns one character a byte
 * @see tor `esc_for_log`
 */
export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text.slice(1, -1).replace(/\\([0-7]{1,3}|[\s\S])/g, (_, escaped: string) => {
    if (/^[0-7]/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8) & 0xff);
    return escapes[escaped] ?? escaped;
  });
}

/**
 * Cuts a line at its spaces, except those between quotation marks.
 *
 * @param text a line of a reply
 * @returns the words, quotation marks and backslashes still in them
 */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  let begin = -1;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === " " && !quoted) {
      if (begin >= 0) words.push(text.slice(begin, at));
      begin = -1;
      continue;
    }
    if (begin < 0) begin = at;
    if (character === '"') quoted = !quoted;
    else if (character === "\\" && quoted) at++;
  }
  if (begin >= 0) words.push(text.slice(begin));
  return words;
}

/**
 * The `KEY=VALUE` words among others.
 *
 * @param words as `wordsOf` gives them
 * @returns values by key, without quotation marks; of two with one key the first
 */
export function keywordsOf(words: readonly string[]): Map<string, string> {
  const keywords = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals <= 0) continue;
    const key = word.slice(0, equals);
    if (!keywords.has(key)) keywords.set(key, unquote(word.slice(equals + 1)));
  }
  return keywords;
}

/**
 * Tor's own words, fit for an error message: printable, and not without end.
 *
 * @param text a line of a reply
 */
export function quotable(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, "?");
  return printable.length > QUOTED_CHARACTERS_MAX
    ? `${printable.slice(0, QUOTED_CHARACTERS_MAX)}…`
    : printable;
}
