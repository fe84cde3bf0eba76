import { describe, expect, test } from "bun:test";
import type { CaptureMeasure } from "../../lib/capture/capture.ts";
import {
  CLIENT,
  ethernet,
  FLAG,
  frame,
  ipv4,
  ipv6,
  type MadeSegment,
  pcap,
  SERVER,
  segment,
  tcp,
  udp,
} from "./packets.ts";
import { measured } from "./seen.ts";

const made: MadeSegment = { sequence: 7, payload: 100 };
const one = (linkType: number, bytes: Uint8Array, original?: number): CaptureMeasure =>
  measured(
    pcap([{ timeUs: 1e6, bytes, ...(original === undefined ? {} : { original }) }], linkType),
  );

const near = Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 1]);
const far = Uint8Array.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, ...new Array(7).fill(0), 2]);
const overIpv6 = ipv6(near, far, 6, tcp(made));

const cooked = (type: number, body: Uint8Array): Uint8Array =>
  Uint8Array.from([0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, type >> 8, type & 255, ...body]);
const cooked2 = (type: number, body: Uint8Array): Uint8Array =>
  Uint8Array.from([
    type >> 8,
    type & 255,
    0,
    0,
    0,
    0,
    0,
    2,
    0,
    1,
    0,
    6,
    ...new Array(8).fill(0),
    ...body,
  ]);
const loopback = (family: readonly number[], body: Uint8Array): Uint8Array =>
  Uint8Array.from([...family, ...body]);

describe("a TCP packet is found", () => {
  test.each<[string, number, Uint8Array]>([
    ["Ethernet", 1, frame(made)],
    ["Ethernet with a VLAN tag", 1, ethernet(0x0800, segment(made), [0x8100])],
    ["Ethernet with two VLAN tags", 1, ethernet(0x0800, segment(made), [0x88a8, 0x8100])],
    ["Linux cooked", 113, cooked(0x0800, segment(made))],
    [
      "Linux cooked with a VLAN tag",
      113,
      cooked(0x8100, Uint8Array.from([0, 7, 8, 0, ...segment(made)])),
    ],
    ["Linux cooked, version 2", 276, cooked2(0x0800, segment(made))],
    ["raw IP", 101, segment(made)],
    ["raw IP by its old number", 12, segment(made)],
    ["raw IP of OpenBSD", 14, segment(made)],
    ["IPv4 alone", 228, segment(made)],
    ["BSD loopback, little-endian", 0, loopback([2, 0, 0, 0], segment(made))],
    ["BSD loopback, big-endian", 0, loopback([0, 0, 0, 2], segment(made))],
    ["OpenBSD loopback", 108, loopback([0, 0, 0, 2], segment(made))],
    [
      "Ethernet with a frame padded behind the packet",
      1,
      Uint8Array.from([...frame(made), 0, 0, 0]),
    ],
  ])("in %s", (_name, linkType, bytes) => {
    const { flows, counts } = one(linkType, bytes);
    expect(counts).toMatchObject({ tcp: 1, malformed: 0, notIp: 0, wireBytes: bytes.length });
    expect(flows.map(({ flow }) => [flow.initiator, flow.responder])).toEqual([
      [
        { address: CLIENT[0], port: CLIENT[1] },
        { address: SERVER[0], port: SERVER[1] },
      ],
    ]);
    expect(flows[0]?.directions[0]?.bytes).toBe(100);
    expect(flows[0]?.directions[1]).toBeUndefined();
  });

  const option = (next: number, length = 0): number[] => [
    next,
    length,
    ...new Array(6 + 8 * length).fill(0),
  ];
  test.each<[string, number, Uint8Array]>([
    ["Ethernet", 1, ethernet(0x86dd, overIpv6)],
    ["raw IP", 101, overIpv6],
    ["IPv6 alone", 229, overIpv6],
    ["loopback of macOS", 0, loopback([30, 0, 0, 0], overIpv6)],
    ["loopback of FreeBSD", 0, loopback([28, 0, 0, 0], overIpv6)],
    ["Linux cooked, version 2", 276, cooked2(0x86dd, overIpv6)],
    [
      "extension headers",
      101,
      ipv6(
        near,
        far,
        0,
        Uint8Array.from([...option(60), ...option(43, 1), ...option(6), ...tcp(made)]),
      ),
    ],
    [
      "an authentication header, whose length has another unit",
      101,
      ipv6(near, far, 51, Uint8Array.from([6, 4, ...new Array(22).fill(0), ...tcp(made)])),
    ],
    [
      "a fragment header of a whole packet",
      101,
      ipv6(near, far, 44, Uint8Array.from([6, 0, 0, 0, 0, 0, 0, 9, ...tcp(made)])),
    ],
  ])("over IPv6 in %s", (_name, linkType, bytes) => {
    const { flows, counts } = one(linkType, bytes);
    expect(counts).toMatchObject({ tcp: 1, malformed: 0, fragments: 0 });
    expect(flows[0]?.flow.initiator).toEqual({ address: "2001:db8::1", port: 40_000 });
    expect(flows[0]?.flow.responder).toEqual({ address: "2001:db8:0:1::2", port: 18_084 });
    expect(flows[0]?.directions[0]?.bytes).toBe(100);
  });

  test("though only its headers were captured", () => {
    const bytes = frame(made);
    const { flows } = one(1, bytes.slice(0, 54), bytes.length);
    expect(flows[0]?.directions[0]?.bytes).toBe(100);
    expect(flows[0]?.flow.forwardWireBytes).toBe(154);
  });

  test("though it is too large for its length field: the card has yet to cut it up", () => {
    const bytes = frame(made);
    bytes.set([0, 0], 16);
    expect(one(1, bytes).flows[0]?.directions[0]?.bytes).toBe(100);
  });
});

