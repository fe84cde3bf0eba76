import { join } from "node:path";
import type { Child } from "../../lib/process/child.ts";
import type { Scratch } from "../../lib/process/scratch.ts";

/** A capture starts tcpdump, while thirty others do. */
const START_MS_MAX = 60_000;

/** Writes what a program says on stdout to a file: a report is one line of some MB. */
const TO_FILE = 'file=$1 && shift && exec "$@" > "$file"';

/** `anonctl noise-capture` between a subject and its tor, and at that tor's link to its guard. */
export class Observer {
  /** Where the subject finds its SOCKS proxy. */
  readonly socksPort: number;
  readonly #child: Child;

  private constructor(child: Child, socksPort: number) {
    this.#child = child;
    this.socksPort = socksPort;
  }

  /**
   * Starts a capture with both views.
   *
   * @param options `socksPort`: the subject's tor; `guardPorts`: from which that tor dials;
   *   `folder`: where NAME.csv and NAME.json go
   */
  static async start(options: {
    readonly scratch: Scratch;
    readonly binary: string;
    readonly name: string;
    readonly socksPort: number;
    readonly guardPorts: readonly number[];
    readonly folder: string;
  }): Promise<Observer> {
    const { scratch, binary, name, folder } = options;
    const packets = options.guardPorts.map((port) => `tcp port ${port}`).join(" or ");
    const child = scratch.spawn({
      name: `noise-capture (${name})`,
      program: "/bin/sh",
      directory: scratch.directory,
      arguments: [
        ...["-c", TO_FILE, "sh", join(folder, `${name}.json`), binary, "noise-capture"],
        ...["--socks-tap", `0=${options.socksPort}`],
        ...["--interface", "lo", "--filter", packets],
        ...["--csv", join(folder, `${name}.csv`), "--json"],
      ],
    });
    const patience = { deadlineMs: START_MS_MAX };
    const [, port] = await child.line(/socks-tap on 127\.0\.0\.1:([0-9]+)/, patience);
    await child.line(/capturing on lo/, patience);
    return new Observer(child, Number(port));
  }

  /**
   * Ends the capture and waits for its report.
   *
   * @throws Error when it did not end well
   */
  async finish(): Promise<void> {
    this.#child.kill("SIGINT");
    const { code, signal } = await this.#child.exited;
    if (code === 0) return;
    const last = this.#child.output.slice(-4).join(" | ");
    throw new Error(`${this.#child.name} ended with ${signal ?? code}: ${last}`);
  }
}
