import { SocksError } from "./error.ts";
import { hostBytes, hostKindOf, hostText, NAME_BYTES_MAX, type SocksHostKind } from "./host.ts";
import {
  CREDENTIAL_BYTES_MAX,
  credentialBytes,
  type Decoded,
  malformedRequest,
  SOCKS4,
  SOCKS5,
  type SocksCommand,
  type SocksRequest,
  targetOf,
} from "./message.ts";

/** Command bytes: RFC 1928 section 4, and Tor's socks-extensions for the last two. */
const commandBytes: Readonly<Record<SocksCommand, number>> = {
  connect: 0x01,
  resolve: 0xf0,
  "resolve-ptr": 0xf1,
};

/** Address type bytes of SOCKS5 (RFC 1928, section 5). */
export const ADDRESS_TYPE: Readonly<Record<SocksHostKind, number>> = {
  ipv4: 0x01,
  name: 0x03,
  ipv6: 0x04,
};

/** Bytes of an IPv4 and an IPv6 address. */
export const IPV4_BYTES = 4;
/** See {@link IPV4_BYTES}. */
export const IPV6_BYTES = 16;

/** SOCKS4 user ids travel up to a NUL; other control characters have no business in one. */
const USER_ID = /^[\x20-\x7e]*$/;

/**
 * The request message: all of SOCKS4 and 4a, and what follows the choice of method in SOCKS5.
 *
 * A name is put on the wire as it is: nothing here or above looks it up.
 *
 * Source: RFC 1928 section 4; the SOCKS4 and 4A memos (Ying-Da Lee); tor `socks-extensions.txt`.
 *
 * @param request what is asked; `auth` is no part of this message
 * @throws SocksError `request-invalid` when the version has no form for it
 */
export function encodeRequest(request: SocksRequest): Uint8Array {
  const kind = hostKindOf(request.host);
  const host = hostBytes(request.host, kind);
  checkRequest(request, kind, host);
  return request.version === "5"
    ? encodeRequest5(request, kind, host)
    : encodeRequest4(request, kind, host);
}

function encodeRequest5(request: SocksRequest, kind: SocksHostKind, host: Uint8Array): Uint8Array {
  const lengthBytes = kind === "name" ? 1 : 0;
  const bytes = new Uint8Array(4 + lengthBytes + host.length + 2);
  bytes[0] = SOCKS5;
  bytes[1] = commandBytes[request.command];
  bytes[3] = ADDRESS_TYPE[kind];
  if (kind === "name") bytes[4] = host.length;
  bytes.set(host, 4 + lengthBytes);
  bytes[bytes.length - 2] = request.port >> 8;
  bytes[bytes.length - 1] = request.port;
  return bytes;
}

function encodeRequest4(request: SocksRequest, kind: SocksHostKind, host: Uint8Array): Uint8Array {
  const userId = credentialBytes(request.userId ?? "");
  const name = kind === "name" ? host : undefined;
  const bytes = new Uint8Array(8 + userId.length + 1 + (name ? name.length + 1 : 0));
  bytes[0] = SOCKS4;
  bytes[1] = commandBytes[request.command];
  bytes[2] = request.port >> 8;
  bytes[3] = request.port;
  // 4A: an impossible address 0.0.0.x announces that a name follows the user id.
  bytes.set(name ? [0, 0, 0, 1] : host, 4);
  bytes.set(userId, 8);
  if (name) bytes.set(name, 8 + userId.length + 1);
  return bytes;
}

function checkRequest(
  request: SocksRequest,
  kind: SocksHostKind,
  host: Uint8Array | undefined,
): asserts host is Uint8Array {
  const { version, command, port } = request;
  const lowest = command === "connect" ? 1 : 0;
  if (host === undefined) {
    throw invalid(
      `"${request.host}" is not a host name of 1 to 255 printable ASCII characters; write other scripts in Punycode.`,
    );
  }
  if (!Number.isInteger(port) || port < lowest || port > 65_535) {
    throw invalid(`Port ${port} of "${request.host}" is not from ${lowest} to 65535.`);
  }
  if (command === "resolve-ptr" && kind === "name") {
    throw invalid(`"${request.host}" is a name; a reverse look-up takes an IP address.`);
  }
  if (version === "5") checkVersion5(request);
  else checkVersion4(request, kind, host);
}

function checkVersion5(request: SocksRequest): void {
  if (request.userId === undefined) return;
  throw invalid(`SOCKS5 has no user id; give ${targetOf(request)} a user name and password.`);
}

function checkVersion4(request: SocksRequest, kind: SocksHostKind, host: Uint8Array): void {
  const { version, command, auth, userId = "" } = request;
  const target = targetOf(request);
  // Leaving the credentials out would put streams together that were to be kept apart.
  if (auth) throw invalid(`SOCKS${version} has no password for ${target}; use SOCKS5.`);
  if (command === "resolve-ptr") throw invalid(`SOCKS${version} has no reverse look-up; use 5.`);
  if (kind === "ipv6") throw invalid(`SOCKS${version} can't carry ${target}; use SOCKS5.`);
  if (kind === "name" && version === "4") {
    throw invalid(`SOCKS4 can't carry the name ${target}; use SOCKS4a or 5.`);
  }
  if (kind === "ipv4" && isMarker(host)) {
    throw invalid(`SOCKS4 takes ${target} for the sign of a name; use SOCKS5.`);
  }
  if (userId.length > CREDENTIAL_BYTES_MAX || !USER_ID.test(userId)) {
    throw invalid("A SOCKS4 user id has up to 255 printable ASCII characters; change it.");
  }
}

