import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:net";
import { join } from "node:path";
import type { Child } from "../process/child.ts";
import { type Patience, poll, throwIfAborted } from "../process/deadline.ts";
import { programIdentity, requirePrograms } from "../process/program.ts";
import { type ChildHost, Scratch } from "../process/scratch.ts";
import { type Clock, realClock } from "../runtime/clock.ts";
import { Fault } from "../runtime/fault.ts";
import { type RandomSource, systemRandom } from "../runtime/random.ts";
import { cacheDirectory } from "./cache.ts";
import { pickPorts, returnPorts } from "./ports.ts";
import { type ReachableOptions, waitUntilReachable } from "./reachable.ts";
import { bridgeProgram, PrivateTorBridge, type TorBridgeRequest } from "./tor-bridge.ts";
import { PrivateTorClient } from "./tor-client.ts";
import {
  authorityTorrc,
  type OnionServiceConfig,
  type RelayConfig,
  relayNames,
  relayTorrc,
} from "./tor-config.ts";
import { TorStir } from "./tor-stir.ts";
import { leaseNetwork, storeNetwork, type TorLease, type TorStoreOptions } from "./tor-store.ts";

/** A client to start with the network. */
export interface TorClientRequest {
  /** How messages call it; also part of its directory's name. */
  readonly name: string;
  /**
   * Onion services that it hosts.
   * @default none
   */
  readonly onionServices?: readonly OnionServiceConfig[];
  /**
   * Flags of its SocksPort, such as "ExtendedErrors".
   * @default none, as with Debian's tor
   */
  readonly socksFlags?: readonly string[];
}

/** How to start a private Tor network. */
export interface PrivateTorNetworkOptions {
  readonly clients: readonly TorClientRequest[];
  /**
   * Relays that the consensus does not name.
   * @default none
   */
  readonly bridges?: readonly TorBridgeRequest[];
  /**
   * Where keys and consensus are kept between runs.
   * @default `$XDG_CACHE_HOME/anonctl/devnet`, or `~/.cache/anonctl/devnet`
   */
  readonly cacheDir?: string | undefined;
  /**
   * The directory to live in; it must outlive the network.
   * @default one of its own, removed by `stop`
   */
  readonly scratch?: Scratch | undefined;
  /** Calls the start off. */
  readonly signal?: AbortSignal | undefined;
  /** Told in a few words what is being done. */
  readonly onProgress?: ((what: string) => void) | undefined;
  /** @default realClock */
  readonly clock?: Clock;
  /** @default systemRandom */
  readonly random?: RandomSource;
}

/**
 * Longest wait for one step: a relay's listener (0.2 s on a quiet machine), what relays tell of
 * themselves (1 s), the first consensus (5 s), a client's circuits (1.5 s).
 */
const NODE_MS_MAX = 45_000;
const LOOK_EVERY_MS = 50;
/** A stored network that does not come up is thrown away, and one is made from nothing. */
const STARTS_MAX = 2;

/**
 * A real Tor network on 127.0.0.1: an authority that relays too, three relays, and clients with v3
 * onion services, all of them the tor program of this machine. No node can reach beyond loopback.
 */
export class PrivateTorNetwork {
  /** Its clients, in the order asked for. */
  readonly clients: readonly PrivateTorClient[];
  /** Its bridges, in the order asked for. */
  readonly bridges: readonly PrivateTorBridge[];
  /** Process ids of authority and relays. */
  readonly relayPids: readonly number[];
  readonly #running: RunningRelays;
  readonly #ownScratch: Scratch | undefined;
  readonly #ports: readonly number[];

  private constructor(
    { running, clients, bridges, ports }: RunningNetwork,
    ownScratch: Scratch | undefined,
  ) {
    this.#running = running;
    this.clients = clients;
    this.bridges = bridges;
    this.relayPids = running.children.map((child) => child.pid);
    this.#ports = ports;
    this.#ownScratch = ownScratch;
  }

  /**
   * Starts a network and waits until its clients have circuits. Whether an onion service can be
   * reached yet is asked with `reachable`.
   *
   * @param options what to start
   * @throws ProcessError or DevnetError `program-missing`, `program-exited`, `timed-out`, `aborted`, `directory` or
   *   `no-free-port`; nothing is left running then
   */
  static async start(options: PrivateTorNetworkOptions): Promise<PrivateTorNetwork> {
    const { signal, scratch } = options;
    const [tor, torGencert] = await requirePrograms(["tor", "tor-gencert"]);
    const identity = await programIdentity(tor);
    const obfs4proxy = await bridgeProgram(options.bridges ?? []);
    throwIfAborted(signal);
    const home = scratch ?? (await Scratch.create({ signal }));
    try {
      const programs = { tor, torGencert, identity, obfs4proxy };
      for (let start = 1; ; start++) {
        const network = await startOnce(options, programs, home, start);
        if (!(network instanceof Fault)) {
          return new PrivateTorNetwork(network, scratch === undefined ? home : undefined);
        }
        if (start === STARTS_MAX) throw network;
      }
    } catch (error) {
      if (scratch === undefined) await home.close();
      throw error;
    }
  }

