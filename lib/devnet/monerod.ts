import { mkdir } from "node:fs/promises";
import { z } from "zod";
import type { AnonymityZone } from "../address/zone.ts";
import type { Child } from "../process/child.ts";
import { type Patience, poll } from "../process/deadline.ts";
import { requirePrograms } from "../process/program.ts";
import { Scratch } from "../process/scratch.ts";
import { cacheDirectory } from "./cache.ts";
import { DevnetError } from "./error.ts";
import {
  type AnonymousInbound,
  type Confinement,
  type MonerodConfig,
  monerodArguments,
  type TxProxy,
} from "./monerod-arguments.ts";
import { claimTip, type RegtestTip } from "./monerod-peer.ts";
import { MonerodRpc } from "./monerod-rpc.ts";
import { pickPorts, returnPorts } from "./ports.ts";
import { regtestChain } from "./regtest.ts";
import { layOutRegtestChain, waitForRpc } from "./regtest-store.ts";

/** An anonymity network that hidden services forward from, before its local port is picked. */
export interface MonerodInboundRequest {
  readonly zone: AnonymityZone;
  /** Its own name in that network, `host:port`. */
  readonly address: string;
  /**
   * Port on 127.0.0.1 that the hidden service forwards to.
   * @default one that is free
   */
  readonly port?: number;
}

/** How to start a regtest daemon. */
export interface MonerodOptions {
  /**
   * How messages call it.
   * @default "0"
   */
  readonly name?: string;
  /** @default none */
  readonly txProxies?: readonly TxProxy[];
  /** @default none */
  readonly anonymousInbounds?: readonly MonerodInboundRequest[];
  /**
   * Peers beside the closed loopback port that keeps it from the real network: loopback addresses,
   * onion or I2P names, each with a port.
   * @default none
   */
  readonly exclusiveNodes?: readonly string[];
  /**
   * Starts it with no peer-to-peer network at all.
   * @default false
   */
  readonly offline?: boolean;
  /**
   * Waits until it takes itself for synchronised, which it does once a peer has claimed its very
   * height and last block: a throw-away connection from this process does that. Until then it
   * ignores every transaction silently.
   * @default true, unless it is offline
   */
  readonly synchronised?: boolean;
  /** @default "0" */
  readonly logLevel?: string;
  /**
   * Where the replayed chain is kept between runs.
   * @default `$XDG_CACHE_HOME/anonctl/devnet`, or `~/.cache/anonctl/devnet`
   */
  readonly cacheDir?: string | undefined;
  /**
   * The directory to live in; it must outlive the daemon.
   * @default one of its own, removed by `stop`
   */
  readonly scratch?: Scratch | undefined;
  /** Calls the start off. */
  readonly signal?: AbortSignal | undefined;
  /** Told in a few words what is being done. */
  readonly onProgress?: ((what: string) => void) | undefined;
}

/** What a daemon says of itself. */
export interface MonerodInfo {
  readonly height: number;
  readonly topId: string;
  /** Whether it takes transactions. */
  readonly synchronized: boolean;
  readonly incomingConnections: number;
  readonly outgoingConnections: number;
}

/** From start to RPC: 1 s on a quiet machine. */
const START_MS_MAX = 60_000;
const SYNCHRONISED_MS_MAX = 20_000;
const LOOK_EVERY_MS = 50;
/** Nobody listens on it, and no program without special rights can. */
const CLOSED_PORT = 1;

const infoAnswer = z.object({
  height: z.number(),
  top_block_hash: z.string(),
  synchronized: z.boolean(),
  incoming_connections_count: z.number(),
  outgoing_connections_count: z.number(),
  cumulative_difficulty: z.number(),
});
const poolAnswer = z.object({ tx_hashes: z.array(z.string()).optional() });
const sendAnswer = z.looseObject({ status: z.string(), reason: z.string().optional() });

/** monerod's answer to a transaction. */
export type SendAnswer = z.infer<typeof sendAnswer>;

/**
 * A regtest monerod on the stored chain, confined to this machine: every one of its dials goes to
 * loopback or into a proxy on loopback.
 */
