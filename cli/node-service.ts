import { type Address, parseAddressOf } from "../lib/address/address.ts";
import { makeOnionService, onionKeyOf } from "../lib/hs/make.ts";
import { OnionKeeper } from "../lib/hs/onion-keeper.ts";
import { type KeptService, ServiceStore } from "../lib/hs/store.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { OnionKey } from "../lib/tor/onion-key.ts";
import type { AnonymousInbound } from "../lib/zone/option.ts";
import type { NodeSettings } from "./node-settings.ts";
import type { NodeTor } from "./node-tor.ts";
import type { OwnServiceSettings } from "./own-service-settings.ts";
import { openTor } from "./tor-access.ts";

/** The name under which the node's own service is kept in its data directory. */
export const NODE_SERVICE = "node";
const LOOPBACK = "127.0.0.1";

/** Told of changes of the service, in a sentence. */
export type TellChange = (text: string, level: "info" | "warning") => void;

/** What a node says of the service that it wants; its `torPort` is the port that others dial. */
export type ServiceOwner = Pick<NodeSettings, "ownService" | "dataDir"> & {
  readonly network: Pick<NodeSettings["network"], "torPort">;
};

/**
 * The node's own onion service: one key for all runs on a data directory, which leads to whatever
 * port the node listens on in this one.
 */
export class NodeService {
  /** As if the user had written it, with a port that the system chooses. */
  readonly inbound: AnonymousInbound<"tor">;
  readonly #settings: OwnServiceSettings;
  readonly #store: ServiceStore;
  #kept: KeptService;
  #keeper: OnionKeeper | undefined;

  private constructor(
    settings: OwnServiceSettings,
    store: ServiceStore,
    kept: KeptService,
    address: Address<"tor">,
  ) {
    this.#settings = settings;
    this.#store = store;
    this.#kept = kept;
    this.inbound = {
      zone: "tor",
      address,
      listen: { host: LOOPBACK, port: 0 },
      inboundMax: settings.inboundMax,
    };
  }

  /**
   * Finds the service in the data directory, or makes it.
   *
   * @param settings the node's: how the service is kept up, where, and its own port
   * @returns undefined where the node is to have none
   * @throws ServiceError where it is damaged or can't be kept
   */
  static of(settings: ServiceOwner): NodeService | undefined {
    const { ownService, dataDir, network } = settings;
    if (ownService === undefined) return undefined;
    const store = new ServiceStore(dataDir);
    const virtual = network.torPort;
    if (!store.names().includes(NODE_SERVICE)) {
      const ports = [{ virtual, host: LOOPBACK, port: virtual }];
      const plan = { name: NODE_SERVICE, ports, createdUnixMs: realClock.unixMs() };
      store.add(makeOnionService(plan, OnionKey.generate(systemRandom)));
    }
    const kept = store.get(NODE_SERVICE);
    const address = parseAddressOf(`${onionKeyOf(kept).address}:${virtual}`, "tor");
    return new NodeService(ownService, store, kept, address);
  }

  /**
   * Finds tor and connects to it.
   *
   * @param tell told of changes from then on
   * @param signal calls it off
   * @param tor the node's own, which runs already; undefined where another is used
   * @throws ServiceError or TorError where there is no tor that lets us in
   */
  async connect(tell: TellChange, signal?: AbortSignal, tor?: NodeTor): Promise<void> {
    this.#keeper = await OnionKeeper.start({
      source: (signal) => tor?.source(signal) ?? openTor(this.#settings.tor, signal),
      clock: realClock,
      random: systemRandom,
      signal,
      onEvent: ({ address, state, text }) => {
        if (state === "starting") return;
        const level = state === "waiting" || state === "failed" ? "warning" : "info";
        tell(`The node's own service ${address} is ${state}: ${text}`, level);
      },
    });
  }

  /**
   * Has tor take the service on.
   *
   * @param port where the node listens
   * @throws ServiceError `in-use` and others, or TorError
   */
  async publish(port: number): Promise<void> {
    const virtual = this.inbound.address.port;
    const { detached } = this.#settings;
    const ports = [{ virtual, host: LOOPBACK, port }];
    this.#kept = { ...this.#kept, record: { ...this.#kept.record, ports, detached } };
    this.#store.update(this.#kept.record);
    await this.#keeper?.add(this.#kept);
  }

  /** Takes the service down, unless it is to stay in tor. */
  async close(): Promise<void> {
    await this.#keeper?.close();
  }
}
