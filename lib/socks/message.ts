import { SocksError } from "./error.ts";
import { NAME_BYTES_MAX, type SocksHostKind } from "./host.ts";

/** `4a` is SOCKS4 with a name that the proxy resolves. */
export type SocksVersion = "4" | "4a" | "5";

/** What is asked of the proxy; the last two are Tor's and look names up without a stream. */
export type SocksCommand = "connect" | "resolve" | "resolve-ptr";

/** User name and password, each up to 255 bytes; text goes out as UTF-8. */
export interface SocksAuth {
  readonly user: Uint8Array | string;
  readonly password: Uint8Array | string;
}

/** What a client asks of a proxy. */
export interface SocksRequest {
  readonly version: SocksVersion;
  readonly command: SocksCommand;
  /** An IPv4 or IPv6 address without brackets, or a name for the proxy to resolve. */
  readonly host: string;
  /** 1 to 65535; 0 too where something is only looked up. */
  readonly port: number;
  /** SOCKS5 only. When given, a proxy that does not take it is refused. */
  readonly auth?: SocksAuth | undefined;
  /**
   * SOCKS4 and 4a only.
   * @default ""
   */
  readonly userId?: string | undefined;
}

/** Where a request goes to, for messages to people. */
export type SocksTarget = Pick<SocksRequest, "host" | "port">;

/** A reply that grants the request. */
export interface SocksReply {
  readonly version: "4" | "5";
  /** What `host` is. */
  readonly hostKind: SocksHostKind;
  /** The address bound for a connect (often zeros), or what was looked up. */
  readonly host: string;
  readonly port: number;
}

/** A message taken from the front of the bytes, and how many of them it was. */
export interface Decoded<T> {
  readonly value: T;
  readonly bytesRead: number;
}

/** First byte of every SOCKS5 message but those of the password sub-negotiation. */
export const SOCKS5 = 0x05;
/** First byte of a SOCKS4 request; its reply begins with 00. */
export const SOCKS4 = 0x04;
/** First byte of the password sub-negotiation (RFC 1929). */
const PASSWORD_NEGOTIATION = 0x01;

/** Ways to authenticate (RFC 1928, section 3). */
export const METHOD = { none: 0x00, password: 0x02, refused: 0xff } as const;

/** Longest user name, password or SOCKS4 user id: the first two have their length in one byte. */
export const CREDENTIAL_BYTES_MAX = 255;

const textEncoder = new TextEncoder();

/** The version that shows on the wire and in replies: 4a speaks SOCKS4. */
export function replyVersionOf(version: SocksVersion): "4" | "5" {
  return version === "5" ? "5" : "4";
}

/** `host:port` for messages to people, with brackets where they are needed. */
export function targetOf(target: SocksTarget): string {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  return `${host}:${target.port}`;
}

/** Text as UTF-8; bytes as they are. */
export function credentialBytes(credential: Uint8Array | string): Uint8Array {
  return typeof credential === "string" ? textEncoder.encode(credential) : credential;
}

/**
 * A client's offer of methods: `05 n m1…mn`.
 *
 * @param methods 1 to 255 method bytes
 * @see RFC 1928, section 3
 */
export function encodeMethods(methods: readonly number[]): Uint8Array {
  return Uint8Array.of(SOCKS5, methods.length, ...methods);
}

/**
 * A client's offer of methods.
 *
 * @param bytes what came so far; anything may follow
 * @returns the methods; undefined when bytes are missing
 * @throws SocksError `malformed-request` on another version or an empty offer
 */
export function decodeMethods(bytes: Uint8Array): Decoded<Uint8Array> | undefined {
  const [version, count] = bytes;
  if (version !== undefined && version !== SOCKS5) throw malformedRequest("version", version);
  if (count === 0) throw malformedRequest("number of methods", 0);
  if (count === undefined || bytes.length < 2 + count) return undefined;
  return { value: new Uint8Array(bytes.subarray(2, 2 + count)), bytesRead: 2 + count };
}

/** A server's choice of method: `05 m`. */
export function encodeMethodChoice(method: number): Uint8Array {
  return Uint8Array.of(SOCKS5, method);
}

/**
 * A server's choice of method.
 *
 * @param bytes what came so far; anything may follow
 * @returns the method byte, FF for none; undefined when bytes are missing
 * @throws SocksError `malformed-reply`
 */
