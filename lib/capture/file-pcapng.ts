import { type ByteOrder, bigEndian, littleEndian } from "./file-bytes.ts";
import { type FileFormat, PACKET_BYTES_MAX, type ReadCount } from "./file-format.ts";
import { CaptureInterface } from "./file-pcapng-interface.ts";
import type { PacketSink } from "./packet-sink.ts";

const BLOCK = {
  section: 0x0a0d0d0a,
  interface: 1,
  obsoletePacket: 2,
  simplePacket: 3,
  enhancedPacket: 6,
} as const;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const VERSION_MAJOR = 1;
/** Type, length and the length again. */
const BLOCK_FRAME_BYTES = 12;
const SECTION_BYTES_MIN = 28;
const INTERFACE_BYTES_MIN = 20;
/**
 * Blocks above it are damage.
 *
 * Source: Wireshark's MAX_BLOCK_SIZE; libpcap refuses the same.
 */
const BLOCK_BYTES_MAX = 16 << 20;
/** Blocks that are read whole: a packet of the largest size, and options as long as a half. */
const READ_BLOCK_BYTES_MAX = PACKET_BYTES_MAX + (PACKET_BYTES_MAX >> 1);
/** More interfaces than a machine has: each takes memory for as long as its section. */
const INTERFACES_MAX = 4_096;

/**
 * Whether a file is pcapng.
 *
 * @param magic its first four bytes
 */
export function isPcapngMagic(magic: number): boolean {
  return magic === BLOCK.section;
}

/**
 * The pcapng format: several sections, each in its own byte order with its own interfaces, whose
 * times have their own units. Blocks of unknown types are passed over.
 *
 * Source: draft-ietf-opsawg-pcapng.
 */
