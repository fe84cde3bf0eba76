import { type Address, parseAddress, parseAddressOf } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import type { AnonymityZone } from "../address/zone.ts";
import { ZoneError } from "./error.ts";
import { isAnonymityZone, zoneProfiles } from "./profile.ts";

/** Where a SOCKS proxy listens: a TCP address or a Unix socket. */
export type ProxyPlace =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** One `--tx-proxy`: the proxy that carries every outbound link of a zone. */
export interface TxProxy<Z extends AnonymityZone = AnonymityZone> {
  readonly zone: Z;
  readonly proxy: ProxyPlace;
  readonly version: "4a" | "5";
  /** Credentials that the user gave; without them each link gets its own, for isolation. */
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Outbound links at the most. */
  readonly outboundMax: number;
  /**
   * Whether channels carry noise; `silent` ones speak only when there is something to say.
   * @default "on"
   */
  readonly noise?: "on" | "silent";
}

/** One `--anonymous-inbound`: where a hidden service forwards its connections to. */
export interface AnonymousInbound<Z extends AnonymityZone = AnonymityZone> {
  readonly zone: Z;
  /** The name under which others reach us. */
  readonly address: Address<Z>;
  /** Where we listen. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Inbound links at the most. */
  readonly inboundMax: number;
}

const TX_PROXY_FORM =
  "write --tx-proxy ZONE,[socks5://[USER:PASSWORD@]]IP:PORT[,MAX][,disable_noise], as in tor,127.0.0.1:9050,16";
const SOCKS_PROXY_FORM = "[socks5://[USER:PASSWORD@]]IP:PORT, as in 127.0.0.1:9050";
const INBOUND_FORM =
  "write --anonymous-inbound HOST[:PORT],IP:PORT[,MAX], as in NAME.onion:18083,127.0.0.1:18083";
/** What monerod calls a zone whose channels carry no noise. */
const SILENT = "disable_noise";
/** Links a zone may be given at the most: one file descriptor and a few kilobytes each. */
const LINKS_MAX = 10_000;
const SOCKS_CREDENTIAL_BYTES_MAX = 255;

/**
 * Reads monerod's `--tx-proxy` grammar. Beyond it, `socks4a://` asks for SOCKS4a, and
 * `unix:/path` in place of `IP:PORT` names a Unix socket. The last two parts may stand in either
 * order, as monerod takes them.
 *
 * @param text `zone,[socks5://[user:pass@]]ip:port[,max][,disable_noise]`
 * @throws ZoneError `bad-tx-proxy` or `unknown-zone`
 * @see monero `src/p2p/net_node.cpp`, `get_proxies`
 */
export function parseTxProxy(text: string): TxProxy {
  const [zone = "", place = "", ...rest] = text.split(",");
  if (!isAnonymityZone(zone)) {
    const shown = withoutCredentials(text);
    throw new ZoneError(
      "unknown-zone",
      `"${shown.split(",", 1)[0]}" in --tx-proxy ${shown} is not tor or i2p; ${TX_PROXY_FORM}.`,
    );
  }
  if (rest.some((part) => part.includes("@"))) {
    throw badTxProxy(text, "has a comma before its @, where none can be");
  }
  const silences = rest.filter((part) => part === SILENT).length;
  if (silences > 1) throw badTxProxy(text, `has ${SILENT} twice`);
  const [max, ...more] = rest.filter((part) => part !== SILENT);
  if (more.length > 0) throw badTxProxy(text, "has too many parts");
  const outboundMax = max === undefined ? zoneProfiles[zone].outboundMaxDefault : readMax(max);
  if (outboundMax === undefined) throw badTxProxy(text, `has "${max}" for the number of links`);
  const socks = readSocks(place, zoneProfiles[zone].socksVersion, (what) => badTxProxy(text, what));
  return { zone, outboundMax, noise: silences > 0 ? "silent" : "on", ...socks };
}

/** Makes the error that says what is wrong with an option's text. */
type Complaint = (what: string) => ZoneError;

function readSocks(
  text: string,
  standard: TxProxy["version"],
  bad: Complaint,
): Pick<TxProxy, "proxy" | "version" | "credentials"> {
  const [, scheme, userinfo, endpoint = ""] =
    /^(?:(socks5|socks4a):\/\/)?(?:(.*)@)?(.*)$/s.exec(text) ?? [];
  const version = scheme === "socks5" ? "5" : scheme === "socks4a" ? "4a" : standard;
  const proxy = readPlace(endpoint);
  if (typeof proxy === "string") {
    throw bad(mayHoldPassword(text) ? "has no @ before its IP:PORT, or a wrong IP:PORT" : proxy);
  }
  const credentials = readCredentials(userinfo, scheme, bad);
  return { proxy, version, ...(credentials === undefined ? {} : { credentials }) };
}

function readCredentials(
  userinfo: string | undefined,
  scheme: string | undefined,
  bad: Complaint,
): { user: string; password: string } | undefined {
  if (userinfo === undefined) return undefined;
  const colon = userinfo.indexOf(":");
  const user = colon < 0 ? userinfo : userinfo.slice(0, colon);
  const password = colon < 0 ? "" : userinfo.slice(colon + 1);
  if (scheme !== "socks5") throw bad("gives credentials, which only socks5:// takes");
  if (user === "" || password === "") throw bad("needs USER:PASSWORD before the @");
  for (const part of [user, password]) {
    if (Buffer.byteLength(part) > SOCKS_CREDENTIAL_BYTES_MAX) {
      throw bad("has credentials of over 255 bytes");
    }
  }
  return { user, password };
}

