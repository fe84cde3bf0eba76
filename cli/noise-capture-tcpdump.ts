import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import type { Readable } from "node:stream";
import { findProgram } from "../lib/process/program.ts";
import { realClock, type Timer } from "../lib/runtime/clock.ts";
import { Fault } from "../lib/runtime/fault.ts";

/** What can keep tcpdump or dumpcap from capturing. */
export type TcpdumpErrorCode = "tcpdump-missing" | "tcpdump-failed" | "filter";

/** An interface that can't be captured on. */
export class TcpdumpError extends Fault<TcpdumpErrorCode> {
  /**
   * @param code what is wrong
   * @param message one sentence with the remedy
   */
  constructor(code: TcpdumpErrorCode, message: string) {
    super(code, code === "filter" ? "config" : "local", message);
  }
}

/** Headers are all that is looked at: Ethernet, IPv6 and TCP with options are at most 114 bytes. */
const SNAPLEN_BYTES = 128;
/** The usual buffer loses packets on a busy machine; in KiB. */
const BUFFER_KIB = 65_536;
const WORDS_CHARACTERS_MAX = 16_384;
/** Both say at once whether they capture. */
const START_MS_MAX = 15_000;
/** What was captured is written by then. */
const END_MS_MAX = 5_000;

/** What both say of a filter that they can't read. */
const FILTER_FAULT = /filter expression|capture filter/;

/** Programs that capture, the one that is tried first first. */
export const CAPTURE_PROGRAMS = ["tcpdump", "dumpcap"] as const;

/** One of {@link CAPTURE_PROGRAMS}. */
export type CaptureProgram = (typeof CAPTURE_PROGRAMS)[number];

interface Manner {
  readonly package: string;
  readonly words: (name: string, filter: string | undefined) => readonly string[];
  /** What it says once it captures. */
  readonly listening: string;
  /** Where it says how many packets were lost. */
  readonly lost: RegExp;
}

const MANNERS: Readonly<Record<CaptureProgram, Manner>> = {
  tcpdump: {
    package: "tcpdump",
    words: (name, filter) => [
      ...["-i", name, "-n", "-U", "--immediate-mode", "-B", `${BUFFER_KIB}`],
      ...["-s", `${SNAPLEN_BYTES}`, "-w", "-", "--", ...(filter === undefined ? [] : [filter])],
    ],
    listening: "listening on",
    lost: /([0-9]+) packets? dropped by kernel/,
  },
  dumpcap: {
    package: "wireshark-common",
    words: (name, filter) => [
      ...["-i", name, ...(filter === undefined ? [] : ["-f", filter]), "-P", "-q"],
      ...["-B", `${BUFFER_KIB / 1_024}`, "-s", `${SNAPLEN_BYTES}`, "-w", "-"],
    ],
    listening: "File: -",
    lost: /received\/dropped on interface .*: [0-9]+\/([0-9]+)/,
  },
};

/**
 * Runs a program until it ends, or standard input does: that is a pipe of ours, so that nothing goes
 * on capturing when we are killed. On a quiet interface a broken pipe would not be noticed.
 */
const WATCHED = `
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{ read -r line; kill -TERM "$child"; } <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$child"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
`;

/**
 * tcpdump, or dumpcap, as a child: only it needs privileges, and it gives them up once it captures.
 * No payload beyond a packet's headers leaves it.
 */
export class Tcpdump {
  /** Which of the two it is. */
  readonly program: CaptureProgram;
  readonly #child: ChildProcess;
  #words = "";
  #isStopped = false;
  /** Resolves when it has ended. */
  readonly exited: Promise<void>;

  private constructor(child: ChildProcess, program: CaptureProgram) {
    this.#child = child;
    this.program = program;
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (text: string) => {
      this.#words = `${this.#words}${text}`.slice(-WORDS_CHARACTERS_MAX);
    });
    child.on("error", () => undefined);
    child.stdin?.on("error", () => undefined);
    this.exited = once(child, "close").then(
      () => undefined,
      () => undefined,
    );
  }

  /**
   * Starts capturing.
   *
   * @param name of the interface
   * @param filter in the program's own language, which is the same
   * @param wish which program; the first that is there where it is undefined
   * @throws TcpdumpError `tcpdump-missing`, `tcpdump-failed` with what it said, or `filter`
   */
  static async start(
    name: string,
    filter: string | undefined,
    wish?: CaptureProgram,
  ): Promise<Tcpdump> {
    const { program, file } = await find(wish);
    // In a session of its own: a terminal's Ctrl-C is ours to hand on, after the last packet.
    const words = ["-c", WATCHED, program, file, ...MANNERS[program].words(name, filter)];
    const child = spawn("/bin/sh", words, {
      detached: true,
      env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const dump = new Tcpdump(child, program);
    try {
      await dump.#listening(name, filter);
    } catch (error) {
      await dump.stop();
      throw error;
    }
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
    return Number(MANNERS[this.program].lost.exec(this.#words)?.[1] ?? 0);
  }

  /** Whether it ended without being told to. */
  get hasFailed(): boolean {
    return !this.#isStopped && this.#isOver;
  }

  /** What it said last, for a message. */
  get lastWords(): string {
    const last = this.#words.trim().split("\n").at(-1) ?? "";
    // That it captures is no reason for its end.
    return last === "" || last.includes(MANNERS[this.program].listening) ? "it said nothing" : last;
  }

  /** Has it end after what it has captured until now. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const { pid, stdin } = this.#child;
    stdin?.end();
    const late = realClock.setTimer(realClock.now() + END_MS_MAX, () => {
      try {
        // The shell leads a group of its own, and what it started is in it.
        if (pid !== undefined && !this.#isOver) process.kill(-pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    });
    await this.exited;
    late.cancel();
  }

  get #isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async #listening(name: string, filter: string | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const program = this.program;
    const failed = (): void => {
      if (filter !== undefined && FILTER_FAULT.test(this.#words)) {
        const form = "tcp port 9001 and host 192.0.2.1";
        const message = `--filter "${filter}" is none; write it as for tcpdump, such as "${form}".`;
        reject(new TcpdumpError("filter", message));
        return;
      }
      const message = `${program} can't capture on ${name}: ${this.lastWords}; check the name, and run as root.`;
      reject(new TcpdumpError("tcpdump-failed", message));
    };
    this.#child.stderr?.on("data", () => {
      if (this.#words.includes(MANNERS[program].listening)) resolve();
    });
    void this.exited.then(failed);
    const late: Timer = realClock.setTimer(realClock.now() + START_MS_MAX, failed);
    await promise.finally(() => late.cancel());
  }
}

async function find(
  wish: CaptureProgram | undefined,
): Promise<{ program: CaptureProgram; file: string }> {
  const wanted = wish === undefined ? CAPTURE_PROGRAMS : [wish];
  for (const program of wanted) {
    const file = (await findProgram(program)) ?? (await findProgram(program, "/usr/sbin"));
    if (file !== undefined) return { program, file };
  }
  const install = wanted.map((program) => MANNERS[program].package)[0];
  throw new TcpdumpError(
    "tcpdump-missing",
    `Not on this machine: ${wanted.join(" or ")}; install with: apt-get install ${install}`,
  );
}
