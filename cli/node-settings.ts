import { homedir } from "node:os";
import { join } from "node:path";
import { type Address, isOfZone, parseAddress } from "../lib/address/address.ts";
import { AddressError } from "../lib/address/error.ts";
import { isLoopback } from "../lib/address/loopback.ts";
import type { AnonymityZone } from "../lib/address/zone.ts";
import { FRAGMENTS_MAX } from "../lib/levin/frame.ts";
import { type Network, type NetworkName, networks } from "../lib/monero/network.ts";
import { PaddingError } from "../lib/padding/error.ts";
import type { EpochLength } from "../lib/padding/noise-channel.ts";
import {
  hidesPayload,
  longestInterval,
  type NoiseSchedule,
  parseSchedule,
} from "../lib/padding/schedule.ts";
import type { TargetKind } from "../lib/relay/dial-target.ts";
import type { RetrySchedule } from "../lib/relay/pool.ts";
import { formatDuration, parseDuration } from "../lib/runtime/duration.ts";
import { type AnonymousInbound, parseAnonymousInbound, type TxProxy } from "../lib/zone/option.ts";
import { type GatewaySettings, readGateway } from "./node-gateway.ts";
import { type MetricsSettings, readMetrics } from "./node-metrics.ts";
import { checkNodePlaces, type NodeModeSettings, readNodeMode } from "./node-mode.ts";
import { checkPublicPeer, type GivenPeer, type PublicSettings, readPublic } from "./node-public.ts";
import { readNodeTor } from "./node-tor.ts";
import { isOn, last, type OptionTexts } from "./option-texts.ts";
import { isOwnService, type OwnServiceSettings, readOwnService } from "./own-service-settings.ts";
import type { TorLaunch } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** A node's settings, read and checked. */
export interface NodeSettings extends NodeModeSettings {
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
  readonly gateway: GatewaySettings | undefined;
  readonly schedule: NoiseSchedule;
  readonly epoch: EpochLength;
  readonly retry: RetrySchedule;
  readonly timedSyncMs: number;
  /** Worth telling before the node starts. */
  readonly warnings: readonly string[];
}

/**
 * Reads and checks a node's settings.
 *
 * @param texts what the command line and the configuration file gave
 * @throws UsageError, AddressError, ZoneError or PaddingError, naming the option
 */
