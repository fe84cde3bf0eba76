import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { RandomSource } from "../runtime/random.ts";
import { TorError } from "./error.ts";
import { EXPANDED_KEY_BYTES, OnionKey } from "./onion-key.ts";

/** Both headers have 32 bytes: a text, then zeros. */
const HEADER_BYTES = 32;
const SECRET_HEADER = "== ed25519v1-secret: type0 ==";
const PUBLIC_HEADER = "== ed25519v1-public: type0 ==";
const PUBLIC_KEY_BYTES = 32;
/** Letters added to the name of a file while it is being written. */
const UNFINISHED_BYTES = 6;

/** Names of the files in tor's HiddenServiceDir. */
export const onionFiles = {
  secretKey: "hs_ed25519_secret_key",
  publicKey: "hs_ed25519_public_key",
  hostname: "hostname",
} as const;

/**
 * What tor keeps in `hs_ed25519_secret_key`.
 *
 * @param key the service's key
 * @returns 96 bytes
 * @see tor `crypto_write_tagged_contents_to_file`
 */
export function secretKeyFile(key: OnionKey): Uint8Array {
  return tagged(SECRET_HEADER, key.expanded());
}

/**
 * What tor keeps in `hs_ed25519_public_key`.
 *
 * @param key the service's key
 * @returns 64 bytes
 */
export function publicKeyFile(key: OnionKey): Uint8Array {
  return tagged(PUBLIC_HEADER, key.publicKey);
}

/**
 * Reads `hs_ed25519_secret_key`.
 *
 * @param bytes what the file holds
 * @throws TorError `key-invalid`
 */
export function parseSecretKeyFile(bytes: Uint8Array): OnionKey {
  return OnionKey.fromExpanded(untagged(SECRET_HEADER, bytes, EXPANDED_KEY_BYTES));
}

/**
 * Reads `hs_ed25519_public_key`.
 *
 * @param bytes what the file holds
 * @returns 32 bytes
 * @throws TorError `key-invalid`
 */
export function parsePublicKeyFile(bytes: Uint8Array): Uint8Array {
  return untagged(PUBLIC_HEADER, bytes, PUBLIC_KEY_BYTES);
}

/**
 * Reads the key of a service from tor's HiddenServiceDir.
 *
 * @param directory tor's folder for the service
 * @throws TorError `key-file` where it can't be read; `key-invalid`; `address-mismatch` where the
 *   folder's `hostname` names another service
 */
export async function readOnionDirectory(directory: string): Promise<OnionKey> {
  const file = join(directory, onionFiles.secretKey);
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TorError("key-file", `"${file}" can't be read; run as the user that tor runs as.`, {
      cause,
    });
  });
  const key = parseSecretKeyFile(bytes);
  const hostname = await readFile(join(directory, onionFiles.hostname), "utf8").catch(() => "");
  if (hostname !== "" && hostname.trim() !== key.address) {
    throw new TorError(
      "address-mismatch",
      `"${directory}" holds the key of ${key.address} and the name of another service; look which is right.`,
    );
  }
  return key;
}

/**
 * Writes the key of a service as a HiddenServiceDir for tor: a folder of mode 0700, files of mode
 * 0600, each written whole before it gets its name.
 *
 * @param directory made where it is missing
 * @param key the service's key
 * @param random names the unfinished files
 * @throws TorError `key-file` where another service's key lies there already, or it can't be written
 */
export async function writeOnionDirectory(
  directory: string,
  key: OnionKey,
  random: RandomSource,
): Promise<void> {
  const there = await readFile(join(directory, onionFiles.secretKey)).catch(() => undefined);
  if (there !== undefined && Buffer.compare(there, secretKeyFile(key)) !== 0) {
    throw new TorError(
      "key-file",
      `"${directory}" holds another service's key; take a new folder.`,
    );
  }
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    await writeWhole(join(directory, onionFiles.secretKey), secretKeyFile(key), random);
    await writeWhole(join(directory, onionFiles.publicKey), publicKeyFile(key), random);
    const hostname = new TextEncoder().encode(`${key.address}\n`);
    await writeWhole(join(directory, onionFiles.hostname), hostname, random);
  } catch (cause) {
    throw new TorError("key-file", `The key can't be written to "${directory}"; check its owner.`, {
      cause,
    });
  }
}

async function writeWhole(path: string, bytes: Uint8Array, random: RandomSource): Promise<void> {
  const unfinished = `${path}.${Buffer.from(random.bytes(UNFINISHED_BYTES)).toString("hex")}`;
  const file = await open(unfinished, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
    await file.close();
    await rename(unfinished, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(unfinished, { force: true });
    throw error;
  }
}

function tagged(header: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + content.length);
  bytes.set(new TextEncoder().encode(header));
  bytes.set(content, HEADER_BYTES);
  return bytes;
}

function untagged(header: string, bytes: Uint8Array, length: number): Uint8Array {
  const head = tagged(header, new Uint8Array(0));
  const matches = Buffer.compare(bytes.subarray(0, HEADER_BYTES), head) === 0;
  if (!matches || bytes.length !== HEADER_BYTES + length) {
    throw new TorError(
      "key-invalid",
      `A key file of tor's begins with "${header}" and has ${HEADER_BYTES + length} bytes; check the file.`,
    );
  }
  return bytes.slice(HEADER_BYTES);
}
