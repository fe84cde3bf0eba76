import { type Address, isOfZone } from "../lib/address/address.ts";
import { isInternal } from "../lib/address/internal.ts";
import { isLoopback } from "../lib/address/loopback.ts";
import { type EmbargoSchedule, parseEmbargo } from "../lib/dandelion/embargo.ts";
import type { Network } from "../lib/monero/network.ts";
import type { TargetKind } from "../lib/relay/dial-target.ts";
import { type ForwardDelay, parseForwardDelay } from "../lib/relay/forward-delay.ts";
import type { PublicOptions } from "../lib/relay/public-options.ts";
import type { ClearnetWay } from "../lib/zone/peer-dialer.ts";
import { anonymizeOptions } from "./anonymize-option.ts";
import type { ModeSettings } from "./mode-settings.ts";
import {
  type PublicSurroundings,
  type PublicWay,
  readResolver,
  readSeedNames,
  readWay,
} from "./node-public-way.ts";
import { last, type OptionTexts } from "./option-texts.ts";
import { naming, UsageError } from "./usage-error.ts";

/** A node's public zone, read and checked. */
export interface PublicSettings {
  readonly way: PublicWay;
  /** Names whose addresses are peers, asked where the zone has nobody; none where it takes nobody. */
  readonly seedNames: readonly string[];
  /** Whether the system's resolver is asked for them, instead of the proxy. */
  readonly asksResolver: boolean;
  /** Where peers may connect; undefined for nowhere. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  /** Whether no address but this machine's own is dialed. */
  readonly isClosed: boolean;
  readonly outboundMax: number;
  readonly inboundMax: number;
  readonly forwardDelay: ForwardDelay;
  readonly embargo: EmbargoSchedule;
}

/** A peer that the user gave. */
export interface GivenPeer {
  readonly address: Address;
  readonly kind: TargetKind;
}

/** An option of the public zone. */
export interface PublicOption {
  readonly name: string;
  /** Empty for a switch. */
  readonly argument: string;
  readonly about: string;
  /** Whether it asks for the zone by itself. */
  readonly asks?: true;
  /** Whether it may be given more than once. */
  readonly isList?: true;
  /** Left out of the help. */
  readonly hidden?: true;
}

/** The options of the public zone. Without one that asks for it there is no such zone. */
export const publicOptions: readonly PublicOption[] = [
  {
    name: "proxy",
    argument: "IP:PORT",
    about: "have a public zone, whose connections and names go through this SOCKS proxy",
    asks: true,
  },
  {
    name: "public",
    argument: "",
    about: "have a public zone without a proxy: its peers learn this machine's address",
    asks: true,
  },
  {
    name: "p2p-bind-ip",
    argument: "IP",
    about:
      "where peers connect (default: 127.0.0.1); 127.0.0.1 written out, with --public: dial this machine alone",
  },
  {
    name: "p2p-bind-port",
    argument: "PORT",
    about: "listen for peers of the public zone on this port (default: on none)",
  },
  { name: "out-peers", argument: "COUNT", about: "peers to dial in the public zone (default: 12)" },
  {
    name: "in-peers",
    argument: "COUNT",
    about: "peers that may connect in the public zone (default: 32 where it listens)",
  },
  {
    name: "proxy-allow-dns-leaks",
    argument: "",
    about: "with --proxy: ask this machine's resolver for the network's seed names, not the proxy",
  },
  {
    name: "dns-seed",
    argument: "NAME",
    about: "regtest: a name that stands for peers of the public zone",
    isList: true,
    hidden: true,
  },
  {
    name: "forward-delay",
    argument: "DELAY",
    about:
      "between an anonymity zone and the public one: poisson:22s as monerod (default), uniform:0s..30s as the proposal",
  },
  {
    name: "dandelion-embargo",
    argument: "EMBARGO",
    about:
      "how long a stem may take to become public: poisson:39s as monerod (default), exponential:16.6s",
  },
];

