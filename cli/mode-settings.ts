import { isLoopback } from "../lib/address/loopback.ts";
import { type ConnectivityMode, staysHidden } from "../lib/zone/mode.ts";
import { type ProxyPlace, parseTorProxy, parseTxProxy, type TxProxy } from "../lib/zone/option.ts";
import { zoneProfiles } from "../lib/zone/profile.ts";
import { parseRotation } from "../lib/zone/rotation.ts";
import { type AnonymizeValues, anonymizeOptions, asksToHide } from "./anonymize-option.ts";
import { UsageError } from "./usage-error.ts";

/** An option that commands with a mode share. */
export interface ModeOption {
  readonly name: string;
  /** Empty for a switch. */
  readonly argument: string;
  readonly about: string;
}

/** gethrelay's names for the ways in which peers are dialed. */
export const modeOptions: readonly ModeOption[] = [
  {
    name: "tor-proxy",
    argument: "IP:PORT",
    about: "tor's SOCKS proxy; the same as --tx-proxy tor,IP:PORT",
  },
  {
    name: "prefer-tor",
    argument: "",
    about: "tell when a peer's open address is dialed because its onion fails",
  },
  {
    name: "only-onion",
    argument: "",
    about: "never dial, listen or look a name up outside Tor and I2P; needs a proxy",
  },
  ...anonymizeOptions,
];

/** The options' values, as texts. */
export interface ModeValues extends AnonymizeValues {
  readonly torProxy?: string | undefined;
  readonly txProxy?: readonly string[] | undefined;
  /** The proxy of a tor that is started for this command. */
  readonly launched?: TxProxy | undefined;
  readonly preferTor?: boolean | undefined;
  readonly onlyOnion?: boolean | undefined;
}

/** How peers are dialed, and through what. */
export interface ModeSettings {
  readonly mode: ConnectivityMode;
  /** At most one a zone. */
  readonly proxies: readonly TxProxy[];
}

/**
 * Reads the mode and the proxies of the anonymity zones. Several switches together are the strictest
 * of them, only-onion before anonymize before prefer-tor: gethrelay's users had to give both.
 *
 * @param values what was given
 * @throws UsageError where a mode that hides has no proxy, or a zone two; ZoneError for a proxy's
 *   text
 */
export function readMode(values: ModeValues): ModeSettings {
  const { torProxy, txProxy = [], launched, preferTor = false, onlyOnion = false } = values;
  const proxies = txProxy.map(parseTxProxy);
  if (launched !== undefined) {
    if (torProxy !== undefined || proxies.some(({ zone }) => zone === "tor")) {
      throw usage("--tor launch is a proxy of the tor zone, and another is named; leave one out.");
    }
    proxies.push(launched);
  }
  if (torProxy !== undefined) proxies.push(parseTorProxy(torProxy));
  for (const [index, { zone }] of proxies.entries()) {
    if (proxies.findIndex((other) => other.zone === zone) === index) continue;
    const isTorProxy = torProxy !== undefined && index === proxies.length - 1;
    throw usage(
      isTorProxy
        ? "--tor-proxy and --tx-proxy both name the tor zone; give one of them."
        : `--tx-proxy names the ${zone} zone twice; give each zone once.`,
    );
  }
  const hides = asksToHide(values);
  if (!onlyOnion && !hides) return { mode: preferTor ? "prefer-tor" : "default", proxies };
  const mode = onlyOnion ? "only-onion" : "anonymize";
  if (proxies.length === 0) {
    throw usage(
      `--${mode} needs a proxy that you name: give --tor-proxy IP:PORT, --tx-proxy, or --tor launch.`,
    );
  }
  return { mode, proxies };
}

/**
 * What is worth telling of the proxies before anything is dialed through them.
 *
 * @param settings the proxies
 * @returns a sentence for each that is on another machine
 */
export function proxyWarnings({ proxies }: ModeSettings): string[] {
  return proxies.flatMap(({ zone, proxy, version, credentials }) => [
    ...("path" in proxy || isLoopback(proxy.host)
      ? []
      : [`The proxy ${proxy.host} is on another machine: what is said to it travels in clear.`]),
    ...(zoneProfiles[zone].isolatesStreams && (credentials !== undefined || version === "4a")
      ? [
          `The ${zone} zone's streams share circuits, since their credentials are ${credentials === undefined ? "none (socks4a://)" : "your own"}: whoever sees two of them end knows that one machine sent both; leave that out to have a circuit for each.`,
        ]
      : []),
  ]);
}

/**
 * Refuses, in a mode that hides, a program on another machine that is not where a proxy is.
 *
 * @param settings mode and proxies
 * @param place where it listens
 * @param option what names it
 * @throws UsageError
 */
export function checkBeside(settings: ModeSettings, place: ProxyPlace, option: string): void {
  const { mode } = settings;
  if (!staysHidden(mode) || "path" in place || isLoopback(place.host)) return;
  const beside = settings.proxies.some(({ proxy }) => "host" in proxy && proxy.host === place.host);
  if (beside) return;
  throw usage(
    `${option} ${place.host}:${place.port} is on another machine than the proxy, which --${mode} never speaks to.`,
  );
}

/**
 * Reads `--tor-rotate-circuits`, which works by other SOCKS credentials for new streams.
 *
 * @param text what was given, if anything
 * @param settings the proxies
 * @returns milliseconds; undefined for never
 * @throws ZoneError for what is no interval; UsageError where the proxy has no credentials to change
 */
export function readRotation(text: string | undefined, settings: ModeSettings): number | undefined {
  if (text === undefined) return undefined;
  const tor = settings.proxies.find(({ zone }) => zone === "tor");
  if (tor !== undefined && tor.version === "5" && tor.credentials === undefined) {
    return parseRotation(text);
  }
  throw usage(
    `--tor-rotate-circuits ${text} needs a SOCKS5 proxy of the tor zone without credentials of your own, since other credentials are what has tor take other circuits.`,
  );
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
