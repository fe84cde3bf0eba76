/** TCP flags. */
export const FLAG = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

/** A TCP packet to be made. */
export interface MadeSegment {
  readonly source?: readonly [address: string, port: number];
  readonly target?: readonly [address: string, port: number];
  readonly sequence?: number;
  readonly flags?: number;
  readonly payload?: number;
}

/** The ends of packets that name none. */
export const CLIENT = ["10.0.0.2", 40_000] as const;
export const SERVER = ["10.0.0.1", 18_084] as const;

const concatenate = (...parts: readonly (readonly number[] | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

const word = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const long = (value: number): number[] => [...word(value >>> 16), ...word(value)];

/** A TCP header without options, with a payload of as many zeroes as asked for. */
export function tcp(made: MadeSegment): Uint8Array {
  const { source = CLIENT, target = SERVER, sequence = 0, flags = FLAG.ack, payload = 0 } = made;
  const header = [...word(source[1]), ...word(target[1]), ...long(sequence), ...long(1)];
  return concatenate(header, [5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0], new Uint8Array(payload));
}

/** A UDP datagram of zeroes. */
export function udp(source: number, target: number, payload: number): Uint8Array {
  return concatenate(
    [...word(source), ...word(target), ...word(8 + payload), 0, 0],
    new Uint8Array(payload),
  );
}

/** An IPv4 packet; `fragment` is the field of flags and offset. */
export function ipv4(
  source: string,
  target: string,
  protocol: number,
  body: Uint8Array,
  fragment = 0x4000,
): Uint8Array {
  const octets = (text: string): number[] => text.split(".").map(Number);
  return concatenate(
    [0x45, 0, ...word(20 + body.length), 0, 0, ...word(fragment), 64, protocol, 0, 0],
    [...octets(source), ...octets(target)],
    body,
  );
}

/** An IPv6 packet; `next` is the number of the first header in the body. */
export function ipv6(
  source: Uint8Array,
  target: Uint8Array,
  next: number,
  body: Uint8Array,
): Uint8Array {
  return concatenate([0x60, 0, 0, 0, ...word(body.length), next, 64], source, target, body);
}

/** A TCP packet over IPv4. */
export function segment(made: MadeSegment): Uint8Array {
  const { source = CLIENT, target = SERVER } = made;
  return ipv4(source[0], target[0], 6, tcp(made));
}

/** An Ethernet frame, with VLAN tags as asked for. */
export function ethernet(type: number, body: Uint8Array, tags: readonly number[] = []): Uint8Array {
  const tagged = tags.flatMap((tag) => [...word(tag), 0, 7]);
  return concatenate(new Uint8Array(12), tagged, word(type), body);
}

/** A TCP packet over IPv4 and Ethernet. */
export const frame = (made: MadeSegment): Uint8Array => ethernet(0x0800, segment(made));

/** A packet in a file. */
export interface MadePacket {
  readonly timeUs: number;
  readonly bytes: Uint8Array;
  /** Bytes on the wire, where more than were captured. */
  readonly original?: number;
}

/** How a file is to be written. */
export interface MadeOrder {
  readonly isBigEndian?: boolean;
  readonly isNanoseconds?: boolean;
}

class Writer {
  readonly #bytes: number[] = [];
  readonly #isBig: boolean;

  constructor(isBig: boolean) {
    this.#isBig = isBig;
  }

  uint16(...values: readonly number[]): this {
    for (const value of values) {
      const bytes = word(value);
      this.#bytes.push(...(this.#isBig ? bytes : bytes.reverse()));
    }
    return this;
  }

  uint32(...values: readonly number[]): this {
    for (const value of values) {
      const bytes = long(value);
      this.#bytes.push(...(this.#isBig ? bytes : bytes.reverse()));
    }
    return this;
  }

  raw(bytes: Iterable<number>): this {
    this.#bytes.push(...bytes);
    return this;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** A classic capture file. */
export function pcap(
  packets: readonly MadePacket[],
  linkType = 1,
  { isBigEndian = false, isNanoseconds = false }: MadeOrder = {},
): Uint8Array {
  const out = new Writer(isBigEndian);
  out
    .uint32(isNanoseconds ? 0xa1b23c4d : 0xa1b2c3d4)
    .uint16(2, 4)
    .uint32(0, 0, 262_144, linkType);
  for (const { timeUs, bytes, original = bytes.length } of packets) {
    const fraction = (timeUs % 1e6) * (isNanoseconds ? 1_000 : 1);
    out.uint32(Math.floor(timeUs / 1e6), Math.round(fraction), bytes.length, original).raw(bytes);
  }
  return out.done();
}

/** Writes blocks of pcapng in one byte order. */
export class PcapngWriter {
  readonly #isBig: boolean;
  #blocks: Uint8Array[] = [];

  constructor({ isBigEndian = false }: MadeOrder = {}) {
    this.#isBig = isBigEndian;
    const body = new Writer(isBigEndian).uint32(0x1a2b3c4d).uint16(1, 0);
    this.block(0x0a0d0d0a, body.uint32(0xffff_ffff, 0xffff_ffff).done());
  }

  /** Any block; the body is padded. */
  block(type: number, body: Uint8Array): this {
    const padding = new Uint8Array(-body.length & 3);
    const length = 12 + body.length + padding.length;
    const out = new Writer(this.#isBig).uint32(type, length).raw(body).raw(padding).uint32(length);
    this.#blocks.push(out.done());
    return this;
  }

  /** An interface; options are pairs of code and value. */
  interface(
    linkType: number,
    options: readonly (readonly [number, readonly number[]])[] = [],
    snapLength = 0,
  ): this {
    const body = new Writer(this.#isBig).uint16(linkType, 0).uint32(snapLength);
    for (const [code, value] of options) {
      body
        .uint16(code, value.length)
        .raw(value)
        .raw(new Uint8Array(-value.length & 3));
    }
    return this.block(1, body.uint16(0, 0).done());
  }

  /** An enhanced packet block; ticks are what the interface's resolution makes of its time. */
  enhanced(id: number, ticks: number, bytes: Uint8Array, original = bytes.length): this {
    const body = new Writer(this.#isBig)
      .uint32(id, Math.floor(ticks / 2 ** 32), ticks % 2 ** 32, bytes.length, original)
      .raw(bytes);
    return this.block(6, body.done());
  }

  /** A simple packet block. */
  simple(bytes: Uint8Array, original = bytes.length): this {
    return this.block(3, new Writer(this.#isBig).uint32(original).raw(bytes).done());
  }

  /** An obsolete packet block. */
  obsolete(id: number, ticks: number, bytes: Uint8Array): this {
    const body = new Writer(this.#isBig)
      .uint16(id, 0)
      .uint32(Math.floor(ticks / 2 ** 32), ticks % 2 ** 32, bytes.length, bytes.length)
      .raw(bytes);
    return this.block(2, body.done());
  }

  /** All blocks, one behind the other. */
  done(): Uint8Array {
    return concatenate(...this.#blocks);
  }
}
