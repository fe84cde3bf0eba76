/**
 * Takes packets as a capture is read. The bytes belong to the reader and change once the call has
 * returned; nothing is made for a packet, so that millions a second can pass.
 */
export interface PacketSink {
  /**
   * @param bytes the reader's buffer
   * @param start where the packet starts in it
   * @param captured how many of its bytes are there
   * @param original how many bytes it had on the wire; not below `captured`
   * @param timeUs when it was seen, microseconds since 1970 with a fraction
   * @param linkType one of {@link LINK_TYPE}
   */
  packet(
    bytes: Uint8Array,
    start: number,
    captured: number,
    original: number,
    timeUs: number,
    linkType: number,
  ): void;
}

/**
 * The link types that can be read, by their numbers in files.
 *
 * Source: tcpdump.org/linktypes.html; 12 and 14 are what raw IP is called in files of some systems.
 */
export const LINK_TYPE = {
  loopbackNull: 0,
  ethernet: 1,
  rawBsd: 12,
  rawOpenBsd: 14,
  raw: 101,
  loopbackLoop: 108,
  linuxCooked: 113,
  ipv4: 228,
  ipv6: 229,
  linuxCooked2: 276,
} as const;

const readable: ReadonlySet<number> = new Set(Object.values(LINK_TYPE));

/** Those link types in words, for messages. */
export const LINK_TYPES_TEXT = "Ethernet, Linux cooked v1 and v2, raw IP and BSD loopback";

/**
 * Whether packets of a link type can be read.
 *
 * @param linkType its number in files
 */
export function isReadableLink(linkType: number): boolean {
  return readable.has(linkType);
}
