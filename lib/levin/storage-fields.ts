import { LevinError } from "./error.ts";
import type { StorageReader } from "./storage-reader.ts";
import { ARRAY_FLAG, TYPE } from "./storage-type.ts";
import { StorageWriter } from "./storage-writer.ts";

/** monerod's own writer refuses longer names. */
const NAME_BYTES_MAX = 254;
/** The bits that tell which of an object's fields were seen: one a field. */
const FIELDS_MAX = 31;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const I64_MAX = 0x7fff_ffff_ffff_ffffn;

/** The name of a field as it stands on the wire: its length in one byte, then its bytes. */
export type FieldName = Uint8Array;

/**
 * Prepares a field's name once, so that reading compares and writing copies bytes.
 *
 * @param text ASCII, 1 to 254 characters
 * @throws RangeError on other texts
 */
export function fieldName(text: string): FieldName {
  if (!/^[\x20-\x7e]{1,254}$/.test(text)) {
    throw new RangeError(`"${text}" is not a field name of 1 to ${NAME_BYTES_MAX} characters.`);
  }
  return Uint8Array.from([
    text.length,
    ...Array.from(text, (character) => character.charCodeAt(0)),
  ]);
}

/**
 * Walks the fields of one object whose names are known. Fields in the order given, in which
 * monerod sends them, are found at the first comparison; others are found too. Unknown ones are
 * passed over.
 */
export class ObjectFields {
  readonly #reader: StorageReader;
  readonly #names: readonly FieldName[];
  #left: number;
  #expected = 0;
  #seen = 0;

  /**
   * @param reader stands behind the object's field count
   * @param names the known fields, at most 31, sorted by bytes
   * @param count how many fields the object has
   */
  constructor(reader: StorageReader, names: readonly FieldName[], count: number) {
    this.#reader = reader;
    this.#names = names;
    this.#left = count;
  }

  /**
   * The name of the next known field, whose value the caller must read before it calls again.
   *
   * @returns one of the names given, or `undefined` behind the last field
   * @throws LevinError `duplicate-name`, or as reading does
   */
  next(): FieldName | undefined {
    while (this.#left > 0) {
      this.#left--;
      const name = this.#names[this.#expected];
      if (name !== undefined && this.#reader.skipName(name)) return this.#mark(name);
      const other = this.#search();
      if (other !== undefined) return this.#mark(other);
      this.#reader.skip(this.#unknownNameBytes());
      this.#reader.skipValue();
    }
    this.#reader.leave();
    return undefined;
  }

  #mark(name: FieldName): FieldName {
    const bit = 1 << this.#expected;
    if ((this.#seen & bit) !== 0) {
      throw new LevinError("duplicate-name", `The field "${textOf(name)}" occurs twice.`);
    }
    this.#seen |= bit;
    this.#expected++;
    return name;
  }

  #search(): FieldName | undefined {
    // Those behind the expected one first: optional fields are often left out.
    return (
      this.#searchIn(this.#expected + 1, this.#names.length) ?? this.#searchIn(0, this.#expected)
    );
  }

  #searchIn(from: number, to: number): FieldName | undefined {
    for (let index = from; index < to; index++) {
      const name = this.#names[index];
      if (name === undefined || !this.#reader.skipName(name)) continue;
      this.#expected = index;
      return name;
    }
    return undefined;
  }

  #unknownNameBytes(): number {
    const length = this.#reader.u8();
    if (length > 0) return length;
    throw new LevinError("bad-name", "A field of the storage has no name.");
  }
}

/** A list of known names in the order in which they are sent. */
export function fieldNames(...names: FieldName[]): readonly FieldName[] {
  const texts = names.map(textOf);
  const sorted = texts.every((text, i) => i === 0 || (texts[i - 1] ?? "") < text);
  if (sorted && names.length <= FIELDS_MAX) return names;
  throw new RangeError(
    `Field names must be sorted and at most ${FIELDS_MAX}: ${texts.join(", ")}.`,
  );
}

