/** The relays of a private Tor network beside the authority, which relays too. */
export const RELAYS = 3;
/** Names of all that relay, the authority first; also the names of their data directories. */
export const relayNames: readonly string[] = ["a0", "r1", "r2", "r3"];

/**
 * Seconds between two consensuses, the longest that divides a day and does not trip an assertion of
 * tor's; one lives 84 times as long, seven days.
 */
const VOTING_INTERVAL_S = 7_200;
const CONSENSUS_INTERVALS = 84;
/** The first vote's own interval; tor takes nothing shorter with the delays below. */
const FIRST_VOTING_INTERVAL_S = 6;
/** From the call for a vote to the first consensus: two delays of 2 s, and a second to hear it. */
const FIRST_CONSENSUS_S = 5;
/** Until it is called for a vote, the authority plans the first one half of this ahead. */
const IDLE_VOTING_INTERVAL_S = 600;

/** The authority of a private Tor network, as every node of it must know it. */
export interface TorAuthority {
  readonly orPort: number;
  readonly directoryPort: number;
  /** Fingerprint in its certificate, 40 hex digits. */
  readonly v3Identity: string;
  /** Fingerprint of its relay key, 40 hex digits. */
  readonly fingerprint: string;
}

/** What a relay's configuration is made from. */
export interface RelayConfig {
  readonly authority: TorAuthority;
  readonly nickname: string;
  readonly orPort: number;
  readonly directory: string;
  /** An empty file: the relay's list of name servers. */
  readonly emptyFile: string;
  /** Unix socket of its control port, in a directory of ours alone; none without. */
  readonly controlSocket?: string | undefined;
}

/** What a bridge's configuration is made from. */
export interface BridgeConfig extends RelayConfig {
  /** Absolute path of obfs4proxy; undefined for a bridge without a transport. */
  readonly obfs4proxy: string | undefined;
  /** Where obfs4proxy listens on 127.0.0.1. */
  readonly transportPort: number;
}

/** A v3 onion service of a client. */
export interface OnionServiceConfig {
  /** The port that others dial. */
  readonly virtualPort: number;
  /** Where its connections go. */
  readonly target: { readonly host: string; readonly port: number };
}

/** What a client's configuration is made from. */
export interface ClientConfig {
  readonly authority: TorAuthority;
  readonly directory: string;
  readonly socksPort: number;
  readonly controlPort: number;
  readonly cookieFile: string;
  /** Flags of the SocksPort, such as "ExtendedErrors". */
  readonly socksFlags: readonly string[];
  readonly onionServices: readonly OnionServiceConfig[];
  /** This process: tor looks every 15 s whether it is still there. */
  readonly ownerPid: number;
}

/**
 * The folder of a client's onion service; tor keeps its key and its name there.
 *
 * @param directory the client's data directory
 * @param index which of its services, from 0
 */
export function onionServiceDirectory(directory: string, index: number): string {
  return `${directory}/onion-${index}`;
}

function base(authority: TorAuthority, directory: string): string[] {
  const { orPort, directoryPort, v3Identity, fingerprint } = authority;
  return [
    "TestingTorNetwork 1",
    `DirAuthority a0 orport=${orPort} no-v2 v3ident=${v3Identity} 127.0.0.1:${directoryPort} ${fingerprint}`,
    `DataDirectory ${quoted(directory)}`,
    // A socket that is bound to loopback reaches nothing else, whatever an exit is asked for.
    "OutboundBindAddress 127.0.0.1",
    "OutboundBindAddress [::1]",
    "GeoIPFile /dev/null",
    "GeoIPv6File /dev/null",
    "ShutdownWaitLength 0",
    "NumCPUs 1",
    "PathsNeededToBuildCircuits 0.25",
    "TestingClientMaxIntervalWithoutRequest 1",
    "KISTSchedRunInterval 1 msec",
    "Log notice stdout",
  ];
}

/**
 * The configuration of a relay.
 *
 * @param config what differs between relays
 * @returns the text of its torrc
 */
export function relayTorrc(config: RelayConfig): string {
  return text([
    ...base(config.authority, config.directory),
    `Nickname ${config.nickname}`,
    "Address 127.0.0.1",
    `ORPort 127.0.0.1:${config.orPort} IPv4Only`,
    "SocksPort 0",
    "AssumeReachable 1",
    "ExitRelay 1",
    "ExitPolicy accept *:*",
    `ServerDNSResolvConfFile ${quoted(config.emptyFile)}`,
    "ServerDNSDetectHijacking 0",
    "ServerDNSTestAddresses",
    "ServerDNSAllowBrokenConfig 1",
    ...(config.controlSocket === undefined
      ? []
      : [`ControlSocket ${quoted(config.controlSocket)}`]),
  ]);
}

