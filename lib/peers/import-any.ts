import { ImportError } from "./import-error.ts";
import { readJsonList } from "./import-json.ts";
import { type ImportList, type ImportOptions, LIST_BYTES_MAX } from "./import-list.ts";
import { isP2pState, readP2pState } from "./import-p2pstate.ts";
import { readTextList } from "./import-text.ts";

/** What is looked at to tell JSON from text. */
const HEAD_BYTES = 1_000;

/** How a list is written down; what a JSON list holds is told by itself. */
export type ListCoding = "text" | "json" | "p2pstate";

/** Every one, for messages. */
export const listCodings: readonly ListCoding[] = ["text", "json", "p2pstate"];

/**
 * Reads a list of peers: monerod's p2pstate.bin, JSON, or text.
 *
 * @param bytes the whole list
 * @param options how it is read
 * @param coding how it is written down; undefined to tell by its beginning
 * @throws ImportError with a code for each way of failing; nothing is taken then
 */
export function readPeerList(
  bytes: Uint8Array,
  options: ImportOptions,
  coding: ListCoding | undefined = codingOf(bytes),
): ImportList {
  if (bytes.length > LIST_BYTES_MAX) {
    throw new ImportError(
      "list-too-large",
      `The list has ${bytes.length} bytes, where ${LIST_BYTES_MAX} are read; cut it in parts.`,
    );
  }
  switch (coding) {
    case "p2pstate":
      return readP2pState(bytes, options);
    case "json":
      return readJsonList(textOf(bytes), options);
    case "text":
      return readTextList(textOf(bytes), options);
  }
}

function codingOf(bytes: Uint8Array): ListCoding {
  if (isP2pState(bytes)) return "p2pstate";
  const head = String.fromCharCode(...bytes.subarray(0, HEAD_BYTES));
  // An IPv6 address stands in brackets, as an array does, but never before another mark of JSON.
  return /^(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*(?:["{[\]]|$))/.test(head) ? "json" : "text";
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const message = "The list is neither text nor a p2pstate.bin of monerod; look at the file.";
    throw new ImportError("unknown-format", message, { cause });
  }
}