/** The state of an object that waits while one of its fields is written; a number for speed. */
export type OuterObject = number;

/** An object's count of fields fits in one byte, two bits of which say so. */
const COUNT_RANGE = 64;

/**
 * Writes objects field by field. The caller writes the fields in byte order of their names, as
 * monerod does, and leaves out those at their default.
 */
export class FieldWriter {
  readonly #out = new StorageWriter();
  #countAt = 0;
  #fields = 0;

  /** Begins the outermost object. */
  constructor() {
    this.open();
  }

  /** Ends the outermost object. */
  finish(): Uint8Array {
    this.close(0);
    return this.#out.finish();
  }

  u8(name: FieldName, value: number): void {
    this.#begin(name, TYPE.U8, value, 0xff);
    this.#out.u8(value);
  }

  u16(name: FieldName, value: number): void {
    this.#begin(name, TYPE.U16, value, 0xffff);
    this.#out.u16(value);
  }

  u32(name: FieldName, value: number): void {
    this.#begin(name, TYPE.U32, value, 0xffff_ffff);
    this.#out.u32(value);
  }

  u64(name: FieldName, value: bigint): void {
    if (value < 0n || value > U64_MAX) throw unencodable(name, "a u64", value);
    this.#name(name, TYPE.U64);
    this.#out.u64(value);
  }

  i64(name: FieldName, value: bigint): void {
    if (value < -I64_MAX - 1n || value > I64_MAX) throw unencodable(name, "an i64", value);
    this.#name(name, TYPE.I64);
    this.#out.u64(value);
  }

  bool(name: FieldName, value: boolean): void {
    this.#name(name, TYPE.BOOL);
    this.#out.u8(value ? 1 : 0);
  }

  string(name: FieldName, value: Uint8Array): void {
    this.#name(name, TYPE.STRING);
    this.#out.string(value);
  }

  /** Begins an object in a field; end it with `close`. */
  object(name: FieldName): OuterObject {
    this.#name(name, TYPE.OBJECT);
    return this.open();
  }

  /** Begins an array of objects; each follows between `open` and `close`. */
  objectArray(name: FieldName, count: number): void {
    this.#name(name, TYPE.OBJECT | ARRAY_FLAG);
    this.#out.varint(count);
  }

  /** An array of strings. */
  stringArray(name: FieldName, values: readonly Uint8Array[]): void {
    this.#name(name, TYPE.STRING | ARRAY_FLAG);
    this.#out.varint(values.length);
    for (const value of values) this.#out.string(value);
  }

  /**
   * Begins an object.
   *
   * @returns the state of the object around it, which `close` restores
   */
  open(): OuterObject {
    const outer = this.#countAt * COUNT_RANGE + this.#fields;
    this.#countAt = this.#out.length;
    this.#fields = 0;
    this.#out.u8(0);
    return outer;
  }

  /**
   * Ends the object begun last, whose field count is known now.
   *
   * @param outer what `open` or `object` returned for it
   */
  close(outer: OuterObject): void {
    this.#out.patch(this.#countAt, this.#fields << 2);
    this.#countAt = Math.floor(outer / COUNT_RANGE);
    this.#fields = outer % COUNT_RANGE;
  }

  #begin(name: FieldName, type: number, value: number, max: number): void {
    if (!Number.isInteger(value) || value < 0 || value > max) {
      throw unencodable(name, `0 to ${max}`, value);
    }
    this.#name(name, type);
  }

  #name(name: FieldName, type: number): void {
    this.#fields++;
    this.#out.head(name, type);
  }
}

function unencodable(name: FieldName, allowed: string, value: number | bigint): LevinError {
  const message = `The field "${textOf(name)}" takes ${allowed}, not ${value}.`;
  return new LevinError("unencodable", message, "bug");
}

function textOf(name: FieldName): string {
  return String.fromCharCode(...name.subarray(1));
}
