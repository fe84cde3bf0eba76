import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

const main = join(import.meta.dir, "..", "..", "cli", "main.ts");

/** How a command ended, and what it said. */
export interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** The first line of its standard output. */
  readonly firstLine: Promise<string>;
  readonly ended: Promise<Ending>;
}

/** A place for `anonctl devnet` with its own temporary and runtime directories. */
export class CommandPlace {
  readonly folder = mkdtempSync(join(tmpdir(), "anonctl-test-"));
  readonly temporary = join(this.folder, "tmp");
  readonly runtime = join(this.folder, "run");
  readonly #running = new Set<Running>();

  constructor() {
    mkdirSync(this.temporary);
    mkdirSync(this.runtime);
  }

  /** Paths of all that devnets have left in the temporary and the runtime directory. */
  left(): string[] {
    return [this.temporary, join(this.runtime, "anonctl")].flatMap((path) => {
      try {
        const names = readdirSync(path).filter((name) => name.includes("devnet"));
        return names.map((name) => join(path, name));
      } catch {
        return [];
      }
    });
  }

  /**
   * Starts `anonctl devnet`.
   *
   * @param arguments_ what follows
   * @param env on top of this process's environment
   */
  start(arguments_: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, [main, "devnet", ...arguments_], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: this.temporary, XDG_RUNTIME_DIR: this.runtime, ...env },
    });
    let stdout = "";
    let stderr = "";
    const { promise: firstLine, resolve } = Promise.withResolvers<string>();
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      stdout += part;
      if (stdout.includes("\n")) resolve(stdout.slice(0, stdout.indexOf("\n")));
    });
    child.stderr.setEncoding("utf8").on("data", (part: string) => {
      stderr += part;
    });
    const ended = once(child, "close").then(([code]): Ending => {
      // A command that ends without a word has an empty first line.
      resolve("");
      return { code: typeof code === "number" ? code : null, stdout, stderr };
    });
    const running: Running = { process: child, firstLine, ended };
    this.#running.add(running);
    return running;
  }

  /**
   * Runs `anonctl devnet` to its end.
   *
   * @param arguments_ what follows
   * @param env on top of this process's environment
   */
  async run(
    arguments_: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Ending> {
    return await this.start(arguments_, env).ended;
  }

  /** Ends what still runs and removes the place. */
  async close(): Promise<void> {
    for (const { process: child, ended } of this.#running) {
      child.kill("SIGKILL");
      await ended;
    }
    await this.run(["down", "--all"]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
