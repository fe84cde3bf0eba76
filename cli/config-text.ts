import { readBounded } from "./bounded-file.ts";
import { UsageError } from "./usage-error.ts";

/**
 * A configuration file's text, or standard input's.
 *
 * @param option which option names it, for messages
 * @param file its path, or `-`
 * @param bytesMax anything larger is some other file
 * @throws UsageError `bad-config-file`
 */
export function readText(option: string, file: string, bytesMax: number): string {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readBounded(file, bytesMax);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError("bad-config-file", `${option} ${file} can't be read (${why}).`);
  }
  if (bytes === undefined) {
    throw new UsageError(
      "bad-config-file",
      `${option} ${file} has over ${bytesMax} bytes; that is no configuration.`,
    );
  }
  try {
    // The mark at the beginning stays: each reader knows what its program does with it.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError("bad-config-file", `${option} ${file} is not text in UTF-8.`);
  }
}
