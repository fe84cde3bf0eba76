import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { binary } from "./binary.ts";
import { until } from "./node-process.ts";

/** One line of `anonctl node --protocol ethereum --json`, as far as tests look at it. */
const ethereumLine = z.looseObject({
  schema: z.string(),
  mode: z.string().optional(),
  enr: z.string().optional(),
  enode: z.string().optional(),
  onion: z.string().optional(),
  node_id: z.string().optional(),
  sequence: z.number().optional(),
  listen: z.object({ host: z.string(), port: z.number() }).optional(),
  state: z.string().optional(),
  direction: z.string().optional(),
  zone: z.string().optional(),
  address: z.string().optional(),
  reason: z.string().optional(),
  by: z.string().optional(),
  level: z.string().optional(),
  text: z.string().optional(),
});

/** One line of `anonctl node --protocol ethereum --json`. */
export type EthereumLine = z.infer<typeof ethereumLine>;

const READY_MS_MAX = 30_000;
const started = new Set<EthereumProcess>();
const directories: string[] = [];

/** The built Ethereum node as a process, with what it prints. */
export class EthereumProcess {
  readonly dataDir: string;
  readonly child: ChildProcess;
  readonly lines: EthereumLine[] = [];
  errors = "";
  readonly exited: Promise<number | null>;

  /**
   * Starts it.
   *
   * @param words after `anonctl node --protocol ethereum --json`
   * @param dataDir a new one unless it is given
   * @param wrapper words put before the program, such as strace and its options
   */
  constructor(
    words: readonly string[],
    dataDir: string = folder(),
    wrapper: readonly string[] = [],
  ) {
    this.dataDir = dataDir;
    const node = [binary(), "node", "--protocol", "ethereum", "--json", "--data-dir", dataDir];
    // A node must not outlive a test run that was killed.
    const all = [...wrapper, "setpriv", "--pdeathsig", "KILL", "--", ...node, ...words];
    const [program = "", ...rest] = all;
    this.child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"] });
    started.add(this);
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error("The node's output is not piped.");
    createInterface({ input: stdout }).on("line", (line) =>
      this.lines.push(ethereumLine.parse(JSON.parse(line))),
    );
    stderr.on("data", (part: Uint8Array) => {
      this.errors += String(part);
    });
    this.exited = once(this.child, "close").then(([code]) =>
      typeof code === "number" ? code : null,
    );
  }

  /** Starts one, and waits until it is up. */
  static async start(words: readonly string[], dataDir?: string): Promise<EthereumProcess> {
    const node = new EthereumProcess(words, dataDir);
    await node.line(({ schema }) => schema === "anonctl.node.ethereum.ready.v1", READY_MS_MAX);
    return node;
  }

  /** What it told when it was up; only of one that was started with `start`. */
  get ready(): EthereumLine {
    const found = this.lines.find(({ schema }) => schema === "anonctl.node.ethereum.ready.v1");
    if (found === undefined) throw new Error(`The node is not up: ${this.errors}`);
    return found;
  }

  /** Its record's text. */
  get enr(): string {
    return this.ready.enr ?? "";
  }

  /** The first line that fits, printed already or to come. */
  line(fits: (line: EthereumLine) => boolean, deadlineMs: number): Promise<EthereumLine> {
    const look = (): EthereumLine | undefined => {
      const found = this.lines.find(fits);
      if (found === undefined && this.child.exitCode !== null) {
        throw new Error(`The node ended with ${this.child.exitCode}: ${this.errors}`);
      }
      return found;
    };
    return until(look, deadlineMs, () => `${this.errors}\n${JSON.stringify(this.lines)}`);
  }

  /** Waits for a state of a peer. */
  peer(
    state: string,
    deadlineMs: number,
    fits: (line: EthereumLine) => boolean = () => true,
  ): Promise<EthereumLine> {
    return this.line((line) => line.state === state && fits(line), deadlineMs);
  }

  /** Ends it; resolves to its exit code. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return await this.exited;
  }
}

/** A node that ends by itself: its exit code and its words. */
export async function refused(
  words: readonly string[],
  dataDir?: string,
): Promise<{ readonly code: number | null; readonly errors: string }> {
  const node = new EthereumProcess(words, dataDir);
  const code = await node.exited;
  return { code, errors: node.errors };
}

/** A folder that goes after the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "anonctl-ethereum-"));
  directories.push(path);
  return path;
}

/** Ends every node that a test started, and removes what they kept. */
export async function endEthereumNodes(): Promise<void> {
  for (const node of started) await node.end("SIGKILL");
  started.clear();
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}