export class PcapngFormat implements FileFormat {
  readonly #sink: PacketSink;
  readonly #count: ReadCount;
  #order: ByteOrder = littleEndian;
  #interfaces: CaptureInterface[] = [];
  #lastUs = 0;

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
    while (end - at >= BLOCK_FRAME_BYTES) {
      const place = offset + at - start;
      let type = this.#order.uint32(bytes, at);
      if (type === BLOCK.section) this.#order = this.#byteOrder(bytes, at + 8, place);
      type = this.#order.uint32(bytes, at);
      const length = this.#order.uint32(bytes, at + 4);
      this.#checkLength(type, length, place);
      if (length > READ_BLOCK_BYTES_MAX) return at - start + length;
      if (length > end - at) break;
      const trailer = this.#order.uint32(bytes, at + length - 4);
      if (trailer !== length) {
        throw this.#count.fault(
          "block-length",
          `The block is ${length} bytes long by its start and ${trailer} by its end: the file is damaged here`,
          place,
        );
      }
      this.#block(type, bytes, at, length, place);
      at += length;
    }
    return at - start;
  }

  #byteOrder(bytes: Uint8Array, at: number, place: number): ByteOrder {
    if (littleEndian.uint32(bytes, at) === BYTE_ORDER_MAGIC) return littleEndian;
    if (bigEndian.uint32(bytes, at) === BYTE_ORDER_MAGIC) return bigEndian;
    const magic = bigEndian.uint32(bytes, at).toString(16).padStart(8, "0");
    throw this.#count.fault(
      "byte-order",
      `The section has byte-order mark ${magic}, not 1a2b3c4d either way round`,
      place,
    );
  }

  #checkLength(type: number, length: number, place: number): void {
    if (length < BLOCK_FRAME_BYTES || (length & 3) !== 0) {
      throw this.#count.fault(
        "block-length",
        `The block claims ${length} bytes, no multiple of 4 from ${BLOCK_FRAME_BYTES}: the file is damaged here`,
        place,
      );
    }
    const isRead =
      type === BLOCK.section || (type <= BLOCK.enhancedPacket && type !== 4 && type !== 5);
    const max = isRead ? READ_BLOCK_BYTES_MAX : BLOCK_BYTES_MAX;
    if (length > max) {
      throw this.#count.fault(
        "block-too-large",
        `The block of type ${type} claims ${length} bytes, ${max} are possible: the file is damaged here`,
        place,
      );
    }
  }

  #block(type: number, bytes: Uint8Array, at: number, length: number, place: number): void {
    switch (type) {
      case BLOCK.enhancedPacket:
        this.#enhancedPacket(bytes, at, length, place);
        return;
      case BLOCK.simplePacket:
        this.#simplePacket(bytes, at, length, place);
        return;
      case BLOCK.obsoletePacket:
        this.#obsoletePacket(bytes, at, length, place);
        return;
      case BLOCK.interface:
        this.#interface(bytes, at, length, place);
        return;
      case BLOCK.section:
        this.#section(bytes, at, length, place);
    }
  }

  #section(bytes: Uint8Array, at: number, length: number, place: number): void {
    const major = this.#order.uint16(bytes, at + 12);
    if (length < SECTION_BYTES_MIN || major !== VERSION_MAJOR) {
      throw this.#count.fault(
        "version",
        `The section has format version ${major} in ${length} bytes; only version ${VERSION_MAJOR} can be read`,
        place,
      );
    }
    this.#interfaces = [];
  }

  #interface(bytes: Uint8Array, at: number, length: number, place: number): void {
    if (length < INTERFACE_BYTES_MIN || this.#interfaces.length === INTERFACES_MAX) {
      throw this.#count.fault(
        "interface",
        `Interface ${this.#interfaces.length} is described in ${length} bytes; ${INTERFACE_BYTES_MIN} are the least, and ${INTERFACES_MAX} interfaces the most`,
        place,
      );
    }
    this.#interfaces.push(new CaptureInterface(bytes, at + 8, at + length - 4, this.#order));
  }

  #enhancedPacket(bytes: Uint8Array, at: number, length: number, place: number): void {
    const { uint32 } = this.#order;
    if (length < 32) throw this.#tooShort(length, place);
    const source = this.#interfaceOf(uint32(bytes, at + 8), place);
    const captured = uint32(bytes, at + 20);
    if (captured > length - 32) throw this.#tooShort(length, place, captured);
    const timeUs = source.timeUs(uint32(bytes, at + 12), uint32(bytes, at + 16));
    this.#packet(source, bytes, at + 28, captured, uint32(bytes, at + 24), timeUs);
  }

  #obsoletePacket(bytes: Uint8Array, at: number, length: number, place: number): void {
    const { uint16, uint32 } = this.#order;
    if (length < 32) throw this.#tooShort(length, place);
    const source = this.#interfaceOf(uint16(bytes, at + 8), place);
    const captured = uint32(bytes, at + 20);
    if (captured > length - 32) throw this.#tooShort(length, place, captured);
    const timeUs = source.timeUs(uint32(bytes, at + 12), uint32(bytes, at + 16));
    this.#packet(source, bytes, at + 28, captured, uint32(bytes, at + 24), timeUs);
  }

  #simplePacket(bytes: Uint8Array, at: number, length: number, place: number): void {
    if (length < 16) throw this.#tooShort(length, place);
    const source = this.#interfaceOf(0, place);
    const original = this.#order.uint32(bytes, at + 8);
    const limit = source.snapLength === 0 ? original : Math.min(original, source.snapLength);
    const captured = Math.min(limit, length - 16);
    this.#count.untimedPackets++;
    this.#packet(source, bytes, at + 12, captured, original, this.#lastUs);
  }

  #packet(
    source: CaptureInterface,
    bytes: Uint8Array,
    at: number,
    captured: number,
    original: number,
    timeUs: number,
  ): void {
    this.#lastUs = timeUs;
    this.#count.packets++;
    if (!source.isReadable) {
      this.#count.foreignPackets++;
      return;
    }
    const whole = original < captured ? captured : original;
    this.#sink.packet(bytes, at, captured, whole, timeUs, source.linkType);
  }

  #interfaceOf(id: number, place: number): CaptureInterface {
    const source = this.#interfaces[id];
    if (source !== undefined) return source;
    throw this.#count.fault(
      "interface",
      `The packet comes from interface ${id}; the section has described ${this.#interfaces.length} until here`,
      place,
    );
  }

  #tooShort(length: number, place: number, captured?: number): Error {
    const claim =
      captured === undefined ? "has no room for a packet" : `claims ${captured} captured`;
    return this.#count.fault(
      captured === undefined ? "block-length" : "record-too-large",
      `The packet block of ${length} bytes ${claim}: the file is damaged here`,
      place,
    );
  }
}
