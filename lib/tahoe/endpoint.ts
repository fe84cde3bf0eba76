import { isLoopback } from "../address/loopback.ts";
import { TahoeError } from "./error.ts";

/** A Twisted endpoint string, taken apart: `type:positional:name=value`. */
export interface EndpointString {
  /** As written; Twisted tells upper from lower case. */
  readonly type: string;
  readonly positional: readonly string[];
  readonly named: ReadonlyMap<string, string>;
}

/** Where a Tub listens: one part of `tub.port`. */
export type ListenEndpoint =
  /** Nowhere. */
  | { readonly kind: "disabled" }
  /** `listen:tor`, `listen:i2p`: where the section of that name says. */
  | { readonly kind: "provider"; readonly network: "tor" | "i2p" }
  /** `tcp:P:interface=IP`; undefined for every interface. Port 0 picks one at each start. */
  | { readonly kind: "tcp"; readonly port: number; readonly host: string | undefined }
  | { readonly kind: "unix"; readonly path: string }
  /** `onion:80:hiddenServiceDir=…`: an onion service made by tor, with a listener on loopback. */
  | { readonly kind: "onion"; readonly port: number; readonly directory: string | undefined }
  /** `i2p:KEYFILE:…`: a destination made by the router. */
  | { readonly kind: "i2p"; readonly keyFile: string };

/** One part of what a node announces as `tub.location`. */
export type AnnouncedEndpoint =
  /** `disabled`, and in the proposal's spelling `UNREACHABLE`. */
  | { readonly kind: "unreachable" }
  /** `AUTO`, and in the proposal's spelling `AUTODETECT`: the addresses of this machine. */
  | { readonly kind: "auto" }
  /** `tor:X.onion:P`. */
  | { readonly kind: "onion"; readonly host: string; readonly port: number }
  /** `onion:P:hiddenServiceDir=…`: the proposal's spelling. */
  | { readonly kind: "onion-directory"; readonly port: number; readonly directory: string }
  /** `i2p:X.i2p` with or without a port. */
  | { readonly kind: "i2p"; readonly host: string; readonly port: number | undefined }
  /** `tcp:HOST:P`, and `HOST:P`, which Foolscap takes for the same. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** `tor:HOST:P` of a host that is no onion service: its address, to be met through an exit. */
  | { readonly kind: "exit"; readonly host: string; readonly port: number }
  /** Anything else. */
  | { readonly kind: "unknown" };

/** Longest endpoint string looked at. */
export const ENDPOINT_CHARACTERS_MAX = 4_096;
const PORT_MAX = 65_535;
/** Foolscap's old spelling: a name or an IPv4 address, and a port; whatever the name is. */
const OLD_STYLE = /^([A-Za-z.0-9-]+):([0-9]+)$/;
/** Base32 alone: no address of the internet can be spelled in it. */
const ONION_HOST = /^[a-z2-7]{1,56}\.onion$/;
const B32_HOST = /^[a-z2-7]{1,63}\.b32\.i2p$/;
const I2P_HOST = /^(?:[a-z0-9-]{1,63}\.){1,8}i2p$/;

/**
 * Takes a Twisted endpoint string apart: colons part, the first `=` of a part names it, a backslash
 * takes away the meaning of the character after it.
 *
 * @param text the string
 * @throws TahoeError `endpoint-invalid`
 * @see Twisted `internet/endpoints.py`, `_tokenize` and `_parse`
 */
export function parseEndpointString(text: string): EndpointString {
  if (text === "" || text.length > ENDPOINT_CHARACTERS_MAX) {
    throw invalid(text, `has ${text.length} characters, not 1 to ${ENDPOINT_CHARACTERS_MAX}`);
  }
  const positional: string[] = [];
  const named = new Map<string, string>();
  let name: string | undefined;
  let current = "";
  const endPart = (): void => {
    if (name === undefined) positional.push(current);
    else named.set(name, current);
    name = undefined;
    current = "";
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === ":") {
      endPart();
    } else if (letter === "=" && name === undefined) {
      name = current;
      current = "";
    } else if (letter === "\\") {
      at += 1;
      if (at === text.length) throw invalid(text, "ends in a backslash");
      current += text[at];
    } else {
      current += letter;
    }
  }
  endPart();
  const [type, ...rest] = positional;
  if (type === undefined || type === "") throw invalid(text, "does not begin with a type");
  return { type, positional: rest, named };
}

/**
 * Reads one part of `tub.port`, in today's spelling and in the proposal's.
 *
 * @param text such as `tcp:3457:interface=127.0.0.1`, `listen:tor`, `3457` or
 *   `onion:80:hiddenServiceDir=/var/lib/tor/tahoe`
 * @throws TahoeError `endpoint-invalid`
 */
