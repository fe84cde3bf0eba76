import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RandomSource } from "../runtime/random.ts";
import {
  authorizedClientFile,
  clientKeyText,
  parseAuthorizedClientFile,
  parseClientKeyText,
} from "../tor/client-auth.ts";
import { TorError } from "../tor/error.ts";
import { onionFiles, readOnionDirectory, writeOnionDirectory } from "../tor/onion-directory.ts";
import type { OnionKey } from "../tor/onion-key.ts";
import { ServiceError } from "./error.ts";
import { destinationOf, onionKeyOf } from "./make.ts";
import { CLIENTS_MAX, checkServiceName, type ServiceClient } from "./record.ts";
import type { KeptService } from "./store.ts";

const CLIENTS_FOLDER = "authorized_clients";
const CLIENT_SUFFIX = ".auth";

/**
 * Reads a tor HiddenServiceDir: the key, and the clients in `authorized_clients`.
 *
 * @param directory tor's folder
 * @throws TorError as `readOnionDirectory`, or `key-invalid` for a client's file; ServiceError
 *   `not-found` where there is no key, `bad-name` for a client's name that can't be kept, or
 *   `too-many-clients`
 */
export async function readServiceDirectory(
  directory: string,
): Promise<{ key: OnionKey; clients: ServiceClient[] }> {
  const key = await readOnionDirectory(directory).catch((error: unknown) => {
    throw isAbsent(error) ? keyless(directory) : error;
  });
  const folder = join(directory, CLIENTS_FOLDER);
  const files = (await readdir(folder).catch(() => [])).filter((file) =>
    file.endsWith(CLIENT_SUFFIX),
  );
  if (files.length > CLIENTS_MAX) {
    throw new ServiceError(
      "too-many-clients",
      "config",
      `${folder} has ${files.length} clients; one service takes ${CLIENTS_MAX}.`,
    );
  }
  const clients: ServiceClient[] = [];
  for (const file of files.sort()) {
    const name = file.slice(0, -CLIENT_SUFFIX.length);
    checkServiceName(name);
    const text = await readFile(join(folder, file), "utf8").catch((cause: unknown) => {
      throw unusable(join(folder, file), cause);
    });
    clients.push({ name, public_key: clientKeyText(parseAuthorizedClientFile(text)) });
  }
  return { key, clients };
}

/**
 * Writes an onion service as a tor HiddenServiceDir, clients too.
 *
 * @param kept an onion service
 * @param directory made where it is missing
 * @param random names unfinished files
 * @throws TorError `key-file`; ServiceError as `onionKeyOf`, or `store-failed`
 */
export async function writeServiceDirectory(
  kept: KeptService,
  directory: string,
  random: RandomSource,
): Promise<void> {
  await writeOnionDirectory(directory, onionKeyOf(kept), random);
  const folder = join(directory, CLIENTS_FOLDER);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const client of kept.record.clients) {
      const text = authorizedClientFile(parseClientKeyText(client.public_key));
      await writeFile(join(folder, `${client.name}${CLIENT_SUFFIX}`), text, { mode: 0o600 });
    }
  } catch (cause) {
    throw unusable(folder, cause);
  }
}

/**
 * Writes the keys of an I2P service as routers keep them.
 *
 * @param kept an I2P service
 * @param directory made where it is missing
 * @returns the file, named after the service
 * @throws ServiceError as `destinationOf`, or `store-failed`
 */
export async function writeDestinationFile(kept: KeptService, directory: string): Promise<string> {
  const key = destinationOf(kept);
  const file = join(directory, `${kept.record.name}.dat`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const bytes = Buffer.from(key.reveal().replaceAll("-", "+").replaceAll("~", "/"), "base64");
    await writeFile(`${file}.new`, bytes, { mode: 0o600, flag: "wx" });
    await rename(`${file}.new`, file);
  } catch (cause) {
    throw unusable(file, cause);
  }
  return file;
}

/** Tor's user would find no key there either. */
function isAbsent(error: unknown): boolean {
  const cause = error instanceof TorError && error.code === "key-file" ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR";
}

function keyless(directory: string): ServiceError {
  return new ServiceError(
    "not-found",
    "config",
    `"${directory}" holds no ${onionFiles.secretKey}; name a HiddenServiceDir.`,
  );
}

function unusable(path: string, cause: unknown): ServiceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ServiceError(
    "store-failed",
    "local",
    `${path} can't be used (${reason}); mend its permissions, or take another place.`,
    { cause },
  );
}
