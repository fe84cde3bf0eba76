import { homedir } from "node:os";
import { join } from "node:path";
import { type Address, isOfZone, parseAddress } from "../lib/address/address.ts";
import { AddressError } from "../lib/address/error.ts";
import { isLoopback } from "../lib/address/loopback.ts";
import type { AnonymityZone } from "../lib/address/zone.ts";
import { type Network, type NetworkName, networks } from "../lib/monero/network.ts";
import type { TargetKind } from "../lib/relay/dial-target.ts";
import type { RetrySchedule } from "../lib/relay/pool.ts";
import { ANNOUNCING_OUTBOUND_MIN } from "../lib/relay/zone-announcing.ts";
import { type AnonymousInbound, parseAnonymousInbound, type TxProxy } from "../lib/zone/option.ts";
import type { DaemonSettings } from "./daemon-settings.ts";
import { readGateway } from "./node-gateway.ts";
import { type MetricsSettings, readMetrics } from "./node-metrics.ts";
import { checkNodePlaces, hiddenMode, type NodeModeSettings, readNodeMode } from "./node-mode.ts";
import { type NoiseSettings, readNoise } from "./node-noise.ts";
import { checkPublicPeer, type GivenPeer, type PublicSettings, readPublic } from "./node-public.ts";
import { readNodeTor } from "./node-tor.ts";
import { readVerify } from "./node-verify.ts";
import { readDuration, readRange } from "./option-durations.ts";
import { type OptionPlace, onCommandLine, type PlaceOf } from "./option-place.ts";
import { isOn, last, type OptionTexts } from "./option-texts.ts";
import { isOwnService, type OwnServiceSettings, readOwnService } from "./own-service-settings.ts";
import type { TorLaunch } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** A node's settings, read and checked. */
export interface NodeSettings extends NodeModeSettings, NoiseSettings {
  readonly network: Network;
  readonly dataDir: string;
  /** A tor of the node's own, whose SOCKS port is the tor zone's proxy once it runs. */
  readonly launch: TorLaunch | undefined;
  readonly inbound: readonly AnonymousInbound[];
  /** The onion service that the node makes and keeps up itself. */
  readonly ownService: OwnServiceSettings | undefined;
  readonly peers: readonly {
    readonly address: Address<AnonymityZone>;
    readonly kind: TargetKind;
  }[];
  /** The public zone; undefined where none was asked for. */
  readonly publicZone: PublicSettings | undefined;
  /** Its peers that the user gave. */
  readonly publicPeers: readonly GivenPeer[];
  readonly rpc: { readonly host: string; readonly port: number };
  /** Where Prometheus may ask; undefined for nowhere. */
  readonly metrics: MetricsSettings | undefined;
  /** The remote daemon that wallets read from. */
  readonly gateway: DaemonSettings | undefined;
  /** The trusted daemon that checks what peers send. */
  readonly verify: DaemonSettings | undefined;
  readonly retry: RetrySchedule;
  readonly timedSyncMs: number;
  /** Worth telling before the node starts. */
  readonly warnings: readonly string[];
}

/**
 * Reads and checks a node's settings.
 *
 * @param texts what the command line and the configuration file gave
 * @param placeOf where that was, for messages on peers
 * @throws UsageError, AddressError, ZoneError or PaddingError, naming the option
 */
