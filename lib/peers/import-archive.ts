import { ImportError } from "./import-error.ts";

/** A class of which an archive holds objects. */
export interface ArchiveClass {
  readonly name: string;
  /** The newest version that is known. */
  readonly version: number;
}

/** What every boost archive begins with, behind its length. */
export const ARCHIVE_SIGNATURE = "serialization::archive";
/** The flag of an archive whose numbers have their low byte first, as monerod's have. */
export const ARCHIVE_LITTLE_ENDIAN = 0x80;
const ARCHIVE_BIG_ENDIAN = 0x40;
/** monerod writes 0; boost's own counting has come to 20. */
const LIBRARY_VERSION_MAX = 0xff;
const NUMBER_BYTES_MAX = 8;

const signature = Uint8Array.from(ARCHIVE_SIGNATURE, (letter) => letter.charCodeAt(0));
/** The length as the portable archive writes it: one byte that says one byte, and the number. */
const portableHead = Uint8Array.of(1, signature.length, ...signature);
/** The length as boost's unportable archive of a 64-bit machine writes it. */
const unportableHead = Uint8Array.of(signature.length, 0, 0, 0, 0, 0, 0, 0, ...signature);

/**
 * Reads monerod's variant of boost's portable binary archive. A number is a byte that says how
 * many bytes follow, negative for a negative number, and these. The first object of each class
 * has a flag and the class's version before it.
 *
 * @see monero `external/boost/archive/portable_binary_iarchive.hpp`
 */
export class ArchiveReader {
  readonly #bytes: Uint8Array;
  readonly #versions = new Map<string, number>();
  #at = 0;

  /** @param bytes the whole archive; not copied, so they must not change */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * Whether bytes begin as a boost archive does, portable or not.
   *
   * @param bytes of a file
   */
  static signed(bytes: Uint8Array): boolean {
    return beginsWith(bytes, portableHead) || beginsWith(bytes, unportableHead);
  }

  /**
   * Reads what stands before the first object.
   *
   * @throws ImportError `unsupported-version` or `damaged`
   */
  header(): void {
    if (beginsWith(this.#bytes, unportableHead)) {
      throw new ImportError(
        "unsupported-version",
        "The file is an unportable archive, as monerod wrote it until 2017; let a newer monerod rewrite it.",
      );
    }
    if (!beginsWith(this.#bytes, portableHead)) throw this.damaged("no signature of an archive");
    this.#at = portableHead.length;
    this.unsigned(1, LIBRARY_VERSION_MAX);
    const flags = this.byte();
    if (flags === ARCHIVE_BIG_ENDIAN) {
      throw new ImportError(
        "unsupported-version",
        "The file has its numbers' high bytes first, which monerod does not write.",
      );
    }
    if (flags !== 0 && flags !== ARCHIVE_LITTLE_ENDIAN) throw this.damaged(`flags ${flags}`);
  }

  /**
   * The version of the class of the object that follows.
   *
   * @param kind which class it is
   * @throws ImportError `unsupported-version` for a newer one than is known, `damaged`
   */
  classVersion({ name, version: known }: ArchiveClass): number {
    const before = this.#versions.get(name);
    if (before !== undefined) return before;
    const tracked = this.unsigned(1);
    if (tracked !== 0) throw this.damaged(`objects of ${name} that are told by number`);
    const version = this.unsigned(4);
    if (version > known) {
      throw new ImportError(
        "unsupported-version",
        `The file holds ${name} of version ${version}, and ${known} is the newest that is known; a newer monerod has written it.`,
      );
    }
    this.#versions.set(name, version);
    return version;
  }

  /** One byte as it stands. */
  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.damaged("its end in the middle of an object");
    this.#at++;
    return byte;
  }

  /**
   * A copy of the next bytes.
   *
   * @param length how many
   */
  bytes(length: number): Uint8Array {
    if (this.#bytes.length - this.#at < length) {
      throw this.damaged("its end in the middle of an object");
    }
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  /**
   * A number of 1 to 4 bytes, not negative.
   *
   * @param bytesMax how many bytes it may have
   * @param max the largest that is allowed
   */
  unsigned(bytesMax: 1 | 2 | 4, max = 256 ** bytesMax - 1): number {
    const value = this.#number(bytesMax);
    if (value >= 0n && value <= max) return Number(value);
    throw this.damaged(`the number ${value} where 0 to ${max} is allowed`);
  }

  /** A number of 64 bits that is never negative; the archive takes its upper half for such. */
  unsigned64(): bigint {
    return BigInt.asUintN(64, this.#number(NUMBER_BYTES_MAX));
  }

  /** A number of 64 bits. */
  signed64(): bigint {
    return BigInt.asIntN(64, this.#number(NUMBER_BYTES_MAX));
  }

  /**
   * How many objects follow.
   *
   * @param objectBytesMin what one of them has at the least
   * @param max how many there may be
   */
  count(objectBytesMin: number, max: number): number {
    const value = this.unsigned64();
    const left = BigInt(Math.floor((this.#bytes.length - this.#at) / objectBytesMin));
    if (value <= left && value <= max) return Number(value);
    throw this.damaged(`a list of ${value} entries, more than it has bytes for`);
  }

  /** @throws ImportError `damaged` where something is left */
  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw this.damaged(`${left} bytes behind its lists`);
  }

  /**
   * What is wrong with the archive, to be thrown.
   *
   * @param what was found
   */
  damaged(what: string): ImportError {
    return new ImportError(
      "damaged",
      `The file holds ${what}, at byte ${this.#at}; it is damaged or no p2pstate.bin.`,
    );
  }

  #number(bytesMax: number): bigint {
    const size = (this.byte() << 24) >> 24;
    const length = Math.abs(size);
    if (length > bytesMax) throw this.damaged(`a number of ${length} bytes`);
    let value = 0n;
    for (const [index, byte] of this.bytes(length).entries()) {
      value |= BigInt(byte) << BigInt(8 * index);
    }
    return size < 0 ? -value : value;
  }
}

function beginsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return head.every((byte, index) => bytes[index] === byte);
}
