import type { Address } from "../lib/address/address.ts";
import type { Network } from "../lib/monero/network.ts";
import { DaemonGateway } from "../lib/relay/gateway.ts";
import { walletDaemonNames as names } from "../lib/relay/gateway-option.ts";
import { type DaemonWay, needlessDirect, readDaemonPlace } from "../lib/relay/gateway-place.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import type { StreamIsolation } from "../lib/socks/isolation.ts";
import { zoneProfiles } from "../lib/zone/profile.ts";
import { readCertificateFile } from "./daemon-files.ts";
import {
  type DaemonOption,
  type DaemonSettings,
  daemonDialOf,
  daemonText,
  daemonWay,
  readDaemon,
} from "./daemon-settings.ts";
import type { ModeSettings } from "./mode-settings.ts";
import { isOn, last, type OptionTexts } from "./option-texts.ts";
import { UsageError } from "./usage-error.ts";

/** The options, with the names that Monero's wallets and its document give them. */
export const gatewayOptions: readonly DaemonOption[] = [
  {
    name: "daemon",
    argument: "URL",
    about:
      "let wallets read the chain from this monerod, [https://]HOST[:PORT]; transactions never go there",
  },
  {
    name: "daemon-proxy",
    argument: "IP:PORT",
    about: "reach the daemon through this SOCKS proxy (default: its zone's --tx-proxy)",
  },
  {
    name: "daemon-direct",
    argument: "",
    about: "dial a daemon of the public internet without a proxy: it learns this machine's address",
  },
  {
    name: "daemon-ssl",
    argument: "MODE",
    about: "enabled, disabled or autodetect (default: as the URL says, or autodetect)",
  },
  {
    name: "daemon-cert-file",
    argument: "FILE",
    about: "the daemon's certificate, or its authority's, PEM",
  },
  {
    name: "daemon-ssl-allow-any-cert",
    argument: "",
    about: "take any certificate of the daemon",
  },
  {
    name: "trusted-daemon",
    argument: "",
    about: "let the daemon learn which outputs are yours (default: only on this machine)",
  },
  { name: "untrusted-daemon", argument: "", about: "don't, though it is on this machine" },
  {
    name: "daemon-login-file",
    argument: "FILE",
    about: "holds USER:PASSWORD of the daemon's --rpc-login",
  },
];

/**
 * Reads `--daemon` and what goes with it.
 *
 * @param texts what the command line and the configuration file gave
 * @param network where no port is given, its RPC port is taken
 * @param mode how the node dials, and through what
 * @param warnings takes what is worth telling before the node starts
 * @returns undefined for a node without
 * @throws UsageError, GatewayError or ZoneError, naming the option
 */
export function readGateway(
  texts: OptionTexts,
  network: Network,
  mode: ModeSettings,
  warnings: string[],
): DaemonSettings | undefined {
  const url = last(texts, "daemon");
  if (url === undefined) {
    const alone = gatewayOptions.find(({ name }) => texts.has(name));
    if (alone === undefined) return undefined;
    throw usage(`--${alone.name} is for the wallets' daemon; add --daemon HOST:PORT.`);
  }
  const place = readDaemonPlace({
    url,
    defaultPort: network.rpcPort,
    ssl: last(texts, "daemon-ssl"),
    certificates: readCertificateFile(daemonText(texts, names.certFile), names),
    anyCertificate: isOn(texts, "daemon-ssl-allow-any-cert"),
    trusted: readTrust(texts),
  });
  const settings = readDaemon(texts, place, names, mode);
  const way = daemonWay(settings, mode);
  warnings.push(...warningsOf(settings, way));
  return settings;
}

/**
 * Makes the gateway of a node.
 *
 * @param settings as {@link readGateway} has them
 * @param mode how the node dials; its proxies as they are once a tor of the node's own runs
 * @param isolation draws the credentials that keep the daemon's streams apart from all others
 */
export function makeGateway(
  settings: DaemonSettings,
  mode: ModeSettings,
  isolation: StreamIsolation,
): DaemonGateway {
  const { place, login } = settings;
  const dial = daemonDialOf(settings, mode, isolation);
  return new DaemonGateway({ place, dial, login, random: systemRandom, clock: realClock });
}

function readTrust(texts: OptionTexts): boolean | undefined {
  const trusted = isOn(texts, "trusted-daemon");
  const untrusted = isOn(texts, "untrusted-daemon");
  if (trusted && untrusted) {
    throw usage("--trusted-daemon and --untrusted-daemon exclude each other; give one.");
  }
  return trusted ? true : untrusted ? false : undefined;
}

function warningsOf({ place, direct }: DaemonSettings, way: DaemonWay): string[] {
  const { address, ssl, trust, trusted } = place;
  const warnings: string[] = [];
  if (!trusted) {
    warnings.push(
      "A wallet takes this node for a daemon of your own, since it is on this machine: start it with --untrusted-daemon.",
    );
  }
  const needless = direct ? needlessDirect(place, way) : undefined;
  if (needless !== undefined) warnings.push(needless);
  else if (direct) {
    warnings.push(`The daemon at ${address.host} learns this machine's address: --daemon-direct.`);
    if (ssl !== "enabled" || trust.kind === "any") {
      warnings.push(
        `What is read from ${address.host} can be read and changed on its way; write https:// and --daemon-cert-file.`,
      );
    }
  }
  if (way.kind === "zone" && !isolatesStreams(address)) {
    warnings.push(
      `The ${address.zone} proxy has one address for all streams: the daemon sees the one that peers see when you send; a --daemon-proxy of its own tells them apart.`,
    );
  }
  return warnings;
}

function isolatesStreams({ zone }: Address): boolean {
  return zone === "public" || zoneProfiles[zone].isolatesStreams;
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
