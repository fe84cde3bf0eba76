import { uint16BigEndian } from "./file-bytes.ts";
import { LINK_TYPE } from "./packet-sink.ts";

/** Link types whose packets start with an IP header. */
const bareTypes: ReadonlySet<number> = new Set([
  LINK_TYPE.raw,
  LINK_TYPE.rawBsd,
  LINK_TYPE.rawOpenBsd,
  LINK_TYPE.ipv4,
  LINK_TYPE.ipv6,
]);

const ETHERTYPE_ARP = 0x0806;
/** 802.1Q, 802.1ad, and what came before the latter. */
const vlanTypes: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100]);
/** Two tags are usual; more than four are no network's. */
const VLAN_TAGS_MAX = 4;
const ETHERNET_BYTES = 14;
const COOKED_BYTES = 16;
const COOKED2_BYTES = 20;
const LOOPBACK_BYTES = 4;

/** What {@link findIp} gives when there is no IP packet. */
export const NO_IP = -1;
/** What {@link findIp} gives for an ARP packet. */
export const ARP = -2;

/**
 * Finds the IP packet behind a link's header.
 *
 * Source: tcpdump.org/linktypes and its pages on LINUX_SLL and LINUX_SLL2.
 *
 * @param bytes holds the packet
 * @param start where it starts
 * @param end where its captured bytes end
 * @param linkType one of LINK_TYPE
 * @returns index of the IP header's first byte, which is before `end`; NO_IP or ARP without one
 */
export function findIp(bytes: Uint8Array, start: number, end: number, linkType: number): number {
  let at: number;
  let type: number;
  if (linkType === LINK_TYPE.ethernet) {
    at = start + ETHERNET_BYTES;
    type = at > end ? 0 : uint16BigEndian(bytes, at - 2);
  } else if (linkType === LINK_TYPE.linuxCooked) {
    at = start + COOKED_BYTES;
    type = at > end ? 0 : uint16BigEndian(bytes, at - 2);
  } else if (linkType === LINK_TYPE.linuxCooked2) {
    at = start + COOKED2_BYTES;
    type = at > end ? 0 : uint16BigEndian(bytes, start);
  } else {
    const isBare = bareTypes.has(linkType);
    // The loopback header's family has other numbers on every system; the version says the same.
    at = isBare ? start : start + LOOPBACK_BYTES;
    return at < end && isIpVersion(bytes[at] as number) ? at : NO_IP;
  }
  if (type === 0x0800 || type === 0x86dd) return at < end ? at : NO_IP;
  return type === ETHERTYPE_ARP ? ARP : behindTags(bytes, at, end, type);
}

function behindTags(bytes: Uint8Array, start: number, end: number, first: number): number {
  let at = start;
  let type = first;
  for (let tags = 0; tags < VLAN_TAGS_MAX && vlanTypes.has(type); tags++) {
    if (end - at < 4) return NO_IP;
    type = uint16BigEndian(bytes, at + 2);
    at += 4;
  }
  if (type === ETHERTYPE_ARP) return ARP;
  return (type === 0x0800 || type === 0x86dd) && at < end ? at : NO_IP;
}

function isIpVersion(first: number): boolean {
  return first >> 4 === 4 || first >> 4 === 6;
}