function invalid(message: string): SocksError {
  return new SocksError("request-invalid", message);
}

/** Whether an address is 0.0.0.x, x above 0. */
function isMarker(address: Uint8Array): boolean {
  const [a, b, c, d] = address;
  return a === 0 && b === 0 && c === 0 && d !== 0;
}

/**
 * Reads a SOCKS5 request.
 *
 * @param bytes what came so far; anything may follow
 * @returns the request without `auth`; undefined when bytes are missing
 * @throws SocksError `malformed-request`, `address-type-not-supported`, `command-not-supported`
 */
export function decodeRequest5(bytes: Uint8Array): Decoded<SocksRequest> | undefined {
  const [version, command, reserved, type] = bytes;
  if (version !== undefined && version !== SOCKS5) throw malformedRequest("version", version);
  if (reserved !== undefined && reserved !== 0) throw malformedRequest("reserved byte", reserved);
  if (command === undefined || type === undefined) return undefined;
  const span = hostSpan(type, bytes[4]);
  if (span === "unknown") {
    throw new SocksError(
      "address-type-not-supported",
      `The client sent address type ${type}; SOCKS5 has 1, 3 and 4.`,
    );
  }
  if (span === undefined || bytes.length < span.end + 2) return undefined;
  const host = hostText(span.kind, bytes.subarray(span.start, span.end));
  const port = ((bytes[span.end] ?? 0) << 8) | (bytes[span.end + 1] ?? 0);
  return { value: requestOf("5", command, host, port), bytesRead: span.end + 2 };
}

/** Where a SOCKS5 host lies in its message. */
interface HostSpan {
  readonly kind: SocksHostKind;
  readonly start: number;
  readonly end: number;
}

/**
 * Where the host of a SOCKS5 request or reply lies, counted from the start of the message.
 *
 * @param type the address type byte, at offset 3
 * @param next the byte after it, if it came: a name's length
 * @returns `unknown` for another address type; undefined when a name's length has not come
 */
export function hostSpan(type: number, next: number | undefined): HostSpan | "unknown" | undefined {
  switch (type) {
    case ADDRESS_TYPE.ipv4:
      return { kind: "ipv4", start: 4, end: 4 + IPV4_BYTES };
    case ADDRESS_TYPE.ipv6:
      return { kind: "ipv6", start: 4, end: 4 + IPV6_BYTES };
    case ADDRESS_TYPE.name:
      return next === undefined ? undefined : { kind: "name", start: 5, end: 5 + next };
    default:
      return "unknown";
  }
}

/**
 * Reads a SOCKS4 or 4a request.
 *
 * @param bytes what came so far; anything may follow
 * @returns the request; undefined when bytes are missing
 * @throws SocksError `malformed-request`, also for a user id or name over 255 bytes;
 *   `command-not-supported`
 */
export function decodeRequest4(bytes: Uint8Array): Decoded<SocksRequest> | undefined {
  const [version, command] = bytes;
  if (version !== undefined && version !== SOCKS4) throw malformedRequest("version", version);
  if (command === undefined || bytes.length < 8) return undefined;
  const userIdEnd = endOfText(bytes, 8, CREDENTIAL_BYTES_MAX, "user id");
  if (userIdEnd === undefined) return undefined;
  const userId = String.fromCharCode(...bytes.subarray(8, userIdEnd));
  const address = bytes.subarray(4, 8);
  const port = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  if (!isMarker(address)) {
    const request = requestOf("4", command, hostText("ipv4", address), port, userId);
    return { value: request, bytesRead: userIdEnd + 1 };
  }
  const nameEnd = endOfText(bytes, userIdEnd + 1, NAME_BYTES_MAX, "name");
  if (nameEnd === undefined) return undefined;
  const name = hostText("name", bytes.subarray(userIdEnd + 1, nameEnd));
  return { value: requestOf("4a", command, name, port, userId), bytesRead: nameEnd + 1 };
}

function endOfText(
  bytes: Uint8Array,
  start: number,
  bytesMax: number,
  field: string,
): number | undefined {
  const end = bytes.subarray(start, start + bytesMax + 1).indexOf(0);
  if (end >= 0) return start + end;
  if (bytes.length > start + bytesMax) throw malformedRequest(`${field} length`, bytesMax + 1);
  return undefined;
}

function requestOf(
  version: SocksRequest["version"],
  commandByte: number,
  host: string | undefined,
  port: number,
  userId?: string,
): SocksRequest {
  const command = commandOf(commandByte);
  if (command === undefined) {
    throw new SocksError(
      "command-not-supported",
      `The client sent command ${commandByte}; only connect and Tor's look-ups are served.`,
    );
  }
  if (host === undefined || host === "") throw malformedRequest("host", 0);
  if (port === 0 && command === "connect") throw malformedRequest("port", 0);
  return userId === undefined
    ? { version, command, host, port }
    : { version, command, host, port, userId };
}

function commandOf(byte: number): SocksCommand | undefined {
  switch (byte) {
    case commandBytes.connect:
      return "connect";
    case commandBytes.resolve:
      return "resolve";
    case commandBytes["resolve-ptr"]:
      return "resolve-ptr";
    default:
      return undefined;
  }
}