export function decodeMethodChoice(bytes: Uint8Array): Decoded<number> | undefined {
  const [version, method] = bytes;
  if (version !== undefined && version !== SOCKS5) throw malformedReply("version", version);
  return method === undefined ? undefined : { value: method, bytesRead: 2 };
}

/**
 * User name and password: `01 n user n password`.
 *
 * @param auth each part up to 255 bytes; RFC 1929 asks for one at least, tor takes none as well
 * @throws SocksError `request-invalid` when a part is longer
 */
export function encodePassword(auth: SocksAuth): Uint8Array {
  const user = credentialBytes(auth.user);
  const password = credentialBytes(auth.password);
  const longest = Math.max(user.length, password.length);
  if (longest > CREDENTIAL_BYTES_MAX) {
    throw new SocksError(
      "request-invalid",
      `A SOCKS5 user name or password has up to 255 bytes, not ${longest}; shorten it.`,
    );
  }
  const bytes = new Uint8Array(3 + user.length + password.length);
  bytes[0] = PASSWORD_NEGOTIATION;
  bytes[1] = user.length;
  bytes.set(user, 2);
  bytes[2 + user.length] = password.length;
  bytes.set(password, 3 + user.length);
  return bytes;
}

/**
 * User name and password.
 *
 * @param bytes what came so far; anything may follow
 * @returns copies of both; undefined when bytes are missing
 * @throws SocksError `malformed-request` on another version of the sub-negotiation
 */
export function decodePassword(
  bytes: Uint8Array,
): Decoded<{ readonly user: Uint8Array; readonly password: Uint8Array }> | undefined {
  const [version, userLength] = bytes;
  if (version !== undefined && version !== PASSWORD_NEGOTIATION) {
    throw malformedRequest("version of the password message", version);
  }
  if (userLength === undefined) return undefined;
  const passwordLength = bytes[2 + userLength];
  if (passwordLength === undefined) return undefined;
  const end = 3 + userLength + passwordLength;
  if (bytes.length < end) return undefined;
  const user = new Uint8Array(bytes.subarray(2, 2 + userLength));
  const password = new Uint8Array(bytes.subarray(3 + userLength, end));
  return { value: { user, password }, bytesRead: end };
}

/** A server's verdict on a password: `01 00` or `01 01`. */
export function encodePasswordVerdict(accepted: boolean): Uint8Array {
  return Uint8Array.of(PASSWORD_NEGOTIATION, accepted ? 0x00 : 0x01);
}

/**
 * A server's verdict on a password. Tor refuses its own `<torS0X>` form with `05 01`, so a refusal
 * may begin with either version byte.
 *
 * @param bytes what came so far; anything may follow
 * @returns whether the password was accepted; undefined when bytes are missing
 * @throws SocksError `malformed-reply`
 */
export function decodePasswordVerdict(bytes: Uint8Array): Decoded<boolean> | undefined {
  const [version, status] = bytes;
  if (version !== undefined && version !== PASSWORD_NEGOTIATION && version !== SOCKS5) {
    throw malformedReply("version of the password verdict", version);
  }
  if (status === undefined) return undefined;
  if (status === 0 && version === SOCKS5) {
    throw malformedReply("version of the password verdict", version);
  }
  return { value: status === 0, bytesRead: 2 };
}

/**
 * An error about a field of a reply.
 *
 * @param field the field's name
 * @param value the byte that was found there
 */
export function malformedReply(field: string, value: number): SocksError {
  // "HTTP/1.0 501 Tor is not an HTTP Proxy", and any other server of a text protocol.
  const looksLikeHttp = field === "version" && value === 0x48;
  return new SocksError(
    "malformed-reply",
    looksLikeHttp
      ? "The proxy answers in HTTP; give the address of a SOCKS port instead."
      : `The proxy's ${field} is ${value}, which is not SOCKS; check that its port is a SOCKS port.`,
  );
}

/**
 * An error about a field of a request.
 *
 * @param field the field's name
 * @param value the byte that was found there
 */
export function malformedRequest(field: string, value: number): SocksError {
  return new SocksError(
    "malformed-request",
    `The client's ${field} is ${value}, which is not SOCKS; it must speak SOCKS 4, 4a or 5.`,
  );
}

/** Longest request or reply of any version: SOCKS4a with a user id, a name and both NULs. */
export const MESSAGE_BYTES_MAX = 8 + CREDENTIAL_BYTES_MAX + 1 + NAME_BYTES_MAX + 1;
