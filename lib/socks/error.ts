import { Fault, type FaultPlace } from "../runtime/fault.ts";

/** Everything that can go wrong between us, a SOCKS proxy and what lies behind it. */
export type SocksErrorCode =
  // SOCKS5 replies 01 to 08 (RFC 1928, section 6)
  | "general-failure"
  | "not-allowed"
  | "network-unreachable"
  | "host-unreachable"
  | "connection-refused"
  | "ttl-expired"
  | "command-not-supported"
  | "address-type-not-supported"
  // Tor's replies F0 to F7 (proposal 304)
  | "onion-descriptor-not-found"
  | "onion-descriptor-invalid"
  | "onion-introduction-failed"
  | "onion-rendezvous-failed"
  | "onion-client-auth-missing"
  | "onion-client-auth-wrong"
  | "onion-address-invalid"
  | "onion-introduction-timeout"
  // SOCKS4 replies 91 to 93
  | "rejected"
  | "identd-unreachable"
  | "identd-mismatch"
  // the conversation itself
  | "unknown-reply"
  | "auth-refused"
  | "no-acceptable-method"
  | "malformed-reply"
  | "overlong-reply"
  | "malformed-request"
  | "request-invalid"
  | "proxy-closed"
  | "proxy-unreachable"
  | "deadline"
  | "aborted"
  | "handshake-over";

/** What a reply byte means: its code, where the fault lies, and what to tell a person. */
interface Meaning {
  readonly code: SocksErrorCode;
  readonly where: FaultPlace;
  /** One sentence; `{target}` stands for `host:port` of the request. */
  readonly says: string;
}

const meaningsOfSocks5: ReadonlyMap<number, Meaning> = new Map([
  [0x01, meaning("general-failure", "network", "The proxy could not reach {target}; try later.")],
  [0x02, meaning("not-allowed", "local", "The proxy's rules forbid {target}; look at its policy.")],
  [0x03, meaning("network-unreachable", "network", "The proxy has no route to {target}.")],
  [0x04, meaning("host-unreachable", "network", "The proxy found no way to {target}; check it.")],
  [0x05, meaning("connection-refused", "peer", "{target} refused the connection; check the port.")],
  [
    0x06,
    meaning("ttl-expired", "network", "{target} did not answer the proxy in time; try later."),
  ],
  [0x07, meaning("command-not-supported", "local", "The proxy does not know the command asked.")],
  [0x08, meaning("address-type-not-supported", "local", "The proxy can't take {target}'s kind.")],
  [
    0xf0,
    meaning("onion-descriptor-not-found", "peer", "{target} is not published; is it running?"),
  ],
  [0xf1, meaning("onion-descriptor-invalid", "peer", "The descriptor of {target} can't be read.")],
  [0xf2, meaning("onion-introduction-failed", "peer", "{target} was not at its meeting points.")],
  [0xf3, meaning("onion-rendezvous-failed", "network", "The meeting with {target} failed.")],
  [0xf4, meaning("onion-client-auth-missing", "config", "{target} wants a client key; give one.")],
  [0xf5, meaning("onion-client-auth-wrong", "config", "{target} does not know our client key.")],
  [
    0xf6,
    meaning("onion-address-invalid", "config", "{target} is no onion address; copy it again."),
  ],
  [0xf7, meaning("onion-introduction-timeout", "network", "{target} was not introduced in time.")],
]);

const meaningsOfSocks4: ReadonlyMap<number, Meaning> = new Map([
  [0x5b, meaning("rejected", "network", "The SOCKS4 proxy could not or would not reach {target}.")],
  [
    0x5c,
    meaning("identd-unreachable", "local", "The SOCKS4 proxy wants an identd on this machine."),
  ],
  [
    0x5d,
    meaning("identd-mismatch", "local", "The SOCKS4 proxy got another user name from identd."),
  ],
]);

function meaning(code: SocksErrorCode, where: FaultPlace, says: string): Meaning {
  return { code, where, says };
}

/** Where a fault lies when the thrower does not say, for codes that no reply byte stands for. */
const placesOfConversation: Partial<Record<SocksErrorCode, FaultPlace>> = {
  "request-invalid": "config",
  "auth-refused": "config",
  "malformed-request": "peer",
  "handshake-over": "bug",
};

/** SOCKS5 reply byte of each code that has one. */
const socks5Bytes: ReadonlyMap<SocksErrorCode, number> = new Map(
  [...meaningsOfSocks5].map(([byte, { code }]) => [code, byte]),
);
const socks4Bytes: ReadonlyMap<SocksErrorCode, number> = new Map(
  [...meaningsOfSocks4].map(([byte, { code }]) => [code, byte]),
);
const placesOfReplies: ReadonlyMap<SocksErrorCode, FaultPlace> = new Map(
  [...meaningsOfSocks5.values(), ...meaningsOfSocks4.values()].map(({ code, where }) => [
    code,
    where,
  ]),
);