export function readNodeSettings(
  texts: OptionTexts,
  placeOf: PlaceOf = onCommandLine,
): NodeSettings {
  const network = networks[readNetwork(texts)];
  const warnings: string[] = [];
  const dataDir = last(texts, "data-dir") ?? join(homedir(), ".anonctl", network.name);
  const tor = readNodeTor(texts, dataDir);
  const modeSettings = readNodeMode(texts, tor.launch, warnings);
  const { proxies } = modeSettings;
  const inbound = readInbound(texts, network, warnings);
  const ownService = readOwnService(texts, inbound, tor);
  const publicZone = readPublic(texts, { mode: modeSettings, network }, warnings);
  const mode = publicZone === undefined ? hiddenMode(modeSettings.mode) : modeSettings.mode;
  const beside = { ...modeSettings, mode: hiddenMode(mode) };
  const given = readPeers(texts, network, { ...modeSettings, publicZone, placeOf }, warnings);
  const hasHidden = proxies.length > 0 || inbound.length > 0 || ownService !== undefined;
  if (!hasHidden && publicZone === undefined) {
    throw new UsageError(
      "bad-option",
      "The node has no zone: give --tx-proxy tor,127.0.0.1:9050 or --tor launch with a peer, or --anonymous-inbound.",
    );
  }
  warnings.push(...untoldServices(proxies, inbound, ownService));
  warnings.push(...silentZones(proxies));
  warnings.push(...uselessVerifier(texts, publicZone));
  warnings.push(...unforwardingZones(texts, proxies));
  const rpc = readRpc(texts, network, warnings);
  const peers = publicZone?.listen;
  checkNodePlaces(modeSettings, { rpc, peers, inbound, control: ownService?.tor.place });
  return {
    network,
    dataDir,
    ...modeSettings,
    mode,
    launch: tor.launch,
    inbound,
    ownService,
    peers: given.flatMap(({ address, kind }) => (isHidden(address) ? [{ address, kind }] : [])),
    publicZone,
    publicPeers: given.filter(({ address }) => isOfZone(address, "public")),
    rpc,
    metrics: readMetrics(texts, beside.mode, warnings),
    gateway: readGateway(texts, network, beside, warnings),
    verify: readVerify(texts, network, beside, warnings),
    ...readNoise(texts, network, warnings),
    retry: readRetry(texts),
    timedSyncMs: readDuration(texts, "timed-sync", "60s", 1_000, 120_000),
    warnings,
  };
}

/** A node's own address is told on links that are for that alone, and those take a place. */
function untoldServices(
  proxies: readonly TxProxy[],
  inbound: readonly AnonymousInbound[],
  ownService: OwnServiceSettings | undefined,
): string[] {
  return proxies.flatMap(({ zone, outboundMax }) => {
    const hasService =
      inbound.some((one) => one.zone === zone) || (ownService !== undefined && zone === "tor");
    if (!hasService || outboundMax >= ANNOUNCING_OUTBOUND_MIN) return [];
    return [
      `The ${zone} zone has ${outboundMax} outbound link${outboundMax === 1 ? "" : "s"} at the most, so that its own address is told to nobody; give --tx-proxy ${zone},IP:PORT,${ANNOUNCING_OUTBOUND_MIN} or more.`,
    ];
  });
}

function silentZones(proxies: readonly TxProxy[]): string[] {
  return proxies.flatMap(({ zone, noise }) =>
    noise === "silent"
      ? [
          `--tx-proxy ${zone}: with disable_noise there is no noise in the ${zone} zone, so that whoever watches the line sees when something is sent.`,
        ]
      : [],
  );
}

function uselessVerifier(texts: OptionTexts, publicZone: PublicSettings | undefined): string[] {
  const isPassedOn = publicZone !== undefined || isOn(texts, "forward-in-zone");
  if (isPassedOn || !texts.has("verify-with")) return [];
  return [
    "--verify-with asks about what peers send, though nothing of it is passed on: that takes a public zone (--proxy or --public) or --forward-in-zone.",
  ];
}

/** What goes on in a zone leaves on another stream than a wallet's, so that there have to be two. */
function unforwardingZones(texts: OptionTexts, proxies: readonly TxProxy[]): string[] {
  if (!isOn(texts, "forward-in-zone")) return [];
  return proxies.flatMap(({ zone, outboundMax }) =>
    outboundMax > 1
      ? []
      : [
          `--forward-in-zone does nothing in the ${zone} zone, which has one outbound link at the most; give --tx-proxy ${zone},IP:PORT,2 or more.`,
        ],
  );
}

function readNetwork(texts: OptionTexts): NetworkName {
  const chosen = (["testnet", "stagenet", "regtest"] as const).filter((name) => isOn(texts, name));
  const [first, second] = chosen;
  if (second !== undefined) {
    throw new UsageError("bad-option", `--${first} and --${second} exclude each other; give one.`);
  }
  return first ?? "mainnet";
}

function readInbound(texts: OptionTexts, network: Network, warnings: string[]): AnonymousInbound[] {
  const inbound = (texts.get("anonymous-inbound") ?? [])
    .filter((text) => !isOwnService(text))
    .map((text) => parseAnonymousInbound(text, network.torPort));
  for (const [index, { zone, listen }] of inbound.entries()) {
    if (inbound.findIndex((other) => other.zone === zone) < index) {
      throw new UsageError(
        "bad-option",
        `--anonymous-inbound names the ${zone} zone twice; give each zone once.`,
      );
    }
    if (!isLoopback(listen.host)) {
      warnings.push(
        `The node listens on ${listen.host}, beyond this machine: whoever reaches it there learns its address.`,
      );
    }
  }
  return inbound;
}

