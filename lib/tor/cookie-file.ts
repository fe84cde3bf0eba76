import { constants, open } from "node:fs/promises";
import { COOKIE_BYTES } from "./authentication.ts";
import { TorError } from "./error.ts";

/**
 * Reads tor's cookie: at most one byte more than a cookie has, so that a name that leads to a
 * device or a long file costs nothing. Opening does not wait for a pipe's other end either.
 *
 * @param path where it lies
 * @returns what it holds, up to 33 bytes; whether it is a cookie is for the authentication to say
 * @throws TorError `cookie-unreadable`
 */
export async function readCookieFile(path: string): Promise<Uint8Array> {
  const into = new Uint8Array(COOKIE_BYTES + 1);
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) throw new Error("not a file");
      const { bytesRead } = await file.read(into, 0, into.length, 0);
      return into.slice(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new TorError(
      "cookie-unreadable",
      `Tor's cookie file "${path}" can't be read; join tor's group (debian-tor), or give a password.`,
      { cause },
    );
  }
}
