import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { z } from "zod";
import { door } from "./namespace-doors-inside.ts";

const answer = z.object({ inside: z.number() });

/** Ways into and out of a network namespace, for programs of both sides on their own 127.0.0.1. */
export class NamespaceDoors {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #directory = mkdtempSync(join(tmpdir(), "anonctl-doors-"));
  readonly #servers: Server[] = [];
  #doors = 0;

  /** @param wrapper words that make the command after them run inside */
  constructor(wrapper: readonly string[]) {
    const [program = "", ...words] = wrapper;
    const script = join(import.meta.dir, "namespace-doors-inside.ts");
    this.#child = spawn(program, [...words, process.execPath, script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (this.#child.stdout === null) throw new Error("The program's output is not piped.");
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /**
   * Makes a port inside reachable from outside.
   *
   * @param port on the namespace's 127.0.0.1
   * @returns a port on this side's
   */
  async into(port: number): Promise<number> {
    const path = this.#path();
    await this.#ask({ kind: "into", path, port });
    return await this.#listen({ host: "127.0.0.1", port: 0 }, { path });
  }

  /**
   * Makes a port outside reachable from inside.
   *
   * @param port on this side's 127.0.0.1
   * @returns a port on the namespace's
   */
  async outOf(port: number): Promise<number> {
    const path = this.#path();
    await this.#listen({ path }, { host: "127.0.0.1", port });
    return await this.#ask({ kind: "out-of", path, port: 0 });
  }

  /** Shuts every door. */
  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    const { exitCode, signalCode, stdin } = this.#child;
    if (exitCode === null && signalCode === null) {
      const exited = once(this.#child, "exit");
      stdin?.end();
      await exited;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #path(): string {
    return join(this.#directory, `door-${++this.#doors}`);
  }

  async #ask(command: { kind: "into" | "out-of"; path: string; port: number }): Promise<number> {
    const answered = once(this.#lines, "line");
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    const [line] = await answered;
    return answer.parse(JSON.parse(String(line))).inside;
  }

  async #listen(
    place: { readonly path: string } | { readonly host: string; readonly port: number },
    target: { readonly path: string } | { readonly host: string; readonly port: number },
  ): Promise<number> {
    const server = door(() => connect({ ...target, allowHalfOpen: true }));
    this.#servers.push(server);
    const { promise: listening, resolve } = Promise.withResolvers<void>();
    server.listen(place, resolve);
    await listening;
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }
}
