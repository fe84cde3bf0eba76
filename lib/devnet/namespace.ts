import { type ChildProcess, spawn } from "node:child_process";
import { delimiter } from "node:path";
import { type Patience, within } from "../process/deadline.ts";
import { findProgram } from "../process/program.ts";
import { DevnetError } from "./error.ts";

/** `ip` answers in a few milliseconds; a machine under load needs more. */
const NAMESPACE_MS_MAX = 10_000;
/** Killing what runs inside and removing the name takes a fraction of a second. */
const REMOVAL_MS_MAX = 20_000;
/** Where Debian puts `ip`, and daemons, which an ordinary user's PATH leaves out. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/**
 * Makes the namespace, prints its name, and reads its standard input, a pipe whose other end only
 * this process holds. Its end means that this process is gone, in whatever way: then everything
 * that runs inside is killed, and the name removed.
 */
const KEEPER = `
trap '' HUP INT QUIT TERM
ip=$1 name=anonctl-$$
shift
remove() {
  tries=0
  while [ "$tries" -lt 100 ]; do
    inside=$("$ip" netns pids "$name")
    [ -z "$inside" ] && break
    kill -KILL $inside 2>/dev/null
    tries=$((tries + 1))
    sleep 0.05
  done
  "$ip" netns delete "$name"
}
"$ip" netns delete "$name" 2>/dev/null # left by one that had our number and was killed
"$ip" netns add "$name" || exit 1
if "$ip" -n "$name" link set lo up; then
  for network; do
    "$ip" -n "$name" route add local "$network" dev lo || { remove; exit 1; }
  done
  printf '%s\\n' "$name"
  while read -r line; do :; done
fi
remove
`;

/**
 * The search path with the folders of system programs.
 *
 * @param path the folders to begin with; this process's own by default
 */
export function systemPath(path: string = process.env["PATH"] ?? ""): string {
  return [path, ...SYSTEM_FOLDERS].join(delimiter);
}

/**
 * A network namespace of Linux: programs in it see a loopback interface of its own and nothing
 * else, so nothing that they do can leave it. It vanishes with this process, however that ends.
 */
export class NetworkNamespace {
  /** Its name, as `ip netns list` shows it. */
  readonly name: string;
  readonly #ip: string;
  readonly #keeper: ChildProcess;
  readonly #exited: Promise<void>;

  private constructor(name: string, ip: string, keeper: ChildProcess, exited: Promise<void>) {
    this.name = name;
    this.#ip = ip;
    this.#keeper = keeper;
    this.#exited = exited;
  }

  /**
   * Makes a namespace; only root may.
   *
   * @param networks whole networks that are to be the namespace's own addresses, besides
   *   127.0.0.0/8, such as `198.18.0.0/15`
   * @param signal calls it off
   * @throws DevnetError or ProcessError `program-missing`, `bad-state` where the system refuses, `timed-out` or
   *   `aborted`
   */
  static async create(
    networks: readonly string[],
    signal?: AbortSignal,
  ): Promise<NetworkNamespace> {
    const ip = await findProgram("ip", systemPath());
    if (ip === undefined) {
      throw new DevnetError(
        "program-missing",
        "ip is not on this machine; install with: apt-get install iproute2",
      );
    }
    const keeper = spawn("/bin/sh", ["-c", KEEPER, "sh", ip, ...networks], {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    keeper.stdin.on("error", () => undefined);
    let said = "";
    keeper.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-1_000);
    });
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    keeper.once("close", () => resolve());
    keeper.once("error", () => resolve());
    const line = new Promise<string>((found) => {
      let text = "";
      keeper.stdout.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (text.endsWith("\n")) found(text.slice(0, -1));
      });
    });
    const refused = exited.then((): never => {
      const reason = said.trim() || "no reason given";
      throw new DevnetError(
        "bad-state",
        `No network namespace can be made (${reason}); run as root.`,
      );
    });
    const patience: Patience = { deadlineMs: NAMESPACE_MS_MAX, signal };
    try {
      const name = await within(Promise.race([line, refused]), patience, "a network namespace");
      return new NetworkNamespace(name, ip, keeper, exited);
    } catch (error) {
      keeper.stdin.end();
      throw error;
    }
  }

  /** The words to put before a command so that it runs inside. */
  get wrapper(): readonly string[] {
    return [this.#ip, "netns", "exec", this.name];
  }

  /** Kills what runs inside and removes it. */
  async remove(): Promise<void> {
    this.#keeper.stdin?.end();
    await within(this.#exited, { deadlineMs: REMOVAL_MS_MAX }, `namespace ${this.name} to go`);
  }
}