/**
 * Reads gethrelay's `--tor-proxy`: a `--tx-proxy` of the tor zone without zone and number of links.
 *
 * @param text `[socks5://[user:pass@]]ip:port`
 * @param option the option that it was given with
 * @throws ZoneError `bad-tx-proxy`, naming the option
 * @see gethrelay `cmd/gethrelay/main.go`
 */
export function parseTorProxy(text: string, option = "--tor-proxy"): TxProxy<"tor"> {
  const bad: Complaint = (what) =>
    new ZoneError(
      "bad-tx-proxy",
      `${option} ${withoutCredentials(text)} ${what}; write ${option} ${SOCKS_PROXY_FORM}.`,
    );
  if (text.includes(",")) throw bad("has a comma, where none can be");
  const { outboundMaxDefault: outboundMax, socksVersion } = zoneProfiles.tor;
  return { zone: "tor", outboundMax, noise: "on", ...readSocks(text, socksVersion, bad) };
}

/**
 * Reads monerod's `--proxy`: where the public zone's connections and names go through.
 *
 * @param text `ip:port`, or `unix:/path`
 * @throws ZoneError `bad-proxy`
 */
export function parseClearnetProxy(text: string): ProxyPlace {
  const place = readPlace(text);
  if (typeof place !== "string") return place;
  const what = mayHoldPassword(text) ? "has more than IP:PORT" : place;
  throw new ZoneError(
    "bad-proxy",
    `--proxy ${withoutCredentials(text)} ${what}; write --proxy IP:PORT, as in 127.0.0.1:9050.`,
  );
}

/**
 * Reads monerod's `--anonymous-inbound` grammar.
 *
 * @param text `host[:port],ip:port[,max]`
 * @param defaultPort the port where the host has none: the network's own for onions
 * @throws ZoneError `bad-anonymous-inbound`
 * @see monero `src/p2p/net_node.cpp`, `get_anonymous_inbounds`
 */
export function parseAnonymousInbound(text: string, defaultPort: number): AnonymousInbound {
  const [name = "", endpoint = "", max, ...more] = text.split(",");
  if (more.length > 0) throw badInbound(text, "has too many parts");
  const address = readServiceName(text, name, defaultPort);
  const listen = readPlace(endpoint);
  if (typeof listen === "string") throw badInbound(text, listen);
  if (!("host" in listen)) throw badInbound(text, "needs IP:PORT to listen on");
  const inboundMax =
    max === undefined ? zoneProfiles[address.zone].inboundMaxDefault : readMax(max);
  if (inboundMax === undefined) throw badInbound(text, `has "${max}" for the number of links`);
  return { zone: address.zone, address, listen, inboundMax };
}

function readServiceName(text: string, name: string, defaultPort: number): Address<AnonymityZone> {
  try {
    const { zone } = parseAddress(name, { defaultPort });
    if (zone === "public")
      throw badInbound(text, `begins with "${name}", which is not an .onion or .i2p name`);
    return parseAddressOf(name, zone, { defaultPort });
  } catch (error) {
    if (error instanceof AddressError)
      throw badInbound(text, `is wrong: ${error.message.replace(/\.$/, "")}`);
    throw error;
  }
}

function readPlace(text: string): ProxyPlace | string {
  if (text.startsWith("unix:")) {
    return text.length > "unix:".length
      ? { path: text.slice("unix:".length) }
      : "has an empty socket path";
  }
  try {
    const address = parseAddress(text);
    // A proxy is named by number: resolving a name would itself be a leak.
    if (address.kind !== "ipv4" && address.kind !== "ipv6")
      return `names "${address.host}", which is not an IP`;
    return { host: address.host, port: address.port };
  } catch (error) {
    if (error instanceof AddressError)
      return `has a wrong IP:PORT: ${error.message.replace(/\.$/, "")}`;
    throw error;
  }
}

function readMax(text: string): number | undefined {
  const max = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return max >= 1 && max <= LINKS_MAX ? max : undefined;
}

function badTxProxy(text: string, what: string): ZoneError {
  return new ZoneError(
    "bad-tx-proxy",
    `--tx-proxy ${withoutCredentials(text)} ${what}; ${TX_PROXY_FORM}.`,
  );
}

/**
 * Messages end in logs and bug reports: nothing before an @ is shown but the zone, nor what has more
 * colons than a scheme and an IPv4 address have, which may be a password whose @ was forgotten.
 */
function withoutCredentials(text: string): string {
  if (text.includes("@")) return text.replace(/^(tor,|i2p,)?.*@/s, "$1…@");
  return mayHoldPassword(text) ? text.replace(/:\/\/.*$/s, "://…") : text;
}

function mayHoldPassword(text: string): boolean {
  const [, place] = /^[^@]*?:\/\/([^@]*)$/s.exec(text) ?? [];
  return place !== undefined && !/^(?:\[[0-9a-f:.]*\]|[0-9.]*)(?::[0-9]*)?(?:,|$)/i.test(place);
}

function badInbound(text: string, what: string): ZoneError {
  return new ZoneError(
    "bad-anonymous-inbound",
    `--anonymous-inbound ${text} ${what}; ${INBOUND_FORM}.`,
  );
}
