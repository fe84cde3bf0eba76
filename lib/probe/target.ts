import { type Address, formatAddress, parseAddress } from "../address/address.ts";
import { Fault } from "../runtime/fault.ts";
import { ProbeError } from "./error.ts";
import type { BadTarget, ProbeTarget } from "./probe-target.ts";
import { type ProtocolName, portOfProtocol, protocolOfPort } from "./protocol.ts";

/** Longest label: more of a bad target would only fill terminals and files. */
const LABEL_CHARACTERS_MAX = 200;
const SCHEME = /^([a-z][a-z0-9+]*):\/\//i;

/**
 * Reads a target: `HOST:PORT`, or with a scheme in front: `tcp://`, `tls://`, `socks://`,
 * `monero://`, `http(s)://HOST[:PORT][/PATH]`, `enode://`, `enr:`, a fURL or a NURL (`pb://`).
 *
 * @param text what the user wrote
 * @param protocol what to speak; `auto` goes by scheme and port
 * @returns the target, or what is wrong with it; never throws on a bad text
 */
export async function readTarget(
  text: string,
  protocol: ProtocolName | "auto" = "auto",
): Promise<ProbeTarget | BadTarget> {
  const label = targetLabel(text);
  try {
    return await read(text, label, protocol);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const message = isSecret(text) ? withoutSecret(error.message, text) : error.message;
    return { kind: "bad", label, code: String(error.code), message };
  }
}

/**
 * A target as it may be shown: a fURL or NURL without its swissnum, an URL without its password,
 * nothing unprintable, at most 200 characters.
 *
 * @param text what the user wrote
 */
export function targetLabel(text: string): string {
  const open = isSecret(text) ? text.replace(/^([^/]*\/\/[^/]*)\/.*$/s, "$1/…") : text;
  const named = open.replace(/^([a-z][a-z0-9+]*:\/\/)[^/@]*:[^/@]*@/i, "$1…@");
  const printable = named.replace(/[^\x20-\x7e…]/g, "?");
  return printable.length > LABEL_CHARACTERS_MAX
    ? `${printable.slice(0, LABEL_CHARACTERS_MAX)}…`
    : printable;
}

function isSecret(text: string): boolean {
  return /^\s*pb(\+[a-z0-9]+)?:/i.test(text);
}

/** Parsers quote what they refuse; the swissnum must not come back that way. */
function withoutSecret(message: string, text: string): string {
  const secret = text.replace(/^[^/]*\/\/[^/]*\//s, "");
  return secret.length > 0 && secret !== text ? message.replaceAll(secret, "…") : message;
}

async function read(
  text: string,
  label: string,
  protocol: ProtocolName | "auto",
): Promise<ProbeTarget> {
  if (/^enr:/i.test(text) || /^enode:/i.test(text)) {
    const { readEthereumTarget } = await import("./target-ethereum.ts");
    return readEthereumTarget(text, label, protocol);
  }
  if (isSecret(text)) {
    const { readTahoeTarget } = await import("./target-tahoe.ts");
    return readTahoeTarget(text, protocol);
  }
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return plainTarget(text, label, protocol);
  const rest = text.slice(scheme.length + "://".length);
  switch (scheme) {
    case "http":
    case "https":
      return webTarget(rest, label, agreed(scheme, protocol, text));
    case "tcp":
    case "tls":
    case "monero":
      return plainTarget(rest, label, agreed(scheme, protocol, text));
    case "socks":
    case "socks5":
      return plainTarget(rest, label, agreed("socks", protocol, text));
    default:
      throw new ProbeError(
        "bad-target",
        `"${label}" begins with "${scheme}://", which no probe speaks; write HOST:PORT, or one of tcp, tls, http, https, socks, monero, enode and pb before "://".`,
      );
  }
}

function agreed(own: ProtocolName, asked: ProtocolName | "auto", text: string): ProtocolName {
  // Raw and TLS are floors under the others, so they may be asked of any target.
  if (asked === "auto" || asked === own) return own;
  if (asked === "tcp" || asked === "tls") return asked;
  throw new ProbeError(
    "bad-target",
    `"${targetLabel(text)}" is a target of ${own}, not of --protocol ${asked}; leave one of them out.`,
  );
}

function plainTarget(text: string, label: string, protocol: ProtocolName | "auto"): ProbeTarget {
  const defaultPort = protocol === "auto" ? undefined : portOfProtocol(protocol);
  const address = parseAddress(
    text.replace(/\/$/, ""),
    defaultPort === undefined ? {} : { defaultPort },
  );
  const spoken = protocol === "auto" ? protocolOfPort(address.port) : protocol;
  const web = spoken === "http" || spoken === "https";
  return {
    kind: "target",
    label,
    address,
    protocol: needsDetail(spoken, label),
    detail: web ? { kind: "http", host: webHost(address, spoken), path: "/" } : { kind: "none" },
    otherAddresses: [],
  };
}

/** Ethereum and Tahoe prove who they are, so a bare address does not say enough. */
function needsDetail(protocol: ProtocolName, label: string): ProtocolName {
  if (protocol === "ethereum") {
    throw new ProbeError(
      "bad-target",
      `"${label}" names no key; a probe of ethereum takes enode://KEY@HOST:PORT or an enr: record.`,
    );
  }
  if (protocol === "tahoe") {
    throw new ProbeError(
      "bad-target",
      `"${label}" names no Tub; a probe of tahoe takes a fURL or NURL, pb://….`,
    );
  }
  return protocol;
}

function webTarget(rest: string, label: string, protocol: ProtocolName): ProbeTarget {
  const slash = rest.search(/[/?#]/);
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? "/" : rest.slice(slash).replace(/#.*$/s, "");
  if (authority.includes("@")) {
    throw new ProbeError("bad-target", `"${label}" holds a user name; leave it out.`);
  }
  if (!/^[\x21-\x7e]*$/.test(path)) {
    throw new ProbeError("bad-target", `"${label}" has a path with spaces or foreign letters.`);
  }
  const secure = label.toLowerCase().startsWith("https");
  const address = parseAddress(authority, { defaultPort: secure ? 443 : 80 });
  const web = secure ? "https" : "http";
  return {
    kind: "target",
    label,
    address,
    protocol,
    detail: {
      kind: "http",
      host: webHost(address, web),
      path: path.startsWith("/") ? path : `/${path}`,
    },
    otherAddresses: [],
  };
}

function webHost(address: Address, protocol: "http" | "https"): string {
  const usual = portOfProtocol(protocol) === address.port;
  const text = formatAddress(address);
  return usual ? text.slice(0, text.lastIndexOf(":")) : text;
}

/**
 * A line too long to be a target.
 *
 * @param head how it begins
 * @param bytes how long it is
 * @param bytesMax how long it may be
 */
export function overlongTarget(head: string, bytes: number, bytesMax: number): BadTarget {
  const label = `${targetLabel(head.slice(0, LABEL_CHARACTERS_MAX))}…`;
  return {
    kind: "bad",
    label: isSecret(head) ? "pb://…" : label,
    code: "too-long",
    message: `The line has ${bytes} bytes, where a target has at most ${bytesMax}; write one target a line.`,
  };
}
