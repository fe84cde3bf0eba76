import { LevinError } from "./error.ts";
import type { Section, StorageArray, StorageEntry } from "./storage-entry.ts";
import { ARRAY_FLAG, LEVIN_STORAGE_LIMITS, TYPE } from "./storage-type.ts";
import type { StorageWriter } from "./storage-writer.ts";

/** The length of a name is one byte. */
const NAME_BYTES_MAX = 255;

/**
 * Writes an object, without type byte.
 *
 * @param writer where to
 * @param section the object
 * @throws LevinError `unencodable`
 */
export function encodeSection(writer: StorageWriter, section: Section): void {
  encodeObject(writer, section, 1);
}

function encodeObject(writer: StorageWriter, section: Section, depth: number): void {
  checkDepth(depth);
  writer.varint(section.size);
  // Code units compare as bytes do, since every character is one byte.
  for (const name of [...section.keys()].sort(compareNames)) {
    const entry = section.get(name);
    if (entry === undefined) continue;
    writer.raw(nameBytes(name));
    encodeEntry(writer, entry, depth);
  }
}

function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(1 + name.length);
  let characters = name.length;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0xff) characters = 0;
    bytes[1 + i] = code;
  }
  if (characters === 0 || characters > NAME_BYTES_MAX) {
    throw unencodable(`"${name}" is not a field name of 1 to 255 one-byte characters.`);
  }
  bytes[0] = characters;
  return bytes;
}

function encodeEntry(writer: StorageWriter, entry: StorageEntry, depth: number): void {
  switch (entry.type) {
    case "object":
      writer.u8(TYPE.OBJECT);
      encodeObject(writer, entry.value, depth + 1);
      return;
    case "array":
      encodeArray(writer, entry, depth);
      return;
    case "string":
      writer.u8(TYPE.STRING);
      writer.string(entry.value);
      return;
    case "bool":
      writer.u8(TYPE.BOOL);
      writer.u8(entry.value ? 1 : 0);
      return;
    case "double":
      writer.u8(TYPE.DOUBLE);
      writer.double(entry.value);
      return;
    case "i64":
      writer.u8(TYPE.I64);
      writer.u64(within(entry.value, BigInt.asIntN(64, entry.value)));
      return;
    case "u64":
      writer.u8(TYPE.U64);
      writer.u64(within(entry.value, BigInt.asUintN(64, entry.value)));
      return;
    case "i32":
      writer.u8(TYPE.I32);
      writer.u32(within(entry.value, entry.value | 0));
      return;
    case "u32":
      writer.u8(TYPE.U32);
      writer.u32(within(entry.value, entry.value >>> 0));
      return;
    case "i16":
      writer.u8(TYPE.I16);
      writer.u16(within(entry.value, (entry.value << 16) >> 16));
      return;
    case "u16":
      writer.u8(TYPE.U16);
      writer.u16(within(entry.value, entry.value & 0xffff));
      return;
    case "i8":
      writer.u8(TYPE.I8);
      writer.u8(within(entry.value, (entry.value << 24) >> 24));
      return;
    case "u8":
      writer.u8(TYPE.U8);
      writer.u8(within(entry.value, entry.value & 0xff));
      return;
  }
}

function encodeArray(writer: StorageWriter, array: StorageArray, depth: number): void {
  writer.u8(elementType(array) | ARRAY_FLAG);
  writer.varint(array.value.length);
  switch (array.of) {
    case "i64":
    case "u64":
      for (const value of array.value) writer.u64(value);
      return;
    case "i32":
    case "u32":
      for (const value of array.value) writer.u32(value);
      return;
    case "i16":
    case "u16":
      for (const value of array.value) writer.u16(value);
      return;
    case "i8":
      for (const value of array.value) writer.u8(value);
      return;
    case "u8":
      writer.raw(array.value);
      return;
    case "bool":
      for (const value of array.value) writer.u8(within(value, value & 1));
      return;
    case "double":
      for (const value of array.value) writer.double(value);
      return;
    case "string":
      for (const value of array.value) writer.string(value);
      return;
    case "object":
      for (const value of array.value) encodeObject(writer, value, depth + 1);
      return;
    case "array":
      checkDepth(depth + 1);
      for (const value of array.value) encodeArray(writer, value, depth + 1);
      return;
  }
}

function elementType(array: StorageArray): number {
  switch (array.of) {
    case "i64":
      return TYPE.I64;
    case "i32":
      return TYPE.I32;
    case "i16":
      return TYPE.I16;
    case "i8":
      return TYPE.I8;
    case "u64":
      return TYPE.U64;
    case "u32":
      return TYPE.U32;
    case "u16":
      return TYPE.U16;
    case "u8":
      return TYPE.U8;
    case "double":
      return TYPE.DOUBLE;
    case "string":
      return TYPE.STRING;
    case "bool":
      return TYPE.BOOL;
    case "object":
      return TYPE.OBJECT;
    case "array":
      return TYPE.ARRAY;
  }
}

function within<T extends number | bigint>(value: T, stored: T): T {
  if (value === stored) return value;
  throw unencodable(`${value} does not fit in its type, which would hold ${stored}.`);
}

function checkDepth(depth: number): void {
  if (depth <= LEVIN_STORAGE_LIMITS.depthMax) return;
  throw unencodable(
    `The storage has more than ${LEVIN_STORAGE_LIMITS.depthMax} levels of objects.`,
  );
}

function unencodable(message: string): LevinError {
  return new LevinError("unencodable", message, "bug");
}
