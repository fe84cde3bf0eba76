import { isIPv4, isIPv6 } from "node:net";
import { AddressError } from "./error.ts";
import { checkOnionLeniently, onionPublicKey } from "./onion.ts";
import type { Zone } from "./zone.ts";

/** What the host part of an address is. */
export type HostKind = "ipv4" | "ipv6" | "dns" | "onion3" | "b32i2p" | "i2pname";

declare const checked: unique symbol;

/**
 * An address that was parsed and checked, of one zone. Only this module makes them, so holding an
 * `Address<"tor">` is proof that the host is an onion name.
 */
export interface Address<Z extends Zone = Zone> {
  readonly [checked]: true;
  /** The zone that the host belongs to. */
  readonly zone: Z;
  /** What the host is. */
  readonly kind: HostKind;
  /** The host in canonical form, without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** How to read an address. */
export interface ParseAddressOptions {
  /**
   * The port to take where the text has none.
   * @default none: a missing port is an error
   */
  readonly defaultPort?: number;
  /**
   * Accept onion names as monerod and gethrelay do (upper case, no version or checksum test), for
   * reading what others accept. The result is in lower case.
   * @default false
   */
  readonly lenient?: boolean;
}

/** Longest text looked at: a DNS name of 253 characters, brackets, a colon and a port. */
export const ADDRESS_CHARACTERS_MAX = 270;
const NAME_CHARACTERS_MAX = 253;
const B32_CHARACTERS = 52;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i;

/**
 * Reads `host:port`, where the host is an IPv4 address, an IPv6 address in brackets, a DNS name, a
 * v3 onion name, a `.b32.i2p` name or another `.i2p` name.
 *
 * @param text what the user or a peer wrote
 * @param options how to read it
 * @returns the address, with its zone
 * @throws AddressError with a code for each way of being wrong
 */
export function parseAddress(text: string, options: ParseAddressOptions = {}): Address {
  if (text === "") throw new AddressError("empty", "An address is missing; write HOST:PORT.");
  if (text.length > ADDRESS_CHARACTERS_MAX) throw tooLong(text);
  const { host, port } = splitPort(text, options.defaultPort);
  return makeAddress(host, port, options);
}

/**
 * Makes an address from a host and a port that arrived separately, as in a peer list.
 *
 * @param host the host, IPv6 without brackets
 * @param port 1 to 65535
 * @param options how to read it
 * @throws AddressError as `parseAddress`
 */
export function makeAddress(
  host: string,
  port: number,
  options: ParseAddressOptions = {},
): Address {
  if (host.length > ADDRESS_CHARACTERS_MAX) throw tooLong(host);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new AddressError("port-invalid", `Port ${port} of "${host}" is not from 1 to 65535.`);
  }
  const { zone, kind, canonical } = classifyHost(host, options.lenient ?? false);
  return { zone, kind, host: canonical, port } as Address;
}

/**
 * The one text form of an address: what `parseAddress` reads back to an equal address.
 *
 * @param address any address
 */
