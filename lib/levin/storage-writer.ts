import { LevinError } from "./error.ts";
import { STORAGE_SIGNATURE, VARINT_MAX } from "./storage-type.ts";

/** The most that a varint holds exactly here: larger lengths can't exist in memory. */
const LENGTH_MAX = Number.MAX_SAFE_INTEGER;
const CAPACITY_BYTES = 1_024;
/** A finished writer leaves its buffer to the next one up to this size. */
const SPARE_BYTES_MAX = 65_536;
/** Up to here a loop is faster than a call. */
const LOOP_BYTES_MAX = 32;

interface WriteBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** The buffer of the writer that finished last. Whoever uses it takes it away from here first. */
let spare: WriteBuffer | undefined;

/** A buffer that begins with the signature, which stays there when it is used again. */
function newBuffer(capacityBytes: number): WriteBuffer {
  const bytes = new Uint8Array(capacityBytes);
  bytes.set(STORAGE_SIGNATURE);
  return { bytes, view: new DataView(bytes.buffer) };
}

/**
 * Writes the encodings that portable storage is made of, after its signature.
 *
 * Source: monero `contrib/epee/include/storages/portable_storage_to_bin.h`.
 */
export class StorageWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #at: number = STORAGE_SIGNATURE.length;

  /** Begins with the signature. */
  constructor() {
    const { bytes, view } = spare ?? newBuffer(CAPACITY_BYTES);
    spare = undefined;
    this.#bytes = bytes;
    this.#view = view;
  }

  /** A copy of what was written. The writer must not be used afterwards. */
  finish(): Uint8Array {
    const bytes = this.#bytes;
    if (bytes.length <= SPARE_BYTES_MAX) spare = { bytes, view: this.#view };
    return bytes.slice(0, this.#at);
  }

  /** How many bytes were written. */
  get length(): number {
    return this.#at;
  }

  /**
   * A count or length.
   *
   * @throws LevinError `unencodable` when it is not a whole number from 0
   */
  varint(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > LENGTH_MAX) {
      throw new LevinError("unencodable", `${value} cannot be written as a count.`, "bug");
    }
    if (value <= VARINT_MAX.ONE_BYTE) this.u8(value << 2);
    else if (value <= VARINT_MAX.TWO_BYTES) this.u16((value << 2) | 1);
    else if (value <= VARINT_MAX.FOUR_BYTES) this.u32(((value << 2) | 2) >>> 0);
    else this.u64((BigInt(value) << 2n) | 3n);
  }

  /** A length and bytes. */
  string(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    this.#copy(value, this.#advance(value.length));
  }

  /** The head of a field: its name with the length in front, and the type of its value. */
  head(name: Uint8Array, type: number): void {
    const at = this.#advance(name.length + 1);
    this.#copy(name, at);
    this.#bytes[at + name.length] = type;
  }

  /** Replaces a byte that was written. */
  patch(at: number, value: number): void {
    this.#bytes[at] = value;
  }

  u8(value: number): void {
    const at = this.#advance(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#advance(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#advance(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: bigint): void {
    const at = this.#advance(8);
    this.#view.setBigUint64(at, value, true);
  }

  double(value: number): void {
    const at = this.#advance(8);
    this.#view.setFloat64(at, value, true);
  }

  #advance(count: number): number {
    const at = this.#at;
    const end = at + count;
    if (end > this.#bytes.length) this.#grow(end);
    this.#at = end;
    return at;
  }

  #copy(value: Uint8Array, at: number): void {
    const bytes = this.#bytes;
    if (value.length > LOOP_BYTES_MAX) {
      bytes.set(value, at);
      return;
    }
    for (let i = 0; i < value.length; i++) bytes[at + i] = value[i] ?? 0;
  }

  #grow(needed: number): void {
    const { bytes, view } = newBuffer(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = bytes;
    this.#view = view;
  }
}
