import { int32At, plainBytes } from "./bytes.ts";
import { LevinError, type LevinErrorCode } from "./error.ts";
import {
  ARRAY_FLAG,
  fixedBytesOf,
  LEVIN_STORAGE_LIMITS,
  STORAGE_SIGNATURE,
  type StorageLimits,
  TYPE,
} from "./storage-type.ts";

const TWO_POW_30 = 1_073_741_824;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const I64_MAX = 0x7fff_ffff_ffff_ffffn;
/** Up to here, which hashes and ids are, a loop is faster than a call. */
const LOOP_BYTES_MAX = 32;

/**
 * Where eight bytes pass through on their way to a number. A view of the payload itself would make
 * the runtime move it to a buffer of its own, which costs more than reading the whole message.
 */
const WORD = new DataView(new ArrayBuffer(8));

/**
 * A cursor over portable storage. It checks every count against the bytes that are left and
 * against the limits before anything is made of it.
 *
 * Methods named after a value (`unsigned`, `boolean`, `string`) read the type byte and the value,
 * for a message layer that knows what it expects; those named after an encoding (`u32`, `varint`)
 * read just that.
 *
 * Source: monero `contrib/epee/include/storages/portable_storage_from_bin.h`.
 */
export class StorageReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number = STORAGE_SIGNATURE.length;

  readonly #limits: StorageLimits;
  #depth = 0;
  #objects = 0;
  #fields = 0;
  #strings = 0;

  /**
   * @param bytes portable storage, perhaps with other bytes behind it
   * @param limits what is accepted
   * @throws LevinError `storage-signature`
   */
  constructor(bytes: Uint8Array, limits: StorageLimits = LEVIN_STORAGE_LIMITS) {
    this.#bytes = plainBytes(bytes);
    this.#end = bytes.length;
    this.#limits = limits;
    for (let i = 0; i < STORAGE_SIGNATURE.length; i++) {
      if (this.#bytes[i] === STORAGE_SIGNATURE[i]) continue;
      throw new LevinError("storage-signature", "The payload does not begin as portable storage.");
    }
  }

  /** How many bytes were read. */
  get bytesRead(): number {
    return this.#at;
  }

  /**
   * Enters the outermost object, or one whose type byte was read.
   *
   * @returns how many fields follow; call `leave` behind the last
   */
  enterObject(): number {
    this.enter();
    const fields = this.varint();
    this.#fields += this.#within(fields, this.#limits.fieldsMax - this.#fields, "too-many-fields");
    return fields;
  }

  /** Goes one level down, into an object or an array of arrays. */
  enter(): void {
    if (this.#depth >= this.#limits.depthMax) {
      throw new LevinError(
        "too-deep",
        `The storage has more than ${this.#limits.depthMax} levels of objects.`,
      );
    }
    this.#depth++;
  }

  /** Goes one level up. */
  leave(): void {
    this.#depth--;
  }

  /**
   * Passes the name that comes next if it is the one given.
   *
   * @param name the length byte and the bytes of a name
   */
  skipName(name: Uint8Array): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
    this.#at = at + name.length;
    return true;
  }

  /** A name, one character a byte, whatever its encoding. */
  name(): string {
    const length = this.u8();
    if (length === 0) throw new LevinError("bad-name", "A field of the storage has no name.");
    this.#need(length);
    const from = this.#at;
    this.#at = from + length;
    return String.fromCharCode(...this.#bytes.subarray(from, this.#at));
  }

  /**
   * An unsigned number, stored in any integer type as long as it fits, as monerod reads it.
   *
   * @param max the largest value of the field's own type: 2^8, 2^16 or 2^32, less one
   * @throws LevinError `wrong-type` or `out-of-range`
   */
  unsigned(max: number): number {
    const value = this.#integer(this.u8());
    if (value >= 0 && value <= max) return Number(value);
    throw new LevinError("out-of-range", `A field holds ${value}, where 0 to ${max} is allowed.`);
  }

  /** As `unsigned`, for a field of 64 bits. */
  unsigned64(): bigint {
    const type = this.u8();
    if (type === TYPE.U64) return this.u64();
    const value = BigInt(this.#integer(type));
    if (value >= 0n && value <= U64_MAX) return value;
    throw new LevinError("out-of-range", `A field holds ${value}, where a u64 is expected.`);
  }

  /** As `unsigned64`, for a signed field. */
  signed64(): bigint {
    const type = this.u8();
    if (type === TYPE.I64) return this.i64();
    const value = BigInt(this.#integer(type));
    if (value <= I64_MAX) return value;
    throw new LevinError("out-of-range", `A field holds ${value}, where an i64 is expected.`);
  }

  /** @throws LevinError `wrong-type` or `out-of-range` */
  boolean(): boolean {
    this.#expect(TYPE.BOOL, "a bool");
    return this.bool();
  }

  /** A copy of a string's bytes. */
  string(): Uint8Array {
    this.#expect(TYPE.STRING, "a string");
    return this.stringBytes();
  }

  /** Enters an object in a field, as `enterObject`. */
  object(): number {
    this.#expect(TYPE.OBJECT, "an object");
    this.countObjects(1);
    return this.enterObject();
  }

  /**
   * The head of an array in a field.
   *
   * @param type the type of its elements
   * @returns how many elements follow, no more than there are bytes for
   */
  array(type: number): number {
    this.#expect(type | ARRAY_FLAG, "an array");
    return this.arrayLength(type);
  }

  /**
   * The count in front of an array's elements, checked against bytes and limits.
   *
   * @param type the type of its elements
   */
  arrayLength(type: number): number {
    const count = this.varint();
    const elementBytes = fixedBytesOf(type) || 1;
    this.#within(count, Math.floor((this.#end - this.#at) / elementBytes), "truncated");
    if (type === TYPE.STRING) this.#countStrings(count);
    if (type === TYPE.OBJECT || type === TYPE.ARRAY) this.countObjects(count);
    return count;
  }

  /** Counts objects, or arrays within arrays, against the limit. */
  countObjects(count: number): void {
    const left = this.#limits.objectsMax - this.#objects;
    this.#objects += this.#within(count, left, "too-many-objects");
  }

  /** A copy of a string's bytes, behind its type byte. */
  stringBytes(): Uint8Array {
    this.#countStrings(1);
    return this.elementBytes();
  }

  /** A copy of the bytes of a string in an array, which was counted with the array. */
  elementBytes(): Uint8Array {
    const length = this.#length();
    const bytes = this.#bytes;
    const from = this.#at;
    this.#at = from + length;
    if (length > LOOP_BYTES_MAX) return bytes.slice(from, this.#at);
    const copy = new Uint8Array(length);
    for (let i = 0; i < length; i++) copy[i] = bytes[from + i] ?? 0;
    return copy;
  }

  /** Passes a value whose type byte comes next, and makes nothing of it. */
  skipValue(): void {
    const type = this.u8();
    if ((type & ARRAY_FLAG) !== 0) this.#skipArray(type & ~ARRAY_FLAG);
    else if (type === TYPE.ARRAY) this.#skipArray(this.innerArrayType());
    else if (type === TYPE.STRING) {
      this.#countStrings(1);
      this.skip(this.#length());
    } else if (type === TYPE.OBJECT) {
      this.countObjects(1);
      this.#skipObject();
    } else this.skip(this.#fixedBytes(type));
  }

  /** The type of the elements of an array whose flag stands apart, behind the type `ARRAY`. */
  innerArrayType(): number {
    const type = this.u8();
    if ((type & ARRAY_FLAG) !== 0) return type & ~ARRAY_FLAG;
    throw new LevinError("wrong-type", `An array within storage has type ${type}, without flag.`);
  }

  /** Passes bytes. */
  skip(count: number): void {
    this.#need(count);
    this.#at += count;
  }

  /** A count or length: its low two bits say whether 1, 2, 4 or 8 bytes hold it. */
  varint(): number {
    this.#need(1);
    const first = this.#bytes[this.#at] ?? 0;
    switch (first & 3) {
      case 0:
        this.#at++;
        return first >>> 2;
      case 1:
        return this.u16() >>> 2;
      case 2:
        return this.u32() >>> 2;
      default:
        return (this.u32() >>> 2) + this.u32() * TWO_POW_30;
    }
  }

  u8(): number {
    return this.#bytes[this.#advance(1)] ?? 0;
  }

  u16(): number {
    const bytes = this.#bytes;
    const at = this.#advance(2);
    return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  }

  u32(): number {
    return int32At(this.#bytes, this.#advance(4)) >>> 0;
  }

  u64(): bigint {
    return this.#word().getBigUint64(0, true);
  }

  i8(): number {
    return (this.u8() << 24) >> 24;
  }

  i16(): number {
    return (this.u16() << 16) >> 16;
  }

  i32(): number {
    return int32At(this.#bytes, this.#advance(4));
  }

  i64(): bigint {
    return this.#word().getBigInt64(0, true);
  }

  double(): number {
    return this.#word().getFloat64(0, true);
  }

  bool(): boolean {
    const value = this.u8();
    if (value <= 1) return value === 1;
    throw new LevinError("out-of-range", `A bool of the storage holds ${value}, not 0 or 1.`);
  }

  #word(): DataView {
    const at = this.#advance(8);
    WORD.setInt32(0, int32At(this.#bytes, at), true);
    WORD.setInt32(4, int32At(this.#bytes, at + 4), true);
    return WORD;
  }

  #integer(type: number): number | bigint {
    switch (type) {
      case TYPE.U32:
        return this.u32();
      case TYPE.U16:
        return this.u16();
      case TYPE.U8:
        return this.u8();
      case TYPE.U64:
        return this.u64();
      case TYPE.I64:
        return this.i64();
      case TYPE.I32:
        return this.i32();
      case TYPE.I16:
        return this.i16();
      case TYPE.I8:
        return this.i8();
      default:
        throw new LevinError("wrong-type", `A field has type ${type}, not that of an integer.`);
    }
  }

  #skipArray(type: number): void {
    const count = this.arrayLength(type);
    if (type === TYPE.STRING) {
      for (let i = 0; i < count; i++) this.skip(this.#length());
    } else if (type === TYPE.OBJECT) {
      for (let i = 0; i < count; i++) this.#skipObject();
    } else if (type === TYPE.ARRAY) {
      this.enter();
      for (let i = 0; i < count; i++) this.#skipArray(this.innerArrayType());
      this.leave();
    } else this.skip(count * this.#fixedBytes(type));
  }

  #skipObject(): void {
    const fields = this.enterObject();
    for (let i = 0; i < fields; i++) {
      const length = this.u8();
      if (length === 0) throw new LevinError("bad-name", "A field of the storage has no name.");
      this.skip(length);
      this.skipValue();
    }
    this.leave();
  }

  #fixedBytes(type: number): number {
    const bytes = fixedBytesOf(type);
    if (bytes > 0) return bytes;
    throw new LevinError("unknown-type", `A value of the storage has type ${type}, unknown here.`);
  }

  #expect(type: number, what: string): void {
    const found = this.u8();
    if (found === type) return;
    throw new LevinError("wrong-type", `A field has type ${found}, where ${what} is expected.`);
  }

  #countStrings(count: number): void {
    const left = this.#limits.stringsMax - this.#strings;
    this.#strings += this.#within(count, left, "too-many-strings");
  }

  #length(): number {
    const length = this.varint();
    this.#need(length);
    return length;
  }

  #advance(count: number): number {
    const at = this.#at;
    if (at + count > this.#end) throw this.#truncated(count);
    this.#at = at + count;
    return at;
  }

  #need(count: number): void {
    if (this.#at + count > this.#end) throw this.#truncated(count);
  }

  #truncated(count: number): LevinError {
    const message = `The storage ends at byte ${this.#end}, where ${count} more were announced at ${this.#at}.`;
    return new LevinError("truncated", message);
  }

  #within(count: number, left: number, code: LevinErrorCode): number {
    if (count <= left) return count;
    throw new LevinError(code, `The storage announces ${count} items, where ${left} may follow.`);
  }
}
