import { once } from "node:events";
import type { Socket } from "node:net";
import { makeAddress } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { SimulatedOnionNetwork } from "../../lib/devnet/simulated.ts";
import { parseNode } from "../../lib/ethereum/enode.ts";
import { formatRecord, signRecord } from "../../lib/ethereum/enr.ts";
import { type RlpItem, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { systemRandom } from "../../lib/runtime/random.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import { OnionKey } from "../../lib/tor/onion-key.ts";
import { Dialer, type DialOptions } from "../../lib/zone/dial.ts";
import { type ConnectivityMode, type PeerAddresses, peerAddressesOf } from "../../lib/zone/mode.ts";
import { parseTxProxy } from "../../lib/zone/option.ts";
import {
  type ClearnetWay,
  type DialedPeer,
  type FallbackNotice,
  PeerDialer,
} from "../../lib/zone/peer-dialer.ts";
import { closeAfterwards, type Listening, listening } from "../socks/loopback.ts";

/** What a dialer is asked; a mutant answers it otherwise. */
export interface DialsPeers {
  dial(peer: PeerAddresses | undefined, options: DialOptions): Promise<DialedPeer>;
}

/** One peer, with an onion service and an open port. */
export interface TestPeer {
  /** Port of the SOCKS proxy by which its service is reached. */
  readonly socksPort: number;
  /** The name of its service, which offers 30303 and 40404 besides `port`. */
  readonly onion: string;
  /** Its port, open on 127.0.0.1. */
  readonly port: number;
  /** Connections that came to the open port. */
  readonly visitors: readonly Socket[];
  /** Connections that the service forwarded. */
  readonly guests: readonly Socket[];
  /** Its record as text, signed, as others get it. */
  record(content: RecordContent): string;
}

/** What the record is to name. */
export interface RecordContent {
  /** Its service, or one that nobody has published. */
  readonly onion?: boolean | "absent";
  readonly ip?: boolean;
  /** @default the peer's; 0 leaves it out */
  readonly tcp?: number;
}

const PRIVATE_KEY = new Uint8Array(32).fill(7);
const OPEN_HOST = "127.0.0.1";

/** A peer in a simulated network. */
export interface SimulatedPeer extends TestPeer {
  readonly network: SimulatedOnionNetwork;
}

/** Ports that a service offers besides the peer's own. */
export const OTHER_PORTS = [30_303, 40_404] as const;

/** A listener that greets everybody with a word. */
export function greeter(word: string): Promise<Listening> {
  return listening((socket) => {
    socket.write(word);
    socket.resume();
  });
}

/** Starts a peer that greets with "onion" or "clearnet", by which way it was reached. */
export async function simulatedPeer(): Promise<SimulatedPeer> {
  const [hidden, open] = [await greeter("onion"), await greeter("clearnet")];
  const network = await SimulatedOnionNetwork.start();
  closeAfterwards(() => void network.close());
  const onion = onionName(systemRandom.bytes(32));
  for (const virtual of [open.port, ...OTHER_PORTS]) register(network, onion, virtual, hidden.port);
  const { socksPort } = network;
  const visitors = open.accepted;
  return {
    network,
    ...peerOf({ socksPort, onion, port: open.port, visitors, guests: hidden.accepted }),
  };
}

/** A peer of which everything is there but its record. */
export function peerOf(parts: Omit<TestPeer, "record">): TestPeer {
  // Of a real key: tor refuses a name that is no point of the curve before it asks for it.
  const absent = OnionKey.generate(systemRandom).address;
  const record = (content: RecordContent): string => {
    const { tcp = parts.port, onion = false } = content;
    const pairs: Record<string, RlpItem> = {
      ...(onion === false ? {} : { onion3: Buffer.from(onion === true ? parts.onion : absent) }),
      ...(content.ip === true ? { ip: Uint8Array.of(127, 0, 0, 1) } : {}),
      ...(tcp === 0 ? {} : { tcp: rlpInteger(BigInt(tcp)) }),
    };
    return formatRecord(signRecord({ sequence: 1n, pairs }, PRIVATE_KEY));
  };
  return { ...parts, record };
}

/** Leads a port of an onion name to a listener. */
export function register(
  network: SimulatedOnionNetwork,
  name: string,
  virtualPort: number,
  port: number,
): void {
  const { onion } = peerAddressesOf([makeAddress(name, virtualPort)]);
  if (onion === undefined) throw new Error(`${name} is no onion name.`);
  network.register(onion, { host: OPEN_HOST, port });
}

/** Where a record or an enode URL says that its node can be met. */
export function addressesIn(text: string): PeerAddresses {
  return peerAddressesOf(parseNode(text, { lenient: true }).addresses);
}

/** How a dialer is made. */
export interface DialerSetting {
  readonly mode?: ConnectivityMode;
  /** Port of its SOCKS proxy; none for no proxy at all. */
  readonly socksPort?: number | undefined;
  /** @default direct */
  readonly clearnet?: ClearnetWay;
  readonly onNotice?: (notice: FallbackNotice) => void;
}

/** A dialer as the program makes it. */
export function peerDialer(setting: DialerSetting): PeerDialer {
  const { mode = "default", clearnet = { kind: "direct" }, socksPort, onNotice } = setting;
  const tor =
    socksPort === undefined
      ? undefined
      : new Dialer<"tor">(
          { ...parseTxProxy(`tor,127.0.0.1:${socksPort}`), zone: "tor" },
          new StreamIsolation(systemRandom),
          realClock,
        );
  return new PeerDialer({
    ...{ mode, clearnet, clock: realClock, dialers: tor === undefined ? {} : { tor } },
    ...(onNotice === undefined ? {} : { onNotice }),
  });
}

/** Dials, and reads which way the peer says it was reached. */
export async function greeting(
  dialer: DialsPeers,
  peer: PeerAddresses | undefined,
): Promise<{ readonly word: string; readonly dialed: DialedPeer }> {
  const dialed = await dialer.dial(peer, { label: "link-1", deadlineMs: 20_000 });
  closeAfterwards(() => dialed.socket.destroy());
  const heard = once(dialed.socket, "data");
  dialed.socket.resume();
  return { word: String((await heard)[0]), dialed };
}
