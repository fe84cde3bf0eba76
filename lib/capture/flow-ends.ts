/** One end of a flow. */
export interface FlowEnd {
  /** An IPv4 address in dotted form, or an IPv6 address as RFC 5952 writes it. */
  readonly address: string;
  readonly port: number;
}

/** Who speaks: 0 the end that began the flow, 1 the other. */
export type Direction = 0 | 1;

/** Words of a flow's key: two addresses of four words, low end first, both ports, the family. */
export const KEY_WORDS = 10;

/** The family word of a key. */
export const FAMILY = { ipv4: 4, ipv6: 6 } as const;

/**
 * Reads one end out of a key.
 *
 * @param keys holds the key
 * @param at index of its first word
 * @param isHigh whether the second end is meant
 */
export function flowEnd(keys: Int32Array, at: number, isHigh: boolean): FlowEnd {
  const first = at + (isHigh ? 4 : 0);
  const ports = keys[at + 8] as number;
  const port = isHigh ? ports & 0xffff : ports >>> 16;
  const words = Array.from(keys.subarray(first, first + 4), (word) => word >>> 0);
  const isIpv4 = keys[at + 9] === FAMILY.ipv4;
  return { address: isIpv4 ? ipv4Text(words[3] ?? 0) : ipv6Text(words), port };
}

function ipv4Text(word: number): string {
  return [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff].join(".");
}

/** Source: RFC 5952 section 4: the longest run of zero groups, of two or more, becomes `::`. */
function ipv6Text(words: readonly number[]): string {
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  let best = { from: 0, length: 1 };
  for (let from = 0; from < groups.length; from++) {
    let length = 0;
    while (from + length < groups.length && groups[from + length] === 0) length++;
    if (length > best.length) best = { from, length };
  }
  const hex = (list: readonly number[]): string => list.map((one) => one.toString(16)).join(":");
  if (best.length < 2) return hex(groups);
  return `${hex(groups.slice(0, best.from))}::${hex(groups.slice(best.from + best.length))}`;
}
