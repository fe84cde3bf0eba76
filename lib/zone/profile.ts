import type { AnonymityZone } from "../address/zone.ts";

/**
 * Everything that differs between two zones, in one record. Code asks the record; nothing else
 * compares zone names.
 */
export interface ZoneProfile {
  /** The peer id that every node of the zone shows: one value for all, so it tells nothing. */
  readonly peerId: bigint;
  /** The port that a node of the zone announces; 0 keeps the real one to itself. */
  readonly announcedPort: number;
  /** Support flags that a node of the zone announces. */
  readonly supportFlags: number;
  /** Order in which zones are chosen for a wallet's transaction: the lowest with a peer wins. */
  readonly broadcastOrder: number;
  /** Outbound links where the user sets no number. */
  readonly outboundMaxDefault: number;
  /** Inbound links where the user sets no number. */
  readonly inboundMaxDefault: number;
  /** Which SOCKS version a proxy of the zone is spoken to with, where the user names none. */
  readonly socksVersion: "4a" | "5";
  /** Whether SOCKS credentials choose a circuit of their own, so that links don't share one. */
  readonly isolatesStreams: boolean;
  /** How the zone's proxy is called in messages to the user. */
  readonly proxyName: string;
}

/**
 * The anonymity zones. Peer id 1, port 0 and no flags are what monerod shows there.
 *
 * @see monero `src/p2p/net_node.inl`, `get_local_node_data`; `src/p2p/net_node.h`,
 *   `default_tx_proxy`
 */
export const zoneProfiles: { readonly [Z in AnonymityZone]: ZoneProfile } = Object.freeze({
  tor: Object.freeze({
    peerId: 1n,
    announcedPort: 0,
    supportFlags: 0,
    broadcastOrder: 1,
    outboundMaxDefault: 12,
    // monerod sets no bound; every connection may fill a buffer, and onion names are free.
    inboundMaxDefault: 64,
    socksVersion: "5",
    isolatesStreams: true,
    proxyName: "Tor",
  }),
  i2p: Object.freeze({
    peerId: 1n,
    announcedPort: 0,
    supportFlags: 0,
    broadcastOrder: 0,
    outboundMaxDefault: 12,
    inboundMaxDefault: 64,
    socksVersion: "4a",
    isolatesStreams: false,
    proxyName: "the I2P router",
  }),
});

/** The anonymity zones, in the order in which a wallet's transaction prefers them. */
export const anonymityZones: readonly AnonymityZone[] = ["i2p", "tor"];

/**
 * Whether a text names an anonymity zone.
 *
 * @param text what the user wrote
 */
export function isAnonymityZone(text: string): text is AnonymityZone {
  return Object.hasOwn(zoneProfiles, text);
}
