import { type ChildProcess, spawn } from "node:child_process";
import { rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, type ChildOptions } from "./child.ts";
import { type Patience, within } from "./deadline.ts";
import { ProcessError } from "./error.ts";

/** How to make a scratch directory. */
export interface ScratchOptions {
  /**
   * Folder in which the directory is made.
   * @default os.tmpdir()
   */
  readonly parent?: string;
  /**
   * Files elsewhere that go when the directory goes.
   * @default none
   */
  readonly alsoRemove?: readonly string[];
  /** Calls the start off. */
  readonly signal?: AbortSignal | undefined;
}

/** Where daemons can be started so that they end with this process. */
export type ChildHost = Pick<Scratch, "spawn">;

/** `sh` and `mktemp` answer in a few milliseconds; a machine under load needs more. */
const JANITOR_START_MS_MAX = 10_000;
/** Children are killed, not asked; what takes longer is stuck in the kernel. */
const JANITOR_END_MS_MAX = 20_000;

/**
 * Makes the directory, prints its name, and reads its standard input, a pipe whose other end only
 * this process holds. Its end means that this process is gone, in whatever way. Then the registry
 * of children is renamed, so that a child just being started finds no place to write its name and
 * gives up; every child in it is killed and waited for (a zombie counts as gone: who inherits it
 * may not reap it); and the directory is removed.
 */
const JANITOR = `
trap '' HUP INT QUIT TERM
umask 077
directory=$(mktemp -d "$1/anonctl-devnet.XXXXXXXX") || exit 1
shift
mkdir "$directory/.children" || exit 1
printf '%s\\n' "$directory"
while read -r line; do :; done
alive() {
  kill -0 "$1" 2>/dev/null || return 1
  [ -r "/proc/$1/stat" ] || return 0
  read -r stat < "/proc/$1/stat" || return 1
  case "$stat" in *") Z "*) return 1 ;; esac
}
mv "$directory/.children" "$directory/.closing"
for file in "$directory/.closing"/*; do
  [ -e "$file" ] && kill -KILL "\${file##*/}" 2>/dev/null
done
for file in "$directory/.closing"/*; do
  tries=0
  while [ -e "$file" ] && alive "\${file##*/}" && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.05
  done
done
rm -rf -- "$directory" "$@"
`;

/**
 * A temporary directory and the daemons that live in it. Both vanish with this process, however it
 * ends: a small shell, the janitor, waits for that at the other end of a pipe.
 */
export class Scratch {
  /** Absolute path; only this user can enter it. */
  readonly directory: string;
  readonly #janitor: ChildProcess;
  readonly #janitorExited: Promise<void>;
  readonly #alsoRemove: readonly string[];
  readonly #children = new Set<Child>();
  #closing: Promise<void> | undefined;

  private constructor(
    directory: string,
    janitor: ChildProcess,
    exited: Promise<void>,
    alsoRemove: readonly string[],
  ) {
    this.directory = directory;
    this.#janitor = janitor;
    this.#janitorExited = exited;
    this.#alsoRemove = alsoRemove;
  }

  /**
   * Makes a directory and the janitor that removes it.
   *
   * @param options where
   * @throws ProcessError `directory` when none can be made there, `timed-out` or `aborted`
   */
  static async create(options: ScratchOptions = {}): Promise<Scratch> {
    const { parent = tmpdir(), alsoRemove = [], signal } = options;
    const janitor = spawn("/bin/sh", ["-c", JANITOR, "sh", parent, ...alsoRemove], {
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    janitor.once("exit", () => resolve());
    janitor.once("error", () => resolve());
    janitor.stdin.on("error", () => undefined);
    const line = new Promise<string>((found) => {
      let text = "";
      janitor.stdout.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        if (text.endsWith("\n")) found(text.slice(0, -1));
      });
    });
    const patience: Patience = { deadlineMs: JANITOR_START_MS_MAX, signal };
    const failed = exited.then((): never => {
      throw new ProcessError("directory", `No directory can be made in "${parent}"; set TMPDIR.`);
    });
    try {
      const directory = await within(Promise.race([line, failed]), patience, "a directory");
      return new Scratch(directory, janitor, exited, alsoRemove);
    } catch (error) {
      janitor.stdin.end();
      throw error;
    }
  }

  /** Process id of the janitor. */
  get janitorPid(): number {
    return this.#janitor.pid ?? 0;
  }

  /** The daemons that run now. */
  get children(): ReadonlySet<Child> {
    return this.#children;
  }

  /**
   * A path in the directory.
   *
   * @param names folder and file names below it
   */
  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /**
   * Starts a daemon that ends with this process.
   *
   * @param options what to run
   * @throws ProcessError `not-up` after `close`, `program-exited` when it can't be started
   */
  spawn(options: Omit<ChildOptions, "registry">): Child {
    if (this.#closing !== undefined) {
      throw new ProcessError(
        "not-up",
        `${options.name} was to start where everything is stopping.`,
      );
    }
    const registry = this.path(".children");
    const child = Child.start({ ...options, registry });
    this.#children.add(child);
    child.exited.then(async () => {
      this.#children.delete(child);
      // Its number may soon belong to somebody else's process.
      await unlink(join(registry, String(child.pid))).catch(() => undefined);
    });
    return child;
  }

  /** Ends every daemon and removes the directory; resolves when nothing is left. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.destroy()));
    this.#janitor.stdin?.end();
    await within(this.#janitorExited, { deadlineMs: JANITOR_END_MS_MAX }, "the clean-up");
    // Only where somebody killed the janitor is there anything left to remove.
    for (const path of [this.directory, ...this.#alsoRemove]) {
      await rm(path, { recursive: true, force: true });
    }
  }
}
