import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { isIPv4 } from "node:net";
import { ipv4Word, ipv6Bytes } from "../address/ip-bytes.ts";

/** What is kept at the most: a slip must not fill a disk. */
const FILE_BYTES_MAX = 2 ** 30;
/** What is held until there is a file: programs may connect while another tap begins. */
const HELD_BYTES_MAX = 2 ** 22;
/** A packet's length has 16 bits. */
const CHUNK_BYTES_MAX = 65_000;
const MAGIC_MICROSECONDS = 0xa1b2c3d4;
/** Packets begin with IP itself (LINKTYPE_RAW). */
const LINK_RAW = 101;
const TCP = 6;
const RECORD_BYTES = 16;
const IP_BYTES = { 4: 20, 6: 40 } as const;
const TCP_BYTES = 20;
const FLAG = { syn: 0x02, push: 0x08, ack: 0x10 } as const;
const WINDOW = 0xffff;
const HOPS = 64;
/**
 * Between the initial sequence numbers of connections: a program may use a port again, and a second
 * SYN of the same number would be the first one repeated. Odd, so that no number comes twice.
 */
const SEQUENCE_STEP = 0x9e3779b1;
/** Nobody but its owner may read it. */
const MODE = 0o600;

/** One end of a connection. */
export interface PayloadEnd {
  readonly host: string;
  readonly port: number;
}

/** Takes what passes on one connection. */
export type PayloadTrack = (direction: "out" | "in", chunk: Uint8Array, timeMs: number) => void;

/** Where a tap gives what passes, where that is wished. */
export interface PayloadSink {
  /**
   * A connection began.
   *
   * @param from who connected
   * @param to where it leads
   * @param timeMs when, milliseconds since 1970
   * @returns takes its chunks, and does not keep them; never throws
   */
  begin(from: PayloadEnd, to: PayloadEnd, timeMs: number): PayloadTrack;
}

/**
 * Keeps what passes taps as a capture that Wireshark reads: chunks as TCP segments with both ends'
 * own addresses. Checksums of TCP are left out. When it is full, or its disk is, the rest is not
 * kept, and nobody else is held up. Until it has a file, it holds 4 MiB in memory.
 */
export class PayloadFile implements PayloadSink {
  /** Bytes of chunks for which there was no room. */
  droppedBytes = 0;
  /** Why nothing more can be written; undefined while all is well. */
  failure: Error | undefined;
  readonly #bytesMax: number;
  #file: number | undefined;
  #held: Uint8Array[] = [];
  #bytes = 0;
  #initial = 0;

  /** @param bytesMax what is kept at the most; 1 GiB unless told otherwise */
  constructor(bytesMax: number = FILE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
    const head = new DataView(new ArrayBuffer(24));
    head.setUint32(0, MAGIC_MICROSECONDS);
    head.setUint16(4, 2);
    head.setUint16(6, 4);
    head.setUint32(16, CHUNK_BYTES_MAX + IP_BYTES[6] + TCP_BYTES);
    head.setUint32(20, LINK_RAW);
    this.#keep(new Uint8Array(head.buffer));
  }

  /**
   * Makes its file. What is there already stays as it is, a link too: somebody may need it, and
   * others may be able to read it.
   *
   * @param path of the file
   * @throws the system's error, EEXIST where something is there
   */
  create(path: string): void {
    this.writeTo(openSync(path, "wx", MODE));
  }

