import { isIPv4, isIPv6 } from "node:net";
import { IPV6_GROUPS, ipv6Bytes } from "./ip-bytes.ts";

/** First bytes of IPv4 networks that mean another machine at every place: network, prefix bits. */
const networks4: readonly (readonly [network: number, bits: number])[] = [
  [0x00_00_00_00, 8],
  [0x0a_00_00_00, 8],
  [0x64_40_00_00, 10],
  [0x7f_00_00_00, 8],
  [0xa9_fe_00_00, 16],
  [0xac_10_00_00, 12],
  [0xc0_a8_00_00, 16],
  // Multicast, the reserved block above it, and the broadcast address.
  [0xe0_00_00_00, 3],
];

/** The same by the first 16 bits of an IPv6 address: value, prefix bits. */
const networks6: readonly (readonly [network: number, bits: number])[] = [
  [0xfc_00, 7],
  [0xfe_80, 10],
  [0xfe_c0, 10],
  [0xff_00, 8],
];

/** The well-known prefix of NAT64, whose last 32 bits are an IPv4 address. */
const NAT64 = "100:65435:0:0:0:0";
/** Prefixes of IPv6 addresses that have an IPv4 address in their last 32 bits. */
const carriers: ReadonlySet<string> = new Set(["0:0:0:0:0:0", "0:0:0:0:0:65535", NAT64]);
const INTERNAL_NAME = /(?:^|\.)(?:localhost|local|internal|home\.arpa)\.?$/i;

/**
 * Whether a host is one of this machine or of the network around it: an address that means another
 * machine wherever it is asked for, such as 127.0.0.1 or 192.168.0.1, or a name for such a one.
 * What it says is no proof of the contrary for other names: nothing is looked up.
 *
 * @param host an IP address, IPv6 without brackets, or a DNS name
 * @see RFC 6890, RFC 6761, RFC 6762; tor's `tor_addr_is_internal_`, which has most of the list
 */
export function isInternal(host: string): boolean {
  if (isIPv4(host)) return isInternal4(numberOf(host));
  if (!isIPv6(host)) return INTERNAL_NAME.test(host);
  const groups = groupsOf(host);
  const [first = 0, second = 0] = groups;
  const last = (groups[6] ?? 0) * 65_536 + (groups[7] ?? 0);
  if (carriers.has(groups.slice(0, 6).join(":"))) return isInternal4(last);
  // 6to4 has the IPv4 address behind its own 16 bits.
  if (first === 0x20_02) return isInternal4(second * 65_536 + (groups[2] ?? 0));
  return networks6.some(([network, bits]) => first >>> (16 - bits) === network >>> (16 - bits));
}

function isInternal4(address: number): boolean {
  return networks4.some(([network, bits]) => address >>> (32 - bits) === network >>> (32 - bits));
}

function numberOf(host: string): number {
  return host.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);
}

/** The eight groups of an IPv6 address, with or without an IPv4 address at its end. */
function groupsOf(host: string): number[] {
  const [text = ""] = host.split("%");
  const { buffer } = ipv6Bytes(text);
  const view = new DataView(buffer);
  return Array.from({ length: IPV6_GROUPS }, (_, group) => view.getUint16(2 * group));
}