  /**
   * Waits until an onion service answers.
   *
   * @param onion its name
   * @param port its virtual port
   * @param options through whom, and how long
   * @returns how long it took, in milliseconds
   * @throws DevnetError or ProcessError `unreachable` with the last reason, or `aborted`
   */
  async reachable(onion: string, port: number, options: ReachableOptions): Promise<number> {
    return await waitUntilReachable(onion, port, options);
  }

  /** Ends every tor of the network; resolves when they are gone. */
  async stop(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.kill("SIGKILL")));
    await Promise.all(this.bridges.map((bridge) => bridge.kill()));
    await stopRelays(this.#running);
    returnPorts(this.#ports);
    await this.#ownScratch?.close();
  }
}

interface TorPrograms {
  readonly tor: string;
  readonly torGencert: string;
  readonly identity: string;
  /** Undefined where no bridge needs it. */
  readonly obfs4proxy: string | undefined;
}

interface RunningRelays {
  readonly children: readonly Child[];
  readonly guard: Server;
  readonly stir?: TorStir | undefined;
}

interface RunningNetwork {
  readonly running: RunningRelays;
  readonly clients: readonly PrivateTorClient[];
  readonly bridges: readonly PrivateTorBridge[];
  readonly ports: readonly number[];
}

/** One attempt; resolves to the error where a second attempt, without the store, makes sense. */
async function startOnce(
  options: PrivateTorNetworkOptions,
  programs: TorPrograms,
  scratch: Scratch,
  attempt: number,
): Promise<RunningNetwork | Fault> {
  const { clock = realClock, random = systemRandom, cacheDir, onProgress } = options;
  const runDirectory = scratch.path(`tor-${attempt}`);
  await mkdir(runDirectory, { mode: 0o700 });
  const { tor, torGencert, identity } = programs;
  const store: TorStoreOptions = {
    tor,
    torGencert,
    identity,
    cacheDirectory: cacheDir ?? cacheDirectory(),
    runDirectory,
    random,
    unixMs: clock.unixMs(),
  };
  const lease = await leaseNetwork(store);
  onProgress?.(lease.voted ? "starting the stored Tor network" : "making a Tor network");
  const spawned: Child[] = [];
  const host: ChildHost = {
    spawn: (child) => {
      const started = scratch.spawn(child);
      spawned.push(started);
      return started;
    },
  };
  const { clients: wanted, bridges: wantedBridges = [] } = options;
  let ports: number[] = [];
  let stir: TorStir | undefined;
  try {
    const children = await spawnRelays(lease, tor, runDirectory, host, clock);
    ports = await pickPorts(2 * (wanted.length + wantedBridges.length), random);
    await relaysReady(lease, children, runDirectory, { ...options, clock });
    if (!lease.voted) await storeNetwork(store, lease);
    stir = await startStir(lease, runDirectory, clock);
    onProgress?.(`waiting for ${wanted.length} Tor clients`);
    const leaves = { programs, lease, host, runDirectory, ports, clock };
    const [clients, bridges] = await startLeaves(options, leaves);
    return { running: { children, guard: lease.guard, stir }, clients, bridges, ports };
  } catch (error) {
    await stopRelays({ children: spawned, guard: lease.guard, stir });
    returnPorts(ports);
    const stale = lease.voted && lease.slot !== undefined && error instanceof Fault;
    if (!stale || error.code === "aborted") throw error;
    await rm(lease.slot, { recursive: true, force: true });
    return error;
  }
}

/** Clients and bridges, which the network has enough of relays for. */
async function startLeaves(
  options: PrivateTorNetworkOptions,
  parts: {
    readonly programs: TorPrograms;
    readonly lease: TorLease;
    readonly host: ChildHost;
    readonly runDirectory: string;
    readonly ports: readonly number[];
    readonly clock: Clock;
  },
): Promise<[PrivateTorClient[], PrivateTorBridge[]]> {
  const { programs, lease, host, runDirectory, ports, clock } = parts;
  const { authority } = lease.blueprint;
  const own = ports.slice(2 * options.clients.length);
  return await Promise.all([
    startClients(options, programs.tor, lease, host, runDirectory, ports),
    PrivateTorBridge.startAll(
      options.bridges ?? [],
      { ...programs, host, authority, runDirectory, ports: own },
      { deadlineMs: NODE_MS_MAX, signal: options.signal, clock },
    ),
  ]);
}

function relayConfig(lease: TorLease, runDirectory: string, index: number): RelayConfig {
  const nickname = relayNames[index] ?? "";
  return {
    authority: lease.blueprint.authority,
    nickname,
    orPort: lease.blueprint.orPorts[index] ?? 0,
    directory: join(runDirectory, nickname),
    emptyFile: join(runDirectory, "empty"),
    controlSocket: controlSocketOf(runDirectory, nickname),
  };
}

