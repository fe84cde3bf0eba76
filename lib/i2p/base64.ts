import { I2pError } from "./error.ts";

/** Longest text decoded: four times the largest destination with private keys that is in use. */
export const BASE64_CHARACTERS_MAX = 16_384;

/**
 * Bytes in I2P's base64: the common alphabet with `-` for `+` and `~` for `/`, padded with `=`.
 *
 * @param bytes any
 * @see https://geti2p.net/spec/common-structures, and i2pd `libi2pd/Base.cpp`
 */
export function encodeI2pBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString("base64")
    .replaceAll("+", "-")
    .replaceAll("/", "~");
}

/**
 * Reads I2P's base64. Only the one text that `encodeI2pBase64` gives is taken, with its padding or
 * without: two texts for one key would make two names of one service.
 *
 * @param text at most 16,384 characters
 * @returns the bytes
 * @throws I2pError `base64-invalid`; its message does not quote the text, which may be a key
 */
export function decodeI2pBase64(text: string): Uint8Array {
  if (text.length > BASE64_CHARACTERS_MAX) {
    throw invalid(`has ${text.length} characters, and at most ${BASE64_CHARACTERS_MAX} are read`);
  }
  const digits = text.replace(/={1,2}$/, "");
  const stray = /[^A-Za-z0-9~-]/.exec(digits);
  if (stray !== null) {
    throw invalid(`has a character outside A-Z, a-z, 0-9, "-" and "~" in place ${stray.index + 1}`);
  }
  const bytes = new Uint8Array(
    Buffer.from(digits.replaceAll("-", "+").replaceAll("~", "/"), "base64"),
  );
  const whole = encodeI2pBase64(bytes);
  if (text !== whole && text !== whole.replace(/=+$/, "")) {
    throw invalid(`of ${text.length} characters is cut off or has stray bits at its end`);
  }
  return bytes;
}

function invalid(what: string): I2pError {
  return new I2pError("base64-invalid", `The I2P base64 text ${what}; copy it again.`);
}