export function formatAddress(address: Address): string {
  const host = address.kind === "ipv6" ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/**
 * Whether an address is of a zone, as a type guard.
 *
 * @param address any address
 * @param zone the zone asked for
 */
export function isOfZone<Z extends Zone>(address: Address, zone: Z): address is Address<Z> {
  return address.zone === zone;
}

/**
 * Reads an address that must be of one zone.
 *
 * @param text what the user or a peer wrote
 * @param zone the zone asked for
 * @param options how to read it
 * @throws AddressError `wrong-zone`, or as `parseAddress`
 */
export function parseAddressOf<Z extends Zone>(
  text: string,
  zone: Z,
  options: ParseAddressOptions = {},
): Address<Z> {
  const address = parseAddress(text, options);
  if (isOfZone(address, zone)) return address;
  throw new AddressError(
    "wrong-zone",
    `"${text}" is an address of the ${address.zone} zone; one of the ${zone} zone is needed here.`,
  );
}

function tooLong(text: string): AddressError {
  const message = `An address has at most ${ADDRESS_CHARACTERS_MAX} characters, not ${text.length}.`;
  return new AddressError("too-long", message);
}

function splitPort(text: string, defaultPort: number | undefined): { host: string; port: number } {
  if (text.startsWith("[")) {
    const end = text.indexOf("]");
    if (end < 0) throw new AddressError("not-an-address", `"${text}" lacks the closing bracket.`);
    const rest = text.slice(end + 1);
    if (rest !== "" && !rest.startsWith(":")) {
      throw new AddressError(
        "not-an-address",
        `"${text}" has text after the bracket; write [IPV6]:PORT.`,
      );
    }
    const host = text.slice(1, end);
    if (!host.includes(":")) {
      throw new AddressError(
        "bad-ipv6",
        `"${host}" is not an IPv6 address; only those take brackets.`,
      );
    }
    return { host, port: readPort(text, rest.slice(1), defaultPort) };
  }
  if (text.indexOf(":") !== text.lastIndexOf(":")) {
    throw new AddressError(
      "brackets-missing",
      `"${text}" has several colons; write an IPv6 address in brackets, as in [::1]:18080.`,
    );
  }
  const colon = text.indexOf(":");
  if (colon < 0) return { host: text, port: readPort(text, "", defaultPort) };
  return { host: text.slice(0, colon), port: readPort(text, text.slice(colon + 1), defaultPort) };
}

function readPort(text: string, digits: string, defaultPort: number | undefined): number {
  if (digits === "") {
    if (defaultPort !== undefined) return defaultPort;
    throw new AddressError("port-missing", `"${text}" has no port; write HOST:PORT.`);
  }
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  if (port >= 1 && port <= 65_535) return port;
  throw new AddressError("port-invalid", `Port "${digits}" of "${text}" is not from 1 to 65535.`);
}

interface Classified {
  readonly zone: Zone;
  readonly kind: HostKind;
  readonly canonical: string;
}

function classifyHost(host: string, lenient: boolean): Classified {
  if (host === "")
    throw new AddressError("not-an-address", "The host is missing; write HOST:PORT.");
  const lower = host.toLowerCase();
  // An upper-case suffix is recognised too: taking NAME.ONION for a DNS name would leak it.
  if (lower.endsWith(".onion")) return classifyOnion(host, lower, lenient);
  if (lower.endsWith(".i2p")) return classifyI2p(host, lower);
  if (host.includes(":")) return { zone: "public", kind: "ipv6", canonical: canonicalIpv6(host) };
  // A resolver reads a name that ends in a number as an IPv4 address, 0x7f000001 too.
  if (/(^|\.)([0-9]+|0x[0-9a-f]*)$/.test(lower)) {
    if (!isIPv4(host)) {
      throw new AddressError(
        "bad-ipv4",
        `"${host}" is not an IPv4 address; write four numbers from 0 to 255.`,
      );
    }
    return { zone: "public", kind: "ipv4", canonical: host };
  }
  checkName(host, lower);
  return { zone: "public", kind: "dns", canonical: lower };
}

function classifyOnion(host: string, lower: string, lenient: boolean): Classified {
  if (lenient) {
    checkOnionLeniently(host);
  } else {
    checkLowerCase(host, lower);
    onionPublicKey(host);
  }
  return { zone: "tor", kind: "onion3", canonical: lower };
}

function classifyI2p(host: string, lower: string): Classified {
  checkLowerCase(host, lower);
  if (!lower.endsWith(".b32.i2p")) {
    checkName(host, lower);
    return { zone: "i2p", kind: "i2pname", canonical: lower };
  }
  const label = lower.slice(0, -".b32.i2p".length);
  if (label.length !== B32_CHARACTERS) {
    throw new AddressError(
      "i2p-length",
      `"${host}" has ${label.length} characters before ".b32.i2p"; such a name has 52.`,
    );
  }
  if (!/^[a-z2-7]+$/.test(label)) {
    throw new AddressError(
      "i2p-alphabet",
      `"${host}" holds a character outside a-z and 2-7; copy the name again.`,
    );
  }
  return { zone: "i2p", kind: "b32i2p", canonical: lower };
}

function checkLowerCase(host: string, lower: string): void {
  if (host === lower) return;
  throw new AddressError("upper-case", `"${host}" has upper-case letters; write it in lower case.`);
}

function canonicalIpv6(host: string): string {
  if (!isIPv6(host) || host.includes("%")) {
    throw new AddressError("bad-ipv6", `"${host}" is not an IPv6 address.`);
  }
  // The URL parser is the one place in the runtime that prints RFC 5952 form.
  return new URL(`http://[${withoutDots(host)}]`).hostname.slice(1, -1);
}

/** Bun's URL parser refuses some valid addresses that end in IPv4 form, so that form is undone. */
function withoutDots(host: string): string {
  return host.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a: string, b: string, c: string, d: string) => {
      const group = (high: string, low: string) => (256 * Number(high) + Number(low)).toString(16);
      return `${group(a, b)}:${group(c, d)}`;
    },
  );
}

function checkName(host: string, lower: string): void {
  // Not the lower-case form: lower-casing turns a Kelvin sign into a plain "k".
  const labels = host.split(".");
  if (lower.length <= NAME_CHARACTERS_MAX && labels.every((label) => LABEL.test(label))) return;
  throw new AddressError(
    "bad-name",
    `"${host}" is not a host name; names hold letters, digits and hyphens between single dots.`,
  );
}
