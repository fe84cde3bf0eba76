import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { RandomSource } from "../runtime/random.ts";
import { formatRecord, type NodeRecord, parseRecord } from "./enr.ts";
import { checkRecordOwner } from "./enr-write.ts";
import { EthereumError } from "./error.ts";
import { drawPrivateKey, publicKeyOf } from "./node-key.ts";

/** A node's key, and whether it was made just now. */
export interface NodeKeyFile {
  /** 32 bytes; never to be printed. */
  readonly privateKey: Uint8Array;
  readonly isNew: boolean;
}

const KEY = /^(?:0x)?([0-9a-f]{64})\s*$/i;
/** A key has 64 digits, a record 404 signs; what is larger is neither. */
const FILE_BYTES_MAX = 1_024;
/** Rights of the group and of all others. */
const OTHERS_MASK = 0o077;
const UNFINISHED_BYTES = 6;
const RECORD_ENDING = ".enr";

/**
 * Reads a node's key: 64 hexadecimal digits, as in go-ethereum's `nodekey`.
 *
 * @param file its path
 * @returns 32 bytes; never to be printed
 * @throws EthereumError `key-file` where it can't be read, holds no key, or is open to other users;
 *   `key-invalid`
 * @see go-ethereum `crypto.LoadECDSA`
 */
export function readNodeKey(file: string): Uint8Array {
  const key = readKeyIfThere(file);
  if (key !== undefined) return key;
  throw new EthereumError("key-file", `There is no key in ${file}; name the file of a node's key.`);
}

/**
 * Reads a node's key, or makes one where there is none. A new file is for its owner only and gets
 * its name once it is whole on the disk; of two that make one at once, both have the same key after.
 *
 * @param file its path; folders are made where they are missing
 * @param random where a new key comes from
 * @throws EthereumError as {@link readNodeKey}
 */
export function keyAt(file: string, random: RandomSource): NodeKeyFile {
  const there = readKeyIfThere(file);
  if (there !== undefined) return { privateKey: there, isNew: false };
  const privateKey = drawPrivateKey(random);
  const isNew = attempt(file, () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const unfinished = writeAside(file, Buffer.from(privateKey).toString("hex"), random);
    try {
      // Unlike a rename, a link never takes the place of a key that appeared meanwhile.
      linkSync(unfinished, file);
      syncFolder(dirname(file));
      return true;
    } catch (error) {
      if (hasCode(error, "EEXIST")) return false;
      throw error;
    } finally {
      rmSync(unfinished, { force: true });
    }
  });
  return isNew ? { privateKey, isNew } : { privateKey: readNodeKey(file), isNew };
}

/**
 * Where the newest record of a key is kept.
 *
 * @param keyFile path of the key
 */
export function recordFileOf(keyFile: string): string {
  return `${keyFile}${RECORD_ENDING}`;
}

/**
 * Reads the newest record of a key, which lies beside it.
 *
 * @param keyFile path of the key
 * @param privateKey what that file holds; without it nobody checks whose record it is
 * @returns undefined where none is kept
 * @throws EthereumError `key-file`, `record-other-key`
 */
export function readKeptRecord(keyFile: string, privateKey?: Uint8Array): NodeRecord | undefined {
  const file = recordFileOf(keyFile);
  const text = readText(file, 0);
  if (text === undefined) return undefined;
  const record = parseKept(file, text.trim());
  if (privateKey !== undefined) checkRecordOwner(record, privateKey);
  return record;
}

/**
 * Keeps a record beside its key, in the place of the one before; a crash leaves one or the other.
 *
 * @param keyFile path of the key
 * @param record the newest of that key
 * @param random names the unfinished file
 * @throws EthereumError `key-file`
 */
export function keepRecord(keyFile: string, record: NodeRecord, random: RandomSource): void {
  const file = recordFileOf(keyFile);
  attempt(file, () => {
    const unfinished = writeAside(file, `${formatRecord(record.bytes)}\n`, random);
    try {
      renameSync(unfinished, file);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    }
    syncFolder(dirname(file));
  });
}

function parseKept(file: string, text: string): NodeRecord {
  try {
    return parseRecord(text);
  } catch (cause) {
    throw new EthereumError(
      "key-file",
      `${file} holds no record any more; remove it, and give --seq a number above the last one.`,
      { cause },
    );
  }
}

function readKeyIfThere(file: string): Uint8Array | undefined {
  const text = readText(file, OTHERS_MASK);
  if (text === undefined) return undefined;
  const digits = KEY.exec(text)?.[1];
  if (digits === undefined) {
    // What it holds instead stays unsaid: it may be a key in another form.
    throw new EthereumError(
      "key-file",
      `${file} does not hold a node's key, which is 64 hexadecimal digits; name another file.`,
    );
  }
  const key = Uint8Array.from(Buffer.from(digits, "hex"));
  publicKeyOf(key);
  return key;
}

function readText(file: string, forbidden: number): string | undefined {
  return attempt(file, () => {
    const opened = openIfThere(file);
    if (opened === undefined) return undefined;
    try {
      const { mode } = fstatSync(opened);
      // Windows knows no such rights, and shows every file as open to all.
      if (process.platform !== "win32" && (mode & forbidden) !== 0) throw tooOpen(file);
      const bytes = Buffer.alloc(FILE_BYTES_MAX);
      return bytes.toString("latin1", 0, readSync(opened, bytes));
    } finally {
      closeSync(opened);
    }
  });
}

function openIfThere(file: string): number | undefined {
  try {
    return openSync(file, "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function writeAside(file: string, text: string, random: RandomSource): string {
  const unfinished = `${file}.${Buffer.from(random.bytes(UNFINISHED_BYTES)).toString("hex")}`;
  const opened = openSync(unfinished, "wx", 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(opened, bytes, at);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
  return unfinished;
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function attempt<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof EthereumError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EthereumError(
      "key-file",
      `${file} can't be used (${reason}); mend its permissions, or name another file.`,
      { cause },
    );
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function tooOpen(file: string): EthereumError {
  return new EthereumError(
    "key-file",
    `${file} can be read by other users of this machine; close it with chmod 600 ${file}.`,
  );
}
