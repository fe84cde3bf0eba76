import { errorOfReply } from "./error.ts";
import { hostBytes, hostKindOf, hostText } from "./host.ts";
import {
  type Decoded,
  malformedReply,
  SOCKS5,
  type SocksReply,
  type SocksTarget,
  targetOf,
} from "./message.ts";
import { ADDRESS_TYPE, hostSpan, IPV4_BYTES } from "./request.ts";

const SOCKS5_GRANTED = 0x00;
const SOCKS4_GRANTED = 0x5a;
/** A SOCKS4 reply has one size. */
const SOCKS4_REPLY_BYTES = 8;

/**
 * A reply that grants a request.
 *
 * @param version the version of the client
 * @param bound the address to tell, an IP address or for a reverse look-up a name; SOCKS4 can't
 *   tell any but IPv4 and gets zeros instead
 * @throws RangeError when the host has no wire form
 */
export function encodeGranted(
  version: "4" | "5",
  bound: { readonly host: string; readonly port: number },
): Uint8Array {
  const kind = hostKindOf(bound.host);
  const host = hostBytes(bound.host, kind);
  if (host === undefined) throw new RangeError(`"${bound.host}" can't stand in a SOCKS reply.`);
  const port = [bound.port >> 8, bound.port & 0xff];
  if (version === "4") {
    const address = kind === "ipv4" ? host : new Uint8Array(IPV4_BYTES);
    return Uint8Array.of(0, SOCKS4_GRANTED, ...port, ...address);
  }
  const length = kind === "name" ? [host.length] : [];
  return Uint8Array.of(SOCKS5, SOCKS5_GRANTED, 0, ADDRESS_TYPE[kind], ...length, ...host, ...port);
}

/**
 * A reply that refuses a request, with an address of zeros.
 *
 * @param version the version of the client
 * @param replyCode 01–08 or F0–F7 for SOCKS5, 5B–5D for SOCKS4
 */
export function encodeRefused(version: "4" | "5", replyCode: number): Uint8Array {
  return version === "5"
    ? Uint8Array.of(SOCKS5, replyCode, 0, ADDRESS_TYPE.ipv4, 0, 0, 0, 0, 0, 0)
    : Uint8Array.of(0, replyCode, 0, 0, 0, 0, 0, 0);
}

/**
 * Reads a reply.
 *
 * A refusal is complete with its second byte: what proxies put after it differs (tor's RESOLVE
 * sends address type 0), some close at once, and none of it can change the answer.
 *
 * @param version the version that was spoken
 * @param bytes what came so far; anything may follow
 * @param target host and port of the request, for messages
 * @returns the reply; undefined when bytes are missing
 * @throws SocksError what a refusal stands for, or `malformed-reply`
 */
export function decodeReply(
  version: "4" | "5",
  bytes: Uint8Array,
  target: SocksTarget,
): Decoded<SocksReply> | undefined {
  return version === "5" ? decodeReply5(bytes, target) : decodeReply4(bytes, target);
}

function decodeReply5(bytes: Uint8Array, target: SocksTarget): Decoded<SocksReply> | undefined {
  const [version, replyCode, reserved, type] = bytes;
  if (version !== undefined && version !== SOCKS5) throw malformedReply("version", version);
  if (replyCode === undefined) return undefined;
  if (replyCode !== SOCKS5_GRANTED) throw errorOfReply("5", replyCode, targetOf(target));
  if (reserved !== undefined && reserved !== 0) throw malformedReply("reserved byte", reserved);
  if (type === undefined) return undefined;
  const span = hostSpan(type, bytes[4]);
  if (span === "unknown") throw malformedReply("address type", type);
  if (span === undefined || bytes.length < span.end + 2) return undefined;
  const host = hostText(span.kind, bytes.subarray(span.start, span.end));
  if (host === undefined)
    throw malformedReply("name's length in bytes, not all printable,", span.end - span.start);
  const port = ((bytes[span.end] ?? 0) << 8) | (bytes[span.end + 1] ?? 0);
  return { value: { version: "5", hostKind: span.kind, host, port }, bytesRead: span.end + 2 };
}

function decodeReply4(bytes: Uint8Array, target: SocksTarget): Decoded<SocksReply> | undefined {
  const [version, replyCode] = bytes;
  if (version !== undefined && version !== 0) throw malformedReply("version", version);
  if (replyCode === undefined) return undefined;
  if (replyCode !== SOCKS4_GRANTED) throw errorOfReply("4", replyCode, targetOf(target));
  if (bytes.length < SOCKS4_REPLY_BYTES) return undefined;
  const host = bytes.subarray(4, SOCKS4_REPLY_BYTES).join(".");
  const port = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  return {
    value: { version: "4", hostKind: "ipv4", host, port },
    bytesRead: SOCKS4_REPLY_BYTES,
  };
}
