import { copyFile, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";

/** Options that each tor of a private network has for itself. */
const OWN = /^(?:DataDirectory|SocksPort|ControlPort|Cookie|HiddenService|__Owning|Log )/;
/** What a client keeps of the network, so that another need not ask for it. */
const KEPT = [
  "cached-microdesc-consensus",
  "cached-certs",
  "cached-microdescs",
  "cached-microdescs.new",
];

/**
 * The lines that put a tor into a private network, and the files that save it the first wait.
 *
 * @param client a client of that network
 * @param dataDirectory of the new tor; the files are put there
 * @returns lines for its torrc
 * @throws Error where the lines would let it reach the real network
 */
export async function privateTorrc(
  client: PrivateTorClient,
  dataDirectory: string,
): Promise<string[]> {
  const home = dirname(client.cookieFile);
  const lines = (await readFile(join(home, "torrc"), "utf8")).split("\n");
  const shared = lines.filter((line) => line !== "" && !OWN.test(line));
  checkPrivate(shared);
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  for (const file of KEPT) {
    await copyFile(join(home, file), join(dataDirectory, file)).catch(() => undefined);
  }
  return shared;
}

/**
 * Makes sure that a tor with these lines knows only authorities of this machine and sends only from
 * its loopback.
 *
 * @param lines of a torrc
 * @throws Error otherwise
 */
export function checkPrivate(lines: readonly string[]): void {
  const authorities = lines.filter((line) => line.startsWith("DirAuthority "));
  const isOurs = (line: string): boolean => / 127\.0\.0\.1:[0-9]+ /.test(line);
  const isBound = lines.includes("OutboundBindAddress 127.0.0.1");
  if (authorities.length === 0 || !authorities.every(isOurs) || !isBound) {
    throw new Error("A test must not start a tor that knows the real network.");
  }
}
