import { delimiter } from "node:path";
import { type Address, parseAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import { findProgram } from "../process/program.ts";
import { TorError } from "./error.ts";

/** The transports whose lines are read: ways of looking unlike tor to who watches the link. */
export type BridgeTransport = "obfs4";

/** A relay that stands in no public list, by which tor enters its network. */
export interface Bridge {
  /** Undefined where tor speaks to it without a transport. */
  readonly transport: BridgeTransport | undefined;
  /** An IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Of its identity key, 40 hex digits in upper case; undefined where the line has none. */
  readonly fingerprint: string | undefined;
  /** What the transport is told, in the line's order: secrets that open the bridge. */
  readonly arguments: ReadonlyMap<string, string>;
}

/** A line of obfs4 has 160; the arguments of any transport fit in 510 (SOCKS credentials). */
const LINE_CHARACTERS_MAX = 1_024;
/** Bridges are handed out by threes. */
export const BRIDGES_MAX = 64;
/** Where Debian puts the program, which an unusual PATH may leave out. */
const PROGRAM_FOLDERS = ["/usr/local/bin", "/usr/bin"];
const PLUGIN = "obfs4proxy";

const FORM = "write obfs4 IP:PORT FINGERPRINT cert=… iat-mode=0, or IP:PORT FINGERPRINT";
const WORD = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FINGERPRINT = /^[0-9A-F]{40}$/i;
const ARGUMENT = /^([A-Za-z][A-Za-z0-9-]{0,31})=([!-~]+)$/;

/** What obfs4 is told. A certificate is node id and public key, 52 bytes in base64 without "=". */
const OBFS4_ARGUMENTS: ReadonlyMap<string, { readonly is: RegExp; readonly form: string }> =
  new Map([
    ["cert", { is: /^[A-Za-z0-9+/]{70}$/, form: "70 characters of base64" }],
    ["iat-mode", { is: /^[012]$/, form: "0, 1 or 2" }],
  ]);

/**
 * Reads a bridge line as bridges are handed out, with or without the word `Bridge` before it. It
 * takes less than tor: no host names, which would be looked up outside tor, no transport but obfs4,
 * and nothing that obfs4 would pass over.
 *
 * @param text `[Bridge] [obfs4] IP:PORT [FINGERPRINT] [NAME=VALUE]…`
 * @param name how messages call the line; they never show its arguments
 * @throws TorError `bridge-invalid`
 * @see tor's manual, `Bridge`; obfs4-spec, section 2
 */
export function parseBridge(text: string, name = "The bridge line"): Bridge {
  if (text.length > LINE_CHARACTERS_MAX) {
    throw invalid(name, `has ${text.length} characters, over ${LINE_CHARACTERS_MAX}`);
  }
  if (!/^[\t -~]*$/.test(text)) {
    throw invalid(name, "holds characters that are not plain ASCII on one line");
  }
  const words = text.split(/[\t ]+/).filter((word) => word !== "");
  if (words[0]?.toLowerCase() === "bridge") words.shift();
  const transport = readTransport(words, name);
  const { host, port } = readPlace(words.shift(), name);
  const fingerprint = readFingerprint(words, name);
  return { transport, host, port, fingerprint, arguments: readArguments(words, transport, name) };
}

/**
 * A bridge as a line that `parseBridge` and tor read. It holds the secrets that open the bridge.
 *
 * @param bridge as `parseBridge` returned it
 * @returns without the word `Bridge`
 */
export function formatBridge(bridge: Bridge): string {
  const { transport, host, port, fingerprint } = bridge;
  return [
    ...(transport === undefined ? [] : [transport]),
    `${host.includes(":") ? `[${host}]` : host}:${port}`,
    ...(fingerprint === undefined ? [] : [fingerprint]),
    ...[...bridge.arguments].map(([key, value]) => `${key}=${value}`),
  ].join(" ");
}

/**
 * The lines of torrc with which tor enters its network by bridges, and in no other way.
 *
 * @param bridges one to BRIDGES_MAX of them
 * @param plugin absolute path of obfs4proxy; undefined where no bridge has a transport
 * @throws TorError `bridge-invalid` for too many, `transport-missing` for a path that tor can't take
 */
export function bridgeTorrc(bridges: readonly Bridge[], plugin: string | undefined): string[] {
  if (bridges.length === 0) return [];
  if (bridges.length > BRIDGES_MAX) {
    throw new TorError(
      "bridge-invalid",
      `${bridges.length} bridge lines are too many; give at most ${BRIDGES_MAX}.`,
    );
  }
  return [
    "UseBridges 1",
    ...(plugin === undefined ? [] : [`ClientTransportPlugin obfs4 exec ${checkedPath(plugin)}`]),
    ...bridges.map((bridge) => `Bridge ${formatBridge(bridge)}`),
  ];
}

/**
 * Finds the program that some bridges need.
 *
 * @param bridges what is to be reached
 * @param path the folders to look in, as in `PATH`; this process's and Debian's by default
 * @returns its absolute path; undefined where no bridge has a transport
 * @throws TorError `transport-missing` with how to install it
 */
export async function findPlugin(
  bridges: readonly Bridge[],
  path: string = [process.env["PATH"] ?? "", ...PROGRAM_FOLDERS].join(delimiter),
): Promise<string | undefined> {
  if (bridges.every(({ transport }) => transport === undefined)) return undefined;
  const program = await findProgram(PLUGIN, path);
  if (program !== undefined) return checkedPath(program);
  throw new TorError(
    "transport-missing",
    `${PLUGIN}, which obfs4 bridges need, is not on this machine; install with: apt-get install ${PLUGIN}`,
  );
}

/** Tor splits the plugin's line at spaces and knows no quotes there; `#` would end it. */
function checkedPath(program: string): string {
  if (/^\/[!"$-~]+$/.test(program)) return program;
  throw new TorError(
    "transport-missing",
    `${JSON.stringify(program)} is no path that tor can start a transport from; it needs one without spaces, as in /usr/bin/${PLUGIN}.`,
  );
}

function readTransport(words: string[], name: string): BridgeTransport | undefined {
  const [word = ""] = words;
  if (!WORD.test(word)) return undefined;
  words.shift();
  if (word === "obfs4") return word;
  const shown = word.length > 20 ? "its transport" : `transport "${word}"`;
  throw invalid(name, `has ${shown}, which this version does not have`);
}

function readPlace(word: string | undefined, name: string): Address {
  if (word === undefined) throw invalid(name, "has no IP:PORT");
  try {
    const address = parseAddress(word);
    if (address.kind === "ipv4" || address.kind === "ipv6") return address;
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw invalid(name, `has a wrong IP:PORT (${error.message.replace(/\.$/, "")})`);
  }
  throw invalid(name, "names a host, where only an IP can be: a name would be looked up");
}

function readFingerprint(words: string[], name: string): string | undefined {
  const [word] = words;
  if (word === undefined || ARGUMENT.test(word)) return undefined;
  words.shift();
  if (FINGERPRINT.test(word)) return word.toUpperCase();
  throw invalid(name, "has a fingerprint that is not 40 hex digits");
}

function readArguments(
  words: readonly string[],
  transport: BridgeTransport | undefined,
  name: string,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const word of words) {
    const [, key = "", value = ""] = ARGUMENT.exec(word) ?? [];
    if (key === "") throw invalid(name, "has a part that is not NAME=VALUE after its fingerprint");
    if (transport === undefined) throw invalid(name, `has ${key}=… without a transport before it`);
    const expected = OBFS4_ARGUMENTS.get(key);
    if (expected === undefined) throw invalid(name, `has ${key}=…, which obfs4 does not know`);
    if (found.has(key)) throw invalid(name, `has ${key}=… twice`);
    if (!expected.is.test(value)) throw invalid(name, `has ${key}=… that is not ${expected.form}`);
    found.set(key, value);
  }
  if (transport === undefined) return found;
  for (const key of OBFS4_ARGUMENTS.keys()) {
    if (!found.has(key)) throw invalid(name, `lacks ${key}=…, without which obfs4 can't be spoken`);
  }
  return found;
}

function invalid(name: string, what: string): TorError {
  return new TorError("bridge-invalid", `${name} ${what}; ${FORM}.`);
}
