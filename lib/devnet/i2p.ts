import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeI2pBase64 } from "../i2p/base64.ts";
import { Destination } from "../i2p/destination.ts";
import type { Child } from "../process/child.ts";
import { type Patience, poll } from "../process/deadline.ts";
import { ProcessError } from "../process/error.ts";
import { findProgram } from "../process/program.ts";
import { Scratch } from "../process/scratch.ts";
import type { Clock } from "../runtime/clock.ts";
import { DevnetError } from "./error.ts";
import { I2P_NETWORK, type I2pRouterConfig, i2pdConf, i2pRouterConfig } from "./i2p-config.ts";
import { NetworkNamespace, systemPath } from "./namespace.ts";

/** How to start a private I2P network. */
export interface PrivateI2pNetworkOptions {
  /**
   * How many routers, 2 to 8. The first is the floodfill; services may live on it, but no client:
   * i2pd misreads the lease sets that it stores itself. A service whose router is to be restarted
   * wants a third.
   */
  readonly routers: number;
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
  readonly clock?: Clock | undefined;
}

const ROUTERS_MIN = 2;
/** More would not fit the machines that this is made for. */
const ROUTERS_MAX = 8;
/** A router listens after a second; one on a machine under load needs longer. */
const ROUTER_MS_MAX = 30_000;
const LOOK_EVERY_MS = 25;
/** A session takes i2pd 20 s, and its lease set follows at once. */
const PUBLISHED_MS_MAX = 60_000;
const RESTARTS_MAX = 3;
/** State "listening" in Linux's table of TCP sockets. */
const TCP_LISTEN = "0A";

/** What a private network's router is made from. */
interface RouterParts {
  readonly config: I2pRouterConfig;
  readonly spawn: (config: I2pRouterConfig) => Child;
  readonly patience: Patience;
}

/** An i2pd of a private network. */
export class PrivateI2pRouter {
  /** SAM port on the namespace's 127.0.0.1; the same after a restart. */
  readonly samPort: number;
  /** SOCKS port on the namespace's 127.0.0.1; the same after a restart. */
  readonly socksPort: number;
  readonly #parts: RouterParts;
  #child: Child;

  private constructor(parts: RouterParts, child: Child) {
    this.samPort = parts.config.samPort;
    this.socksPort = parts.config.socksPort;
    this.#parts = parts;
    this.#child = child;
  }

  /**
   * Starts a router and waits until it listens.
   *
   * @param parts what it is made from
   * @throws ProcessError `program-exited`, `timed-out` or `aborted`
   */
  static async start(parts: RouterParts): Promise<PrivateI2pRouter> {
    const child = parts.spawn(parts.config);
    await listens(child, parts);
    return new PrivateI2pRouter(parts, child);
  }

  /** Process id of the running i2pd, or of the last one that ran. */
  get pid(): number {
    return this.#child.pid;
  }

  /** The last lines of its log. */
  get output(): readonly string[] {
    return this.#child.output;
  }

  /**
   * Waits until this router, a floodfill, is given a lease set.
   *
   * @param name the service's name, 52 characters and ".b32.i2p"
   * @param patience how long to wait
   * @throws ProcessError `timed-out`, `aborted` or `program-exited`
   */
  async leaseSetOf(name: string, patience: Patience): Promise<void> {
    const [hash = ""] = name.split(".", 1);
    await this.#child.nextLine(new RegExp(`LeaseSet2? (added|updated): ${hash}`), patience);
  }

  /**
   * Sends i2pd a signal; after one that ends it at once, waits until it is gone.
   *
   * @param signal SIGKILL ends it, SIGSTOP and SIGCONT hold it; SIGTERM lets it take minutes
   */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    if (signal === "SIGKILL") await this.#child.exited;
  }

  /**
   * Starts i2pd again, ending it first where it still runs: same identity, same ports. Sessions
   * made over SAM are gone then, as after every restart.
   *
   * @throws ProcessError `program-exited`, `timed-out` or `not-up`
   */
  async restart(): Promise<void> {
    await this.#child.destroy();
    this.#child = this.#parts.spawn(this.#parts.config);
    await listens(this.#child, { ...this.#parts, patience: { deadlineMs: ROUTER_MS_MAX } });
  }
}

/**
 * A real I2P network of i2pd routers in a network namespace that it makes itself, as only root may.
 * Nothing in it can reach beyond the namespace; whoever wants to talk to its routers has to run
 * inside, by putting `wrapper` before the command.
 */
export class PrivateI2pNetwork {
  /** Its routers, the floodfill first. */
  readonly routers: readonly PrivateI2pRouter[];
  /** The words to put before a command so that it runs inside: `ip netns exec NAME`. */
  readonly wrapper: readonly string[];
  readonly #namespace: NetworkNamespace;
  readonly #ownScratch: Scratch | undefined;

  private constructor(
    routers: readonly PrivateI2pRouter[],
    namespace: NetworkNamespace,
    ownScratch: Scratch | undefined,
  ) {
    this.routers = routers;
    this.wrapper = namespace.wrapper;
    this.#namespace = namespace;
    this.#ownScratch = ownScratch;
  }

