import { makeAddress } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { nodeIdOf, publicKeyOf } from "../../lib/ethereum/node-key.ts";
import {
  EthereumHost,
  type EthereumHostOptions,
  type EthereumNodeEvent,
  type EthereumTarget,
} from "../../lib/relay/ethereum-host.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { peerAddressesOf } from "../../lib/zone/mode.ts";
import { closeAfterwards } from "../socks/loopback.ts";
import { type DialerSetting, peerDialer, register } from "../zone/tor-peer.ts";

/** A node's id, as events have it. */
export function idOf(privateKey: Uint8Array): string {
  return Buffer.from(nodeIdOf(publicKeyOf(privateKey))).toString("hex");
}

/** A node of a test, with everything it has told. */
export class TestNode {
  readonly node: EthereumHost;
  readonly events: EthereumNodeEvent[] = [];
  readonly #waiting = new Set<() => void>();

  private constructor(options: Omit<EthereumHostOptions, "onEvent">) {
    this.node = new EthereumHost({
      ...options,
      onEvent: (event) => {
        this.events.push(event);
        for (const look of this.#waiting) look();
      },
    });
    closeAfterwards(() => void this.node.stop());
  }

  /** Starts a node that listens, unless told otherwise, and dials directly where it may. */
  static async start(
    change: Partial<EthereumHostOptions> & { readonly dial?: DialerSetting },
  ): Promise<TestNode> {
    const { dial = {}, ...options } = change;
    const one = new TestNode({
      privateKey: undefined,
      targets: [],
      dialer: peerDialer(dial),
      listen: { host: "127.0.0.1", port: 0, connectionsMax: 8 },
      clock: realClock,
      random: systemRandom,
      ...options,
    });
    await one.node.listen();
    one.node.start();
    return one;
  }

  get port(): number {
    return this.node.listening?.port ?? 0;
  }

  /** The first event that fits, told already or to come. */
  told(
    state: EthereumNodeEvent["state"],
    fits: (event: EthereumNodeEvent) => boolean = () => true,
  ): Promise<EthereumNodeEvent> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.events.find((event) => event.state === state && fits(event));
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** An onion name in a simulated network that leads to a node. */
export async function onionTo(
  node: TestNode,
  privateKey: Uint8Array,
): Promise<{ network: SimulatedOnionNetwork; target: EthereumTarget; open: EthereumTarget }> {
  const network = await SimulatedOnionNetwork.start();
  closeAfterwards(() => void network.close());
  const name = onionName(systemRandom.bytes(32));
  register(network, name, node.port, node.port);
  const publicKey = publicKeyOf(privateKey);
  const addresses = [makeAddress(name, node.port), makeAddress("127.0.0.1", node.port)];
  return {
    network,
    target: { publicKey, addresses: peerAddressesOf(addresses) },
    open: { publicKey, addresses: peerAddressesOf(addresses.slice(1)) },
  };
}
