/** Portable storage begins with these bytes: two signature words and the version, 1. */
export const STORAGE_SIGNATURE: Uint8Array = Uint8Array.of(1, 0x11, 1, 1, 1, 1, 2, 1, 1);

/**
 * The type byte in front of every value.
 *
 * Source: monero `contrib/epee/include/storages/portable_storage_base.h`.
 */
export const TYPE = {
  I64: 1,
  I32: 2,
  I16: 3,
  I8: 4,
  U64: 5,
  U32: 6,
  U16: 7,
  U8: 8,
  DOUBLE: 9,
  STRING: 10,
  BOOL: 11,
  OBJECT: 12,
  ARRAY: 13,
} as const;

/** The bit of a type byte that says: an array of these. */
export const ARRAY_FLAG = 0x80;

/** The smallest and most common sizes of the varint that counts things: value shifted by two. */
export const VARINT_MAX = { ONE_BYTE: 0x3f, TWO_BYTES: 0x3fff, FOUR_BYTES: 0x3fff_ffff } as const;

/** What a decoder accepts, in the whole of one storage. */
export interface StorageLimits {
  /** Objects and arrays within each other, the outermost counted. */
  readonly depthMax: number;
  /** Objects, the outermost not counted, and arrays within arrays. */
  readonly objectsMax: number;
  /** Fields of all objects together. */
  readonly fieldsMax: number;
  /** Strings, field names not counted. */
  readonly stringsMax: number;
}

/**
 * What monerod accepts over Levin. Its recursion limit counts calls, several a level, so that it
 * takes about 32 levels; here a level is a level.
 *
 * Source: monero `levin_abstract_invoke2.h`, `default_levin_limits`, and
 * `portable_storage_from_bin.h`, `EPEE_PORTABLE_STORAGE_RECURSION_LIMIT`.
 */
export const LEVIN_STORAGE_LIMITS: StorageLimits = {
  depthMax: 100,
  objectsMax: 8_192,
  fieldsMax: 16_384,
  stringsMax: 16_384,
};

/** The bytes of one value of a type that has a fixed size; 0 for those that have not. */
export function fixedBytesOf(type: number): number {
  switch (type) {
    case TYPE.I64:
    case TYPE.U64:
    case TYPE.DOUBLE:
      return 8;
    case TYPE.I32:
    case TYPE.U32:
      return 4;
    case TYPE.I16:
    case TYPE.U16:
      return 2;
    case TYPE.I8:
    case TYPE.U8:
    case TYPE.BOOL:
      return 1;
    default:
      return 0;
  }
}
