import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Address, isOfZone, makeAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import { onionName, onionPublicKey } from "../address/onion.ts";
import { pause } from "../process/deadline.ts";
import { type Clock, realClock } from "../runtime/clock.ts";
import { exponential, uniform } from "../runtime/distribution.ts";
import { type RandomSource, systemRandom } from "../runtime/random.ts";
import { SocksError, type SocksErrorCode } from "../socks/error.ts";
import type { SocksRequest } from "../socks/message.ts";
import { SocksServer } from "../socks/server.ts";
import { DelayedStream } from "./delayed-stream.ts";
import { DevnetError } from "./error.ts";

/** How the way to a service behaves. All of it can be changed while the network runs. */
export interface SimulatedFaults {
  /**
   * What opening a stream takes, and every chunk in one direction, in milliseconds.
   * @default 0
   */
  readonly delayMs?: number;
  /**
   * On top of each delay a uniform share of this, in milliseconds.
   * @default 0
   */
  readonly jitterMs?: number;
  /**
   * How often an open stream is lost, in losses per second; the time until then is exponential.
   * @default 0
   */
  readonly dropRate?: number;
  /**
   * What every attempt to open a stream is refused with, such as "onion-descriptor-not-found".
   * @default none: streams are opened
   */
  readonly refuse?: SocksErrorCode | undefined;
}

/** How to start a simulated onion network. */
export interface SimulatedOnionNetworkOptions {
  /** @default systemRandom */
  readonly random?: RandomSource;
  /** @default realClock */
  readonly clock?: Clock;
  /**
   * How the way to every service behaves that has no faults of its own.
   * @default none of the faults
   */
  readonly faults?: SimulatedFaults;
  /**
   * The SOCKS port on 127.0.0.1.
   * @default one that is free
   */
  readonly port?: number;
  /**
   * Whether refusals bear tor's own codes F0 to F7, as with its flag ExtendedErrors.
   * @default true
   */
  readonly extendedErrors?: boolean;
}

/** Where connections to a service go. */
export interface SimulatedTarget {
  readonly host: string;
  readonly port: number;
}

interface Service {
  readonly targets: Map<number, SimulatedTarget>;
  readonly streams: Set<Duplex>;
  faults: SimulatedFaults | undefined;
}

/** The label that everything about such a network bears. */
export const SIMULATED_LABEL =
  "simulated: the onion network is a SOCKS server in one process and hides nothing";

const MS_PER_SECOND = 1_000;

/**
 * An onion network that only looks like one: a SOCKS server in this process that leads valid v3
 * onion addresses to listeners on this machine, and fails as tor does, on request also slowly or
 * halfway. It hides nothing from anybody.
 */
export class SimulatedOnionNetwork {
  /** What to tell people about it. */
  readonly label: string = SIMULATED_LABEL;
  readonly #server: SocksServer;
  readonly #services: Map<string, Service>;
  readonly #random: RandomSource;
  readonly #faults: { now: SimulatedFaults };

  private constructor(
    server: SocksServer,
    services: Map<string, Service>,
    random: RandomSource,
    faults: { now: SimulatedFaults },
  ) {
    this.#server = server;
    this.#services = services;
    this.#random = random;
    this.#faults = faults;
  }

  /**
   * Starts a network without services.
   *
   * @param options how it behaves
   * @throws the system's error when the port is taken
   */
  static async start(options: SimulatedOnionNetworkOptions = {}): Promise<SimulatedOnionNetwork> {
    const { random = systemRandom, clock = realClock, port = 0, extendedErrors = true } = options;
    const services = new Map<string, Service>();
    const faults = { now: options.faults ?? {} };
    const server = await SocksServer.listen({
      port,
      extendedErrors,
      clock,
      connect: async (request, signal) => {
        const { service, target } = find(services, request);
        const current = service.faults ?? faults.now;
        return await openStream({ service, target, faults: current, clock, random, signal });
      },
    });
    return new SimulatedOnionNetwork(server, services, random, faults);
  }

  /** Its SOCKS port on 127.0.0.1. */
  get socksPort(): number {
    return this.#server.address().port;
  }

