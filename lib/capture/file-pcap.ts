import { type ByteOrder, bigEndian, littleEndian } from "./file-bytes.ts";
import { type FileFormat, PACKET_BYTES_MAX, type ReadCount } from "./file-format.ts";
import { isReadableLink, LINK_TYPES_TEXT, type PacketSink } from "./packet-sink.ts";

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const VERSION_MAJOR = 2;
/** The upper bits of the link type say whether frames end in a checksum. */
const LINK_TYPE_BITS = 0x03ff_ffff;

/** What the first four bytes say of a classic capture. */
interface Magic {
  readonly order: ByteOrder;
  /** Microseconds a unit of the fraction of a second. */
  readonly unitUs: number;
}

const magics: ReadonlyMap<number, Magic> = new Map([
  [0xd4c3b2a1, { order: littleEndian, unitUs: 1 }],
  [0xa1b2c3d4, { order: bigEndian, unitUs: 1 }],
  [0x4d3cb2a1, { order: littleEndian, unitUs: 1e-3 }],
  [0xa1b23c4d, { order: bigEndian, unitUs: 1e-3 }],
]);

/**
 * Whether a file is a classic capture.
 *
 * @param magic its first four bytes, high byte first
 */
export function isPcapMagic(magic: number): boolean {
  return magics.has(magic);
}

/**
 * The classic capture format of libpcap, in both byte orders, with microseconds or nanoseconds.
 *
 * Source: draft-ietf-opsawg-pcap; libpcap's sf-pcap.c.
 */
export class PcapFormat implements FileFormat {
  readonly #sink: PacketSink;
  readonly #count: ReadCount;
  #magic: Magic | undefined;
  #linkType = 0;

  /**
   * @param sink where packets go
   * @param count counted up as they do
   */
  constructor(sink: PacketSink, count: ReadCount) {
    this.#sink = sink;
    this.#count = count;
  }

  parse(bytes: Uint8Array, start: number, end: number, offset: number): number {
    let at = start;
    if (this.#magic === undefined) {
      if (end - at < FILE_HEADER_BYTES) return 0;
      this.#magic = this.#fileHeader(bytes, at, offset);
      at += FILE_HEADER_BYTES;
    }
    const { order, unitUs } = this.#magic;
    const done =
      order === littleEndian
        ? this.#littleEndian(bytes, at, end, unitUs)
        : this.#bigEndian(bytes, at, end, unitUs);
    if (end - done >= RECORD_HEADER_BYTES) {
      const captured = order.uint32(bytes, done + 8);
      if (captured > PACKET_BYTES_MAX) {
        throw this.#count.fault(
          "record-too-large",
          `The record claims ${captured} captured bytes, ${PACKET_BYTES_MAX} are possible: the file is damaged here`,
          offset + done - start,
        );
      }
    }
    return done - start;
  }

  #fileHeader(bytes: Uint8Array, at: number, offset: number): Magic {
    const magic = magics.get(bigEndian.uint32(bytes, at));
    if (magic === undefined) {
      throw this.#count.fault("not-a-capture", "The file is no classic capture", offset);
    }
    const major = magic.order.uint16(bytes, at + 4);
    if (major !== VERSION_MAJOR) {
      throw this.#count.fault(
        "version",
        `The file has format version ${major}; only version ${VERSION_MAJOR} can be read`,
        offset,
      );
    }
    this.#linkType = (magic.order.uint32(bytes, at + 20) & LINK_TYPE_BITS) >>> 0;
    if (!isReadableLink(this.#linkType)) {
      throw this.#count.fault(
        "link-type",
        `The capture has link type ${this.#linkType}; only ${LINK_TYPES_TEXT} can be read`,
        offset,
      );
    }
    return magic;
  }

  /** Two loops, one for each byte order: a loop that asks for it at every field takes twice as long. */
  #littleEndian(bytes: Uint8Array, start: number, end: number, unitUs: number): number {
    const sink = this.#sink;
    const linkType = this.#linkType;
    let at = start;
    let packets = 0;
    while (end - at >= RECORD_HEADER_BYTES) {
      const captured = littleEndian.uint32(bytes, at + 8);
      if (captured > PACKET_BYTES_MAX || at + RECORD_HEADER_BYTES + captured > end) break;
      const original = littleEndian.uint32(bytes, at + 12);
      const seconds = littleEndian.uint32(bytes, at);
      const timeUs = seconds * 1e6 + littleEndian.uint32(bytes, at + 4) * unitUs;
      const packet = at + RECORD_HEADER_BYTES;
      packets++;
      sink.packet(
        bytes,
        packet,
        captured,
        original < captured ? captured : original,
        timeUs,
        linkType,
      );
      at = packet + captured;
    }
    this.#count.packets += packets;
    return at;
  }

  #bigEndian(bytes: Uint8Array, start: number, end: number, unitUs: number): number {
    const sink = this.#sink;
    const linkType = this.#linkType;
    let at = start;
    let packets = 0;
    while (end - at >= RECORD_HEADER_BYTES) {
      const captured = bigEndian.uint32(bytes, at + 8);
      if (captured > PACKET_BYTES_MAX || at + RECORD_HEADER_BYTES + captured > end) break;
      const original = bigEndian.uint32(bytes, at + 12);
      const seconds = bigEndian.uint32(bytes, at);
      const timeUs = seconds * 1e6 + bigEndian.uint32(bytes, at + 4) * unitUs;
      const packet = at + RECORD_HEADER_BYTES;
      packets++;
      sink.packet(
        bytes,
        packet,
        captured,
        original < captured ? captured : original,
        timeUs,
        linkType,
      );
      at = packet + captured;
    }
    this.#count.packets += packets;
    return at;
  }
}
