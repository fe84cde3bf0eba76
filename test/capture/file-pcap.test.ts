import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CaptureError } from "../../lib/capture/error.ts";
import { split } from "../levin/mutation.ts";
import { frame, PcapngWriter, pcap } from "./packets.ts";
import { collecting, readAll } from "./seen.ts";

const TIME_US = 1_750_000_000_123_456;
const packets = [
  { timeUs: TIME_US, bytes: frame({ payload: 10 }) },
  { timeUs: TIME_US + 1, bytes: frame({ payload: 300 }), original: 5_000 },
  { timeUs: TIME_US + 2_000_000, bytes: new Uint8Array(0) },
];

/** The error that a file ends in. */
function errorOf(file: Uint8Array): CaptureError {
  const { reader } = collecting();
  try {
    reader.push(file);
    reader.end();
  } catch (error) {
    if (error instanceof CaptureError) return error;
    throw error;
  }
  throw new Error("The file was read to its end.");
}

describe("classic captures", () => {
  const orders = [false, true].flatMap((isBigEndian) =>
    [false, true].map((isNanoseconds) => ({ isBigEndian, isNanoseconds })),
  );
  test.each(orders)("are read in every byte order and unit: %p", (order) => {
    const seen = readAll(pcap(packets, 1, order));
    expect(seen.map(({ timeUs }) => timeUs)).toEqual(packets.map(({ timeUs }) => timeUs));
    expect(seen.map(({ bytes }) => bytes)).toEqual(packets.map(({ bytes }) => bytes));
    expect(seen.map(({ original }) => original)).toEqual([64, 5_000, 0]);
    expect(seen.every(({ linkType }) => linkType === 1)).toBe(true);
  });

  test("keep nanoseconds as a fraction, as far as a double goes", () => {
    const file = pcap([{ timeUs: 1_000_000.5, bytes: new Uint8Array(1) }], 1, {
      isNanoseconds: true,
    });
    expect(readAll(file)[0]?.timeUs).toBe(1_000_000.5);
  });

  test("may say in the link type that frames end in a checksum", () => {
    expect(readAll(pcap(packets, 0x5400_0001))[0]?.linkType).toBe(1);
  });

  test("come in pieces of any size, to the same effect", () => {
    const file = pcap(packets);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (cuts) => {
        const { reader, packets: seen } = collecting();
        for (const piece of split(file, cuts)) reader.push(piece);
        expect(reader.end()).toEqual({
          bytes: file.length,
          packets: 3,
          untimedPackets: 0,
          foreignPackets: 0,
        });
        expect(seen).toEqual(readAll(file));
      }),
    );
  });

  test("larger than the buffer are read whole", () => {
    const many = Array.from({ length: 40 }, (_, i) => ({
      timeUs: i,
      bytes: new Uint8Array(100_000).fill(i),
    }));
    const seen = readAll(pcap(many));
    expect(seen.map(({ bytes }) => [bytes.length, bytes[0], bytes.at(-1)])).toEqual(
      many.map((_, i) => [100_000, i, i]),
    );
  });
});

describe("damaged captures", () => {
  const file = pcap(packets);
  const third = 24 + 16 + 64 + 16 + 354;

  test.each([1, 3, 4, 23])("end within their header: %d bytes", (length) => {
    expect(errorOf(file.slice(0, length))).toMatchObject({
      code: "truncated",
      where: "config",
      offset: 0,
      read: { packets: 0 },
    });
  });

  test("without a byte are empty, with a header alone they are not", () => {
    expect(errorOf(new Uint8Array(0)).code).toBe("empty");
    expect(readAll(file.slice(0, 24))).toEqual([]);
  });

  test("cut short tell where the last record starts and what was read", () => {
    const error = errorOf(file.slice(0, third + 7));
    expect(error).toMatchObject({ code: "truncated", offset: third, read: { packets: 2 } });
    expect(error.message).toBe(
      `The capture was cut short: 7 bytes of its last record are there (at byte ${third}, after 2 packets)`,
    );
  });

  test.each([false, true])("with an impossible length say where, big-endian: %p", (isBigEndian) => {
    const broken = pcap(packets, 1, { isBigEndian });
    broken.set(isBigEndian ? [0, 4, 0, 1] : [1, 0, 4, 0], 24 + 80 + 8);
    expect(errorOf(broken)).toMatchObject({
      code: "record-too-large",
      offset: 24 + 80,
      read: { packets: 1 },
    });
  });

  test("of unknown versions and links are refused", () => {
    const version = pcap([]);
    version[4] = 3;
    expect(errorOf(version).code).toBe("version");
    const link = errorOf(pcap([], 105));
    expect(link.code).toBe("link-type");
    expect(link.message).toContain("link type 105; only Ethernet");
  });

  test("that are something else are told apart", () => {
    expect(errorOf(Uint8Array.of(0x1f, 0x8b, 8, 0, 0)).message).toContain("gzip -dc");
    expect(errorOf(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)).message).toContain("zstd -dc");
    expect(errorOf(Uint8Array.from(Buffer.from("GET /"))).code).toBe("not-a-capture");
  });
});

