import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { networks } from "../monero/network.ts";
import { throwIfAborted } from "../process/deadline.ts";
import { requirePrograms } from "../process/program.ts";
import { Scratch } from "../process/scratch.ts";
import { realClock } from "../runtime/clock.ts";
import { systemRandom } from "../runtime/random.ts";
import type { DevnetDocument } from "./document.ts";
import { DevnetError } from "./error.ts";
import { Monerod } from "./monerod.ts";
import {
  type OnionNetwork,
  type OnionNetworkKind,
  type OnionParty,
  startOnionNetwork,
  waitForParty,
} from "./onion-network.ts";
import { pickPorts, returnPorts } from "./ports.ts";
import { regtestTransactions } from "./regtest.ts";
import type { SimulatedFaults } from "./simulated.ts";
import { runningDevnets, runtimeDirectory, stateFile, writeState } from "./state.ts";

/** How to start a private network. */
export interface DevnetOptions {
  /** Networks of one user that run at the same time have different names. */
  readonly name: string;
  readonly onionNetwork: OnionNetworkKind;
  /** How many regtest daemons, each behind an onion service. */
  readonly monerods: number;
  /**
   * How the way to every service behaves; only where it is simulated.
   * @default none of the faults
   */
  readonly faults?: SimulatedFaults;
  /** @default `$XDG_CACHE_HOME/anonctl/devnet`, or `~/.cache/anonctl/devnet` */
  readonly cacheDir?: string | undefined;
  /** @default as `runtimeDirectory` */
  readonly runtimeDir?: string | undefined;
  /** Calls the start off. */
  readonly signal?: AbortSignal | undefined;
  /** Told in a few words what is being done, and later when a daemon ends by itself. */
  readonly onProgress?: ((what: string) => void) | undefined;
}

/** More daemons than this would not fit the machines that this is made for. */
export const MONERODS_MAX = 8;
const NAME = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** A private network with everything in it, noted where `devnet status` and `down` look. */
export class Devnet {
  /** Where everything is. */
  readonly document: DevnetDocument;
  readonly #scratch: Scratch;
  readonly #onions: OnionNetwork;
  readonly #monerods: readonly Monerod[];
  readonly #ports: readonly number[];
  #stopping = false;