/** What decides on whether a peer can be dialed. */
interface PeerWays extends Pick<NodeModeSettings, "mode" | "proxies"> {
  readonly publicZone: PublicSettings | undefined;
  readonly placeOf: PlaceOf;
}

function readPeers(
  texts: OptionTexts,
  network: Network,
  ways: PeerWays,
  warnings: string[],
): GivenPeer[] {
  const options: readonly (readonly [string, TargetKind])[] = [
    ["add-exclusive-node", "exclusive"],
    ["add-priority-node", "priority"],
    ["add-peer", "add"],
    ["seed-node", "seed-node"],
  ];
  const given = options.flatMap(([option, kind]) =>
    (texts.get(option) ?? []).map((text) => {
      const place = ways.placeOf(option, text);
      const address = readPeer(place, text, network);
      if (isOfZone(address, "public")) {
        checkPublicPeer(place.given, address, ways.publicZone, { ...network, mode: ways.mode });
        if (kind === "seed-node" && ways.publicZone?.isClosed === true) {
          warnings.push(
            `${place.given} is not asked for peers: --p2p-bind-ip closes clearnet, so nobody that it names could be dialed.`,
          );
        }
      } else if (!ways.proxies.some(({ zone }) => zone === address.zone)) {
        const proxy = place.option("tx-proxy", `${address.zone},IP:PORT`);
        throw new UsageError(
          "bad-option",
          `${place.given} is of the ${address.zone} zone, which has no proxy; add ${proxy}.`,
        );
      }
      return { address, kind };
    }),
  );
  // Exclusive means exclusive in every zone: a wallet's transaction must not prefer another's peer.
  const exclusive = given.filter(({ kind }) => kind === "exclusive");
  const others = given.length - exclusive.length;
  if (exclusive.length === 0 || others === 0) return given;
  warnings.push(
    `--add-exclusive-node is given: ${others === 1 ? "1 other peer is" : `${others} other peers are`} not dialed, in any zone.`,
  );
  return exclusive;
}

function readPeer({ name }: OptionPlace, text: string, network: Network): Address {
  try {
    const { zone } = parseAddress(text, { defaultPort: network.torPort });
    const defaultPort = zone === "public" ? network.p2pPort : network.torPort;
    return parseAddress(text, { defaultPort });
  } catch (error) {
    if (error instanceof AddressError)
      throw new UsageError("bad-option", `${name}: ${error.message}`);
    throw error;
  }
}

function isHidden(address: Address): address is Address<AnonymityZone> {
  return !isOfZone(address, "public");
}

function readRpc(
  texts: OptionTexts,
  network: Network,
  warnings: string[],
): { host: string; port: number } {
  const host = last(texts, "rpc-bind-ip") ?? "127.0.0.1";
  const digits = last(texts, "rpc-bind-port") ?? String(network.rpcPort);
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(port <= 65_535)) {
    throw new UsageError(
      "bad-option",
      `--rpc-bind-port ${digits} is not from 0 to 65535; 0 picks a free port.`,
    );
  }
  checkIp("rpc-bind-ip", host);
  if (!isLoopback(host)) {
    if (!isOn(texts, "confirm-external-bind")) {
      throw new UsageError(
        "bad-option",
        `--rpc-bind-ip ${host} opens the RPC, which has no password, beyond this machine; add --confirm-external-bind if that is meant.`,
      );
    }
    warnings.push(
      `The RPC is open beyond this machine on ${host}, without password or encryption.`,
    );
  }
  return { host, port };
}

function checkIp(option: string, host: string): void {
  try {
    const { kind } = parseAddress(host.includes(":") ? `[${host}]:1` : `${host}:1`);
    if (kind === "ipv4" || kind === "ipv6") return;
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  throw new UsageError("bad-option", `--${option} ${host} is not an IP address, as in 127.0.0.1.`);
}

function readRetry(texts: OptionTexts): RetrySchedule {
  const [firstMs, maxMs] = readRange(texts, "retry", "5m..4h");
  return { firstMs, maxMs };
}
