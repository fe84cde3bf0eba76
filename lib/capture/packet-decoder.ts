import { int32BigEndian, uint16BigEndian } from "./file-bytes.ts";
import { FAMILY } from "./flow-ends.ts";
import type { FlowTracker } from "./flow-tracker.ts";
import { OutsidePairs } from "./outside.ts";
import { ARP, findIp } from "./packet-link.ts";
import type { PacketSink } from "./packet-sink.ts";
import { BinBudget, Rate } from "./shape-rate.ts";

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
const IPV4_BYTES_MIN = 20;
const IPV6_BYTES = 40;
/** Up to the flags; options need not have been captured. */
const TCP_BYTES_READ = 14;
const TCP_BYTES_MIN = 20;
/** More headers than any packet on a network has. */
const EXTENSIONS_MAX = 16;
/** Hop-by-hop options, routing, authentication, destination options, mobility. */
const extensions: ReadonlySet<number> = new Set([0, 43, 51, 60, 135]);
const AUTHENTICATION = 51;
const FRAGMENT = 44;
/** DNS, multicast DNS and LLMNR: a name was asked for in the clear. */
const nameServicePorts: ReadonlySet<number> = new Set([53, 5353, 5355]);

/** How many packets were of which kind; every packet is of exactly one, but for `nameService`. */
export class PacketCounts {
  tcp = 0;
  udp = 0;
  icmp = 0;
  /** Other protocols over IP. */
  otherIp = 0;
  /** Parts of IP packets, first parts too; they are not put together. */
  fragments = 0;
  arp = 0;
  /** Neither IP nor ARP. */
  notIp = 0;
  /** Headers that contradict themselves, or of which too little was captured. */
  malformed = 0;
  /** Packets of DNS, multicast DNS or LLMNR, over UDP or TCP; counted there too. */
  nameService = 0;
  /** Packets that are older than the one before them. */
  backwards = 0;
  /** The greatest such step back, in microseconds. */
  stepBackUs = 0;
  /** All packets' bytes on the wire. */
  wireBytes = 0;
  /** The earliest and the latest time, microseconds since 1970. */
  firstUs = Number.POSITIVE_INFINITY;
  lastUs = Number.NEGATIVE_INFINITY;
}

/** Finds the TCP segments in packets, and counts what is none. Keeps no packet. */
export class PacketDecoder implements PacketSink {
  readonly counts = new PacketCounts();
  /** Who sent UDP to whom. */
  readonly udp = new OutsidePairs(UDP);
  /** Who sent anything else over IP to whom, ICMP for one. */
  readonly other = new OutsidePairs(undefined);
  /** Bytes on the wire of all packets, by time. */
  readonly rate = new Rate(new BinBudget());
  readonly #flows: FlowTracker;
  #previousUs = Number.NEGATIVE_INFINITY;

  /** @param flows where TCP segments go */
  constructor(flows: FlowTracker) {
    this.#flows = flows;
  }

