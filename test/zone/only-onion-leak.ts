import type { ConnectivityMode, PeerAddresses } from "../../lib/zone/mode.ts";
import { closedPort } from "../socks/loopback.ts";
import {
  addressesIn,
  type DialerSetting,
  type DialsPeers,
  type SimulatedPeer,
} from "./tor-peer.ts";

/** Makes the dialer that is looked at. */
export type MakeDialer = (
  setting: DialerSetting & { readonly mode: ConnectivityMode },
) => DialsPeers;

/** What became of one peer in only-onion mode. */
export interface LeakCase {
  readonly name: string;
  /** Where the dial ended: the zone reached, or the code of the refusal. */
  readonly end: string;
  /** Connections that came to the peer's open port meanwhile. */
  readonly leaked: number;
}

/** What a case is to end with. */
export const expectedEnds: Readonly<Record<string, string>> = {
  "both kinds of address, and the onion answers": "tor",
  "both kinds of address, and the onion is not published": "onion-descriptor-not-found",
  "both kinds of address, and the proxy refuses": "general-failure",
  "both kinds of address, and the proxy is down": "proxy-unreachable",
  "both kinds of address, and there is no proxy": "no-proxy",
  "open address only": "only-onion",
  "open address only, and there is no proxy": "only-onion",
  "onion only": "tor",
  "no address": "no-address",
};

/**
 * Has a dialer meet every kind of peer in only-onion mode, with everything at hand that a leak
 * would need: open dials allowed, and a peer that listens at its open address.
 *
 * @param peer listens both ways
 * @param make the dialer
 */
export async function onlyOnionCases(peer: SimulatedPeer, make: MakeDialer): Promise<LeakCase[]> {
  const { network, record } = peer;
  const { socksPort } = network;
  const both = addressesIn(record({ onion: true, ip: true }));
  const open = addressesIn(record({ ip: true }));
  const cases: readonly [PeerAddresses, number | undefined, (() => void)?][] = [
    [both, socksPort],
    [both, socksPort, () => network.setFaults({ refuse: "onion-descriptor-not-found" })],
    [both, socksPort, () => network.setFaults({ refuse: "general-failure" })],
    [both, await closedPort(), () => network.setFaults(undefined)],
    [both, undefined],
    [open, socksPort],
    [open, undefined],
    [addressesIn(record({ onion: true })), socksPort],
    [{ clearnet: [] }, socksPort],
  ];
  const names = Object.keys(expectedEnds);
  const found: LeakCase[] = [];
  for (const [index, [addresses, port, prepare]] of cases.entries()) {
    prepare?.();
    const before = peer.visitors.length;
    const dialer = make({ mode: "only-onion", socksPort: port, clearnet: { kind: "direct" } });
    const end = await endOf(dialer, addresses);
    found.push({ name: names[index] ?? "", end, leaked: peer.visitors.length - before });
  }
  return found;
}

async function endOf(dialer: DialsPeers, addresses: PeerAddresses): Promise<string> {
  try {
    const { socket, zone } = await dialer.dial(addresses, { label: "link-1", deadlineMs: 5_000 });
    // The listener has accepted it by the time it has greeted.
    await new Promise<void>((resolve) => socket.once("data", () => resolve()).resume());
    socket.destroy();
    return zone;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}
