import { EthereumError } from "./error.ts";
import { PUBLIC_KEY_BYTES } from "./node-key.ts";
import {
  decodeRlpPrefix,
  encodeRlp,
  type RlpItem,
  readRlpInteger,
  readRlpList,
  readRlpString,
  rlpInteger,
} from "./rlp.ts";
import { decodeSnappy, encodeSnappy } from "./snappy.ts";

/** A protocol that a node speaks over RLPx, such as eth/68. */
export interface Capability {
  readonly name: string;
  readonly version: number;
}

/** The first message of each side. */
export interface Hello {
  /** Version of the base protocol; from 5 on, later messages are compressed. */
  readonly protocolVersion: number;
  /** What the node calls its program, for instance `Geth/v1.14.0/linux-amd64/go1.22`. */
  readonly clientId: string;
  readonly capabilities: readonly Capability[];
  /** Unused by today's nodes; mostly 0. */
  readonly listenPort: number;
  /** The node's key, 64 bytes. */
  readonly publicKey: Uint8Array;
}

/** A message of the base protocol, or the number of one that belongs to a capability. */
export type BaseMessage =
  | { readonly kind: "hello"; readonly hello: Hello }
  | { readonly kind: "disconnect"; readonly reason: DisconnectReason }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  | { readonly kind: "other"; readonly id: number };

/** Why a node ends the connection. */
export interface DisconnectReason {
  /** The number on the wire. */
  readonly code: number;
  /** What it stands for; `unknown` for a number that the protocol does not define. */
  readonly name: string;
}

/** Number of each message. */
const MESSAGE_ID = { hello: 0, disconnect: 1, ping: 2, pong: 3 } as const;

/** From this version on, messages after Hello are compressed with Snappy. */
const SNAPPY_VERSION = 5;

/** Our version of the base protocol. */
export const P2P_VERSION = 5;

/** Longest integer in a Hello that is looked at; versions and ports are far smaller. */
const INTEGER_BYTES_MAX = 6;
const MESSAGE_ID_BYTES_MAX = 4;
/** Longest content of a Disconnect that is looked at, unpacked: a reason in a list, and leeway. */
const REASON_BYTES_MAX = 1_024;

/** Source: devp2p `rlpx.md`, "Disconnect (0x01)". */
const disconnectNames: ReadonlyMap<number, string> = new Map([
  [0x00, "requested"],
  [0x01, "tcp-error"],
  [0x02, "breach-of-protocol"],
  [0x03, "useless-peer"],
  [0x04, "too-many-peers"],
  [0x05, "already-connected"],
  [0x06, "incompatible-version"],
  [0x07, "null-identity"],
  [0x08, "client-quitting"],
  [0x09, "unexpected-identity"],
  [0x0a, "same-identity"],
  [0x0b, "timeout"],
  [0x10, "subprotocol-reason"],
]);

/** The reason with which a client that is done takes its leave. */
export const CLIENT_QUITTING = 0x08;

/**
 * What a reason's number stands for.
 *
 * @param code as on the wire
 */
export function disconnectReason(code: number): DisconnectReason {
  return { code, name: disconnectNames.get(code) ?? "unknown" };
}

/**
 * Reads a message of the base protocol, as EIP-8 asks: what follows the known fields is ignored,
 * and so is the version.
 *
 * @param message number and content
 * @param peerVersion the peer's version of the base protocol, once its Hello is there; decides
 *   whether the content is compressed
 * @throws EthereumError `message-malformed`, and `rlp-malformed` or the other RLP codes as its cause
 * @see devp2p `rlpx.md`, "p2p Capability"
 */
export function decodeMessage(message: Uint8Array, peerVersion?: number): BaseMessage {
  try {
    const { item, bytesRead } = decodeRlpPrefix(message);
    const id = Number(readRlpInteger(item, MESSAGE_ID_BYTES_MAX));
    return decodeContent(id, message.subarray(bytesRead), isCompressed(peerVersion));
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new EthereumError(
      "message-malformed",
      `The peer's message can't be read (${what.replace(/\.$/, "")}); it breaks the protocol.`,
      { cause },
    );
  }
}

