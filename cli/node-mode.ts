import { type ConnectivityMode, checkListen } from "../lib/zone/mode.ts";
import type { AnonymousInbound, ProxyPlace } from "../lib/zone/option.ts";
import {
  checkBeside,
  type ModeSettings,
  proxyWarnings,
  readMode,
  readRotation,
} from "./mode-settings.ts";
import { launchedProxy } from "./node-tor.ts";
import { isOn, last, type OptionTexts } from "./option-texts.ts";
import type { TorLaunch } from "./tor-access.ts";

/** How a node dials. */
export interface NodeModeSettings extends ModeSettings {
  /** How often new links are given new circuits, in milliseconds; undefined for never. */
  readonly rotateMs: number | undefined;
}

/** Where a node listens, and whom it speaks to besides its proxies. */
export interface NodePlaces {
  readonly rpc: { readonly host: string };
  /** For peers of the public zone; undefined for nowhere. */
  readonly peers: { readonly host: string } | undefined;
  readonly inbound: readonly AnonymousInbound[];
  /** tor's control port, where one is named. */
  readonly control: ProxyPlace | undefined;
}

/**
 * Refuses, in only-onion mode, every listener and every connection beyond this machine but those to
 * the proxies.
 *
 * @param settings the node's mode and proxies
 * @param places what it listens on and connects to
 * @throws ZoneError `only-onion` or UsageError, naming the option
 */
export function checkNodePlaces(settings: ModeSettings, places: NodePlaces): void {
  const { rpc, peers, inbound, control } = places;
  checkListen(settings.mode, rpc.host, "--rpc-bind-ip");
  if (peers !== undefined) checkListen(settings.mode, peers.host, "--p2p-bind-ip");
  for (const { listen } of inbound) {
    checkListen(settings.mode, listen.host, "--anonymous-inbound");
  }
  if (control !== undefined) checkBeside(settings, control, "--control");
}

/**
 * Reads the node's mode, its proxies and how often circuits are rotated.
 *
 * @param texts what the command line and the configuration file gave
 * @param launch a tor of the node's own
 * @param warnings takes what is worth telling before the node starts
 * @throws UsageError or ZoneError
 */
export function readNodeMode(
  texts: OptionTexts,
  launch: TorLaunch | undefined,
  warnings: string[],
): NodeModeSettings {
  const settings = readMode({
    launched: launchedProxy(launch),
    torProxy: last(texts, "tor-proxy"),
    txProxy: texts.get("tx-proxy"),
    preferTor: isOn(texts, "prefer-tor"),
    onlyOnion: isOn(texts, "only-onion"),
    anonymize: isOn(texts, "anonymize"),
    revealIPAddress: last(texts, "reveal-IP-address"),
  });
  warnings.push(...proxyWarnings(settings));
  return { ...settings, rotateMs: readRotation(last(texts, "tor-rotate-circuits"), settings) };
}

/**
 * The mode of what is not the public zone: only peers of that are met through an exit, so what is
 * left of anonymize mode for a daemon, or for a node without the zone, is the stricter one.
 *
 * @param mode as it was read
 */
export function hiddenMode(mode: ConnectivityMode): Exclude<ConnectivityMode, "anonymize"> {
  return mode === "anonymize" ? "only-onion" : mode;
}