describe("pcapng", () => {
  const bytes = frame({ payload: 5 });

  test.each([false, true])("is read in both byte orders, big-endian: %p", (isBigEndian) => {
    const file = new PcapngWriter({ isBigEndian })
      .interface(1)
      .interface(101)
      .enhanced(0, TIME_US, bytes, 99)
      .block(0x0bad_0bad, new Uint8Array(9))
      .obsolete(1, TIME_US + 1, bytes)
      .block(4, new Uint8Array(40))
      .simple(bytes)
      .done();
    expect(readAll(file)).toEqual([
      { bytes, original: 99, timeUs: TIME_US, linkType: 1 },
      { bytes, original: bytes.length, timeUs: TIME_US + 1, linkType: 101 },
      { bytes, original: bytes.length, timeUs: TIME_US + 1, linkType: 1 },
    ]);
  });

  test.each<[string, readonly (readonly [number, readonly number[]])[], number, number]>([
    ["nanoseconds", [[9, [9]]], 3_000_000_500, 3_000_000.5],
    ["seconds", [[9, [0]]], 7, 7_000_000],
    ["1024ths of a second", [[9, [0x8a]]], 1_536, 1_500_000],
    ["an offset", [[14, [10, 0, 0, 0, 0, 0, 0, 0]]], 5, 10_000_005],
    ["an offset below zero", [[14, [0xfe, 255, 255, 255, 255, 255, 255, 255]]], 5, -1_999_995],
    [
      "other options before",
      [
        [2, [65, 66, 67]],
        [9, [3]],
      ],
      4,
      4_000,
    ],
    [
      "options behind the end",
      [
        [0, []],
        [9, [3]],
      ],
      4,
      4,
    ],
  ])("has times in units of its own: %s", (_name, options, ticks, timeUs) => {
    const file = new PcapngWriter().interface(1, options).enhanced(0, ticks, bytes).done();
    expect(readAll(file)[0]?.timeUs).toBe(timeUs);
  });

  test("counts packets without a time, and cuts simple ones at the snap length", () => {
    const { reader, packets: seen } = collecting();
    const file = new PcapngWriter().interface(1, [], 20).simple(bytes.slice(0, 20), 59).done();
    reader.push(file);
    expect(reader.end()).toMatchObject({ packets: 1, untimedPackets: 1 });
    expect(seen).toEqual([{ bytes: bytes.slice(0, 20), original: 59, timeUs: 0, linkType: 1 }]);
  });

  test("passes over interfaces of other kinds, and counts their packets", () => {
    const { reader, packets: seen } = collecting();
    reader.push(new PcapngWriter().interface(105).interface(1).enhanced(0, 1, bytes).done());
    expect(reader.end()).toMatchObject({ packets: 1, foreignPackets: 1 });
    expect(seen).toEqual([]);
  });

  test("may have sections in several byte orders, each with interfaces of its own", () => {
    const first = new PcapngWriter()
      .interface(1, [[9, [0]]])
      .enhanced(0, 3, bytes)
      .done();
    const second = new PcapngWriter({ isBigEndian: true }).interface(101).enhanced(0, 3, bytes);
    const seen = readAll(Uint8Array.from([...first, ...second.done()]));
    expect(seen.map(({ timeUs, linkType }) => [timeUs, linkType])).toEqual([
      [3_000_000, 1],
      [3, 101],
    ]);
    const without = new PcapngWriter().enhanced(0, 3, bytes).done();
    expect(errorOf(Uint8Array.from([...first, ...without]))).toMatchObject({
      code: "interface",
      offset: first.length + 28,
      read: { packets: 1 },
    });
  });

  test("has blocks of several megabytes skipped without being held", () => {
    const large = new Uint8Array(3 << 20);
    const head = new PcapngWriter().interface(1).done();
    const whole = new PcapngWriter().interface(1);
    const { reader, packets: seen } = collecting();
    const length = 12 + large.length;
    const block = new Uint8Array(length);
    const view = new DataView(block.buffer);
    for (const [at, value] of [
      [0, 0xbad],
      [4, length],
      [length - 4, length],
    ] as const) {
      view.setUint32(at, value, true);
    }
    reader.push(head);
    reader.push(block);
    reader.push(whole.enhanced(0, 8, bytes).done());
    reader.end();
    expect(seen.map(({ timeUs }) => timeUs)).toEqual([8]);
    const { reader: cut } = collecting();
    cut.push(head);
    cut.push(block.subarray(0, 2 << 20));
    expect(() => cut.end()).toThrow("cut short");
  });

  const section = 28;
  const description = 24;
  test.each<[string, number, readonly number[], string]>([
    ["a length that is no multiple of four", section + 4, [25], "block-length"],
    ["a length below the least", section + 4, [8], "block-length"],
    ["a length beyond all bounds", section + 4, [0, 0, 0, 2], "block-too-large"],
    ["another length at its end", section + description - 4, [28], "block-length"],
    ["another byte-order mark", 8, [0], "byte-order"],
    ["another version", 12, [2], "version"],
    ["more captured than it holds", section + description + 20, [255], "record-too-large"],
    ["an interface nobody described", section + description + 8, [1], "interface"],
  ])("is damaged by %s", (_name, at, values, code) => {
    const file = new PcapngWriter().interface(1).enhanced(0, 1, bytes).done();
    file.set(values, at);
    expect(errorOf(file)).toMatchObject({ code, read: { packets: 0 } });
  });
});
