import { closeSync, openSync, writeSync } from "node:fs";
import { integerBelow } from "../lib/runtime/distribution.ts";
import { SeededRandom } from "../lib/runtime/random.ts";

/** What a made capture holds; the same values make the same file, byte for byte. */
export interface MadeCapture {
  readonly packets: number;
  /** TCP flows, each with its handshake; packets fall on them at random. */
  readonly flows: number;
  readonly seed: number;
}

/** What was written, to hold a reader's figures against. */
export interface MadeTotals {
  readonly fileBytes: number;
  /** Payload bytes without the retransmitted ones. */
  readonly newBytes: number;
  readonly retransmittedBytes: number;
}

const BLOCK_BYTES = 4 << 20;
const HEADERS_BYTES = 14 + 20 + 20;
/** Payloads of 1 to 200 bytes make 170 bytes a packet, record header included. */
const PAYLOAD_BYTES_MAX = 200;
/** Two packets follow each other in 100 µs on average: 2 million take 200 s. */
const GAP_US_MAX = 200;
/** One data packet in so many is sent a second time. */
const RETRANSMIT_ONE_IN = 100;
const START_UNIX_SECONDS = 1_750_000_000;
const SYN = 0x02;
const ACK = 0x10;

/**
 * Writes a classic pcap file of Ethernet, IPv4 and TCP.
 *
 * @param path of the file
 * @param made how many packets and flows
 */
export function writeCapture(path: string, made: MadeCapture): MadeTotals {
  const file = openSync(path, "w");
  try {
    return new CaptureWriter(file, made).write();
  } finally {
    closeSync(file);
  }
}

class CaptureWriter {
  readonly #file: number;
  readonly #made: MadeCapture;
  readonly #random: SeededRandom;
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  /** Next sequence number of each flow's two directions. */
  readonly #next: Uint32Array;
  #used = 0;
  #written = 0;
  #timeUs = 0;
  #newBytes = 0;
  #retransmittedBytes = 0;

  constructor(file: number, made: MadeCapture) {
    this.#file = file;
    this.#made = made;
    this.#random = new SeededRandom(made.seed);
    this.#next = Uint32Array.from({ length: made.flows * 2 }, () => this.#random.uint32());
  }

  write(): MadeTotals {
    this.#fileHeader();
    const { packets, flows } = this.#made;
    for (let i = 0; i < packets; i++) {
      if (i < flows) this.#handshake(i, 0, SYN);
      else if (i < 2 * flows) this.#handshake(i - flows, 1, SYN | ACK);
      else this.#data();
    }
    this.#flush();
    return {
      fileBytes: this.#written,
      newBytes: this.#newBytes,
      retransmittedBytes: this.#retransmittedBytes,
    };
  }

  #fileHeader(): void {
    const block = this.#block;
    block.writeUInt32LE(0xa1b2c3d4, 0);
    block.writeUInt16LE(2, 4);
    block.writeUInt16LE(4, 6);
    block.writeUInt32LE(262_144, 16);
    block.writeUInt32LE(1, 20);
    this.#used = 24;
  }

  #handshake(flow: number, direction: number, flags: number): void {
    const side = 2 * flow + direction;
    this.#packet(flow, direction, flags, this.#next[side] ?? 0, 0);
    this.#next[side] = ((this.#next[side] ?? 0) + 1) >>> 0;
  }

  #data(): void {
    const random = this.#random;
    const flow = integerBelow(random, this.#made.flows);
    const direction = integerBelow(random, 4) === 0 ? 1 : 0;
    const side = 2 * flow + direction;
    const length = 1 + integerBelow(random, PAYLOAD_BYTES_MAX);
    const next = this.#next[side] ?? 0;
    // One old byte alone would be a probe of an idle connection.
    if (length > 1 && integerBelow(random, RETRANSMIT_ONE_IN) === 0) {
      this.#packet(flow, direction, ACK, (next - length) >>> 0, length);
      this.#retransmittedBytes += length;
      return;
    }
    this.#packet(flow, direction, ACK, next, length);
    this.#next[side] = (next + length) >>> 0;
    this.#newBytes += length;
  }

  #packet(flow: number, direction: number, flags: number, sequence: number, length: number): void {
    const bytes = HEADERS_BYTES + length;
    if (this.#used + 16 + bytes > BLOCK_BYTES) this.#flush();
    const block = this.#block;
    const at = this.#used;
    this.#timeUs += integerBelow(this.#random, GAP_US_MAX);
    block.writeUInt32LE(START_UNIX_SECONDS + Math.floor(this.#timeUs / 1e6), at);
    block.writeUInt32LE(this.#timeUs % 1e6, at + 4);
    block.writeUInt32LE(bytes, at + 8);
    block.writeUInt32LE(bytes, at + 12);
    const ethernet = at + 16;
    block.fill(0, ethernet, ethernet + bytes);
    block.writeUInt16BE(0x0800, ethernet + 12);
    this.#headers(ethernet + 14, flow, direction, length);
    const tcp = ethernet + 34;
    block.writeUInt32BE(sequence, tcp + 4);
    block.writeUInt32BE(flags & ACK ? (this.#next[2 * flow + 1 - direction] ?? 0) : 0, tcp + 8);
    block[tcp + 12] = 5 << 4;
    block[tcp + 13] = flags;
    block.writeUInt16BE(64_240, tcp + 14);
    this.#used = ethernet + bytes;
  }

  #headers(ip: number, flow: number, direction: number, length: number): void {
    const block = this.#block;
    block[ip] = 0x45;
    block.writeUInt16BE(40 + length, ip + 2);
    block[ip + 8] = 64;
    block[ip + 9] = 6;
    const client = 0x0a00_0000 + (flow % 50);
    const server = 0x0a01_0000 + Math.floor(flow / 50);
    const clientPort = 20_000 + (flow % 40_000);
    block.writeUInt32BE(direction === 0 ? client : server, ip + 12);
    block.writeUInt32BE(direction === 0 ? server : client, ip + 16);
    block.writeUInt16BE(direction === 0 ? clientPort : 18_084, ip + 20);
    block.writeUInt16BE(direction === 0 ? 18_084 : clientPort, ip + 22);
  }

  #flush(): void {
    writeSync(this.#file, this.#block, 0, this.#used);
    this.#written += this.#used;
    this.#used = 0;
  }
}
