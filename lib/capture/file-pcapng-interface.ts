import type { ByteOrder } from "./file-bytes.ts";
import { isReadableLink } from "./packet-sink.ts";

const OPTION_END = 0;
const OPTION_TIME_RESOLUTION = 9;
const OPTION_TIME_OFFSET = 14;
/** Microseconds: what holds without the option. */
const TIME_RESOLUTION_DEFAULT = 6;
/** Set in the option's value, the unit is a power of two, else of ten. */
const POWER_OF_TWO = 0x80;
/** Ticks that the high half of a time stands for. */
const HIGH_HALF = 4_294_967_296;

/** What a section says of one of its interfaces. */
export class CaptureInterface {
  readonly linkType: number;
  /** Whether its packets can be read. */
  readonly isReadable: boolean;
  /** Bytes of a packet that are captured at the most; 0 for no limit. */
  readonly snapLength: number;
  readonly #highUs: number;
  readonly #lowUs: number;
  readonly #offsetUs: number;

  /**
   * @param bytes holds the interface description block
   * @param at where the block's body starts
   * @param end where its body ends; at least 8 bytes later
   * @param order byte order of the section
   */
  constructor(bytes: Uint8Array, at: number, end: number, order: ByteOrder) {
    this.linkType = order.uint16(bytes, at);
    this.isReadable = isReadableLink(this.linkType);
    this.snapLength = order.uint32(bytes, at + 4);
    let resolution = TIME_RESOLUTION_DEFAULT;
    let offsetSeconds = 0;
    forEachOption(bytes, at + 8, end, order, (code, value, length) => {
      if (code === OPTION_TIME_RESOLUTION && length >= 1) resolution = bytes[value] ?? 0;
      if (code === OPTION_TIME_OFFSET && length >= 8) {
        offsetSeconds = int64(bytes, value, order);
      }
    });
    const exponent = resolution & ~POWER_OF_TWO;
    const ticks = resolution & POWER_OF_TWO ? 2 ** exponent : 10 ** exponent;
    this.#lowUs = 1e6 / ticks;
    this.#highUs = (HIGH_HALF * 1e6) / ticks;
    this.#offsetUs = offsetSeconds * 1e6;
  }

  /**
   * The time of a packet.
   *
   * @param high upper 32 bits of its ticks
   * @param low lower 32 bits of its ticks
   * @returns microseconds since 1970
   */
  timeUs(high: number, low: number): number {
    return high * this.#highUs + low * this.#lowUs + this.#offsetUs;
  }
}

/** Options are lists of a 16-bit code, a 16-bit length and a value, padded to 32 bits. */
function forEachOption(
  bytes: Uint8Array,
  start: number,
  end: number,
  order: ByteOrder,
  take: (code: number, value: number, length: number) => void,
): void {
  let at = start;
  while (end - at >= 4) {
    const code = order.uint16(bytes, at);
    const length = order.uint16(bytes, at + 2);
    if (code === OPTION_END || at + 4 + length > end) return;
    take(code, at + 4, length);
    at += 4 + ((length + 3) & ~3);
  }
}

function int64(bytes: Uint8Array, at: number, order: ByteOrder): number {
  const first = order.uint32(bytes, at);
  const second = order.uint32(bytes, at + 4);
  // The two halves stand in the section's byte order too.
  const isLittle = order.uint16(Uint8Array.of(1, 0), 0) === 1;
  const high = isLittle ? second : first;
  const low = isLittle ? first : second;
  return (high | 0) * HIGH_HALF + low;
}
