import type { Network } from "../lib/monero/network.ts";
import type { Notice } from "../lib/relay/event.ts";
import { verifierNames as names } from "../lib/relay/gateway-option.ts";
import {
  type DaemonPlace,
  type DaemonWay,
  needlessDirect,
  readDaemonPlace,
} from "../lib/relay/gateway-place.ts";
import { Verifier } from "../lib/relay/verifier.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import type { StreamIsolation } from "../lib/socks/isolation.ts";
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
import { last, type OptionTexts } from "./option-texts.ts";
import { UsageError } from "./usage-error.ts";

/** The options. */
export const verifyOptions: readonly DaemonOption[] = [
  {
    name: "verify-with",
    argument: "URL",
    about:
      "have this trusted monerod, [https://]HOST[:PORT], check what peers send before it is passed on",
  },
  {
    name: "verify-proxy",
    argument: "IP:PORT",
    about: "reach it through this SOCKS proxy (default: its zone's --tx-proxy)",
  },
  {
    name: "verify-direct",
    argument: "",
    about: "dial it in the public internet without a proxy: it learns this machine's address",
  },
  {
    name: "verify-cert-file",
    argument: "FILE",
    about: "its certificate, or its authority's, PEM",
  },
  { name: "verify-login-file", argument: "FILE", about: "holds USER:PASSWORD of its --rpc-login" },
];

/**
 * Reads `--verify-with` and what goes with it.
 *
 * @param texts what the command line and the configuration file gave
 * @param network where no port is given, its RPC port is taken
 * @param mode how the node dials, and through what
 * @param warnings takes what is worth telling before the node starts
 * @returns undefined for a node without
 * @throws UsageError, GatewayError or ZoneError, naming the option
 */
export function readVerify(
  texts: OptionTexts,
  network: Network,
  mode: ModeSettings,
  warnings: string[],
): DaemonSettings | undefined {
  const url = last(texts, "verify-with");
  if (url === undefined) {
    const alone = verifyOptions.find(({ name }) => texts.has(name));
    if (alone === undefined) return undefined;
    throw new UsageError(
      "bad-option",
      `--${alone.name} is for the daemon that checks what peers send; add --verify-with HOST:PORT.`,
    );
  }
  const certificates = readCertificateFile(daemonText(texts, names.certFile), names);
  const defaultPort = network.rpcPort;
  const place = readDaemonPlace({ url, defaultPort, certificates, options: names });
  const settings = readDaemon(texts, place, names, mode);
  const way = daemonWay(settings, mode);
  if (settings.direct) warnings.push(...directWarnings(place, way));
  return settings;
}

/**
 * Makes the verifier of a node.
 *
 * @param settings as {@link readVerify} has them
 * @param mode how the node dials; its proxies as they are once a tor of the node's own runs
 * @param isolation draws the credentials that keep its streams apart from all others
 * @param notice takes what is worth a line in the log
 */
export function makeVerifier(
  settings: DaemonSettings,
  mode: ModeSettings,
  isolation: StreamIsolation,
  notice: (notice: Notice) => void,
): Verifier {
  const { place, login } = settings;
  const dial = daemonDialOf(settings, mode, isolation);
  return new Verifier({ place, dial, login, random: systemRandom, clock: realClock, notice });
}

function directWarnings(place: DaemonPlace, way: DaemonWay): string[] {
  const needless = needlessDirect(place, way);
  if (needless !== undefined) return [needless];
  const { address, ssl, trust } = place;
  const { host } = address;
  const learns = `The daemon at ${host} learns this machine's address, and what peers send to it: ${names.direct}.`;
  if (ssl === "enabled" && trust.kind !== "any") return [learns];
  return [
    learns,
    `The verdicts of ${host} can be read and changed on their way; write https:// and ${names.certFile}.`,
  ];
}
