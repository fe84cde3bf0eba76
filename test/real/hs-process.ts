import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks } from "../../lib/socks/client.ts";
import { binary } from "./binary.ts";
import { until } from "./node-process.ts";

/** One line of `anonctl hs … --json`, as far as tests look at it. */
const hsLine = z.looseObject({
  schema: z.string(),
  name: z.string().nullish(),
  address: z.string().optional(),
  state: z.string().optional(),
  published: z.boolean().optional(),
  introduction_points: z.number().optional(),
  key: z.string().optional(),
  clients: z
    .array(z.object({ name: z.string(), file: z.string().nullish(), public_key: z.string() }))
    .optional(),
});

/** One line of `anonctl hs … --json`. */
export type HsLine = z.infer<typeof hsLine>;

const running = new Set<HsProcess>();
const directories: string[] = [];
const servers: Server[] = [];

/** The built `anonctl hs` as a process, with what it prints. */
export class HsProcess {
  readonly lines: HsLine[] = [];
  errors = "";
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;

  /**
   * Starts it.
   *
   * @param words after `anonctl hs`, without `--json`
   * @param wrapper words before the program
   */
  constructor(words: readonly string[], wrapper: readonly string[] = []) {
    const [program = "", ...rest] = [...wrapper, binary(), "hs", ...words, "--json"];
    this.child = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"] });
    running.add(this);
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error("The output is not piped.");
    createInterface({ input: stdout }).on("line", (line) =>
      this.lines.push(hsLine.parse(JSON.parse(line))),
    );
    stderr.on("data", (part: Uint8Array) => {
      this.errors += String(part);
    });
    // "close" comes once everything that it printed was read.
    this.exited = once(this.child, "close").then(([code]) =>
      typeof code === "number" ? code : null,
    );
  }

  /** States that it told of, in order. */
  get states(): (string | undefined)[] {
    return this.lines
      .filter(({ schema }) => schema === "anonctl.hs.event.v1")
      .map(({ state }) => state);
  }

  /** Waits until it has told of a state so often. */
  async state(state: string, times: number, deadlineMs: number): Promise<void> {
    const enough = (): true | undefined =>
      this.states.filter((one) => one === state).length >= times ? true : undefined;
    await until(enough, deadlineMs, () => `${this.errors}${JSON.stringify(this.lines)}`);
  }

  /** Ends it; resolves to its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return await this.exited;
  }
}

/** Runs `anonctl hs` to its end. */
export async function hs(
  ...words: readonly string[]
): Promise<{ code: number | null; lines: HsLine[]; first: HsLine; errors: string }> {
  const child = new HsProcess(words);
  const code = await child.exited;
  running.delete(child);
  const first = child.lines[0] ?? { schema: "nothing" };
  return { code, lines: child.lines, first, errors: child.errors };
}

/** A directory that goes after the test. */
export function dataDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "anonctl-hs-"));
  directories.push(path);
  return path;
}

/** The words that name a client's control port. */
export function controlOf({ controlPort }: PrivateTorClient): string[] {
  return ["--control", `127.0.0.1:${controlPort}`];
}

/** Listens on a free port, and greets whoever comes. */
export async function greeter(greeting: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end(greeting);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** What a service says through a client's SOCKS port, asked again until it is reached. */
export async function greetingOf(
  through: { readonly socksPort: number },
  host: string,
  port: number,
  deadlineMs: number,
): Promise<string> {
  let reason: unknown;
  const look = async (): Promise<string | undefined> => {
    try {
      const text = await greetingOnce(through, host, port);
      return text === "" ? undefined : text;
    } catch (error) {
      reason = error;
      return undefined;
    }
  };
  return await until(look, deadlineMs, () => String(reason));
}

let asked = 0;

/** The same, asked once, on circuits of its own: it must not wait with an earlier one that hangs. */
export async function greetingOnce(
  through: { readonly socksPort: number },
  host: string,
  port: number,
): Promise<string> {
  const socket = await connectThroughSocks({
    proxy: { host: "127.0.0.1", port: through.socksPort },
    request: {
      ...{ version: "5", command: "connect", host, port },
      auth: { user: `greeting-${++asked}`, password: "x" },
    },
    deadlineMs: 10_000,
    clock: realClock,
  });
  let text = "";
  socket.on("data", (chunk: Uint8Array) => {
    text += String(chunk);
  });
  socket.resume();
  await once(socket, "end");
  socket.destroy();
  return text;
}

/** Ends what a test started, and removes what it made. */
export async function endServices(): Promise<void> {
  for (const child of running) {
    if (child.child.exitCode === null && child.child.signalCode === null) {
      await child.end("SIGKILL");
    }
  }
  running.clear();
  for (const server of servers.splice(0)) server.close();
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}
