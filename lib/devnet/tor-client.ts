import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { Child } from "../process/child.ts";
import { type Patience, poll } from "../process/deadline.ts";
import type { ChildHost } from "../process/scratch.ts";
import {
  clientTorrc,
  type OnionServiceConfig,
  onionServiceDirectory,
  type TorAuthority,
} from "./tor-config.ts";
import { seedConsensus } from "./tor-store.ts";

/** How often a file that tor is about to write is looked for. */
const LOOK_EVERY_MS = 20;

/** What a client of a private Tor network is made from. */
export interface PrivateTorClientOptions {
  readonly name: string;
  readonly tor: string;
  readonly authority: TorAuthority;
  /** The authority's data directory, from which the client learns the network. */
  readonly consensusDirectory: string;
  readonly host: ChildHost;
  /** The client's own data directory. */
  readonly directory: string;
  readonly socksPort: number;
  readonly controlPort: number;
  readonly socksFlags: readonly string[];
  readonly onionServices: readonly OnionServiceConfig[];
}

/** A tor client of a private network, with the onion services that it hosts. */
export class PrivateTorClient {
  /** What the network's starter called it. */
  readonly name: string;
  /** SOCKS port on 127.0.0.1; the same after a restart. */
  readonly socksPort: number;
  /** Control port on 127.0.0.1; the same after a restart. */
  readonly controlPort: number;
  /** File that holds the control port's cookie, made anew at every start. */
  readonly cookieFile: string;
  /** Names of its onion services, `<56 characters>.onion`, in the order asked for. */
  readonly onions: readonly string[];
  readonly #options: PrivateTorClientOptions;
  readonly #torrc: string;
  #child: Child;

  private constructor(
    options: PrivateTorClientOptions,
    torrc: string,
    cookieFile: string,
    child: Child,
    onions: readonly string[],
  ) {
    this.name = options.name;
    this.socksPort = options.socksPort;
    this.controlPort = options.controlPort;
    this.cookieFile = cookieFile;
    this.onions = onions;
    this.#options = options;
    this.#torrc = torrc;
    this.#child = child;
  }

  /**
   * Starts a client and waits until it has circuits.
   *
   * @param options what it is made from
   * @param patience how long to wait
   * @throws ProcessError `program-exited`, `timed-out` or `aborted`
   */
  static async start(
    options: PrivateTorClientOptions,
    patience: Patience,
  ): Promise<PrivateTorClient> {
    const { directory, onionServices } = options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await seedConsensus(options.consensusDirectory, directory);
    const torrc = `${directory}/torrc`;
    const cookieFile = `${directory}/control_auth_cookie`;
    const ownerPid = process.pid;
    await writeFile(torrc, clientTorrc({ ...options, cookieFile, ownerPid }));
    const child = spawnClient(options, torrc);
    await bootstrapped(child, patience);
    const onions = await Promise.all(
      onionServices.map((_, index) => {
        const file = `${onionServiceDirectory(directory, index)}/hostname`;
        return child.alive(poll(() => readName(file), LOOK_EVERY_MS, patience, file));
      }),
    );
    return new PrivateTorClient(options, torrc, cookieFile, child, onions);
  }

  /** Process id of the running tor, or of the last one that ran. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether its tor runs. */
  get running(): boolean {
    return this.#child.exit === undefined;
  }

  /** The last lines of its log. */
  get output(): readonly string[] {
    return this.#child.output;
  }

  /**
   * Sends tor a signal; after one that ends it, waits until it is gone.
   *
   * @param signal SIGKILL and SIGTERM end it, SIGSTOP and SIGCONT hold it
   */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    if (signal === "SIGKILL" || signal === "SIGTERM") await this.#child.exited;
  }

  /**
   * Starts tor again, ending it first where it still runs: same ports, same onion services.
   *
   * @param patience how long to wait until it has circuits
   * @throws ProcessError `program-exited`, `timed-out`, `aborted` or `not-up`
   */
  async restart(patience: Patience): Promise<void> {
    await this.#child.destroy();
    this.#child = spawnClient(this.#options, this.#torrc);
    await bootstrapped(this.#child, patience);
  }
}

function spawnClient(options: PrivateTorClientOptions, torrc: string): Child {
  return options.host.spawn({
    name: `tor (client ${options.name})`,
    program: options.tor,
    arguments: ["-f", torrc, "--defaults-torrc", "/dev/null"],
    directory: options.directory,
  });
}

async function bootstrapped(child: Child, patience: Patience): Promise<void> {
  await child.line(/Bootstrapped 100%/, patience);
}

async function readName(file: string): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  return /^[a-z2-7]{56}\.onion$/.exec(text.trim())?.[0];
}
