import type { RandomSource } from "../runtime/random.ts";
import type { ByteQueue } from "./byte-queue.ts";
import { ECIES_FIRST_BYTE, ECIES_OVERHEAD_BYTES, openEcies, sealEcies } from "./ecies.ts";
import { EthereumError } from "./error.ts";
import { KEY_BYTES, PUBLIC_KEY_BYTES, recoverKey, sharedSecret } from "./node-key.ts";
import { decodeRlpPrefix, type RlpItem, readRlpList, readRlpString } from "./rlp.ts";
import { signedToken } from "./rlpx-frame.ts";

/** The two packets of the handshake: `auth` is the initiator's, `ack` the recipient's. */
export type RlpxPacketKind = "auth" | "ack";

/** What an auth packet says, once its signature was checked. */
export interface OpenedAuth {
  /** The initiator's key, 64 bytes: only its holder can have sealed this packet. */
  readonly publicKey: Uint8Array;
  /** The initiator's key for this connection, 64 bytes. */
  readonly ephemeralKey: Uint8Array;
  /** 32 bytes. */
  readonly nonce: Uint8Array;
}

/** Version of the handshake; EIP-8 has others ignore it. */
export const HANDSHAKE_VERSION = 4;
const SIZE_BYTES = 2;
const SIGNATURE_BYTES = 65;
/** EIP-8: 100 to 300 bytes of junk, so that the packet differs from the old format's length. */
const JUNK_BYTES_MIN = 100;
const JUNK_BYTES_SPREAD = 201;
/** Each packet's fields as RLP, each with its length, in a list. */
const BODY_BYTES_MIN: Readonly<Record<RlpxPacketKind, number>> = {
  auth: SIGNATURE_BYTES + PUBLIC_KEY_BYTES + KEY_BYTES + 8,
  ack: PUBLIC_KEY_BYTES + KEY_BYTES + 5,
};
/**
 * Largest packet looked at. Nodes send up to 630 bytes; a text or a TLS record, read as a size, is
 * larger, so that it is told at once.
 */
export const PACKET_BYTES_MAX = 2_048;

/**
 * Seals a body of the handshake, with junk after it and its size before it.
 *
 * @param publicKey of the receiver, 64 bytes
 * @param body RLP of auth or ack
 * @param random gives the junk and the one-time key
 * @returns the packet as it is sent
 * @throws EthereumError `key-invalid`
 * @see EIP-8, "auth-packet" and "ack-packet"
 */
export function sealHandshake(
  publicKey: Uint8Array,
  body: Uint8Array,
  random: RandomSource,
): Uint8Array {
  const junk = random.bytes(JUNK_BYTES_MIN + (random.uint32() % JUNK_BYTES_SPREAD));
  const message = new Uint8Array(body.length + junk.length);
  message.set(body);
  message.set(junk, body.length);
  const size = message.length + ECIES_OVERHEAD_BYTES;
  const packet = new Uint8Array(SIZE_BYTES + size);
  packet.set([size >>> 8, size]);
  packet.set(sealEcies(publicKey, message, packet.subarray(0, SIZE_BYTES), random), SIZE_BYTES);
  return packet;
}

/**
 * Takes a packet of the handshake off the front of what came in.
 *
 * @param queue what came in
 * @param kind which packet it must be
 * @returns the packet as it was sent; undefined until it is whole
 * @throws EthereumError `not-rlpx` at the first bytes that can't begin one
 */
export function takePacket(queue: ByteQueue, kind: RlpxPacketKind): Uint8Array | undefined {
  const high = queue.peek(0);
  const low = queue.peek(1);
  if (high === undefined || low === undefined) return undefined;
  const size = high * 256 + low;
  if (size < ECIES_OVERHEAD_BYTES + BODY_BYTES_MIN[kind] || SIZE_BYTES + size > PACKET_BYTES_MAX) {
    throw notRlpx(`it begins as no ${kind} does, with ${hexOf(high, low)}`);
  }
  const mark = queue.peek(SIZE_BYTES);
  if (mark !== undefined && mark !== ECIES_FIRST_BYTE) {
    throw notRlpx(`it begins as no ${kind} does, with ${hexOf(high, low, mark)}`);
  }
  return queue.take(SIZE_BYTES + size);
}

/**
 * Opens the recipient's ack; its version, further fields and what follows the list are ignored.
 *
 * @param privateKey the initiator's static key, 32 bytes
 * @param ack the packet as it was sent
 * @returns the recipient's ephemeral key, 64 bytes, and nonce, 32 bytes
 * @throws EthereumError `not-rlpx`
 * @see EIP-8
 */
export function openAck(
  privateKey: Uint8Array,
  ack: Uint8Array,
): { readonly publicKey: Uint8Array; readonly nonce: Uint8Array } {
  const fields = openFields(privateKey, ack, "ack");
  return readFields("ack", () => ({
    publicKey: readRlpString(fields[0], PUBLIC_KEY_BYTES),
    nonce: readRlpString(fields[1], KEY_BYTES),
  }));
}

/**
 * Opens the initiator's auth; its version, further fields and what follows the list are ignored.
 *
 * @param privateKey the recipient's static key, 32 bytes
 * @param auth the packet as it was sent
 * @throws EthereumError `not-rlpx`
 * @see EIP-8; devp2p `rlpx.md`, "Initial Handshake"
 */
export function openAuth(privateKey: Uint8Array, auth: Uint8Array): OpenedAuth {
  const fields = openFields(privateKey, auth, "auth");
  return readFields("auth", () => {
    const signature = readRlpString(fields[0], SIGNATURE_BYTES);
    const publicKey = readRlpString(fields[1], PUBLIC_KEY_BYTES);
    const nonce = readRlpString(fields[2], KEY_BYTES);
    const token = signedToken(sharedSecret(privateKey, publicKey), nonce);
    return { publicKey, ephemeralKey: recoverKey(signature, token), nonce };
  });
}

function openFields(
  privateKey: Uint8Array,
  packet: Uint8Array,
  kind: RlpxPacketKind,
): readonly RlpItem[] {
  const size = packet.subarray(0, SIZE_BYTES);
  const message = openEcies(privateKey, packet.subarray(SIZE_BYTES), size);
  return readFields(kind, () => readRlpList(decodeRlpPrefix(message).item));
}

function readFields<T>(kind: RlpxPacketKind, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw notRlpx(`its ${kind} can't be read`, { cause });
  }
}

/** What a handshake says that is used after its end. */
export function rlpxOver(): EthereumError {
  return new EthereumError(
    "handshake-over",
    "This RLPx handshake has ended; begin a new one for another connection.",
  );
}

/**
 * The secret of the two keys of a connection.
 *
 * @param privateKey ours, 32 bytes
 * @param publicKey theirs, 64 bytes
 * @throws EthereumError `not-rlpx` when theirs is not on the curve
 */
export function ephemeralSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  try {
    return sharedSecret(privateKey, publicKey);
  } catch (cause) {
    throw notRlpx("its ephemeral key is not one of secp256k1", { cause });
  }
}

function hexOf(...bytes: number[]): string {
  return Buffer.from(bytes).toString("hex");
}

function notRlpx(what: string, options?: { cause?: unknown }): EthereumError {
  return new EthereumError(
    "not-rlpx",
    `The peer does not speak RLPx: ${what}; check the port.`,
    options,
  );
}