export function parseListenEndpoint(text: string): ListenEndpoint {
  if (text === "disabled") return { kind: "disabled" };
  if (text === "listen:tor") return { kind: "provider", network: "tor" };
  if (text === "listen:i2p") return { kind: "provider", network: "i2p" };
  if (/^[0-9]+$/.test(text)) return { kind: "tcp", port: readPort(text, text, 0), host: undefined };
  const { type, positional, named } = parseEndpointString(text);
  const [first, second] = positional;
  switch (type) {
    case "tcp":
    case "tcp6":
    case "ssl": {
      const port = readPort(text, named.get("port") ?? first ?? "", 0);
      // A port by name leaves the first place to the interface.
      const place = named.has("port") ? first : second;
      const host = named.get("interface") ?? place ?? "";
      return { kind: "tcp", port, host: host === "" ? undefined : bare(host) };
    }
    case "unix": {
      const path = named.get("address") ?? first ?? "";
      if (path === "") throw invalid(text, "names no socket");
      return { kind: "unix", path };
    }
    case "onion": {
      const port = readPort(text, named.get("port") ?? first ?? "", 1);
      return { kind: "onion", port, directory: named.get("hiddenServiceDir") };
    }
    case "i2p":
      return { kind: "i2p", keyFile: named.get("keyfile") ?? first ?? "" };
    default:
      throw invalid(text, "is of a type of endpoint that this tool does not know");
  }
}

/**
 * Whether a listener can be reached from this machine only, or through its hidden service.
 *
 * @param endpoint as read
 */
export function listensHere(endpoint: ListenEndpoint): boolean {
  return endpoint.kind !== "tcp" || (endpoint.host !== undefined && isLoopback(endpoint.host));
}

/**
 * Reads one part of `tub.location`, as Foolscap and Tahoe-LAFS understand it, and in the proposal's
 * spelling. Never throws: what nobody understands is `unknown`.
 *
 * @param text one part, as it stands between the commas
 */
export function parseAnnounced(text: string): AnnouncedEndpoint {
  if (text.length > ENDPOINT_CHARACTERS_MAX) return { kind: "unknown" };
  if (text === "disabled" || text === "UNREACHABLE") return { kind: "unreachable" };
  if (/^auto(?:detect)?$/i.test(text)) return { kind: "auto" };
  // Before the prefixes, as Foolscap does it: "tor:1234" is a host called "tor".
  const old = OLD_STYLE.exec(text);
  if (old !== null) return { kind: "tcp", host: old[1] ?? "", port: Number(old[2]) };
  const [, type = "", host = "", digits] =
    /^([a-z0-9]+):([^:]+|\[[^\]]*\])(?::([0-9]+))?$/.exec(text) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (port === undefined || (port >= 1 && port <= PORT_MAX)) {
    if (type === "tor" && port !== undefined) {
      return ONION_HOST.test(host) ? { kind: "onion", host, port } : { kind: "exit", host, port };
    }
    if (type === "i2p" && isI2pHost(host)) return { kind: "i2p", host, port };
  }
  if (type === "tcp" && port !== undefined) return { kind: "tcp", host: bare(host), port };
  return parseOnionDirectory(text) ?? { kind: "unknown" };
}

function isI2pHost(host: string): boolean {
  if (host.endsWith(".b32.i2p")) return B32_HOST.test(host);
  // A name, not an address with something behind it.
  return I2P_HOST.test(host) && !/\d(?:\.\d+){3}/.test(host);
}

function parseOnionDirectory(text: string): AnnouncedEndpoint | undefined {
  const [, digits = "", rest = ""] = /^onion:([0-9]+):(hiddenServiceDir=.+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === "" || port < 1 || port > PORT_MAX) return undefined;
  try {
    const { positional, named } = parseEndpointString(`onion:${digits}:${rest}`);
    const directory = named.get("hiddenServiceDir") ?? "";
    const isAlone = positional.length === 1 && named.size === 1;
    return isAlone && directory !== "" ? { kind: "onion-directory", port, directory } : undefined;
  } catch {
    // A backslash at the end.
    return undefined;
  }
}

/**
 * A client endpoint as one through Tor: `tcp:HOST:PORT` and `HOST:PORT` become `tor:HOST:PORT`; what
 * is of Tor or I2P already stays.
 *
 * @param text a client endpoint, or a hint of a fURL
 * @throws TahoeError `endpoint-invalid` where no way through Tor leads there
 */
export function throughTor(text: string): string {
  const endpoint = parseAnnounced(text);
  switch (endpoint.kind) {
    case "onion":
    case "i2p":
    case "exit":
      return text;
    case "tcp":
      if (endpoint.host.toLowerCase().endsWith(".i2p")) {
        throw invalid(text, "is of I2P, which Tor does not lead to; write i2p:HOST:PORT");
      }
      return `tor:${endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
    default:
      throw invalid(text, "is no place that Tor leads to; write tcp:HOST:PORT or tor:HOST:PORT");
  }
}

function readPort(text: string, digits: string, least: number): number {
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  if (port >= least && port <= PORT_MAX) return port;
  throw invalid(text, `has no port from ${least} to ${PORT_MAX}`);
}

function bare(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}

/**
 * A value for a message: quoted, without control characters, cut where it is long.
 *
 * @param text what stands in a file or on the command line; nothing secret
 */
export function quoted(text: string): string {
  const shown =
    text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
  return JSON.stringify(shown);
}

/** As much of a value as a message takes. */
const SHOWN_CHARACTERS_MAX = 80;

function invalid(text: string, what: string): TahoeError {
  return new TahoeError("endpoint-invalid", `The endpoint ${quoted(text)} ${what}.`);
}