  private constructor(
    document: DevnetDocument,
    scratch: Scratch,
    onions: OnionNetwork,
    monerods: readonly Monerod[],
    ports: readonly number[],
    onProgress: DevnetOptions["onProgress"],
  ) {
    this.document = document;
    this.#scratch = scratch;
    this.#onions = onions;
    this.#monerods = monerods;
    this.#ports = ports;
    for (const child of scratch.children) {
      child.exited.then(() => {
        if (!this.#stopping) onProgress?.(`${child.name} ended by itself`);
      });
    }
  }

  /**
   * Starts a network and waits until every service in it can be reached.
   *
   * @param options what to start
   * @throws DevnetError with its code; nothing is left running then
   */
  static async up(options: DevnetOptions): Promise<Devnet> {
    checkOptions(options);
    await requirePrograms([
      ...(options.onionNetwork === "tor" ? ["tor", "tor-gencert"] : []),
      ...(options.monerods > 0 ? ["monerod"] : []),
    ]);
    const directory = options.runtimeDir ?? (await runtimeDirectory());
    await refuseSecond(directory, options.name);
    const file = stateFile(directory, process.pid);
    const ports = await pickPorts(2 + options.monerods);
    const scratch = await Scratch.create({ alsoRemove: [file], signal: options.signal });
    let onions: OnionNetwork | undefined;
    try {
      onions = await startOnions(options, scratch, ports);
      const monerods = await startMonerods(options, scratch, onions);
      await waitForMonerods(options, onions);
      const document = await describe(options, scratch, onions, monerods, ports);
      await writeState(file, document);
      throwIfAborted(options.signal);
      return new Devnet(document, scratch, onions, monerods, ports, options.onProgress);
    } catch (error) {
      await onions?.stop();
      await scratch.close();
      returnPorts(ports);
      throw error;
    }
  }

  /** Its regtest daemons. */
  get monerods(): readonly Monerod[] {
    return this.#monerods;
  }

  /** Takes it down; resolves when nothing of it is left. */
  async down(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#monerods.map((monerod) => monerod.stop()));
    await this.#onions.stop();
    await this.#scratch.close();
    returnPorts(this.#ports);
  }
}

function checkOptions({ name, monerods }: DevnetOptions): void {
  if (!NAME.test(name)) {
    throw new DevnetError(
      "bad-options",
      `"${name}" can't be a network's name; use up to 31 of a-z, 0-9 and hyphens.`,
    );
  }
  if (!Number.isInteger(monerods) || monerods < 0 || monerods > MONERODS_MAX) {
    throw new DevnetError(
      "bad-options",
      `A network has 0 to ${MONERODS_MAX} monerods, not ${monerods}.`,
    );
  }
}

async function refuseSecond(directory: string, name: string): Promise<void> {
  const running = await runningDevnets(directory);
  const same = running.find(({ document }) => document.name === name);
  if (same === undefined) return;
  throw new DevnetError(
    "already-up",
    `A network "${name}" is up already (process ${same.document.pid}); take it down or give --name.`,
  );
}

/** The first port is where a node's own service forwards to; the second is its RPC's. */
async function startOnions(
  options: DevnetOptions,
  scratch: Scratch,
  ports: readonly number[],
): Promise<OnionNetwork> {
  const [forwardsTo = 0, , ...inbounds] = ports;
  return await startOnionNetwork({
    kind: options.onionNetwork,
    parties: [
      { name: "node", forwardsTo },
      ...inbounds.map((port, index) => ({ name: `monerod-${index}`, forwardsTo: port })),
    ],
    virtualPort: networks.regtest.torPort,
    scratch,
    cacheDir: options.cacheDir,
    faults: options.faults ?? {},
    signal: options.signal,
    onProgress: options.onProgress,
    clock: realClock,
    random: systemRandom,
  });
}

async function startMonerods(
  options: DevnetOptions,
  scratch: Scratch,
  onions: OnionNetwork,
): Promise<Monerod[]> {
  const [, ...parties] = onions.parties;
  if (parties.length === 0) return [];
  options.onProgress?.(
    `starting ${parties.length === 1 ? "monerod" : `${parties.length} monerods`}`,
  );
  const start = async (party: OnionParty, index: number): Promise<Monerod> => {
    const before = parties[index - 1];
    return await Monerod.start({
      ...{ scratch, cacheDir: options.cacheDir, signal: options.signal },
      ...{ onProgress: options.onProgress, name: String(index) },
      txProxies: [{ zone: "tor", port: party.socksPort }],
      anonymousInbounds: [{ zone: "tor", address: party.onion, port: party.forwardsTo }],
      exclusiveNodes: before === undefined ? [] : [before.onion],
    });
  };
  const [first, ...others] = parties;
  // The first one replays the chain where it is not stored yet; the others then find it.
  const monerods = first === undefined ? [] : [await start(first, 0)];
  return [
    ...monerods,
    ...(await Promise.all(others.map((party, index) => start(party, index + 1)))),
  ];
}

async function waitForMonerods(options: DevnetOptions, onions: OnionNetwork): Promise<void> {
  const [node, ...parties] = onions.parties;
  if (node === undefined || parties.length === 0) return;
  options.onProgress?.("waiting until the onion services can be reached");
  await Promise.all(parties.map((party) => waitForParty(party, node, options.signal)));
}

async function describe(
  options: DevnetOptions,
  scratch: Scratch,
  onions: OnionNetwork,
  monerods: readonly Monerod[],
  ports: readonly number[],
): Promise<DevnetDocument> {
  const [node, ...parties] = onions.parties;
  if (node === undefined)
    throw new DevnetError("bad-state", "The network has no place for a node.");
  const [, rpcPort = 0] = ports;
  const directory = scratch.path("transactions");
  await writeTransactions(directory);
  const first = monerods[0];
  return {
    schema: "anonctl.devnet.v1",
    name: options.name,
    onionNetwork: onions.kind,
    label: onions.label,
    pid: process.pid,
    directory: scratch.directory,
    socks: `127.0.0.1:${node.socksPort}`,
    control:
      node.control === undefined
        ? undefined
        : { address: `127.0.0.1:${node.control.port}`, cookieFile: node.control.cookieFile },
    inbound: { onion: node.onion, forwardsTo: `127.0.0.1:${node.forwardsTo}` },
    monerods: monerods.map((monerod, index) => ({
      name: monerod.name,
      onion: parties[index]?.onion ?? "",
      p2p: `127.0.0.1:${monerod.p2pPort}`,
      rpc: `http://127.0.0.1:${monerod.rpcPort}`,
      restrictedRpc: `http://127.0.0.1:${monerod.restrictedRpcPort}`,
    })),
    processes: [
      ...onions.processes,
      ...monerods.map(({ name, pid }) => ({ name: `monerod (${name})`, pid })),
    ],
    nodeCommands: nodeCommands(scratch, node, parties, rpcPort),
    sendCommand: `curl -s http://127.0.0.1:${rpcPort}/send_raw_transaction -d @${join(directory, "00.json")}`,
    lookCommand:
      first && `curl -s http://127.0.0.1:${first.rpcPort}/get_transaction_pool_hashes -d {}`,
  };
}

/** Without a monerod to dial, one more node takes its place: the first line starts it. */
function nodeCommands(
  scratch: Scratch,
  node: OnionParty,
  monerods: readonly OnionParty[],
  rpcPort: number,
): string[] {
  const proxy = `--tx-proxy tor,127.0.0.1:${node.socksPort}`;
  const dial = (party: OnionParty): string => `--add-exclusive-node ${party.onion}`;
  const inbound = `--anonymous-inbound ${node.onion},127.0.0.1:${node.forwardsTo}`;
  const place = (port: number, name: string): string =>
    `--rpc-bind-port ${port} --data-dir ${scratch.path(name)}`;
  if (monerods.length > 0) {
    const peers = monerods.map(dial).join(" ");
    return [`anonctl node --regtest ${proxy} ${peers} ${inbound} ${place(rpcPort, "node")}`];
  }
  return [
    `anonctl node --regtest ${inbound} ${place(0, "peer")}`,
    `anonctl node --regtest ${proxy} ${dial(node)} ${place(rpcPort, "node")}`,
  ];
}

async function writeTransactions(directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  await Promise.all(
    regtestTransactions.map(({ blob }, index) => {
      const file = join(directory, `${String(index).padStart(2, "0")}.json`);
      return writeFile(file, `${JSON.stringify({ tx_as_hex: blob })}\n`);
    }),
  );
}
