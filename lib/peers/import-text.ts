import { ADDRESS_CHARACTERS_MAX } from "../address/address.ts";
import { type ImportList, type ImportOptions, ListBuilder } from "./import-list.ts";

/**
 * What stands before a peer in the configuration files of monerod and Bitcoin Core. The leading
 * dashes of a command line are taken too.
 */
const CONFIG_KEY =
  /^(?:--)?(?:add-peer|add-priority-node|add-exclusive-node|seed-node|addnode|connect|seednode)[=\s]+/;

/**
 * Reads a list of text: a peer a line, `HOST[:PORT]`, as people write them; `addnode=`,
 * `add-peer=` and their like are taken from configuration files of Bitcoin Core and monerod, and
 * of tables, such as Bitcoin's seeder writes, the first column. `#` and `;` begin a comment.
 *
 * @param text the list
 * @param options how it is read
 * @throws ImportError `list-too-large`
 */
export function readTextList(text: string, options: ImportOptions): ImportList {
  const builder = new ListBuilder("text", options);
  let number = 0;
  for (const line of linesOf(text)) {
    number++;
    const entry = line.replace(/[#;].*$/, "").trim();
    if (entry === "") continue;
    const where = `line ${number}`;
    const written = entry.replace(CONFIG_KEY, "");
    // A section or another option of a configuration file is no peer, and nothing is wrong with it.
    if (written === entry && /^(?:\[[a-z0-9]+\]$|(?:--)?[a-z][a-z0-9-]*\s*=)/.test(entry)) continue;
    const [word = ""] = written.split(/[\s,]+/, 1);
    const found = splitHostPort(word);
    if (typeof found === "string") builder.refuse(where, word, "not-an-address", found);
    else builder.take(where, found);
  }
  return builder.finish();
}

/**
 * A host and a port as they are written together. The host is not looked at.
 *
 * @param text `HOST`, `HOST:PORT`, `[IPV6]:PORT` or an IPv6 address without brackets or port
 * @returns both, or what is wrong, in a sentence
 */
export function splitHostPort(text: string): { host: string; port: number | undefined } | string {
  if (text.length > ADDRESS_CHARACTERS_MAX) {
    return `It has ${text.length} characters, where an address has up to ${ADDRESS_CHARACTERS_MAX}.`;
  }
  const bare = text.split(":").length > 2 && !text.startsWith("[");
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(text) ?? [];
  const host = bare ? text : (bracketed ?? plain);
  if (host === undefined || host === "") return "It is not HOST:PORT.";
  if (bracketed !== undefined && !bracketed.includes(":")) {
    return `"${bracketed}" is no IPv6 address; only those take brackets.`;
  }
  if (digits === undefined || bare) return { host, port: undefined };
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  if (port <= 65_535) return { host, port };
  return `Port "${digits}" is not from 0 to 65535.`;
}

function* linesOf(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf("\n", start);
    const stop = end < 0 ? text.length : end;
    yield text.slice(start, stop);
    start = stop + 1;
  }
}