  /**
   * Writes what it holds, and all that comes, to a file that is open.
   *
   * @param file its descriptor, which {@link PayloadFile.close} closes
   */
  writeTo(file: number): void {
    this.#file = file;
    for (const bytes of this.#held) this.#write(file, bytes);
    this.#held = [];
  }

  begin(from: PayloadEnd, to: PayloadEnd, timeMs: number): PayloadTrack {
    const sent = { out: this.#initial, in: this.#initial };
    this.#initial = (this.#initial + SEQUENCE_STEP) >>> 0;
    const segment = (
      direction: "out" | "in",
      flags: number,
      part: Uint8Array,
      ms: number,
    ): void => {
      const [source, target] = direction === "out" ? [from, to] : [to, from];
      const other = direction === "out" ? "in" : "out";
      const head = headers(source, target, part.length);
      const tcp = new DataView(head.buffer, head.length - TCP_BYTES);
      tcp.setUint16(0, source.port);
      tcp.setUint16(2, target.port);
      tcp.setUint32(4, sent[direction] >>> 0);
      tcp.setUint32(8, flags === FLAG.syn ? 0 : sent[other] >>> 0);
      tcp.setUint8(12, (TCP_BYTES / 4) << 4);
      tcp.setUint8(13, flags);
      tcp.setUint16(14, WINDOW);
      sent[direction] += part.length + (flags & FLAG.syn ? 1 : 0);
      this.#record(head, part, ms);
    };
    const nothing = new Uint8Array(0);
    segment("out", FLAG.syn, nothing, timeMs);
    segment("in", FLAG.syn | FLAG.ack, nothing, timeMs);
    return (direction, chunk, ms) => {
      for (let at = 0; at < chunk.length; at += CHUNK_BYTES_MAX) {
        segment(direction, FLAG.push | FLAG.ack, chunk.subarray(at, at + CHUNK_BYTES_MAX), ms);
      }
    };
  }

  /** Ends the file, where there is one. */
  close(): void {
    if (this.#file === undefined) return;
    try {
      if (this.failure === undefined) fsyncSync(this.#file);
    } catch (error) {
      this.#fail(error);
    }
    closeSync(this.#file);
  }

  #record(head: Uint8Array, part: Uint8Array, timeMs: number): void {
    const length = head.length + part.length;
    if (this.failure !== undefined || RECORD_BYTES + length > this.#room) {
      this.droppedBytes += part.length;
      return;
    }
    const bytes = new Uint8Array(RECORD_BYTES + length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, Math.floor(timeMs / 1_000));
    view.setUint32(4, Math.floor((timeMs % 1_000) * 1_000));
    view.setUint32(8, length);
    view.setUint32(12, length);
    bytes.set(head, RECORD_BYTES);
    bytes.set(part, RECORD_BYTES + head.length);
    this.#keep(bytes);
  }

  get #room(): number {
    const most = this.#file === undefined ? HELD_BYTES_MAX : this.#bytesMax;
    return Math.min(most, this.#bytesMax) - this.#bytes;
  }

  #keep(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#file === undefined) this.#held.push(bytes);
    else this.#write(this.#file, bytes);
  }

  #write(file: number, bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.failure ??= error instanceof Error ? error : new Error(String(error));
  }
}

/** Room for the headers of IP and TCP, those of IP filled in. */
function headers(source: PayloadEnd, target: PayloadEnd, payload: number): Uint8Array {
  if (isIPv4(source.host) && isIPv4(target.host)) {
    const bytes = new Uint8Array(IP_BYTES[4] + TCP_BYTES);
    const ip = new DataView(bytes.buffer);
    ip.setUint8(0, 0x45);
    ip.setUint16(2, bytes.length + payload);
    ip.setUint8(8, HOPS);
    ip.setUint8(9, TCP);
    // The word holds the first byte lowest.
    ip.setUint32(12, ipv4Word(source.host), true);
    ip.setUint32(16, ipv4Word(target.host), true);
    ip.setUint16(10, checksum(ip));
    return bytes;
  }
  const bytes = new Uint8Array(IP_BYTES[6] + TCP_BYTES);
  const ip = new DataView(bytes.buffer);
  ip.setUint32(0, 0x60000000);
  ip.setUint16(4, TCP_BYTES + payload);
  ip.setUint8(6, TCP);
  ip.setUint8(7, HOPS);
  bytes.set(ipv6Of(source.host), 8);
  bytes.set(ipv6Of(target.host), 24);
  return bytes;
}

/** RFC 4291: an IPv4 address among those of IPv6. */
function ipv6Of(host: string): Uint8Array {
  return ipv6Bytes(isIPv4(host) ? `::ffff:${host}` : host.replace(/%.*/, ""));
}

/** RFC 1071, over a header of IPv4 whose own checksum is 0. */
function checksum(ip: DataView): number {
  let sum = 0;
  for (let at = 0; at < IP_BYTES[4]; at += 2) sum += ip.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
