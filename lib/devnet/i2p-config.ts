/** The benchmarking network of RFC 2544: routers refuse peers at 127.x, and nobody routes this. */
export const I2P_NETWORK = "198.18.0.0/15";

/** Number of the private network; the real one has 2, and routers of another never talk. */
const NETWORK_ID = 77;
/** An address book needs a subscription; a name of no service leads nowhere. */
const NOWHERE = `http://${"a".repeat(52)}.b32.i2p/hosts.txt`;

/** Where one router of a private network is and listens. */
export interface I2pRouterConfig {
  /** From 1 on. */
  readonly number: number;
  /** Whether it keeps the network's lease sets. */
  readonly floodfill: boolean;
  /** Its data directory. */
  readonly directory: string;
  /** Its address towards other routers, and the port there. */
  readonly host: string;
  readonly port: number;
  /** SAM and SOCKS ports on the namespace's 127.0.0.1. */
  readonly samPort: number;
  readonly socksPort: number;
}

/**
 * Where the routers of a private network listen. All are in a namespace of their own, so their
 * ports never meet anybody else's.
 *
 * @param number from 1 on
 * @param directory its data directory
 * @param floodfill whether it keeps the network's lease sets
 */
export function i2pRouterConfig(
  number: number,
  directory: string,
  floodfill: boolean,
): I2pRouterConfig {
  return {
    number,
    floodfill,
    directory,
    host: `198.18.0.${number}`,
    port: 9_700 + number,
    samPort: 7_650 + number,
    socksPort: 4_440 + number,
  };
}

/**
 * The configuration of one router.
 *
 * What it does without and why: SSU2, because handshakes then fail at times; tunnels over other
 * routers, because a lease set would be published before there is a way out; IPv6, time servers,
 * port mapping and reseeding, because they would look for the real network. The address book stays
 * on, because i2pd 2.45.1 dies of a SAM look-up without one, and of an empty subscription after
 * three minutes.
 *
 * @param config where the router is
 * @see https://i2pd.readthedocs.io/en/latest/user-guide/configuration/
 */
export function i2pdConf(config: I2pRouterConfig): string {
  const { floodfill, host, port, samPort, socksPort } = config;
  const none = ["inbound.length", "outbound.length"].map((key) => `${key} = 0`);
  const short = [...none, "inbound.quantity = 2", "outbound.quantity = 2"];
  return [
    // A floodfill tells whose lease set it was given.
    ...["log = stdout", `loglevel = ${floodfill ? "info" : "warn"}`, `netid = ${NETWORK_ID}`],
    ...["ipv4 = true", "ipv6 = false", "nat = false", "reservedrange = false", "bandwidth = X"],
    ...[`host = ${host}`, `address4 = ${host}`, `port = ${port}`],
    `floodfill = ${floodfill}`,
    ...["[ntcp2]", "enabled = true", "published = true", "[ssu2]", "enabled = false"],
    ...["[reseed]", "threshold = 0", "urls =", "yggurls =", "verify = false"],
    ...["[exploratory]", ...short],
    ...["[persist]", "profiles = false", "[nettime]", "enabled = false"],
    ...["[upnp]", "enabled = false", "[http]", "enabled = false", "[httpproxy]", "enabled = false"],
    ...["[addressbook]", "enabled = true", `defaulturl = ${NOWHERE}`, `subscriptions = ${NOWHERE}`],
    ...["[sam]", "enabled = true", "address = 127.0.0.1", `port = ${samPort}`],
    ...["[socksproxy]", "enabled = true", "address = 127.0.0.1", `port = ${socksPort}`, ...short],
    "",
  ].join("\n");
}
