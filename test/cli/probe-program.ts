import { spawn } from "node:child_process";
import { once } from "node:events";
import type { ProbeResult } from "../../lib/probe/result.ts";
import { probeResultSchema } from "../../lib/probe/result-schema.ts";
import { binary } from "../real/binary.ts";

/** What a run of `anonctl probe` came to. */
export interface ProbeRun {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
  /** Milliseconds from start to end. */
  readonly elapsedMs: number;
}

/** How a run differs from one with nothing to read. */
export interface ProbeRunOptions {
  /** What it finds on standard input. */
  readonly input?: string | readonly Uint8Array[];
  /** Sent once a line of output has come. */
  readonly signalAfterOutput?: NodeJS.Signals;
  /** Sent once it has written to stderr. */
  readonly onErrors?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the built `anonctl probe` to its end, beside what the test itself runs. */
export async function probe(
  words: readonly string[],
  options: ProbeRunOptions = {},
): Promise<ProbeRun> {
  const startedAt = performance.now();
  const child = spawn(binary(), ["probe", ...words], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  const exited = once(child, "close");
  let out = "";
  let errors = "";
  child.stdout.on("data", (part: Buffer) => {
    out += String(part);
    if (options.signalAfterOutput !== undefined) child.kill(options.signalAfterOutput);
  });
  child.stderr.on("data", (part: Buffer) => {
    errors += String(part);
    options.onErrors?.(errors, (signal) => child.kill(signal));
  });
  child.stdin.on("error", () => undefined);
  const { input = "" } = options;
  for (const part of typeof input === "string" ? [input] : input) child.stdin.write(part);
  child.stdin.end();
  const [code] = await exited;
  const elapsedMs = performance.now() - startedAt;
  return { code: typeof code === "number" ? code : null, out, errors, elapsedMs };
}

/** The results in JSON lines, each checked against the schema. */
export function resultsOf(run: ProbeRun): ProbeResult[] {
  return run.out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => probeResultSchema.parse(JSON.parse(line)));
}

/** Probes one target with `--json`. */
export async function probeOne(
  words: readonly string[],
): Promise<{ result: ProbeResult; run: ProbeRun }> {
  const run = await probe(["--json", ...words]);
  const [result, ...more] = resultsOf(run);
  if (result === undefined || more.length > 0) {
    throw new Error(`Not one result: ${run.out} ${run.errors}`);
  }
  return { result, run };
}
