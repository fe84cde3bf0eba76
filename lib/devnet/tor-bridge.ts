import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Child } from "../process/child.ts";
import { type Patience, poll } from "../process/deadline.ts";
import { findProgram } from "../process/program.ts";
import type { ChildHost } from "../process/scratch.ts";
import { DevnetError } from "./error.ts";
import { bridgeRelayTorrc, type TorAuthority } from "./tor-config.ts";
import { seedConsensus } from "./tor-store.ts";

/** How often a file that tor or obfs4proxy is about to write is looked for. */
const LOOK_EVERY_MS = 20;

/** A bridge to start with the network. */
export interface TorBridgeRequest {
  /** 1 to 19 letters and digits. */
  readonly nickname: string;
  /** How clients speak to it: through obfs4proxy, or as to any relay. */
  readonly transport: "obfs4" | "none";
}

/** What all bridges of a private Tor network have in common. */
export interface BridgeGround {
  readonly tor: string;
  /** Absolute path; undefined where no bridge has a transport. */
  readonly obfs4proxy: string | undefined;
  readonly authority: TorAuthority;
  readonly host: ChildHost;
  /** The network's; the authority's data directory and an empty file are there. */
  readonly runDirectory: string;
  /** Two a bridge. */
  readonly ports: readonly number[];
}

/** What a bridge of a private Tor network is made from. */
export interface PrivateTorBridgeOptions {
  readonly nickname: string;
  readonly tor: string;
  /** Absolute path of obfs4proxy; undefined for a bridge without a transport. */
  readonly obfs4proxy: string | undefined;
  readonly authority: TorAuthority;
  /** The authority's data directory, from which the bridge learns the network. */
  readonly consensusDirectory: string;
  readonly host: ChildHost;
  /** The bridge's own data directory. */
  readonly directory: string;
  /** An empty file: its list of name servers. */
  readonly emptyFile: string;
  readonly orPort: number;
  /** Where obfs4proxy listens. */
  readonly transportPort: number;
}

/** A relay of a private network that the authority never hears of. */
export class PrivateTorBridge {
  /** How clients are told of it: the text of `--bridge`. */
  readonly line: string;
  /** Of its identity key, 40 hex digits. */
  readonly fingerprint: string;
  /** Where tor listens on 127.0.0.1. */
  readonly orPort: number;
  /** Where clients connect on 127.0.0.1: obfs4proxy's port, or tor's own without a transport. */
  readonly port: number;
  readonly #child: Child;

  private constructor(options: PrivateTorBridgeOptions, child: Child, words: BridgeWords) {
    const { orPort, transportPort, obfs4proxy } = options;
    this.orPort = orPort;
    this.port = obfs4proxy === undefined ? orPort : transportPort;
    this.fingerprint = words.fingerprint;
    const place = `127.0.0.1:${this.port} ${words.fingerprint}`;
    this.line = words.secret === undefined ? place : `obfs4 ${place} ${words.secret}`;
    this.#child = child;
  }

  /**
   * Starts bridges side by side.
   *
   * @param requests which
   * @param ground what they have in common
   * @param patience how long to wait for each
   * @throws as `start`
   */
  static async startAll(
    requests: readonly TorBridgeRequest[],
    ground: BridgeGround,
    patience: Patience,
  ): Promise<PrivateTorBridge[]> {
    const { runDirectory, ports, obfs4proxy } = ground;
    const bridges = requests.map(({ nickname, transport }, index) =>
      PrivateTorBridge.start(
        {
          ...ground,
          nickname,
          obfs4proxy: transport === "none" ? undefined : obfs4proxy,
          consensusDirectory: join(runDirectory, "a0"),
          directory: join(runDirectory, `bridge-${index}`),
          emptyFile: join(runDirectory, "empty"),
          orPort: ports[2 * index] ?? 0,
          transportPort: ports[2 * index + 1] ?? 0,
        },
        patience,
      ),
    );
    return await Promise.all(bridges);
  }

  /**
   * Starts a bridge and waits until clients can use it.
   *
   * @param options what it is made from
   * @param patience how long to wait
   * @throws ProcessError `program-exited`, `timed-out` or `aborted`
   */
  static async start(
    options: PrivateTorBridgeOptions,
    patience: Patience,
  ): Promise<PrivateTorBridge> {
    const { directory, nickname, obfs4proxy } = options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await seedConsensus(options.consensusDirectory, directory);
    const torrc = `${directory}/torrc`;
    await writeFile(torrc, bridgeRelayTorrc(options));
    const child = options.host.spawn({
      name: `tor (bridge ${nickname})`,
      program: options.tor,
      arguments: ["-f", torrc, "--defaults-torrc", "/dev/null"],
      directory,
    });
    if (obfs4proxy === undefined) await child.line(/Opened OR listener/, patience);
    else await child.line(/Registered server transport 'obfs4'/, patience);
    await child.line(/Bootstrapped 100%/, patience);
    const look = (): Promise<BridgeWords | undefined> =>
      readWords(directory, obfs4proxy !== undefined);
    const words = await child.alive(poll(look, LOOK_EVERY_MS, patience, "the bridge's line"));
    return new PrivateTorBridge(options, child, words);
  }

  /** Process id of its tor. */
  get pid(): number {
    return this.#child.pid;
  }

  /** The last lines of its log. */
  get output(): readonly string[] {
    return this.#child.output;
  }

  /**
   * Ends it; obfs4proxy ends with the pipe from tor.
   *
   * @returns once tor is gone
   */
  async kill(): Promise<void> {
    await this.#child.destroy();
  }
}

/**
 * Finds the program that some bridges need.
 *
 * @param requests which bridges
 * @returns undefined where none has a transport
 * @throws DevnetError `program-missing` with how to install it
 */
export async function bridgeProgram(
  requests: readonly TorBridgeRequest[],
): Promise<string | undefined> {
  if (requests.every(({ transport }) => transport === "none")) return undefined;
  const program = await findProgram("obfs4proxy");
  if (program !== undefined) return program;
  throw new DevnetError(
    "program-missing",
    "Not on this machine: obfs4proxy; install with: apt-get install obfs4proxy",
  );
}

interface BridgeWords {
  readonly fingerprint: string;
  /** `cert=… iat-mode=…`. */
  readonly secret: string | undefined;
}

async function readWords(
  directory: string,
  hasTransport: boolean,
): Promise<BridgeWords | undefined> {
  const identity = await readFile(`${directory}/fingerprint`, "utf8").catch(() => "");
  const fingerprint = /^\S+ ([0-9A-F]{40})$/m.exec(identity)?.[1];
  if (fingerprint === undefined) return undefined;
  if (!hasTransport) return { fingerprint, secret: undefined };
  const file = `${directory}/pt_state/obfs4_bridgeline.txt`;
  const text = await readFile(file, "utf8").catch(() => "");
  const secret = /^Bridge obfs4 .* (cert=\S+ iat-mode=\d)$/m.exec(text)?.[1];
  return secret === undefined ? undefined : { fingerprint, secret };
}
