import { LevinError } from "./error.ts";
import type { Section, StorageArray, StorageEntry } from "./storage-entry.ts";
import type { StorageReader } from "./storage-reader.ts";
import { ARRAY_FLAG, TYPE } from "./storage-type.ts";

/**
 * Reads an object whose type byte, if any, was read.
 *
 * @param reader stands at the object's field count
 * @throws LevinError as the reader does, or `duplicate-name`
 */
export function decodeSection(reader: StorageReader): Section {
  const section: Section = new Map();
  const fields = reader.enterObject();
  for (let i = 0; i < fields; i++) {
    const name = reader.name();
    if (section.has(name)) {
      throw new LevinError("duplicate-name", `The field "${name}" occurs twice in one object.`);
    }
    section.set(name, decodeEntry(reader));
  }
  reader.leave();
  return section;
}

function decodeEntry(reader: StorageReader): StorageEntry {
  const type = reader.u8();
  if ((type & ARRAY_FLAG) !== 0) return decodeArray(reader, type & ~ARRAY_FLAG);
  switch (type) {
    case TYPE.I64:
      return { type: "i64", value: reader.i64() };
    case TYPE.I32:
      return { type: "i32", value: reader.i32() };
    case TYPE.I16:
      return { type: "i16", value: reader.i16() };
    case TYPE.I8:
      return { type: "i8", value: reader.i8() };
    case TYPE.U64:
      return { type: "u64", value: reader.u64() };
    case TYPE.U32:
      return { type: "u32", value: reader.u32() };
    case TYPE.U16:
      return { type: "u16", value: reader.u16() };
    case TYPE.U8:
      return { type: "u8", value: reader.u8() };
    case TYPE.DOUBLE:
      return { type: "double", value: reader.double() };
    case TYPE.STRING:
      return { type: "string", value: reader.stringBytes() };
    case TYPE.BOOL:
      return { type: "bool", value: reader.bool() };
    case TYPE.OBJECT:
      reader.countObjects(1);
      return { type: "object", value: decodeSection(reader) };
    case TYPE.ARRAY:
      return decodeArray(reader, reader.innerArrayType());
    default:
      throw unknownType(type);
  }
}

function decodeArray(reader: StorageReader, type: number): StorageArray {
  const count = reader.arrayLength(type);
  switch (type) {
    case TYPE.I64:
      return {
        type: "array",
        of: "i64",
        value: fill(new BigInt64Array(count), () => reader.i64()),
      };
    case TYPE.I32:
      return { type: "array", of: "i32", value: fill(new Int32Array(count), () => reader.i32()) };
    case TYPE.I16:
      return { type: "array", of: "i16", value: fill(new Int16Array(count), () => reader.i16()) };
    case TYPE.I8:
      return { type: "array", of: "i8", value: fill(new Int8Array(count), () => reader.i8()) };
    case TYPE.U64:
      return {
        type: "array",
        of: "u64",
        value: fill(new BigUint64Array(count), () => reader.u64()),
      };
    case TYPE.U32:
      return { type: "array", of: "u32", value: fill(new Uint32Array(count), () => reader.u32()) };
    case TYPE.U16:
      return { type: "array", of: "u16", value: fill(new Uint16Array(count), () => reader.u16()) };
    case TYPE.U8:
      return { type: "array", of: "u8", value: fill(new Uint8Array(count), () => reader.u8()) };
    case TYPE.BOOL:
      return {
        type: "array",
        of: "bool",
        value: fill(new Uint8Array(count), () => Number(reader.bool())),
      };
    case TYPE.DOUBLE:
      return {
        type: "array",
        of: "double",
        value: fill(new Float64Array(count), () => reader.double()),
      };
    default:
      return decodeNested(reader, type, count);
  }
}

function decodeNested(reader: StorageReader, type: number, count: number): StorageArray {
  switch (type) {
    case TYPE.STRING:
      return { type: "array", of: "string", value: repeat(count, () => reader.elementBytes()) };
    case TYPE.OBJECT:
      return { type: "array", of: "object", value: repeat(count, () => decodeSection(reader)) };
    case TYPE.ARRAY: {
      reader.enter();
      const value = repeat(count, () => decodeArray(reader, reader.innerArrayType()));
      reader.leave();
      return { type: "array", of: "array", value };
    }
    default:
      throw unknownType(type);
  }
}

function fill<T, A extends { [index: number]: T; readonly length: number }>(
  array: A,
  read: () => T,
): A {
  for (let i = 0; i < array.length; i++) array[i] = read();
  return array;
}

/** Grows with what was read, not with what was announced. */
function repeat<T>(count: number, read: () => T): T[] {
  const values: T[] = [];
  for (let i = 0; i < count; i++) values.push(read());
  return values;
}

function unknownType(type: number): LevinError {
  return new LevinError("unknown-type", `A value of the storage has type ${type}, unknown here.`);
}
