import type { CaptureProgress } from "./error.ts";
import { bigEndian } from "./file-bytes.ts";
import { type FileFormat, ReadCount } from "./file-format.ts";
import { isPcapMagic, PcapFormat } from "./file-pcap.ts";
import { isPcapngMagic, PcapngFormat } from "./file-pcapng.ts";
import type { PacketSink } from "./packet-sink.ts";

/**
 * The reader's only buffer. It holds the largest record that can be (a packet of 256 KiB with its
 * options) and is small enough to stay in a processor's cache.
 */
const BUFFER_BYTES = 1 << 19;

/** How compressed files start, high byte first, and what unpacks them. */
const compressions: readonly (readonly [mask: number, start: number, program: string])[] = [
  [0xffff_0000, 0x1f8b_0000, "gzip -dc"],
  [0xffff_ffff, 0x28b5_2ffd, "zstd -dc"],
  [0xffff_ffff, 0xfd37_7a58, "xz -dc"],
  [0xffff_ff00, 0x425a_6800, "bzip2 -dc"],
];

/**
 * Reads a capture, classic or pcapng, from bytes that come in pieces of any size. It opens nothing
 * and keeps one buffer, however large the capture is.
 *
 * Either write into {@link CaptureReader.room} and tell how much, which copies nothing, or push.
 */
export class CaptureReader {
  readonly #sink: PacketSink;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #count = new ReadCount();
  #format: FileFormat | undefined;
  #start = 0;
  #end = 0;
  /** Bytes still to come that are of no interest. */
  #skip = 0;

  /** @param sink where packets go, each as soon as it is whole */
  constructor(sink: PacketSink) {
    this.#sink = sink;
  }

  /** How far the capture has been read. */
  get progress(): CaptureProgress {
    return this.#count.snapshot();
  }

  /** Where the next bytes of the capture are to be written; never empty. */
  room(): Uint8Array {
    return this.#buffer.subarray(this.#end);
  }

  /**
   * Takes what was written to the room.
   *
   * @param length how many bytes
   * @throws CaptureError about the first record that is damaged; the reader is of no use after it
   */
  filled(length: number): void {
    this.#end += length;
    this.#count.bytes += length;
    this.#skipOver();
    if (this.#skip === 0 && (this.#format !== undefined || this.#recognise())) this.#parse();
    // The rest of a record moves to the front, so that there is always room behind it.
    this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
  }

  /**
   * Takes a piece of the capture.
   *
   * @param piece any number of bytes; copied
   * @throws CaptureError as {@link CaptureReader.filled}
   */
  push(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      const room = this.room();
      const part = piece.subarray(at, at + room.length);
      room.set(part);
      at += part.length;
      this.filled(part.length);
    }
  }

  /**
   * Tells that the capture is at its end.
   *
   * @returns how much there was
   * @throws CaptureError `truncated` when the last record is not whole, `empty` without any byte
   */
  end(): CaptureProgress {
    const left = this.#end - this.#start;
    const offset = this.#count.bytes - left;
    if (this.#count.bytes === 0) {
      throw this.#count.fault("empty", "The capture is empty", 0);
    }
    if (left > 0 || this.#skip > 0) {
      throw this.#count.fault(
        "truncated",
        this.#format === undefined
          ? `The file ends within its header, after ${left} bytes`
          : `The capture was cut short: ${left} bytes of its last record are there`,
        offset,
      );
    }
    return this.progress;
  }

  #parse(): void {
    const read = this.#count;
    for (;;) {
      const offset = read.bytes - (this.#end - this.#start);
      const used = this.#format?.parse(this.#buffer, this.#start, this.#end, offset) ?? 0;
      const there = this.#end - this.#start;
      this.#start += Math.min(used, there);
      this.#skip = Math.max(0, used - there);
      if (used === 0 || this.#start === this.#end) return;
    }
  }

  #skipOver(): void {
    const skipped = Math.min(this.#skip, this.#end - this.#start);
    this.#skip -= skipped;
    this.#start += skipped;
  }

  #recognise(): boolean {
    if (this.#end - this.#start < 4) return false;
    const magic = bigEndian.uint32(this.#buffer, this.#start);
    if (isPcapMagic(magic)) this.#format = new PcapFormat(this.#sink, this.#count);
    else if (isPcapngMagic(magic)) this.#format = new PcapngFormat(this.#sink, this.#count);
    else {
      const packed = compressions.find(([mask, start]) => (magic & mask) >>> 0 === start);
      if (packed !== undefined) {
        throw this.#count.fault(
          "compressed",
          `The capture is compressed; unpack it first: ${packed[2]} FILE | …`,
          0,
        );
      }
      const hex = magic.toString(16).padStart(8, "0");
      throw this.#count.fault(
        "not-a-capture",
        `The file starts with ${hex}, which neither pcap nor pcapng does`,
        0,
      );
    }
    return true;
  }
}