function decodeContent(id: number, content: Uint8Array, compressed: boolean): BaseMessage {
  switch (id) {
    case MESSAGE_ID.hello:
      return { kind: "hello", hello: decodeHello(content) };
    case MESSAGE_ID.disconnect:
      return {
        kind: "disconnect",
        reason: decodeReason(compressed ? unpackedReason(content) : content),
      };
    case MESSAGE_ID.ping:
      return { kind: "ping" };
    case MESSAGE_ID.pong:
      return { kind: "pong" };
    default:
      return { kind: "other", id };
  }
}

/**
 * Reads the content of a Hello.
 *
 * @param content RLP, without the message's number
 * @throws EthereumError `rlp-malformed` or the other RLP codes
 */
export function decodeHello(content: Uint8Array): Hello {
  const fields = readRlpList(decodeRlpPrefix(content).item);
  return {
    protocolVersion: readInteger(fields[0]),
    clientId: readText(fields[1]),
    capabilities: readRlpList(fields[2]).map((item) => {
      const [name, version] = readRlpList(item);
      return { name: readText(name), version: readInteger(version) };
    }),
    listenPort: readInteger(fields[3]),
    publicKey: readRlpString(fields[4], PUBLIC_KEY_BYTES),
  };
}

/** Some programs compress no Disconnect, whenever it comes. */
function unpackedReason(content: Uint8Array): Uint8Array {
  try {
    return decodeSnappy(content, REASON_BYTES_MAX);
  } catch {
    return content;
  }
}

/** A reason stands in a list, or, from some programs, alone; none at all means "requested". */
function decodeReason(content: Uint8Array): DisconnectReason {
  const { item } = content.length === 0 ? { item: [] } : decodeRlpPrefix(content);
  const first = item instanceof Uint8Array ? item : item[0];
  const code = first === undefined ? 0 : readReasonCode(first);
  return disconnectReason(code);
}

/** Some programs write reason 0 as the byte 00, which is no RLP integer. */
function readReasonCode(item: RlpItem): number {
  const bytes = readRlpString(item);
  return bytes.length === 1 ? (bytes[0] ?? 0) : readInteger(bytes);
}

function readInteger(item: RlpItem | undefined): number {
  return Number(readRlpInteger(item, INTEGER_BYTES_MAX));
}

/** What a peer calls itself ends on terminals and in logs, so it may not steer them. */
function readText(item: RlpItem | undefined): string {
  const text = new TextDecoder().decode(readRlpString(item));
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\uFFFD");
}

/**
 * Writes a Hello, with its number before it.
 *
 * @param hello what to say
 */
export function encodeHello(hello: Hello): Uint8Array {
  const text = new TextEncoder();
  return withId(
    MESSAGE_ID.hello,
    encodeRlp([
      rlpInteger(hello.protocolVersion),
      text.encode(hello.clientId),
      hello.capabilities.map(({ name, version }) => [text.encode(name), rlpInteger(version)]),
      rlpInteger(hello.listenPort),
      hello.publicKey,
    ]),
  );
}

/**
 * Writes a Disconnect, with its number before it.
 *
 * @param code why
 * @param peerVersion the peer's version of the base protocol, once its Hello is there; decides
 *   whether the content is compressed
 */
export function encodeDisconnect(code: number, peerVersion: number | undefined): Uint8Array {
  return withContent(MESSAGE_ID.disconnect, encodeRlp([rlpInteger(code)]), peerVersion);
}

/**
 * Writes a Ping or a Pong, with its number before it.
 *
 * @param kind which
 * @param peerVersion as for {@link encodeDisconnect}
 */
export function encodePulse(kind: "ping" | "pong", peerVersion: number | undefined): Uint8Array {
  return withContent(MESSAGE_ID[kind], encodeRlp([]), peerVersion);
}

function withContent(id: number, content: Uint8Array, peerVersion: number | undefined): Uint8Array {
  return withId(id, isCompressed(peerVersion) ? encodeSnappy(content) : content);
}

function isCompressed(peerVersion: number | undefined): boolean {
  return peerVersion !== undefined && peerVersion >= SNAPPY_VERSION;
}

function withId(id: number, content: Uint8Array): Uint8Array {
  const number = encodeRlp(rlpInteger(id));
  const out = new Uint8Array(number.length + content.length);
  out.set(number);
  out.set(content, number.length);
  return out;
}
