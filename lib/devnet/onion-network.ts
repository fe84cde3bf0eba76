import type { Scratch } from "../process/scratch.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RandomSource } from "../runtime/random.ts";
import { waitUntilReachable } from "./reachable.ts";
import { SIMULATED_LABEL, type SimulatedFaults, SimulatedOnionNetwork } from "./simulated.ts";
import { PrivateTorNetwork } from "./tor.ts";

/** Whether real tor carries a network or a stand-in in this process. */
export type OnionNetworkKind = "tor" | "simulated";

/** A party of an onion network: it has a SOCKS port, and one service that leads to it. */
export interface OnionParty {
  readonly name: string;
  /** Port on 127.0.0.1 through which it reaches others. */
  readonly socksPort: number;
  /** Its service, `name:port`. */
  readonly onion: string;
  /** Port on 127.0.0.1 to which the service forwards. */
  readonly forwardsTo: number;
  /** Where its tor can be steered; only with real tor. */
  readonly control: { readonly port: number; readonly cookieFile: string } | undefined;
}

/** An onion network and those in it. */
export interface OnionNetwork {
  readonly kind: OnionNetworkKind;
  /** What people should know of it. */
  readonly label: string;
  readonly parties: readonly OnionParty[];
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
  stop(): Promise<void>;
}

/** What a network is started with. */
export interface OnionNetworkOptions {
  readonly kind: OnionNetworkKind;
  /** Each party's name, and the port on 127.0.0.1 to which its service forwards. */
  readonly parties: readonly { readonly name: string; readonly forwardsTo: number }[];
  /** The virtual port of every service. */
  readonly virtualPort: number;
  readonly scratch: Scratch;
  readonly cacheDir: string | undefined;
  readonly faults: SimulatedFaults;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((what: string) => void) | undefined;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/**
 * Starts an onion network, real or simulated, with one service a party.
 *
 * @param options who is in it
 * @throws as `PrivateTorNetwork.start`; the system's error when no port is free
 */
export async function startOnionNetwork(options: OnionNetworkOptions): Promise<OnionNetwork> {
  return options.kind === "tor" ? await startTor(options) : await startSimulated(options);
}

/**
 * Waits until a party's service answers through another's SOCKS port.
 *
 * @param party whose service
 * @param through who asks
 * @param signal calls the wait off
 * @throws DevnetError or ProcessError `unreachable` or `aborted`
 */
export async function waitForParty(
  party: OnionParty,
  through: OnionParty,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [host = "", port = ""] = party.onion.split(":");
  await waitUntilReachable(host, Number(port), { through, signal });
}

async function startTor(options: OnionNetworkOptions): Promise<OnionNetwork> {
  const { parties, virtualPort } = options;
  const network = await PrivateTorNetwork.start({
    ...options,
    clients: parties.map(({ name, forwardsTo }) => ({
      name,
      // Without them a wrong client key looks like a program that does not listen.
      socksFlags: ["ExtendedErrors"],
      onionServices: [{ virtualPort, target: { host: "127.0.0.1", port: forwardsTo } }],
    })),
  });
  const relays = network.relayPids.map((pid, index) => ({ name: `tor (relay ${index})`, pid }));
  const clients = network.clients.map(({ name, pid }) => ({ name: `tor (${name})`, pid }));
  return {
    kind: "tor",
    label: "real tor on 127.0.0.1, apart from the public Tor network",
    parties: network.clients.map((client, index) => ({
      name: client.name,
      socksPort: client.socksPort,
      onion: `${client.onions[0]}:${virtualPort}`,
      forwardsTo: parties[index]?.forwardsTo ?? 0,
      control: { port: client.controlPort, cookieFile: client.cookieFile },
    })),
    processes: [...relays, ...clients],
    stop: () => network.stop(),
  };
}

async function startSimulated(options: OnionNetworkOptions): Promise<OnionNetwork> {
  const { clock, random, faults, virtualPort } = options;
  const network = await SimulatedOnionNetwork.start({ clock, random, faults });
  return {
    kind: "simulated",
    label: SIMULATED_LABEL,
    parties: options.parties.map(({ name, forwardsTo }) => {
      const { host, port } = network.addService(virtualPort, {
        host: "127.0.0.1",
        port: forwardsTo,
      });
      const { socksPort } = network;
      return { name, socksPort, onion: `${host}:${port}`, forwardsTo, control: undefined };
    }),
    processes: [],
    stop: () => network.close(),
  };
}