  packet(
    bytes: Uint8Array,
    start: number,
    captured: number,
    original: number,
    timeUs: number,
    linkType: number,
  ): void {
    const counts = this.counts;
    counts.wireBytes += original;
    this.rate.addOne(timeUs, original);
    if (timeUs < this.#previousUs) {
      counts.backwards++;
      counts.stepBackUs = Math.max(counts.stepBackUs, this.#previousUs - timeUs);
    }
    this.#previousUs = timeUs;
    if (timeUs < counts.firstUs) counts.firstUs = timeUs;
    if (timeUs > counts.lastUs) counts.lastUs = timeUs;
    const end = start + captured;
    const ip = findIp(bytes, start, end, linkType);
    if (ip < 0) {
      if (ip === ARP) counts.arp++;
      else counts.notIp++;
      return;
    }
    const ipBytes = original - (ip - start);
    if ((bytes[ip] as number) >> 4 === 4) this.#ipv4(bytes, ip, end, ipBytes, timeUs, original);
    else this.#ipv6(bytes, ip, end, ipBytes, timeUs, original);
  }

  #ipv4(
    bytes: Uint8Array,
    ip: number,
    end: number,
    ipBytesMax: number,
    timeUs: number,
    wireBytes: number,
  ): void {
    const headerBytes = ((bytes[ip] as number) & 0x0f) * 4;
    if (end - ip < IPV4_BYTES_MIN || headerBytes < IPV4_BYTES_MIN) {
      this.counts.malformed++;
      return;
    }
    // Zero: a packet of more than 64 KiB that the network card has yet to cut up.
    const claimed = uint16BigEndian(bytes, ip + 2) || ipBytesMax;
    const ipBytes = claimed > ipBytesMax ? ipBytesMax : claimed;
    if (((bytes[ip + 6] as number) & 0x3f) !== 0 || bytes[ip + 7] !== 0) {
      this.counts.fragments++;
      return;
    }
    const source = int32BigEndian(bytes, ip + 12);
    const target = int32BigEndian(bytes, ip + 16);
    const at = ip + headerBytes;
    const protocol = bytes[ip + 9] as number;
    if (protocol !== TCP) {
      this.#outside4(bytes, at, end, protocol, source, target, timeUs, wireBytes);
      return;
    }
    const length = this.#tcpPayload(bytes, at, end, ipBytes - headerBytes);
    if (length < 0) return;
    const ports = int32BigEndian(bytes, at);
    const isFromLow = isLower(source, target, ports);
    this.#flows.segment4(
      isFromLow ? source : target,
      isFromLow ? target : source,
      isFromLow ? ports : (ports << 16) | (ports >>> 16),
      isFromLow,
      int32BigEndian(bytes, at + 4),
      bytes[at + 13] as number,
      length,
      timeUs,
      wireBytes,
    );
  }

  /** @returns the payload's bytes, below 0 for a packet that is counted as malformed */
  #tcpPayload(bytes: Uint8Array, at: number, end: number, tcpBytes: number): number {
    if (end - at < TCP_BYTES_READ) {
      this.counts.malformed++;
      return -1;
    }
    const headerBytes = ((bytes[at + 12] as number) >> 4) * 4;
    const length = tcpBytes - headerBytes;
    if (headerBytes < TCP_BYTES_MIN || length < 0) {
      this.counts.malformed++;
      return -1;
    }
    this.counts.tcp++;
    if (isNameService(bytes, at)) this.counts.nameService++;
    return length;
  }

  #outside4(
    bytes: Uint8Array,
    at: number,
    end: number,
    protocol: number,
    source: number,
    target: number,
    timeUs: number,
    wireBytes: number,
  ): void {
    const ports = this.#outsidePorts(bytes, at, end, protocol);
    const isFromLow = isLower(source, target, ports);
    const pairs = protocol === UDP ? this.udp : this.other;
    const key = pairs.key;
    key.fill(0);
    key[3] = isFromLow ? source : target;
    key[7] = isFromLow ? target : source;
    key[8] = protocol === UDP && !isFromLow ? (ports << 16) | (ports >>> 16) : ports;
    key[9] = FAMILY.ipv4;
    pairs.count(isFromLow, timeUs, wireBytes);
  }

  /** Counts the packet by its kind. @returns both ports of UDP, else the protocol's number */
  #outsidePorts(bytes: Uint8Array, at: number, end: number, protocol: number): number {
    const counts = this.counts;
    if (protocol === UDP) {
      counts.udp++;
      if (end - at < 4) return 0;
      if (isNameService(bytes, at)) counts.nameService++;
      return int32BigEndian(bytes, at);
    }
    if (protocol === ICMP || protocol === ICMPV6) counts.icmp++;
    else counts.otherIp++;
    return protocol;
  }

  #ipv6(
    bytes: Uint8Array,
    ip: number,
    end: number,
    ipBytesMax: number,
    timeUs: number,
    wireBytes: number,
  ): void {
    if (end - ip < IPV6_BYTES || (bytes[ip] as number) >> 4 !== 6) {
      this.counts.malformed++;
      return;
    }
    const claimed = uint16BigEndian(bytes, ip + 4);
    const ipBytes = claimed === 0 ? ipBytesMax : Math.min(IPV6_BYTES + claimed, ipBytesMax);
    let protocol = bytes[ip + 6] as number;
    let at = ip + IPV6_BYTES;
    for (let i = 0; i < EXTENSIONS_MAX; i++) {
      if (protocol === FRAGMENT) {
        if (end - at < 8 || (uint16BigEndian(bytes, at + 2) & 0xfff9) !== 0) break;
      } else if (!extensions.has(protocol) || end - at < 8) break;
      const units = bytes[at + 1] as number;
      const next = bytes[at] as number;
      if (protocol === FRAGMENT) at += 8;
      else at += protocol === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
      protocol = next;
    }
    if (protocol === FRAGMENT) {
      this.counts.fragments++;
      return;
    }
    if (protocol !== TCP) {
      const ports = this.#outsidePorts(bytes, at, end, protocol);
      const pairs = protocol === UDP ? this.udp : this.other;
      pairs.count(setKey6(pairs.key, bytes, ip, ports, protocol === UDP), timeUs, wireBytes);
      return;
    }
    const length = this.#tcpPayload(bytes, at, end, ipBytes - (at - ip));
    if (length < 0) return;
    const isFromLow = setKey6(this.#flows.key6, bytes, ip, int32BigEndian(bytes, at), true);
    const sequence = int32BigEndian(bytes, at + 4);
    const flags = bytes[at + 13] as number;
    this.#flows.segment6(isFromLow, sequence, flags, length, timeUs, wireBytes);
  }
}

function isNameService(bytes: Uint8Array, at: number): boolean {
  const first = uint16BigEndian(bytes, at);
  const second = uint16BigEndian(bytes, at + 2);
  if (first > 5355 && second > 5355) return false;
  return nameServicePorts.has(first) || nameServicePorts.has(second);
}

/** Any order will do, as long as both directions of a flow are given the same. */
function isLower(source: number, target: number, ports: number): boolean {
  return source === target ? ports >>> 16 <= (ports & 0xffff) : source < target;
}

/** @returns whether the lower end sent the packet */
function setKey6(
  key: Int32Array,
  bytes: Uint8Array,
  ip: number,
  ports: number,
  arePorts: boolean,
): boolean {
  let order = 0;
  for (let i = 8; i < 24 && order === 0; i++) {
    order = (bytes[ip + i] as number) - (bytes[ip + i + 16] as number);
  }
  const isFromLow = order === 0 ? ports >>> 16 <= (ports & 0xffff) : order < 0;
  for (let i = 0; i < 4; i++) {
    const source = int32BigEndian(bytes, ip + 8 + 4 * i);
    const target = int32BigEndian(bytes, ip + 24 + 4 * i);
    key[i] = isFromLow ? source : target;
    key[4 + i] = isFromLow ? target : source;
  }
  key[8] = arePorts && !isFromLow ? (ports << 16) | (ports >>> 16) : ports;
  key[9] = FAMILY.ipv6;
  return isFromLow;
}