  /**
   * Starts a network, one router after the other, and waits until each listens. Whether a service
   * can be reached yet is asked through a router, from inside.
   *
   * @param options what to start
   * @throws DevnetError or ProcessError `bad-options`, `program-missing`, `bad-state` without the right to make a
   *   namespace, `program-exited`, `timed-out`, `aborted` or `directory`; nothing is left then
   */
  static async start(options: PrivateI2pNetworkOptions): Promise<PrivateI2pNetwork> {
    const { routers: count, signal, scratch } = options;
    if (!Number.isInteger(count) || count < ROUTERS_MIN || count > ROUTERS_MAX) {
      throw new DevnetError(
        "bad-options",
        `An I2P network has ${ROUTERS_MIN} to ${ROUTERS_MAX} routers, not ${count}.`,
      );
    }
    const i2pd = await findProgram("i2pd", systemPath());
    if (i2pd === undefined) {
      throw new DevnetError(
        "program-missing",
        "i2pd is not on this machine; install with: apt-get install i2pd",
      );
    }
    const namespace = await NetworkNamespace.create([I2P_NETWORK], signal);
    const home = scratch ?? (await Scratch.create({ signal }).catch(removing(namespace)));
    const own = scratch === undefined ? home : undefined;
    try {
      const spawn = spawner(home, namespace, i2pd);
      return new PrivateI2pNetwork(await startAll(options, home, spawn), namespace, own);
    } catch (error) {
      await namespace.remove();
      await own?.close();
      throw error;
    }
  }

  /** The namespace's name, as `ip netns list` shows it. */
  get namespace(): string {
    return this.#namespace.name;
  }

  /**
   * Restarts the router of a service, until the floodfill is given the service's new lease set. Who
   * asks for the service before gets the old one, and keeps it for up to ten minutes. And i2pd asks
   * no floodfill twice: where there is one only, a delivery that failed is made up for as late.
   *
   * @param router the service's
   * @param name the service's name, 52 characters and ".b32.i2p"
   * @throws ProcessError `timed-out` after several restarts, `aborted` or `program-exited`
   */
  async restartUntilPublished(router: PrivateI2pRouter, name: string): Promise<void> {
    for (let restart = 1; ; restart++) {
      await router.restart();
      try {
        await this.routers[0]?.leaseSetOf(name, { deadlineMs: PUBLISHED_MS_MAX });
        return;
      } catch (error) {
        const again = error instanceof ProcessError && error.code === "timed-out";
        if (!again || restart === RESTARTS_MAX) throw error;
      }
    }
  }

  /** Ends every router and what else runs inside, and removes the namespace. */
  async stop(): Promise<void> {
    await Promise.all(this.routers.map((router) => router.kill("SIGKILL")));
    await this.#namespace.remove();
    await this.#ownScratch?.close();
  }
}

function removing(namespace: NetworkNamespace): (error: unknown) => Promise<never> {
  return async (error) => {
    await namespace.remove();
    throw error;
  };
}

function spawner(
  scratch: Scratch,
  namespace: NetworkNamespace,
  i2pd: string,
): RouterParts["spawn"] {
  const [program = "", ...words] = namespace.wrapper;
  return ({ number, directory }) =>
    scratch.spawn({
      name: `i2pd (router ${number})`,
      program,
      arguments: [
        ...words,
        i2pd,
        `--datadir=${directory}`,
        `--conf=${join(directory, "i2pd.conf")}`,
        `--tunconf=${join(directory, "tunnels.conf")}`,
        `--tunnelsdir=${join(directory, "tunnels.d")}`,
      ],
      directory,
    });
}

/**
 * One after the other: a router whose first call is refused counts its peer as unreachable for a
 * minute, so each must know only such routers as listen already.
 */
async function startAll(
  options: PrivateI2pNetworkOptions,
  scratch: Scratch,
  spawn: RouterParts["spawn"],
): Promise<PrivateI2pRouter[]> {
  const { signal, clock, onProgress } = options;
  const patience: Patience = { deadlineMs: ROUTER_MS_MAX, signal, clock };
  const configs = Array.from({ length: options.routers }, (_, index) =>
    i2pRouterConfig(index + 1, scratch.path(`i2p-${index + 1}`), index === 0),
  );
  const started: PrivateI2pRouter[] = [];
  for (const [index, config] of configs.entries()) {
    onProgress?.(`starting I2P router ${config.number} of ${configs.length}`);
    await layOut(config, configs.slice(0, index));
    started.push(await PrivateI2pRouter.start({ config, spawn, patience }));
  }
  return started;
}

/** A router's directory, with what earlier routers tell of themselves in its network database. */
async function layOut(config: I2pRouterConfig, earlier: readonly I2pRouterConfig[]): Promise<void> {
  const { directory } = config;
  await mkdir(join(directory, "tunnels.d"), { recursive: true, mode: 0o700 });
  await writeFile(join(directory, "i2pd.conf"), i2pdConf(config));
  await writeFile(join(directory, "tunnels.conf"), "");
  for (const other of earlier) {
    const info = join(other.directory, "router.info");
    // A router's identity has a destination's form, and goes by its hash too.
    const identity = Destination.atStartOf(await readFile(info));
    const name = encodeI2pBase64(identity.hash);
    const folder = join(directory, "netDb", `r${name.charAt(0)}`);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await copyFile(info, join(folder, `routerInfo-${name}.dat`));
  }
}

async function listens(child: Child, { config, patience }: RouterParts): Promise<void> {
  const ports = [config.port, config.samPort, config.socksPort];
  const look = async (): Promise<true | undefined> => {
    const open = await listeningPorts(child.pid);
    return ports.every((port) => open.has(port)) ? true : undefined;
  };
  await child.alive(poll(look, LOOK_EVERY_MS, patience, `${child.name} to listen`));
}

/** TCP ports on which somebody listens in the namespace of a process, seen from outside. */
async function listeningPorts(pid: number): Promise<Set<number>> {
  const table = await readFile(`/proc/${pid}/net/tcp`, "latin1").catch(() => "");
  const ports = new Set<number>();
  for (const line of table.split("\n").slice(1)) {
    const [, local = "", , state] = line.trim().split(/\s+/);
    if (state === TCP_LISTEN) ports.add(Number.parseInt(local.split(":")[1] ?? "", 16));
  }
  return ports;
}