/**
 * The configuration of a bridge: a relay that tells the authority nothing of itself, so that the
 * consensus does not name it, and lets nothing leave the network.
 *
 * @param config what differs between bridges
 * @returns the text of its torrc
 */
export function bridgeRelayTorrc(config: BridgeConfig): string {
  const { obfs4proxy, transportPort } = config;
  const transport = [
    `ServerTransportPlugin obfs4 exec ${obfs4proxy}`,
    `ServerTransportListenAddr obfs4 127.0.0.1:${transportPort}`,
    "ExtORPort 127.0.0.1:auto",
  ];
  return text([
    ...base(config.authority, config.directory),
    `Nickname ${config.nickname}`,
    "Address 127.0.0.1",
    `ORPort 127.0.0.1:${config.orPort} IPv4Only`,
    "SocksPort 0",
    "AssumeReachable 1",
    "BridgeRelay 1",
    "PublishServerDescriptor 0",
    "ExitRelay 0",
    "ExitPolicy reject *:*",
    `ServerDNSResolvConfFile ${quoted(config.emptyFile)}`,
    "ServerDNSDetectHijacking 0",
    "ServerDNSAllowBrokenConfig 1",
    ...(obfs4proxy === undefined ? [] : transport),
  ]);
}

/**
 * The configuration of the authority, which is a relay too.
 *
 * A first vote that some relay came too late for would give a network without that relay until the
 * next one. So the authority starts idle, and is called for the vote, by this file written anew and
 * a SIGHUP, once every relay has made itself known.
 *
 * @param config as for a relay
 * @param vote whether to vote now or wait for the call
 * @param unixMs the time now
 * @returns the text of its torrc
 */
export function authorityTorrc(config: RelayConfig, vote: "idle" | "now", unixMs: number): string {
  const interval = vote === "now" ? FIRST_VOTING_INTERVAL_S : IDLE_VOTING_INTERVAL_S;
  const ahead = vote === "now" ? FIRST_CONSENSUS_S : IDLE_VOTING_INTERVAL_S / 2;
  const offset = (Math.floor(unixMs / 1_000) + ahead) % interval;
  return `${relayTorrc(config)}${text([
    `DirPort 127.0.0.1:${config.authority.directoryPort}`,
    "AuthoritativeDirectory 1",
    "V3AuthoritativeDirectory 1",
    `TestingV3AuthInitialVotingInterval ${interval}`,
    `TestingV3AuthVotingStartOffset ${offset}`,
    "TestingV3AuthInitialVoteDelay 2",
    "TestingV3AuthInitialDistDelay 2",
    `V3AuthVotingInterval ${VOTING_INTERVAL_S}`,
    "V3AuthVoteDelay 2",
    "V3AuthDistDelay 2",
    `V3AuthNIntervalsValid ${CONSENSUS_INTERVALS}`,
    "TestingAuthDirTimeToLearnReachability 0",
    "TestingDirAuthVoteExit *",
    "TestingDirAuthVoteHSDir *",
    "TestingDirAuthVoteGuard *",
    "TestingMinExitFlagThreshold 0",
    "MinUptimeHidServDirectoryV2 0",
  ])}`;
}

/**
 * The configuration of a client with its onion services.
 *
 * @param config what differs between clients
 * @returns the text of its torrc
 */
export function clientTorrc(config: ClientConfig): string {
  const services = config.onionServices.flatMap(({ virtualPort, target }, index) => [
    `HiddenServiceDir ${quoted(onionServiceDirectory(config.directory, index))}`,
    `HiddenServicePort ${virtualPort} ${target.host}:${target.port}`,
  ]);
  return text([
    ...base(config.authority, config.directory),
    ["SocksPort", `127.0.0.1:${config.socksPort}`, ...config.socksFlags].join(" "),
    `ControlPort 127.0.0.1:${config.controlPort}`,
    "CookieAuthentication 1",
    `CookieAuthFile ${quoted(config.cookieFile)}`,
    `__OwningControllerProcess ${config.ownerPid}`,
    ...services,
  ]);
}

function quoted(path: string): string {
  return `"${path.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function text(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
