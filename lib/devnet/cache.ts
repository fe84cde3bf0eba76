import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where private networks keep what is dear to make and the same every time: keys and consensus of
 * the Tor network, the regtest chain. Safe to delete at any time.
 *
 * @param env the environment; this process's own by default
 * @returns `$XDG_CACHE_HOME/anonctl/devnet`, or `~/.cache/anonctl/devnet`
 */
export function cacheDirectory(env: Readonly<NodeJS.ProcessEnv> = process.env): string {
  const base = env["XDG_CACHE_HOME"];
  // The XDG base directory specification tells programs to ignore relative paths.
  const root = base?.startsWith("/") === true ? base : join(env["HOME"] ?? homedir(), ".cache");
  return join(root, "anonctl", "devnet");
}
