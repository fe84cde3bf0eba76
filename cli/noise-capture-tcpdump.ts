import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import type { Readable } from "node:stream";
import { findProgram } from "../lib/process/program.ts";
import { Fault } from "../lib/runtime/fault.ts";

/** What can keep tcpdump from capturing. */
export type TcpdumpErrorCode = "tcpdump-missing" | "tcpdump-failed";

/** An interface that can't be captured on. */
export class TcpdumpError extends Fault<TcpdumpErrorCode> {
  /**
   * @param code what is wrong
   * @param message one sentence with the remedy
   */
  constructor(code: TcpdumpErrorCode, message: string) {
    super(code, "local", message);
  }
}

/** Headers are all that is looked at: Ethernet, IPv6 and TCP with options are at most 114 bytes. */
const SNAPLEN_BYTES = 128;
/** The usual buffer loses packets on a busy machine; in KiB. */
const BUFFER_KIB = 65_536;
const WORDS_CHARACTERS_MAX = 16_384;

/**
 * tcpdump as a child: only it needs privileges, and it gives them up once it captures. No payload
 * beyond a packet's headers leaves it.
 */
export class Tcpdump {
  readonly #child: ChildProcess;
  #words = "";
  #isStopped = false;
  /** Resolves when it has ended. */
  readonly exited: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (text: string) => {
      this.#words = `${this.#words}${text}`.slice(-WORDS_CHARACTERS_MAX);
    });
    child.on("error", () => undefined);
    this.exited = once(child, "close").then(
      () => undefined,
      () => undefined,
    );
  }

  /**
   * Starts capturing.
   *
   * @param name of the interface
   * @param filter in tcpdump's own language
   * @throws TcpdumpError `tcpdump-missing`, or `tcpdump-failed` with what it said
   */
  static async start(name: string, filter: string | undefined): Promise<Tcpdump> {
    const program = (await findProgram("tcpdump")) ?? (await findProgram("tcpdump", "/usr/sbin"));
    if (program === undefined) {
      throw new TcpdumpError(
        "tcpdump-missing",
        "Not on this machine: tcpdump; install with: apt-get install tcpdump",
      );
    }
    const words = ["-i", name, "-n", "-U", "--immediate-mode", "-B", `${BUFFER_KIB}`];
    words.push(
      "-s",
      `${SNAPLEN_BYTES}`,
      "-w",
      "-",
      "--",
      ...(filter === undefined ? [] : [filter]),
    );
    // In a session of its own: a terminal's Ctrl-C is ours to hand on, after the last packet.
    const child = spawn(program, words, {
      detached: true,
      env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const dump = new Tcpdump(child);
    await dump.#listening(name);
    return dump;
  }

  /** What it captures, as a pcap file. */
  get packets(): Readable {
    const { stdout } = this.#child;
    if (stdout === null) throw new TcpdumpError("tcpdump-failed", "tcpdump has no output.");
    return stdout;
  }

  /** Packets that it says were lost; 0 while it runs. */
  get lostPackets(): number {
    return Number(/([0-9]+) packets? dropped by kernel/.exec(this.#words)?.[1] ?? 0);
  }

  /** Whether it ended without being told to. */
  get hasFailed(): boolean {
    return !this.#isStopped && (this.#child.exitCode !== null || this.#child.signalCode !== null);
  }

  /** What it said last, for a message. */
  get lastWords(): string {
    return this.#words.trim().split("\n").at(-1) ?? "";
  }

  /** Has it end after what it has captured until now. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGINT");
    }
    await this.exited;
  }

  async #listening(name: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const failed = (): void => {
      const said = this.lastWords === "" ? "it said nothing" : this.lastWords;
      reject(
        new TcpdumpError(
          "tcpdump-failed",
          `tcpdump can't capture on ${name}: ${said}; check the name, and run as root.`,
        ),
      );
    };
    this.#child.stderr?.on("data", () => {
      if (this.#words.includes("listening on")) resolve();
    });
    void this.exited.then(failed);
    await promise;
  }
}
