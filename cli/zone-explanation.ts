import { formatAddress } from "../lib/address/address.ts";
import type { AnonymityZone, Zone } from "../lib/address/zone.ts";
import type { Network } from "../lib/monero/network.ts";
import type { ProxyPlace, TxProxy } from "../lib/zone/option.ts";
import type { GivenPeer } from "./node-public.ts";

/** What a node would do in one zone. */
export interface ZoneExplanation {
  readonly zone: "public" | AnonymityZone | "rpc" | "verifier";
  /** Sentences: what is connected where, and over which proxy. */
  readonly connects: readonly string[];
  /** Sentences: who could learn what. */
  readonly leaks: readonly string[];
}

/**
 * Who of the peers that the user gave is dialed, and who is asked.
 *
 * @param peers of one zone
 * @param more who else, in words
 * @returns the beginning of a sentence on those who are dialed, and whole ones on those asked
 */
export function peersText(
  peers: readonly GivenPeer[],
  more: string,
): { readonly dials: string; readonly asks: readonly string[] } {
  const namesOf = (given: readonly GivenPeer[]): string =>
    [...new Set(given.map(({ address }) => formatAddress(address)))].join(", ");
  const kept = namesOf(peers.filter(({ kind }) => kind !== "seed-node"));
  const asked = namesOf(peers.filter(({ kind }) => kind === "seed-node"));
  return {
    dials: `Dials ${kept === "" ? "" : `${kept}, and `}${more}`,
    asks:
      asked === "" ? [] : [`Where it knows nobody, asks ${asked} for peers, and stays with none.`],
  };
}

/**
 * Where a proxy is.
 *
 * @param place a TCP port or a Unix socket
 */
export function proxyText(place: ProxyPlace): string {
  return "path" in place ? place.path : placeText(place);
}

/**
 * A place as people write it.
 *
 * @param place an IP address and a port
 */
export function placeText({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The peers that the user gave, of any zone. */
interface GivenPeers {
  readonly peers: readonly GivenPeer[];
  readonly publicPeers: readonly GivenPeer[];
}

/**
 * How many links a zone can have: exclusive peers silence all others, in every zone.
 *
 * @param given all peers
 * @param zone which
 * @param outboundMax links at the most
 */
export function linksMax(
  { peers, publicPeers }: GivenPeers,
  zone: Zone,
  outboundMax: number,
): number {
  const all = [...peers, ...publicPeers];
  if (!all.some(({ kind }) => kind === "exclusive")) return outboundMax;
  const hosts = all.filter(({ address }) => address.zone === zone).map(({ address }) => address);
  return Math.min(outboundMax, new Set(hosts.map(formatAddress)).size);
}

/**
 * A zone's proxy, with no more links than the zone can have.
 *
 * @param given all peers
 * @param proxy the zone's
 */
export function linkedProxy(given: GivenPeers, proxy: TxProxy): TxProxy {
  return { ...proxy, outboundMax: linksMax(given, proxy.zone, proxy.outboundMax) };
}

/**
 * Whom a zone dials beside those that the user gave.
 *
 * @param network some have no seeds in a zone
 * @param zone which
 */
export function learnedText({ seeds }: Pick<Network, "seeds">, zone: Zone): string {
  const learned = "peers that it learns of";
  return seeds[zone].length === 0 ? learned : `${learned}, and the network's seeds`;
}
