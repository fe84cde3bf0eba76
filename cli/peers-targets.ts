import { formatAddress } from "../lib/address/address.ts";
import type { Zone } from "../lib/address/zone.ts";
import type { PeerQuery } from "../lib/peers/query.ts";
import type { ProbeTarget } from "../lib/probe/probe-target.ts";
import type { ProtocolName } from "../lib/probe/protocol.ts";
import { realClock } from "../lib/runtime/clock.ts";
import {
  type BookPlace,
  type BookValues,
  placeOf,
  readZones,
  usage,
  withKeptStore,
} from "./peers-options.ts";

/** The peers of books that are to be probed. */
export interface PeerSource {
  readonly place: BookPlace;
  readonly zones: readonly Zone[];
  /** Which of them. Banned ones are left out unless they are asked for. */
  readonly query: Omit<PeerQuery, "now">;
}

/** The options with which `anonctl probe` takes targets from books. */
export interface PeersValues extends BookValues {
  /** True for all zones. */
  readonly peers?: string | true;
}

/** What can be asked of a peer of which the book knows no more than its address. */
const protocols: readonly ProtocolName[] = ["monero", "tcp", "tls", "socks"];

/**
 * Reads `--peers` and what belongs to it.
 *
 * @param values parsed
 * @returns undefined where it was not given
 * @throws UsageError
 */
export function readPeerSource(values: PeersValues): PeerSource | undefined {
  const { peers } = values;
  if (peers !== undefined) {
    const zones = readZones(peers === true ? [] : [peers]);
    return { place: placeOf(values), zones, query: {} };
  }
  const { dataDir, testnet, stagenet, regtest } = values;
  if ([dataDir, testnet, stagenet, regtest].every((one) => one === undefined)) return undefined;
  throw usage("--data-dir and the network's name say which book --peers takes; add that.");
}

/**
 * The peers to probe, as targets.
 *
 * @param source which
 * @param protocol what is spoken; `auto` is monero
 * @throws UsageError for a protocol that an address is not enough for; PeersError
 */
export async function peerTargets(
  source: PeerSource,
  protocol: ProtocolName | "auto",
): Promise<ProbeTarget[]> {
  const spoken = protocol === "auto" ? "monero" : protocol;
  if (!protocols.includes(spoken)) {
    throw usage(
      `--protocol ${spoken} can't be asked of the peers of a book; there are ${protocols.join(", ")}.`,
    );
  }
  const query: PeerQuery = { banned: false, ...source.query, now: realClock.unixMs() };
  const records = await withKeptStore(source.place, (store) =>
    source.zones.flatMap((zone) => store.book(zone).list(query)),
  );
  return records.map(({ address }) => ({
    kind: "target",
    label: formatAddress(address),
    address,
    protocol: spoken,
    detail: { kind: "none" },
    otherAddresses: [],
  }));
}