  /** Streams that are open now. */
  get openStreams(): number {
    let count = 0;
    for (const { streams } of this.#services.values()) count += streams.size;
    return count;
  }

  /**
   * Leads an onion address to a listener. Registering it again leads new streams elsewhere.
   *
   * @param address name and virtual port
   * @param target where connections go
   */
  register(address: Address<"tor">, target: SimulatedTarget): void {
    const service = this.#services.get(address.host);
    if (service !== undefined) {
      service.targets.set(address.port, target);
      return;
    }
    this.#services.set(address.host, {
      targets: new Map([[address.port, target]]),
      streams: new Set(),
      faults: undefined,
    });
  }

  /**
   * Makes up a service with a name of its own.
   *
   * @param virtualPort the port that others dial
   * @param target where connections go
   * @returns its address
   */
  addService(virtualPort: number, target: SimulatedTarget): Address<"tor"> {
    const address = makeAddress(onionName(this.#random.bytes(32)), virtualPort);
    if (!isOfZone(address, "tor")) throw new DevnetError("bad-state", "An onion is not of tor.");
    this.register(address, target);
    return address;
  }

  /**
   * Takes a service away: its open streams are dropped, new ones find no descriptor.
   *
   * @param host the onion name
   */
  unregister(host: string): void {
    this.drop(host);
    this.#services.delete(host);
  }

  /**
   * Changes how the way to services behaves, for streams opened from now on.
   *
   * @param faults the new behaviour; undefined gives a service that of all others again
   * @param host the onion name of one service; every service without faults of its own by default
   * @throws DevnetError `bad-options` when no such service is registered
   */
  setFaults(faults: SimulatedFaults | undefined, host?: string): void {
    if (host === undefined) {
      this.#faults.now = faults ?? {};
      return;
    }
    const service = this.#services.get(host);
    if (service === undefined) {
      throw new DevnetError("bad-options", `"${host}" is not a service of this network.`);
    }
    service.faults = faults;
  }

  /**
   * Loses every open stream of a service, as when its host vanishes.
   *
   * @param host the onion name; every service by default
   * @returns how many streams were lost
   */
  drop(host?: string): number {
    const chosen = host === undefined ? [...this.#services.values()] : [this.#services.get(host)];
    let count = 0;
    for (const service of chosen) {
      for (const stream of service?.streams ?? []) {
        stream.destroy();
        count++;
      }
    }
    return count;
  }

  /** Drops every stream and stops listening. */
  async close(): Promise<void> {
    this.drop();
    await this.#server.close();
  }
}

/** tor takes upper case and subdomains too. */
function find(
  services: ReadonlyMap<string, Service>,
  request: SocksRequest,
): { service: Service; target: SimulatedTarget } {
  const host = request.host.toLowerCase();
  if (!host.endsWith(".onion")) {
    throw new SocksError(
      "not-allowed",
      `"${request.host}" is not an onion name; a simulated network has no exits.`,
    );
  }
  const name = host.split(".").slice(-2).join(".");
  try {
    onionPublicKey(name);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw new SocksError("onion-address-invalid", error.message, { cause: error });
  }
  const service = services.get(name);
  if (service === undefined) {
    throw new SocksError("onion-descriptor-not-found", `No service here is called "${name}".`);
  }
  const target = service.targets.get(request.port);
  if (target === undefined) {
    throw new SocksError("connection-refused", `"${name}" has no port ${request.port}.`);
  }
  return { service, target };
}

interface Opening {
  readonly service: Service;
  readonly target: SimulatedTarget;
  readonly faults: SimulatedFaults;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly signal: AbortSignal;
}

async function openStream(opening: Opening): Promise<Duplex> {
  const { service, target, faults, clock, random, signal } = opening;
  const { delayMs = 0, jitterMs = 0, dropRate = 0, refuse } = faults;
  const slow = delayMs > 0 || jitterMs > 0;
  if (slow) await pause(delayMs + uniform(random, 0, jitterMs), { clock, signal });
  if (refuse !== undefined) throw new SocksError(refuse, "The simulated network refuses this.");
  const socket = await dial(target, signal);
  const stream = slow ? new DelayedStream(socket, { clock, random, delayMs, jitterMs }) : socket;
  service.streams.add(stream);
  const loss =
    dropRate > 0
      ? clock.setTimer(clock.now() + exponential(random, MS_PER_SECOND / dropRate), () =>
          stream.destroy(),
        )
      : undefined;
  stream.once("close", () => {
    loss?.cancel();
    service.streams.delete(stream);
  });
  return stream;
}

function dial(target: SimulatedTarget, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const onError = (error: Error): void => {
      // tor answers so when the service's own program does not listen.
      const words = `Nobody listens on ${target.host}:${target.port}, where the service leads.`;
      reject(new SocksError("general-failure", words, { cause: error }));
    };
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", onError);
      // Whoever takes the stream learns of its end from "close".
      socket.on("error", () => undefined);
      resolve(socket);
    });
  });
}
