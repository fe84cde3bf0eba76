import { closeSync, openSync, readSync } from "node:fs";
import { stdin } from "node:process";

/**
 * Reads a file that is to be small. What the system says of its size is not asked: of pipes and
 * devices that is 0, and some of them never end.
 *
 * @param file its path, or `-` for standard input
 * @param bytesMax anything larger is some other file
 * @returns undefined where there is more
 * @throws the system's error
 */
export function readBounded(file: string, bytesMax: number): Uint8Array | undefined {
  const opened = file === "-" ? stdin.fd : openSync(file, "r");
  try {
    const bytes = new Uint8Array(bytesMax + 1);
    let end = 0;
    while (end < bytes.length) {
      const read = readSync(opened, bytes, end, bytes.length - end, null);
      if (read === 0) return bytes.subarray(0, end);
      end += read;
    }
    return undefined;
  } finally {
    if (opened !== stdin.fd) closeSync(opened);
  }
}
