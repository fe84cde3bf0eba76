import { isIPv4, isIPv6 } from "node:net";
import { AddressError } from "./error.ts";

/** Groups of 16 bits in an IPv6 address. */
export const IPV6_GROUPS = 8;

/**
 * @param word the four bytes of an IPv4 address, the first one lowest, as `m_ip` holds them
 * @returns `a.b.c.d`
 */
export function ipv4Text(word: number): string {
  return `${word & 0xff}.${(word >>> 8) & 0xff}.${(word >>> 16) & 0xff}.${word >>> 24}`;
}

/**
 * @param host `a.b.c.d`
 * @returns its four bytes, the first one lowest
 * @throws AddressError `bad-ipv4`
 */
export function ipv4Word(host: string): number {
  if (!isIPv4(host)) throw new AddressError("bad-ipv4", `"${host}" is not an IPv4 address.`);
  const [a = 0, b = 0, c = 0, d = 0] = host.split(".").map(Number);
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/**
 * @param bytes the 16 bytes of an IPv6 address
 * @returns its canonical text: lower case, the longest run of two or more zero groups as `::`
 * @see RFC 5952, section 4, without the mixed form of section 5
 */
export function ipv6Text(bytes: Uint8Array): string {
  const groups: string[] = [];
  for (let i = 0; i < IPV6_GROUPS; i++) {
    groups.push((((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16));
  }
  let runStart = 0;
  let runLength = 1;
  for (let start = 0; start < IPV6_GROUPS; start++) {
    let end = start;
    while (groups[end] === "0") end++;
    if (end - start > runLength) {
      runStart = start;
      runLength = end - start;
    }
  }
  if (runLength < 2) return groups.join(":");
  const before = groups.slice(0, runStart).join(":");
  return `${before}::${groups.slice(runStart + runLength).join(":")}`;
}

/**
 * @param host an IPv6 address in any form, without brackets or zone index
 * @returns its 16 bytes
 * @throws AddressError `bad-ipv6`
 */
export function ipv6Bytes(host: string): Uint8Array {
  if (!isIPv6(host) || host.includes("%")) {
    throw new AddressError("bad-ipv6", `"${host}" is not an IPv6 address.`);
  }
  const [left = "", right] = withoutDots(host).split("::");
  const before = groupsOf(left);
  const after = groupsOf(right ?? "");
  const bytes = new Uint8Array(2 * IPV6_GROUPS);
  before.forEach((group, i) => {
    writeGroup(bytes, i, group);
  });
  after.forEach((group, i) => {
    writeGroup(bytes, IPV6_GROUPS - after.length + i, group);
  });
  return bytes;
}

/** `::ffff:10.1.2.3` as `::ffff:a01:203`. */
function withoutDots(host: string): string {
  const tail = host.slice(host.lastIndexOf(":") + 1);
  if (!tail.includes(".")) return host;
  const word = ipv4Word(tail);
  const high = ((word & 0xff) << 8) | ((word >>> 8) & 0xff);
  const low = (((word >>> 16) & 0xff) << 8) | (word >>> 24);
  return `${host.slice(0, -tail.length)}${high.toString(16)}:${low.toString(16)}`;
}

function groupsOf(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

function writeGroup(bytes: Uint8Array, index: number, group: number): void {
  bytes[2 * index] = group >>> 8;
  bytes[2 * index + 1] = group;
}