/** What a Unix socket's address holds, less the NUL at its end. */
const SOCKET_PATH_BYTES_MAX = 107;

function controlSocketOf(runDirectory: string, nickname: string): string | undefined {
  const path = join(runDirectory, nickname, "control");
  return Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX ? undefined : path;
}

/** A directory of a very long name has no room for the sockets: the network stays quiet then. */
async function startStir(
  lease: TorLease,
  runDirectory: string,
  clock: Clock,
): Promise<TorStir | undefined> {
  const sockets = relayNames.flatMap((_, index) => {
    const { controlSocket } = relayConfig(lease, runDirectory, index);
    return controlSocket === undefined ? [] : [controlSocket];
  });
  return sockets.length < relayNames.length
    ? undefined
    : await TorStir.start(sockets, relayNames, clock);
}

async function spawnRelays(
  lease: TorLease,
  tor: string,
  runDirectory: string,
  host: ChildHost,
  clock: Clock,
): Promise<Child[]> {
  await writeFile(join(runDirectory, "empty"), "");
  const children: Child[] = [];
  for (const [index, nickname] of relayNames.entries()) {
    const config = relayConfig(lease, runDirectory, index);
    const { directory } = config;
    const torrc = join(directory, "torrc");
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const text = index === 0 ? authorityTorrc(config, "idle", clock.unixMs()) : relayTorrc(config);
    await writeFile(torrc, text);
    children.push(
      host.spawn({
        name: `tor (${index === 0 ? "authority" : "relay"} ${nickname})`,
        program: tor,
        arguments: ["-f", torrc, "--defaults-torrc", "/dev/null"],
        directory,
      }),
    );
  }
  return children;
}

async function relaysReady(
  lease: TorLease,
  children: readonly Child[],
  runDirectory: string,
  options: PrivateTorNetworkOptions & { readonly clock: Clock },
): Promise<void> {
  const { signal, clock, onProgress } = options;
  const patience: Patience = { deadlineMs: NODE_MS_MAX, signal, clock };
  await Promise.all(children.map((child) => child.line(/Opened OR listener/, patience)));
  const [authority] = children;
  if (lease.voted || authority === undefined) return;
  onProgress?.("waiting for the relays to make themselves known");
  const config = relayConfig(lease, runDirectory, 0);
  const { directory } = config;
  const known = poll(() => relaysAreKnown(directory), LOOK_EVERY_MS, patience, "the relays");
  await authority.alive(known);
  onProgress?.("waiting for the first consensus");
  await writeFile(join(directory, "torrc"), authorityTorrc(config, "now", clock.unixMs()));
  authority.kill("SIGHUP");
  const whole = poll(() => consensusIsWhole(directory), LOOK_EVERY_MS, patience, "a consensus");
  await authority.alive(whole);
}

/** The authority keeps what relays tell of themselves in a journal. */
async function relaysAreKnown(directory: string): Promise<true | undefined> {
  const journal = await readFile(join(directory, "cached-descriptors.new"), "latin1").catch(
    () => "",
  );
  const names = new Set([...journal.matchAll(/^router (\S+) /gm)].map(([, name]) => name));
  return relayNames.every((name) => names.has(name)) ? true : undefined;
}

/** Clients that start with fewer relays than there are would wait long for the rest. */
async function consensusIsWhole(directory: string): Promise<true | undefined> {
  const file = join(directory, "cached-microdesc-consensus");
  const text = await readFile(file, "utf8").catch(() => "");
  const listed = text.match(/^r /gm)?.length ?? 0;
  if (listed < relayNames.length || !text.includes("directory-signature")) return undefined;
  const plain = await readFile(join(directory, "cached-consensus"), "utf8").catch(() => "");
  return plain.includes("directory-signature") ? true : undefined;
}

async function startClients(
  options: PrivateTorNetworkOptions,
  tor: string,
  lease: TorLease,
  host: ChildHost,
  runDirectory: string,
  ports: readonly number[],
): Promise<PrivateTorClient[]> {
  const { signal, clock } = options;
  return await Promise.all(
    options.clients.map(({ name, onionServices = [], socksFlags = [] }, index) =>
      PrivateTorClient.start(
        {
          name,
          tor,
          host,
          authority: lease.blueprint.authority,
          consensusDirectory: join(runDirectory, "a0"),
          directory: join(runDirectory, `client-${index}`),
          socksPort: ports[2 * index] ?? 0,
          controlPort: ports[2 * index + 1] ?? 0,
          socksFlags,
          onionServices,
        },
        { deadlineMs: NODE_MS_MAX, signal, clock },
      ),
    ),
  );
}

async function stopRelays(running: RunningRelays): Promise<void> {
  await running.stir?.stop();
  await Promise.all(running.children.map((child) => child.destroy()));
  running.guard.close();
}
