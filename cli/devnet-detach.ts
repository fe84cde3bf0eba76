import { spawn } from "node:child_process";
import process from "node:process";
import { type DevnetDocument, devnetDocument } from "../lib/devnet/document.ts";
import { Exit } from "./run.ts";

/** Longest document that is read from the background process. */
const DOCUMENT_CHARACTERS_MAX = 1_048_576;
const EXIT_INTERRUPTED = 130;

/**
 * How this program was started, without its arguments: a compiled one is its own executable, and
 * the script that it names exists only within it.
 *
 * @param argv the process's arguments
 * @param execPath the process's executable
 */
export function ownCommand(
  argv: readonly string[] = process.argv,
  execPath: string = process.execPath,
): string[] {
  const script = argv[1] ?? "";
  const compiled = script.startsWith("/$bunfs/") || script.includes("~BUN");
  return compiled || script === "" ? [execPath] : [execPath, script];
}

/**
 * Starts a network in a process of its own that outlives this one, and waits until it is up. Its
 * progress goes to standard error.
 *
 * @param upArguments the arguments of `devnet up`
 * @returns what it printed
 * @throws Exit with the other process's exit code when it ends before it is up
 */
export async function upDetached(upArguments: readonly string[]): Promise<DevnetDocument> {
  const [program = "", ...before] = ownCommand();
  const child = spawn(program, [...before, "devnet", ...upArguments], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { promise, resolve, reject } = Promise.withResolvers<DevnetDocument>();
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    output += part;
    if (output.length > DOCUMENT_CHARACTERS_MAX) child.kill("SIGTERM");
    else if (output.endsWith("\n")) settle(output, resolve, reject);
  });
  child.stderr.on("data", (part: Uint8Array) => process.stderr.write(part));
  child.once("error", reject);
  let interrupted = false;
  child.once("exit", (code) => reject(new Exit(interrupted ? EXIT_INTERRUPTED : (code ?? 1))));
  const onSignal = (): void => {
    interrupted = true;
    child.kill("SIGTERM");
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    return await promise;
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    child.removeAllListeners("exit");
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
  }
}

function settle(
  output: string,
  resolve: (document: DevnetDocument) => void,
  reject: (error: unknown) => void,
): void {
  try {
    resolve(devnetDocument.parse(JSON.parse(output)));
  } catch (error) {
    reject(error);
  }
}
