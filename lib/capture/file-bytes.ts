/**
 * Reads a 16-bit unsigned integer, low byte first; bytes beyond the end count as zero.
 *
 * @param bytes where from
 * @param at index of its first byte
 */
export function uint16LittleEndian(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

/**
 * Reads a 16-bit unsigned integer, high byte first (network order).
 *
 * @param bytes where from
 * @param at index of its first byte
 */
export function uint16BigEndian(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/**
 * Reads a 32-bit integer as signed, low byte first.
 *
 * @param bytes where from
 * @param at index of its first byte
 */
export function int32LittleEndian(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/**
 * Reads a 32-bit integer as signed, high byte first (network order).
 *
 * @param bytes where from
 * @param at index of its first byte
 */
export function int32BigEndian(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

/** A byte order: how the fields of a file are read. */
export interface ByteOrder {
  readonly uint16: (bytes: Uint8Array, at: number) => number;
  /** A 32-bit integer as unsigned. */
  readonly uint32: (bytes: Uint8Array, at: number) => number;
}

/** Low byte first. */
export const littleEndian: ByteOrder = {
  uint16: uint16LittleEndian,
  uint32: (bytes, at) => int32LittleEndian(bytes, at) >>> 0,
};

/** High byte first. */
export const bigEndian: ByteOrder = {
  uint16: uint16BigEndian,
  uint32: (bytes, at) => int32BigEndian(bytes, at) >>> 0,
};
