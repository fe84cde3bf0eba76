import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** What a run of `anonctl peers` came to. */
export interface PeersRun {
  readonly code: number | null;
  readonly out: Buffer;
  readonly errors: string;
}

const source = join(import.meta.dir, "..", "..", "cli", "main.ts");

/**
 * Runs `anonctl` from its source to its end, beside what the test itself runs.
 *
 * @param words its arguments
 * @param input what it finds on standard input
 */
export async function anonctl(
  words: readonly string[],
  input: string | Uint8Array = "",
): Promise<PeersRun> {
  const child = spawn(process.execPath, [source, ...words], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  const out: Buffer[] = [];
  let errors = "";
  child.stdout.on("data", (part: Buffer) => out.push(part));
  child.stderr.on("data", (part: Buffer) => (errors += String(part)));
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [code] = await once(child, "close");
  return { code: typeof code === "number" ? code : null, out: Buffer.concat(out), errors };
}
