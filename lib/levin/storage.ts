import { decodeSection } from "./storage-decode.ts";
import { encodeSection } from "./storage-encode.ts";
import type { Section, StorageArray, StorageEntry } from "./storage-entry.ts";
import { StorageReader } from "./storage-reader.ts";
import { LEVIN_STORAGE_LIMITS, type StorageLimits } from "./storage-type.ts";
import { StorageWriter } from "./storage-writer.ts";

export type { Section, StorageArray, StorageEntry, StorageLimits };
export { LEVIN_STORAGE_LIMITS };

/**
 * Reads portable storage of any shape: for what has no typed message, such as a capture.
 *
 * @param bytes portable storage; bytes behind it are not looked at, since frames are padded
 * @param limits what is accepted
 * @returns the outermost object, and how many bytes it took with the signature
 * @throws LevinError with a code for each way of being wrong
 */
export function decodeStorage(
  bytes: Uint8Array,
  limits: StorageLimits = LEVIN_STORAGE_LIMITS,
): { section: Section; bytesRead: number } {
  const reader = new StorageReader(bytes, limits);
  const section = decodeSection(reader);
  return { section, bytesRead: reader.bytesRead };
}

/**
 * Writes portable storage as monerod does: fields in byte order of their names.
 *
 * @param section the outermost object
 * @returns the signature and the object
 * @throws LevinError `unencodable` (a bug of ours) for a value that its type can't hold, a name
 *   that is empty, too long or not one character a byte, or more than 100 levels
 */
export function encodeStorage(section: Section): Uint8Array {
  const writer = new StorageWriter();
  encodeSection(writer, section);
  return writer.finish();
}