export class Monerod {
  readonly name: string;
  /** Port on 127.0.0.1 for peers of the public zone. */
  readonly p2pPort: number;
  /** Port of the unrestricted RPC. */
  readonly rpcPort: number;
  /** Port of the restricted RPC, as a public node offers it to wallets. */
  readonly restrictedRpcPort: number;
  /** Where it takes what hidden services forward, in the order asked for. */
  readonly anonymousInbounds: readonly AnonymousInbound[];
  readonly #spawn: () => Child;
  readonly #admin: MonerodRpc;
  readonly #restricted: MonerodRpc;
  readonly #ports: readonly number[];
  readonly #ownScratch: Scratch | undefined;
  #child: Child;

  private constructor(
    name: string,
    config: MonerodConfig,
    spawn: () => Child,
    ports: readonly number[],
    ownScratch: Scratch | undefined,
  ) {
    this.name = name;
    this.p2pPort = config.p2pPort;
    this.rpcPort = config.rpcPort;
    this.restrictedRpcPort = config.restrictedRpcPort;
    this.anonymousInbounds = config.anonymousInbounds;
    this.#admin = new MonerodRpc(config.rpcPort);
    this.#restricted = new MonerodRpc(config.restrictedRpcPort);
    this.#ports = ports;
    this.#ownScratch = ownScratch;
    this.#spawn = spawn;
    this.#child = spawn();
  }

  /**
   * Starts a daemon and waits until it answers.
   *
   * @param options what to start
   * @throws DevnetError or ProcessError `program-missing`, `program-exited`, `timed-out`, `aborted`,
   *   `chain-refused`, `would-dial-out`, `no-free-port` or `directory`; nothing is left running then
   */
  static async start(options: MonerodOptions = {}): Promise<Monerod> {
    const { signal, scratch } = options;
    const [program] = await requirePrograms(["monerod"]);
    const home = scratch ?? (await Scratch.create({ signal }));
    try {
      return await Monerod.#startIn(home, program, options);
    } catch (error) {
      if (scratch === undefined) await home.close();
      throw error;
    }
  }

