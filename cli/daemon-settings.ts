import type { DaemonLogin } from "../lib/relay/gateway-digest.ts";
import type { DaemonOptionNames } from "../lib/relay/gateway-option.ts";
import {
  chooseDaemonWay,
  type DaemonPlace,
  type DaemonProxy,
  type DaemonWay,
  type DialDaemon,
  daemonDial,
} from "../lib/relay/gateway-place.ts";
import { realClock } from "../lib/runtime/clock.ts";
import type { StreamIsolation } from "../lib/socks/isolation.ts";
import { Dialer } from "../lib/zone/dial.ts";
import { parseTorProxy } from "../lib/zone/option.ts";
import { readLoginFile } from "./daemon-files.ts";
import { checkBeside, type ModeSettings } from "./mode-settings.ts";
import { isOn, last, type OptionTexts } from "./option-texts.ts";

/** A remote daemon, read and checked. */
export interface DaemonSettings {
  readonly place: DaemonPlace;
  readonly login: DaemonLogin | undefined;
  readonly proxy: DaemonProxy | undefined;
  readonly direct: boolean;
}

/** An option of a remote daemon. */
export interface DaemonOption {
  readonly name: string;
  /** Empty for a switch. */
  readonly argument: string;
  readonly about: string;
}

/**
 * Reads a daemon's option.
 *
 * @param texts what the command line and the configuration file gave
 * @param option as messages name it, with its dashes
 * @returns undefined where it was not given
 */
export function daemonText(texts: OptionTexts, option: string): string | undefined {
  return last(texts, option.replace(/^--/, ""));
}

/**
 * Reads how a daemon is reached, and who we are to it.
 *
 * @param texts what the command line and the configuration file gave
 * @param place where it is
 * @param names how its options are called
 * @param mode how the node dials, and through what
 * @throws UsageError or ZoneError, naming the option
 */
export function readDaemon(
  texts: OptionTexts,
  place: DaemonPlace,
  names: DaemonOptionNames,
  mode: ModeSettings,
): DaemonSettings {
  const proxyText = daemonText(texts, names.proxy);
  const proxy = proxyText === undefined ? undefined : parseTorProxy(proxyText, names.proxy);
  if (proxy !== undefined) checkBeside(mode, proxy.proxy, names.proxy);
  const login = readLoginFile(daemonText(texts, names.loginFile), names);
  return { place, login, proxy, direct: isOn(texts, names.direct.replace(/^--/, "")) };
}

/**
 * Chooses the way to a daemon.
 *
 * @param settings as {@link readDaemon} has them
 * @param mode how the node dials
 * @throws GatewayError where it would not be reached as was asked, naming the option
 */
export function daemonWay(
  { place, proxy, direct }: DaemonSettings,
  { mode, proxies }: ModeSettings,
): DaemonWay {
  return chooseDaemonWay(place, { mode, proxies, daemonProxy: proxy, direct });
}

/**
 * Makes what opens streams to a daemon.
 *
 * @param settings as {@link readDaemon} has them
 * @param mode how the node dials; its proxies as they are once a tor of the node's own runs
 * @param isolation draws the credentials that keep the daemon's streams apart from all others
 */
export function daemonDialOf(
  settings: DaemonSettings,
  mode: ModeSettings,
  isolation: StreamIsolation,
): DialDaemon {
  const clock = realClock;
  const dialers = Object.fromEntries(
    mode.proxies.map((proxy) => [proxy.zone, new Dialer(proxy, isolation, clock)]),
  );
  return daemonDial(settings.place, daemonWay(settings, mode), { dialers, isolation, clock });
}