/** What else is known of a {@link SocksError}. */
export interface SocksErrorOptions {
  /**
   * Where the fault lies.
   * @default what the code says: `local` for trouble with the proxy itself
   */
  readonly where?: FaultPlace | undefined;
  /**
   * The reply byte that the proxy sent.
   * @default the byte that the code stands for, if there is one
   */
  readonly replyCode?: number | undefined;
  /** The error underneath. */
  readonly cause?: unknown;
}

/** A SOCKS conversation that did not end in a stream. */
export class SocksError extends Fault<SocksErrorCode> {
  /** The reply byte that stands for this error: SOCKS5 01–08 and F0–F7, SOCKS4 5B–5D. */
  readonly replyCode: number | undefined;

  /**
   * @param code what went wrong
   * @param message one sentence that names the value and the remedy
   * @param options what else is known
   */
  constructor(code: SocksErrorCode, message: string, options: SocksErrorOptions = {}) {
    const where =
      options.where ?? placesOfReplies.get(code) ?? placesOfConversation[code] ?? "local";
    super(code, where, message, options.cause === undefined ? {} : { cause: options.cause });
    this.replyCode = options.replyCode ?? socks5Bytes.get(code) ?? socks4Bytes.get(code);
  }
}

/**
 * The error that a refusing reply stands for.
 *
 * Source: RFC 1928 section 6, Tor proposal 304, the SOCKS4 memo (Ying-Da Lee).
 *
 * @param version the protocol the reply came in
 * @param replyCode the reply byte: not 00 of SOCKS5, not 5A of SOCKS4
 * @param target `host:port` of the request, for the message
 * @returns an error whose code is `unknown-reply` when the byte has no meaning
 */
export function errorOfReply(version: "4" | "5", replyCode: number, target: string): SocksError {
  const meanings = version === "5" ? meaningsOfSocks5 : meaningsOfSocks4;
  const found = meanings.get(replyCode);
  const hex = replyCode.toString(16).toUpperCase().padStart(2, "0");
  if (found === undefined) {
    return new SocksError(
      "unknown-reply",
      `The proxy answered the request for ${target} with ${hex}, which SOCKS${version} does not define.`,
      { replyCode, where: "network" },
    );
  }
  const sentence = found.says.replace("{target}", () => target).replace(/\.$/, "");
  return new SocksError(found.code, `${sentence} (SOCKS${version} reply ${hex}).`, { replyCode });
}

/**
 * What a proxy without extended errors says instead of F0–F7. F0, F4, F5 and F6 as tor 0.4.9 was
 * seen to do; the others by their meaning.
 */
const plainBytes: ReadonlyMap<number, number> = new Map([
  [0xf0, 0x04],
  [0xf1, 0x01],
  [0xf2, 0x04],
  [0xf3, 0x01],
  [0xf4, 0x01],
  [0xf5, 0x01],
  [0xf6, 0x01],
  [0xf7, 0x06],
]);

/** Errors of the operating system that a SOCKS5 reply can express. */
const systemBytes: ReadonlyMap<string, number> = new Map([
  ["ECONNREFUSED", 0x05],
  ["ENETUNREACH", 0x03],
  ["EHOSTUNREACH", 0x04],
  ["ENOTFOUND", 0x04],
  ["ETIMEDOUT", 0x06],
  ["EACCES", 0x02],
  ["EPERM", 0x02],
]);

/**
 * The reply byte with which a server tells its client of an error.
 *
 * @param error what the server's own attempt threw: a {@link SocksError}, an error of the operating
 *   system (by its `code`), or anything else, which becomes a general failure
 * @param version the protocol that the client speaks
 * @param extendedErrors whether SOCKS5 clients get F0–F7 (tor's `ExtendedErrors` flag)
 * @returns 01–08 or F0–F7 for SOCKS5, 5B–5D for SOCKS4
 */
export function replyCodeOf(error: unknown, version: "4" | "5", extendedErrors: boolean): number {
  if (version === "4") {
    return (error instanceof SocksError ? socks4Bytes.get(error.code) : undefined) ?? 0x5b;
  }
  if (error instanceof SocksError) {
    if (error.code === "deadline") return 0x06;
    const byte = socks5Bytes.get(error.code) ?? 0x01;
    return extendedErrors ? byte : (plainBytes.get(byte) ?? byte);
  }
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return (typeof code === "string" ? systemBytes.get(code) : undefined) ?? 0x01;
}