  static async #startIn(home: Scratch, program: string, options: MonerodOptions): Promise<Monerod> {
    const { name = "0", cacheDir = cacheDirectory() } = options;
    const { config, ports } = await configure(options, home.path(`monerod-${name}`));
    const { dataDirectory } = config;
    try {
      const arguments_ = monerodArguments(config);
      await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
      const runDirectory = home.path(`monerod-${name}-replay`);
      await layOutRegtestChain(
        { ...options, cacheDirectory: cacheDir, monerod: program, host: home, runDirectory },
        dataDirectory,
      );
      const spawn = (): Child =>
        home.spawn({
          name: `monerod (${name})`,
          program,
          arguments: arguments_,
          directory: dataDirectory,
        });
      const own = options.scratch === undefined ? home : undefined;
      const monerod = new Monerod(name, config, spawn, ports, own);
      await monerod.#ready(options);
      return monerod;
    } catch (error) {
      returnPorts(ports);
      throw error;
    }
  }

  /** Process id of the running daemon, or of the last one that ran. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it runs. */
  get running(): boolean {
    return this.#child.exit === undefined;
  }

  /** The last lines of its output. */
  get output(): readonly string[] {
    return this.#child.output;
  }

  /**
   * Calls a method of its unrestricted `/json_rpc`.
   *
   * @param method such as "get_info"
   * @param params what the method takes
   * @returns the result, unchecked
   * @throws DevnetError or ProcessError `rpc-failed` or `timed-out`
   */
  async rpc(method: string, params: unknown = {}): Promise<unknown> {
    return await this.#admin.call(method, params);
  }

  /** What it says of itself. */
  async info(): Promise<MonerodInfo> {
    const info = infoAnswer.parse(await this.rpc("get_info"));
    return {
      height: info.height,
      topId: info.top_block_hash,
      synchronized: info.synchronized,
      incomingConnections: info.incoming_connections_count,
      outgoingConnections: info.outgoing_connections_count,
    };
  }

  /**
   * Ids of the transactions in its pool.
   *
   * @param view the unrestricted RPC sees all of them, the restricted one only those that have
   *   been spread in public
   */
  async poolTransactionIds(view: "all" | "public" = "all"): Promise<string[]> {
    const rpc = view === "all" ? this.#admin : this.#restricted;
    const answer = await rpc.post("/get_transaction_pool_hashes");
    return poolAnswer.parse(answer).tx_hashes ?? [];
  }

  /**
   * Submits a transaction as a wallet does.
   *
   * @param blob the transaction in hex
   * @returns its answer, with monerod's own fields
   */
  async sendRawTransaction(blob: string): Promise<SendAnswer> {
    return sendAnswer.parse(await this.#admin.post("/send_raw_transaction", { tx_as_hex: blob }));
  }

  /**
   * Makes it take itself for synchronised: a throw-away peer claims its own height and last block.
   *
   * @param patience how long to wait
   * @throws ProcessError `timed-out` or `aborted`
   */
  async synchronise(patience: Patience): Promise<void> {
    // An unsynchronised daemon answers get_last_block_header with BUSY and a header of zeros.
    const info = infoAnswer.parse(await this.rpc("get_info"));
    const tip: RegtestTip = {
      height: BigInt(info.height),
      topId: info.top_block_hash,
      topVersion: regtestChain.topVersion,
      cumulativeDifficulty: BigInt(info.cumulative_difficulty),
    };
    await claimTip(this.p2pPort, tip, patience);
    const done = async (): Promise<true | undefined> =>
      (await this.info()).synchronized ? true : undefined;
    await poll(done, LOOK_EVERY_MS, patience, "monerod to take itself for synchronised");
  }

  /**
   * Sends it a signal; after one that ends it, waits until it is gone.
   *
   * @param signal SIGKILL and SIGTERM end it, SIGSTOP and SIGCONT hold it
   */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    if (signal === "SIGKILL" || signal === "SIGTERM") await this.#child.exited;
  }

  /**
   * Starts it again on the same ports and data, ending it first where it still runs.
   *
   * @param options whether and how long to wait
   */
  async restart(options: Pick<MonerodOptions, "signal" | "synchronised"> = {}): Promise<void> {
    await this.#child.destroy();
    this.#child = this.#spawn();
    await this.#ready(options);
  }

  /** Ends it; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#admin.close();
    this.#restricted.close();
    await this.#child.destroy();
    returnPorts(this.#ports);
    await this.#ownScratch?.close();
  }

  async #ready(
    options: Pick<MonerodOptions, "signal" | "synchronised" | "offline">,
  ): Promise<void> {
    const { signal, offline = false, synchronised = !offline } = options;
    try {
      const patience: Patience = { deadlineMs: START_MS_MAX, signal };
      const { height } = await this.#child.alive(waitForRpc(this.#admin, patience));
      if (height < regtestChain.height) {
        throw new DevnetError(
          "chain-refused",
          `monerod started at height ${height}, not on the stored chain; delete the cache.`,
        );
      }
      const wait: Patience = { deadlineMs: SYNCHRONISED_MS_MAX, signal };
      if (synchronised) await this.#child.alive(this.synchronise(wait));
    } catch (error) {
      await this.#child.destroy();
      throw error;
    }
  }
}

async function configure(
  options: MonerodOptions,
  dataDirectory: string,
): Promise<{ config: MonerodConfig; ports: number[] }> {
  const { anonymousInbounds = [], txProxies = [], exclusiveNodes = [], logLevel = "0" } = options;
  const ports = await pickPorts(3 + anonymousInbounds.length);
  const [p2pPort = 0, rpcPort = 0, restrictedRpcPort = 0, ...free] = ports;
  const inbounds = anonymousInbounds.map(({ address, port }, index) => ({
    address,
    port: port ?? free[index] ?? 0,
  }));
  const confinement: Confinement =
    options.offline === true
      ? { kind: "offline" }
      : { kind: "exclusive", nodes: [`127.0.0.1:${CLOSED_PORT}`, ...exclusiveNodes] };
  const config: MonerodConfig = {
    ...{ dataDirectory, confinement, p2pPort, rpcPort, restrictedRpcPort },
    ...{ txProxies, anonymousInbounds: inbounds, logLevel },
  };
  return { config, ports };
}
