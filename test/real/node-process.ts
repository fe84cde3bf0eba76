import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { RelayStatus } from "../../lib/relay/status.ts";
import { binary } from "./binary.ts";

/** One line of `anonctl node --json`. */
export interface NodeLine {
  readonly schema: string;
  readonly text?: string;
  readonly service?: string;
  readonly rpc?: { readonly host: string; readonly port: number };
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly public_inbound?: { readonly host: string; readonly port: number };
  readonly inbound?: readonly { readonly host: string; readonly port: number }[];
}

/** How a node is started. */
export interface NodeStart {
  readonly arguments: readonly string[];
  /** @default a new one */
  readonly dataDir?: string;
  /** Words put before the binary, such as strace and its options. */
  readonly wrapper?: readonly string[];
}

const started = new Set<NodeProcess>();
const READY_MS_MAX = 20_000;
const POLL_MS = 50;

/** The built `anonctl node` as a process, with what it prints. */
export class NodeProcess {
  readonly dataDir: string;
  readonly child: ChildProcess;
  readonly lines: NodeLine[] = [];
  readonly errors: string[] = [];
  readonly exited: Promise<number | null>;
  readonly #wrapped: boolean;
  rpcPort = 0;
  inboundPort = 0;

  private constructor(start: NodeStart) {
    this.#wrapped = start.wrapper !== undefined;
    this.dataDir = start.dataDir ?? mkdtempSync(join(tmpdir(), "anonctl-test-"));
    const words = [
      // A node must not outlive a test run that was killed.
      ...["setpriv", "--pdeathsig", "KILL", "--"],
      ...(start.wrapper ?? []),
      binary(),
      "node",
      "--regtest",
      "--json",
      "--rpc-bind-port",
      "0",
      "--data-dir",
      this.dataDir,
      ...start.arguments,
    ];
    const [program = "", ...rest] = words;
    this.child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"] });
    this.exited = once(this.child, "exit").then(([code]) =>
      typeof code === "number" ? code : null,
    );
    this.#read();
  }

  /** Starts a node. */
  static begin(start: NodeStart): NodeProcess {
    const node = new NodeProcess(start);
    started.add(node);
    return node;
  }

  /** Starts a node and waits until its RPC listens. */
  static async start(start: NodeStart): Promise<NodeProcess> {
    const node = NodeProcess.begin(start);
    const ready = await node.line(({ schema }) => schema === "anonctl.node.ready.v1", READY_MS_MAX);
    node.rpcPort = ready.rpc?.port ?? 0;
    node.inboundPort = ready.inbound?.[0]?.port ?? 0;
    return node;
  }

  #read(): void {
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error("The node's output is not piped.");
    createInterface({ input: stdout }).on("line", (line) => this.lines.push(JSON.parse(line)));
    createInterface({ input: stderr }).on("line", (line) => this.errors.push(line));
  }

  /** The first line that fits, printed already or to come. */
  line(fits: (line: NodeLine) => boolean, deadlineMs: number): Promise<NodeLine> {
    return until(
      () => this.lines.find(fits),
      deadlineMs,
      () => `${this.errors.join("\n")}\n${JSON.stringify(this.lines)}`,
    );
  }

  async get(path: string): Promise<Record<string, unknown>> {
    return jsonObject(JSON.parse(await ask(this.rpcPort, "GET", path)));
  }

  async post(path: string, body: unknown): Promise<Record<string, unknown>> {
    return jsonObject(JSON.parse(await ask(this.rpcPort, "POST", path, JSON.stringify(body))));
  }

  async status(): Promise<RelayStatus> {
    return JSON.parse(await ask(this.rpcPort, "GET", "/status"));
  }

  /** Waits until the status shows something. */
  statusWhere<T>(find: (status: RelayStatus) => T | undefined, deadlineMs: number): Promise<T> {
    return until(
      async () => find(await this.status()),
      deadlineMs,
      () => JSON.stringify(this.lines.slice(-20)),
    );
  }

  /** Process id of the node itself, also under a wrapper, which may hold signals back. */
  get pid(): number {
    const pid = this.child.pid ?? 0;
    if (!this.#wrapped) return pid;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    // A wrapper that puts the node in its own place has no child; 0 would be this process's group.
    return children === "" ? pid : Number(children.split(" ")[0]);
  }

  async kill(signal: NodeJS.Signals): Promise<number | null> {
    process.kill(this.pid, signal);
    return await this.exited;
  }
}

/** Ends every node that a test started, and removes what they kept. */
export async function endNodes(): Promise<void> {
  for (const node of started) {
    if (node.child.exitCode === null && node.child.signalCode === null) await node.kill("SIGKILL");
    rmSync(node.dataDir, { recursive: true, force: true });
  }
  started.clear();
}

/** Looks again and again until something is there. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  deadlineMs: number,
  evidence: () => string = () => "",
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`Not seen within ${deadlineMs} ms. ${evidence()}`);
    await Bun.sleep(POLL_MS);
  }
}

/**
 * Asks an HTTP server on 127.0.0.1. Not by `fetch`: where HTTP_PROXY is set it would ask that proxy
 * for 127.0.0.1 too.
 */
export function ask(port: number, method: string, path: string, body = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, method, path }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve(text));
    });
    request.on("error", reject);
    request.end(body);
  });
}

function jsonObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new Error("The answer is not an object.");
  return Object.fromEntries(Object.entries(value));
}