export function readNodeSettings(texts: OptionTexts): NodeSettings {
  const network = networks[readNetwork(texts)];
  const warnings: string[] = [];
  const dataDir = last(texts, "data-dir") ?? join(homedir(), ".anonctl", network.name);
  const tor = readNodeTor(texts, dataDir);
  const modeSettings = readNodeMode(texts, tor.launch, warnings);
  const { proxies } = modeSettings;
  const inbound = readInbound(texts, network, warnings);
  const ownService = readOwnService(texts, inbound, tor);
  const publicZone = readPublic(texts, modeSettings.mode, warnings);
  const given = readPeers(texts, network, { proxies, publicZone }, warnings);
  const schedule = readSchedule(texts, network);
  const hasHidden = proxies.length > 0 || inbound.length > 0 || ownService !== undefined;
  if (!hasHidden && publicZone === undefined) {
    throw new UsageError(
      "bad-option",
      "The node has no zone: give --tx-proxy tor,127.0.0.1:9050 or --tor launch with a peer, or --anonymous-inbound.",
    );
  }
  const rpc = readRpc(texts, network, warnings);
  checkNodePlaces(modeSettings, { rpc, inbound, control: ownService?.tor.place });
  return {
    network,
    dataDir,
    ...modeSettings,
    launch: tor.launch,
    inbound,
    ownService,
    peers: given.flatMap(({ address, kind }) => (isHidden(address) ? [{ address, kind }] : [])),
    publicZone,
    publicPeers: given.filter(({ address }) => isOfZone(address, "public")),
    rpc,
    metrics: readMetrics(texts, modeSettings.mode, warnings),
    gateway: readGateway(texts, network, modeSettings, warnings),
    schedule,
    epoch: readEpoch(texts, schedule),
    retry: readRetry(texts),
    timedSyncMs: readDuration(texts, "timed-sync", "60s", 1_000, 120_000),
    warnings,
  };
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

function readPeers(
  texts: OptionTexts,
  network: Network,
  ways: { readonly proxies: readonly TxProxy[]; readonly publicZone: PublicSettings | undefined },
  warnings: string[],
): GivenPeer[] {
  const options: readonly (readonly [string, TargetKind])[] = [
    ["add-exclusive-node", "exclusive"],
    ["add-priority-node", "priority"],
    ["add-peer", "add"],
    ["seed-node", "add"],
  ];
  const given = options.flatMap(([option, kind]) =>
    (texts.get(option) ?? []).map((text) => {
      const address = readPeer(option, text, network);
      if (isOfZone(address, "public")) {
        checkPublicPeer(`--${option} ${text}`, address, ways.publicZone, network);
      } else if (!ways.proxies.some(({ zone }) => zone === address.zone)) {
        throw new UsageError(
          "bad-option",
          `--${option} ${text} is of the ${address.zone} zone, which has no proxy; add --tx-proxy ${address.zone},IP:PORT.`,
        );
      }
      return { address, kind };
    }),
  );
  // Exclusive means exclusive in every zone: a wallet's transaction must not prefer another's peer.
  const exclusive = given.filter(({ kind }) => kind === "exclusive");
  if (exclusive.length === 0 || exclusive.length === given.length) return given;
  warnings.push(
    `--add-exclusive-node is given: ${given.length - exclusive.length} other peers are not dialed, in any zone.`,
  );
  return exclusive;
}

function readPeer(option: string, text: string, network: Network): Address {
  try {
    const { zone } = parseAddress(text, { defaultPort: network.torPort });
    const defaultPort = zone === "public" ? network.p2pPort : network.torPort;
    return parseAddress(text, { defaultPort });
  } catch (error) {
    if (error instanceof AddressError)
      throw new UsageError("bad-option", `--${option}: ${error.message}`);
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

function readSchedule(texts: OptionTexts, network: Network): NoiseSchedule {
  const text = last(texts, "noise-schedule") ?? "uniform:10s..15s";
  const schedule = named("noise-schedule", () => parseSchedule(text));
  if (network.name !== "regtest" && !hidesPayload(schedule)) {
    throw new UsageError(
      "bad-option",
      `--noise-schedule ${text} has intervals so alike that they show which frames carry payload; spread them over a second or more, or use it for experiments on --regtest.`,
    );
  }
  return schedule;
}

function named<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof PaddingError)
      throw new UsageError("bad-option", `--${option}: ${error.message}`);
    throw error;
  }
}

function readEpoch(texts: OptionTexts, schedule: NoiseSchedule): EpochLength {
  const [low, high] = readRange(texts, "noise-epoch", "5m..5.5m");
  // A channel moves at the end of its epoch whatever it carries, so the longest message must fit.
  const needed = FRAGMENTS_MAX * longestInterval(schedule);
  if (last(texts, "noise-epoch") !== undefined && low < needed) {
    throw new UsageError(
      "bad-option",
      `--noise-epoch of ${formatDuration(low)} is too short for a transaction of ${FRAGMENTS_MAX} frames on this schedule; give at least ${formatDuration(needed)}.`,
    );
  }
  return { baseMs: low, spreadMs: high - low };
}

function readRetry(texts: OptionTexts): RetrySchedule {
  const [firstMs, maxMs] = readRange(texts, "retry", "5m..4h");
  return { firstMs, maxMs };
}

function readRange(texts: OptionTexts, option: string, standard: string): [number, number] {
  const text = last(texts, option) ?? standard;
  const [low, high, ...more] = text.split("..").map(parseDuration);
  if (low !== undefined && high !== undefined && more.length === 0 && low > 0 && low <= high) {
    return [low, high];
  }
  throw new UsageError(
    "bad-option",
    `--${option} ${text} is not a range of durations, as in ${standard}.`,
  );
}

function readDuration(
  texts: OptionTexts,
  option: string,
  standard: string,
  lowMs: number,
  highMs: number,
): number {
  const text = last(texts, option) ?? standard;
  const duration = parseDuration(text);
  if (duration !== undefined && duration >= lowMs && duration <= highMs) return duration;
  throw new UsageError(
    "bad-option",
    `--${option} ${text} is not a duration from ${lowMs / 1_000}s to ${highMs / 1_000}s, as in ${standard}.`,
  );
}
