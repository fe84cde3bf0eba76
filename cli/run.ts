import process from "node:process";
import { exitCodeOf, Fault } from "../lib/runtime/fault.ts";

/** Thrown by a command that has said everything and only has an exit code left. */
export class Exit extends Error {
  readonly exitCode: number;

  /** @param exitCode 0, 1, 2, 3, 4, 70 or 130 */
  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

interface CommanderFault {
  readonly code: string;
  readonly exitCode: number;
}

/**
 * Runs a command and turns what it throws into one line on stderr and an exit code.
 *
 * @param name the command's name, for the message
 * @param run loads and runs it; may set `process.exitCode` for a result of its own
 * @returns the exit code by the table in `--help`
 */
export async function runCommand(name: string, run: () => Promise<void>): Promise<number> {
  watchOutput(name);
  try {
    await run();
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof Exit) return error.exitCode;
    if (error instanceof Fault) {
      process.stderr.write(`anonctl ${name}: ${error.message}\n`);
      return exitCodeOf(error.where);
    }
    // commander has printed its message already; its own codes are all 1.
    if (isCommanderFault(error)) return error.exitCode === 0 ? 0 : 2;
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`anonctl ${name}: a bug in anonctl, please report it.\n${words}\n`);
    return exitCodeOf("bug");
  }
}

/**
 * Whoever reads our output may go before we end, as `head` does: that is no fault, and what the
 * command does besides goes on. A full disk is one.
 */
function watchOutput(name: string): void {
  process.stderr.on("error", () => undefined);
  process.stdout.on("error", (error) => {
    if ("code" in error && (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED"))
      return;
    process.stderr.write(`anonctl ${name}: The output can't be written (${error.message}).\n`);
    process.exitCode = exitCodeOf("local");
  });
}

function isCommanderFault(error: unknown): error is CommanderFault {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("commander.") &&
    "exitCode" in error &&
    typeof error.exitCode === "number"
  );
}
