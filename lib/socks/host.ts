import { isIPv4, isIPv6 } from "node:net";

const textEncoder = new TextEncoder();

/** What a host is on the wire: four bytes, sixteen bytes, or text that the proxy resolves. */
export type SocksHostKind = "ipv4" | "ipv6" | "name";

/** Longest name: its length travels in one byte. */
export const NAME_BYTES_MAX = 255;
/** Printable ASCII without the space. A NUL would end a SOCKS4a name early; control characters
 * of a reply would reach a terminal. */
const NAME = /^[\x21-\x7e]*$/;

/**
 * What a host's text is, by its looks alone: nothing is looked up.
 *
 * @param host text without brackets
 */
export function hostKindOf(host: string): SocksHostKind {
  if (host.includes(":")) return isIPv6(host) && !host.includes("%") ? "ipv6" : "name";
  // Only what begins with a digit is worth the runtime's slower test.
  const first = host.charCodeAt(0);
  return first >= 0x30 && first <= 0x39 && isIPv4(host) ? "ipv4" : "name";
}

/**
 * The wire form of a host: 4 bytes, 16 bytes, or the name's own bytes.
 *
 * @param host an IPv4 or IPv6 address, or a name in printable ASCII
 * @param kind what the host is, if it is known already
 * @returns undefined when a name is empty, longer than 255 bytes or not printable ASCII
 */
export function hostBytes(host: string, kind = hostKindOf(host)): Uint8Array | undefined {
  switch (kind) {
    case "ipv4":
      return ipv4Bytes(host);
    case "ipv6":
      return ipv6Bytes(host);
    case "name":
      if (host === "" || host.length > NAME_BYTES_MAX || !NAME.test(host)) return undefined;
      return textEncoder.encode(host);
  }
}

/**
 * The text of a host in wire form, the counterpart of {@link hostBytes}.
 *
 * @param kind how to read the bytes
 * @param bytes 4 bytes, 16 bytes, or up to 255 bytes of a name
 * @returns the text in canonical form; undefined when a name is not printable ASCII
 */
export function hostText(kind: SocksHostKind, bytes: Uint8Array): string | undefined {
  switch (kind) {
    case "ipv4":
      return bytes.join(".");
    case "ipv6":
      return ipv6Text(bytes);
    case "name": {
      const name = String.fromCharCode(...bytes);
      return NAME.test(name) ? name : undefined;
    }
  }
}

function ipv4Bytes(host: string): Uint8Array {
  const [a, b, c, d] = host.split(".");
  return Uint8Array.of(Number(a), Number(b), Number(c), Number(d));
}

function ipv6Bytes(host: string): Uint8Array {
  // The URL parser prints RFC 5952 form, in which only hexadecimal groups and one "::" are left.
  const canonical = new URL(`http://[${host}]`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const first = groupsOf(head);
  const last = groupsOf(tail ?? "");
  const groups = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const [index, group] of groups.entries()) view.setUint16(2 * index, group);
  return bytes;
}

function groupsOf(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

function ipv6Text(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(view.getUint16(at).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