describe("what is no TCP packet is counted", () => {
  const fragment = (field: number): Uint8Array => ipv4("10.0.0.1", "10.0.0.2", 6, tcp(made), field);
  const claims = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    bytes[at] = value;
    return bytes;
  };
  test.each<[string, string, number, Uint8Array]>([
    ["first fragments", "fragments", 101, fragment(0x2000)],
    ["later fragments", "fragments", 101, fragment(0x0010)],
    [
      "fragments over IPv6",
      "fragments",
      101,
      ipv6(near, far, 44, Uint8Array.from([6, 0, 0, 1, 0, 0, 0, 9, ...tcp(made)])),
    ],
    ["ARP", "arp", 1, ethernet(0x0806, new Uint8Array(28))],
    ["ARP in a VLAN", "arp", 1, ethernet(0x0806, new Uint8Array(28), [0x8100])],
    ["other frames", "notIp", 1, ethernet(0x88cc, new Uint8Array(28))],
    ["frames cut within their header", "notIp", 1, new Uint8Array(9)],
    ["empty frames", "notIp", 1, new Uint8Array(0)],
    ["empty raw packets", "notIp", 101, new Uint8Array(0)],
    ["frames without anything behind", "notIp", 1, ethernet(0x0800, new Uint8Array(0))],
    ["ICMP", "icmp", 101, ipv4("10.0.0.1", "10.0.0.2", 1, new Uint8Array(8))],
    ["ICMPv6", "icmp", 101, ipv6(near, far, 58, new Uint8Array(8))],
    ["SCTP", "otherIp", 101, ipv4("10.0.0.1", "10.0.0.2", 132, new Uint8Array(8))],
    ["UDP", "udp", 101, ipv4("10.0.0.1", "10.0.0.2", 17, udp(9_000, 9_001, 3))],
    ["IPv4 headers cut short", "malformed", 101, segment(made).slice(0, 19)],
    ["IPv6 headers cut short", "malformed", 101, overIpv6.slice(0, 39)],
    ["IPv4 headers too short for themselves", "malformed", 101, claims(segment(made), 0, 0x44)],
    ["TCP headers cut short", "malformed", 101, segment(made).slice(0, 33)],
    ["TCP headers too short for themselves", "malformed", 101, claims(segment(made), 32, 0x40)],
    [
      "TCP headers longer than the packet",
      "malformed",
      101,
      claims(segment({ payload: 0 }), 32, 0xf0),
    ],
  ])("%s", (_name, kind, linkType, bytes) => {
    const { counts, flows } = one(linkType, bytes);
    const kinds = ["tcp", "udp", "icmp", "otherIp", "fragments", "arp", "notIp", "malformed"];
    const expected = Object.fromEntries(kinds.map((name) => [name, name === kind ? 1 : 0]));
    expect(counts).toMatchObject(expected);
    expect(flows).toEqual([]);
  });

  test.each<[string, Uint8Array]>([
    ["DNS over IPv4", ipv4("10.0.0.2", "192.0.2.53", 17, udp(40_000, 53, 30))],
    ["its answer", ipv4("192.0.2.53", "10.0.0.2", 17, udp(53, 40_000, 30))],
    ["DNS over IPv6", ipv6(near, far, 17, udp(40_000, 53, 30))],
    ["DNS over TCP", segment({ target: ["192.0.2.53", 53] })],
    ["multicast DNS", ipv4("10.0.0.2", "224.0.0.251", 17, udp(5353, 5353, 30))],
    ["LLMNR", ipv4("10.0.0.2", "224.0.0.252", 17, udp(50_000, 5355, 30))],
  ])("%s is seen: it is a leak", (_name, bytes) => {
    expect(one(101, bytes).counts.nameService).toBe(1);
  });

  test("who sent what to whom is kept, without contents", () => {
    const question = ipv4("10.0.0.2", "192.0.2.53", 17, udp(40_000, 53, 30));
    const answer = ipv4("192.0.2.53", "10.0.0.2", 17, udp(53, 40_000, 300));
    const ping = ipv6(near, far, 58, new Uint8Array(8));
    const { udp: pairs, otherPairs } = measured(
      pcap(
        [question, answer, question, ping].map((bytes, i) => ({ timeUs: 1e6 + i, bytes })),
        101,
      ),
    );
    expect(pairs).toEqual([
      {
        protocol: 17,
        // Addresses compare as signed numbers: any order does that is the same both ways.
        low: { address: "192.0.2.53", port: 53 },
        high: { address: "10.0.0.2", port: 40_000 },
        packets: [1, 2],
        wireBytes: [328, 116],
        firstUs: 1e6,
        lastUs: 1e6 + 2,
      },
    ]);
    expect(otherPairs).toMatchObject([
      {
        protocol: 58,
        low: { address: "2001:db8::1", port: 0 },
        high: { address: "2001:db8:0:1::2", port: 0 },
        packets: [1, 0],
      },
    ]);
  });

  test("time that runs backwards is told", () => {
    const times = [5e6, 4e6, 6e6];
    const { counts, rate } = measured(
      pcap(times.map((timeUs) => ({ timeUs, bytes: frame({ flags: FLAG.ack }) }))),
    );
    expect(counts).toMatchObject({
      backwards: 1,
      stepBackUs: 1e6,
      firstUs: 4e6,
      lastUs: 6e6,
      wireBytes: 162,
    });
    expect([...rate.bytes]).toEqual([108, 54]);
  });
});