/** monerod's, which it calls P2P_DEFAULT_CONNECTIONS_COUNT. */
const OUT_PEERS_DEFAULT = 12;
const IN_PEERS_DEFAULT = 32;
const PEERS_MAX = 1_000;

/**
 * Whether the public zone may be asked for: by `--proxy` or `--public`, because a peer or a port that
 * is written there by mistake must not open it; and where `--anonymize` keeps it behind tor, by an
 * open peer too, which `readPublic` sees.
 *
 * @param names options that were given
 */
export function asksForPublic(names: Iterable<string>): boolean {
  const asking = new Set(publicOptions.filter(({ asks }) => asks).map(({ name }) => name));
  for (const { name } of anonymizeOptions) asking.add(name);
  return [...names].some((name) => asking.has(name));
}

/**
 * Refuses an option that only the public zone has, where there is none. Those that close what is
 * closed anyway are let through, so that a monero.conf may hold them.
 *
 * @param name the option's
 * @param values what it was given as
 * @param isOnlyOnion whether the node may have no public zone at all
 * @returns why not, as the end of a sentence; undefined where it may stand
 */
export function withoutPublicZone(
  name: string,
  values: readonly string[],
  isOnlyOnion = false,
): string | undefined {
  if (!publicOptions.some((option) => option.name === name)) return undefined;
  const closes = name === "p2p-bind-ip" ? isLoopback : (value: string) => value === "0";
  const isCloser = ["p2p-bind-ip", "in-peers", "out-peers"].includes(name);
  if (isCloser && values.every(closes)) return undefined;
  if (isOnlyOnion) return `${name} is for the public zone, which --only-onion never enters`;
  const open = name === "proxy-allow-dns-leaks" ? "" : ", or --public to have one openly";
  return `${name} is for the public zone, which is off; give --proxy IP:PORT to have one through Tor${open}`;
}

/**
 * Reads how the public zone is set up.
 *
 * @param texts what the command line and the configuration file gave
 * @param surroundings the ways that may be taken, and the network
 * @param warnings takes what is worth telling before the node starts
 * @returns undefined where there is no public zone
 * @throws UsageError, ZoneError, RelayError or DandelionError, naming the option
 */
export function readPublic(
  texts: OptionTexts,
  surroundings: PublicSurroundings,
  warnings: string[],
): PublicSettings | undefined {
  const way = readWay(texts, surroundings);
  if (way === undefined) {
    refuseStray(texts, surroundings.mode.mode === "only-onion");
    return undefined;
  }
  const listen = readListen(texts);
  if (listen !== undefined && !isLoopback(listen.host)) {
    warnings.push(
      `The public zone listens on ${listen.host}: whoever connects there learns this machine's address${way.kind === "open" ? "" : ", although what goes out takes the proxy"}.`,
    );
  }
  const bindHost = last(texts, "p2p-bind-ip");
  const isClosed = way.kind === "open" && bindHost !== undefined && isLoopback(bindHost);
  if (way.kind === "open" && !isClosed) {
    warnings.push(
      "The public zone has no proxy: its peers, and everybody on the way, see this machine's address.",
    );
  }
  const seedNames = isClosed ? [] : readSeedNames(texts, surroundings.network);
  return {
    ...{ way, listen, isClosed, seedNames },
    asksResolver: readResolver(texts, way, seedNames, warnings),
    outboundMax: readCount(texts, "out-peers", OUT_PEERS_DEFAULT),
    inboundMax: listen === undefined ? 0 : readCount(texts, "in-peers", IN_PEERS_DEFAULT),
    forwardDelay: naming("forward-delay", () =>
      parseForwardDelay(last(texts, "forward-delay") ?? "poisson:22s"),
    ),
    embargo: naming("dandelion-embargo", () =>
      parseEmbargo(last(texts, "dandelion-embargo") ?? "poisson:39s"),
    ),
  };
}

function refuseStray(texts: OptionTexts, isOnlyOnion: boolean): void {
  for (const { name } of publicOptions) {
    const values = texts.get(name);
    const why = values === undefined ? undefined : withoutPublicZone(name, values, isOnlyOnion);
    if (why !== undefined) throw usage(`--${why}.`);
  }
}

