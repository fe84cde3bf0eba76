/**
 * An object of portable storage. Names are 1 to 255 bytes, written one character a byte (`\x00`
 * to `\xff`), so that any name survives and sorts as its bytes do.
 */
export type Section = Map<string, StorageEntry>;

/** A value with its type. 64-bit integers are bigints, strings are bytes. */
export type StorageEntry =
  | { readonly type: "i64" | "u64"; readonly value: bigint }
  | {
      readonly type: "i32" | "i16" | "i8" | "u32" | "u16" | "u8" | "double";
      readonly value: number;
    }
  | { readonly type: "string"; readonly value: Uint8Array }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "object"; readonly value: Section }
  | StorageArray;

/** An array, with the type of its elements. In `bool` an element is 0 or 1. */
export type StorageArray = { readonly type: "array" } & (
  | { readonly of: "i64"; readonly value: BigInt64Array }
  | { readonly of: "i32"; readonly value: Int32Array }
  | { readonly of: "i16"; readonly value: Int16Array }
  | { readonly of: "i8"; readonly value: Int8Array }
  | { readonly of: "u64"; readonly value: BigUint64Array }
  | { readonly of: "u32"; readonly value: Uint32Array }
  | { readonly of: "u16"; readonly value: Uint16Array }
  | { readonly of: "u8" | "bool"; readonly value: Uint8Array }
  | { readonly of: "double"; readonly value: Float64Array }
  | { readonly of: "string"; readonly value: readonly Uint8Array[] }
  | { readonly of: "object"; readonly value: readonly Section[] }
  | { readonly of: "array"; readonly value: readonly StorageArray[] }
);