/**
 * Refuses a public peer that can't be dialed.
 *
 * @param given what gave it, and how, for the message
 * @param address whose
 * @param settings the public zone's
 * @param surroundings the network's port of onions, and how the node dials
 * @throws UsageError
 */
export function checkPublicPeer(
  given: string,
  address: Address<"public">,
  settings: PublicSettings | undefined,
  { torPort, mode }: Pick<Network, "torPort"> & Pick<ModeSettings, "mode">,
): void {
  if (settings === undefined && mode === "only-onion") {
    throw usage(
      `${given} is a public address, which --only-onion never dials; name the peer's onion, as in --add-peer NAME.onion:${torPort}.`,
    );
  }
  if (settings === undefined) {
    throw usage(
      `${given} is a public address, and the node has no public zone; name the peer's onion, as in --add-peer NAME.onion:${torPort}, or give --proxy IP:PORT to reach it through Tor, or --public to dial it openly.`,
    );
  }
  const { way, isClosed } = settings;
  if (way.kind === "exit" && isInternal(address.host)) {
    throw usage(
      `${given} is of one machine or one local network, which no exit of Tor reaches; name an onion address, or one of the public internet.`,
    );
  }
  if (way.kind !== "open") return;
  if (address.kind === "dns") {
    throw usage(
      `${given} is a name, and names of peers are resolved only by a proxy; give --proxy, or an IP address.`,
    );
  }
  if (isClosed && !isLoopback(address.host)) {
    throw usage(
      `${given} is beyond this machine, and --p2p-bind-ip closes clearnet; give --proxy IP:PORT to reach it.`,
    );
  }
}

/**
 * The public zone as the relay takes it.
 *
 * @param settings read and checked
 * @param peers all that the user gave, of any zone
 * @param network the node's
 */
export function publicZoneOf(
  settings: PublicSettings,
  peers: readonly GivenPeer[],
  network: Pick<Network, "p2pPort">,
): PublicOptions {
  const { way, listen, isClosed, outboundMax, inboundMax } = settings;
  const isExclusive = peers.some(({ kind }) => kind === "exclusive");
  const isReached = listen !== undefined && way.kind === "open" && !isLoopback(listen.host);
  return {
    zone: "public",
    targets: peers.flatMap(({ address, kind }) =>
      isOfZone(address, "public") ? [{ address, kind }] : [],
    ),
    ...{ outboundMax, inboundMax },
    // What a program of this machine forwards comes from one address.
    inboundHostMax: listen !== undefined && isLoopback(listen.host) ? inboundMax : 1,
    announcedPort: isReached ? listen.port || network.p2pPort : 0,
    hasBook: !isExclusive && !isClosed,
  };
}

/**
 * How open addresses are reached. Through an exit they are by the tor zone's own dialer.
 *
 * @param settings the public zone's
 */
export function clearnetWayOf(settings: PublicSettings | undefined): ClearnetWay {
  switch (settings?.way.kind) {
    case undefined:
    case "exit":
      return { kind: "none" };
    case "open":
      return { kind: "direct" };
    case "proxy":
      return { kind: "proxy", place: settings.way.place };
  }
}

function readListen(texts: OptionTexts): PublicSettings["listen"] {
  const digits = last(texts, "p2p-bind-port");
  if (digits === undefined) return undefined;
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  if (port <= 65_535) return { host: last(texts, "p2p-bind-ip") ?? "127.0.0.1", port };
  throw usage(`--p2p-bind-port ${digits} is not from 0 to 65535; 0 picks a free port.`);
}

function readCount(texts: OptionTexts, option: string, standard: number): number {
  const text = last(texts, option);
  // monerod writes its default as -1.
  if (text === undefined || text === "-1") return standard;
  const count = /^[0-9]{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= PEERS_MAX) return count;
  throw usage(`--${option} ${text} is not a number from 0 to ${PEERS_MAX}.`);
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
