import { isAbsolute, resolve } from "node:path";
import { parseAddress } from "../lib/address/address.ts";
import { AddressError } from "../lib/address/error.ts";
import type { Zone } from "../lib/address/zone.ts";
import { type Expectation, parseExpectations } from "../lib/probe/expectation.ts";
import { defaultDeadlines, type LayerDeadlines } from "../lib/probe/layer.ts";
import { type ProtocolName, parseProtocol } from "../lib/probe/protocol.ts";
import type { ProbeProxy } from "../lib/probe/proxy-gate.ts";
import { parseDuration } from "../lib/runtime/duration.ts";
import { type ControlPlace, parsePlace } from "../lib/tor/control-place.ts";
import { type ConnectivityMode, staysHidden } from "../lib/zone/mode.ts";
import {
  type AnonymousInbound,
  type ProxyPlace,
  parseAnonymousInbound,
  type TxProxy,
} from "../lib/zone/option.ts";
import { zoneProfiles } from "../lib/zone/profile.ts";
import { checkBeside, type ModeSettings, type ModeValues, readMode } from "./mode-settings.ts";
import { launchedProxy } from "./node-tor.ts";
import type { PeerSource } from "./peers-targets.ts";
import { type ProbeTorValues, readProbeTor } from "./probe-tor.ts";
import type { TorLaunch } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** The options as commander reads them: texts, not yet looked at. */
export interface ProbeValues extends ModeValues, ProbeTorValues {
  readonly protocol?: string;
  readonly targets?: string;
  readonly proxy?: string;
  readonly direct?: boolean;
  /** False with `--no-tor-control`. */
  readonly torControl?: string | boolean;
  readonly torCookieFile?: string;
  readonly torPasswordFile?: string;
  readonly self?: boolean;
  readonly anonymousInbound?: readonly string[];
  readonly concurrency?: string;
  readonly samples?: string;
  readonly attempts?: string;
  readonly proxyDeadline?: string;
  readonly bootstrapDeadline?: string;
  readonly openDeadline?: string;
  readonly answerDeadline?: string;
  readonly protocolDeadline?: string;
  readonly expect?: readonly string[];
  readonly failFast?: boolean;
  readonly watch?: string;
  readonly rounds?: string;
  readonly json?: boolean;
  readonly junit?: string;
  readonly prometheus?: string;
}

/** The proxies of a zone, and whether the user named them. */
export interface ZoneProxies {
  readonly candidates: readonly ProbeProxy[];
  readonly given: boolean;
}

/** Where metrics go. */
export type PrometheusPlace =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "port"; readonly port: number };

/** Everything that `anonctl probe` was asked for, checked. */
export interface ProbeSettings {
  readonly texts: readonly string[];
  /** The user's own services, with `--self`. */
  readonly own: readonly AnonymousInbound[];
  readonly targetsFile: string | undefined;
  /** The books whose peers are probed too. */
  readonly peers: PeerSource | undefined;
  readonly protocol: ProtocolName | "auto";
  /** Which of a peer's addresses may be dialed. */
  readonly mode: ConnectivityMode;
  /** A tor of the probe's own, which is the tor zone's proxy once it runs. */
  readonly launch: TorLaunch | undefined;
  readonly proxies: { readonly [Z in Zone]: ZoneProxies | undefined };
  readonly direct: boolean;
  readonly control:
    | { readonly kind: "none" }
    | { readonly kind: "find" }
    | { readonly kind: "given"; readonly place: ControlPlace };
  readonly cookieFile: string | undefined;
  readonly passwordFile: string | undefined;
  readonly concurrency: number;
  readonly samples: number;
  readonly attemptsMax: number;
  readonly deadlines: LayerDeadlines;
  readonly expectations: readonly Expectation[];
  readonly failFast: boolean;
  readonly watchMs: number | undefined;
  readonly rounds: number;
  readonly json: boolean;
  readonly junit: string | undefined;
  readonly prometheus: PrometheusPlace | undefined;
}

/** Targets at a time: every one is a file descriptor here and two in tor. */
const CONCURRENCY_MAX = 500;
const CONCURRENCY_DEFAULT = 50;
const SAMPLES_MAX = 1_000;
const ATTEMPTS_MAX = 10;
const ATTEMPTS_DEFAULT = 2;
const ROUNDS_MAX = 1_000_000;
/** A tor started for months is not probed more often than this. */
const WATCH_MS_MIN = 100;
const DEADLINE_MS_MAX = 3_600_000;
/** With `--self` one circuit could be the service's own luck; two are asked. */
const SELF_SAMPLES = 2;
const DEFAULT_ONION_PORT = 18_083;
const PORT_MAX = 65_535;
/** `9100`, `0.0.0.0:9100`, `localhost:9100`: who writes this for a file means a port. */
const LIKE_A_PORT = /^(?:[^/:]+:|\[[^/\]]*\]:)?([0-9]{1,5})$/;

const torPlaces: readonly ProxyPlace[] = [
  { host: "127.0.0.1", port: 9_050 },
  { host: "127.0.0.1", port: 9_150 },
];
const i2pPlaces: readonly ProxyPlace[] = [{ host: "127.0.0.1", port: 4_447 }];

/**
 * Checks what the user wrote.
 *
 * @param texts the targets among the arguments
 * @param values the options
 * @param peers the books whose peers are probed too
 * @throws UsageError, ProbeError or ZoneError for what can't be used
 */
export function readProbeSettings(
  texts: readonly string[],
  values: ProbeValues,
  peers?: PeerSource,
): ProbeSettings {
  const own = readOwn(texts, values);
  const listed = texts.length > 0 || values.targets !== undefined || peers !== undefined;
  if (!listed && own.length === 0) {
    throw usage("anonctl probe needs a target: HOST:PORT, --targets FILE, --peers, or --self.");
  }
  const watchMs = values.watch === undefined ? undefined : duration("watch", values.watch);
  if (watchMs !== undefined && watchMs < WATCH_MS_MIN) {
    throw usage(`--watch ${values.watch} is too often; allow at least ${WATCH_MS_MIN}ms.`);
  }
  if (watchMs === undefined && values.rounds !== undefined) {
    throw usage("--rounds ends --watch; give that too.");
  }
  const samples = count("samples", values.samples, 1, SAMPLES_MAX);
  return {
    texts,
    own,
    targetsFile: values.targets,
    peers,
    protocol: parseProtocol(values.protocol ?? "auto"),
    ...readRoutes(values),
    cookieFile: values.torCookieFile,
    passwordFile: values.torPasswordFile,
    concurrency: count("concurrency", values.concurrency, CONCURRENCY_DEFAULT, CONCURRENCY_MAX),
    samples: own.length > 0 ? Math.max(SELF_SAMPLES, samples) : samples,
    attemptsMax: count("attempts", values.attempts, ATTEMPTS_DEFAULT, ATTEMPTS_MAX),
    deadlines: readDeadlines(values),
    expectations: (values.expect ?? []).flatMap(parseExpectations),
    failFast: values.failFast === true,
    watchMs,
    rounds: count("rounds", values.rounds, watchMs === undefined ? 1 : ROUNDS_MAX, ROUNDS_MAX),
    json: values.json === true,
    junit: values.junit,
    prometheus: readPrometheus(values.prometheus),
  };
}

function readOwn(texts: readonly string[], values: ProbeValues): AnonymousInbound[] {
  const given = values.anonymousInbound ?? [];
  if (values.self !== true) {
    if (given.length === 0) return [];
    throw usage("--anonymous-inbound names your own service, which only --self probes; add it.");
  }
  if (texts.length > 0 || values.targets !== undefined) {
    throw usage("--self probes the service of --anonymous-inbound; leave other targets out.");
  }
  if (given.length === 0) {
    throw usage(
      "--self needs your service: --anonymous-inbound NAME.onion:PORT,IP:PORT, as your node has it.",
    );
  }
  return given.map((text) => parseAnonymousInbound(text, DEFAULT_ONION_PORT));
}

function readRoutes(
  values: ProbeValues,
): Pick<ProbeSettings, "mode" | "launch" | "proxies" | "direct" | "control"> {
  const launch = readOwnTor(values);
  const settings = readMode({ ...values, launched: launchedProxy(launch) });
  const { mode, proxies } = settings;
  const ofZone = (zone: "tor" | "i2p", places: readonly ProxyPlace[]): ZoneProxies | undefined => {
    const given = proxies.filter((one) => one.zone === zone);
    if (given.length > 0) return { candidates: given.map(proxyOf), given: true };
    // What happens to listen on a usual port is not taken for a way that hides.
    if (staysHidden(mode)) return undefined;
    const { socksVersion: version } = zoneProfiles[zone];
    return { candidates: places.map((place) => ({ place, version })), given: false };
  };
  return {
    mode,
    launch,
    direct: values.direct === true,
    proxies: {
      tor: ofZone("tor", torPlaces),
      i2p: ofZone("i2p", i2pPlaces),
      public: readPublic(values, mode),
    },
    control: readControl(values, settings),
  };
}

/** A deadline that the user gives for tor's bootstrap is one for our own tor too. */
function readOwnTor(values: ProbeValues): TorLaunch | undefined {
  const { bootstrapDeadline } = values;
  const launch = readProbeTor(values, {
    "tor-control": values.torControl,
    "tor-cookie-file": values.torCookieFile,
    "tor-password-file": values.torPasswordFile,
  });
  if (launch === undefined || bootstrapDeadline === undefined) return launch;
  return { ...launch, bootstrapMs: duration("bootstrap-deadline", bootstrapDeadline) };
}

function readPublic(
  { direct, proxy }: ProbeValues,
  mode: ConnectivityMode,
): ZoneProxies | undefined {
  if (staysHidden(mode) && (direct === true || proxy !== undefined)) {
    throw usage(
      `--${mode} ${mode === "anonymize" ? "reaches the public internet through the tor zone's proxy alone" : "dials nothing on the public internet"}, and --${direct === true ? "direct" : "proxy"} asks for ${mode === "anonymize" ? "another way" : "it"}; leave one of them out.`,
    );
  }
  if (proxy === undefined) return undefined;
  if (direct === true) {
    throw usage("--direct dials without a proxy, and --proxy names one; leave one of them out.");
  }
  return { candidates: [{ place: readProxyPlace(proxy), version: "5" }], given: true };
}

function proxyOf(proxy: TxProxy): ProbeProxy {
  const { proxy: place, version, credentials } = proxy;
  return { place, version, ...(credentials === undefined ? {} : { credentials }) };
}

/** A control port that is only found could be another tor's than a SOCKS port that is given. */
function readControl(values: ProbeValues, settings: ModeSettings): ProbeSettings["control"] {
  const { torControl } = values;
  if (typeof torControl === "string") {
    const place = parsePlace(torControl);
    checkBeside(settings, place, "--tor-control");
    return { kind: "given", place };
  }
  if (values.torPasswordFile !== undefined || values.torCookieFile !== undefined) {
    throw usage("A password or cookie of tor's needs --tor-control to say for which.");
  }
  const torIsGiven = settings.proxies.some(({ zone }) => zone === "tor");
  const mayFind = torControl !== false && !torIsGiven && !staysHidden(settings.mode);
  return mayFind ? { kind: "find" } : { kind: "none" };
}

/**
 * Reads `--proxy`.
 *
 * @param text what the user wrote
 * @throws UsageError
 */
export function readProxyPlace(text: string): ProxyPlace {
  if (text.startsWith("unix:/")) return { path: text.slice("unix:".length) };
  try {
    const { kind, host, port } = parseAddress(text);
    if (kind === "ipv4" || kind === "ipv6") return { host, port };
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  throw usage(`--proxy ${text} is no proxy; write IP:PORT, as in 127.0.0.1:9050.`);
}

function readDeadlines(values: ProbeValues): LayerDeadlines {
  const one = (name: string, text: string | undefined, standard: number): number =>
    text === undefined ? standard : duration(name, text);
  return {
    proxyMs: one("proxy-deadline", values.proxyDeadline, defaultDeadlines.proxyMs),
    bootstrapMs: one("bootstrap-deadline", values.bootstrapDeadline, defaultDeadlines.bootstrapMs),
    openMs: one("open-deadline", values.openDeadline, defaultDeadlines.openMs),
    answerMs: one("answer-deadline", values.answerDeadline, defaultDeadlines.answerMs),
    protocolMs: one("protocol-deadline", values.protocolDeadline, defaultDeadlines.protocolMs),
  };
}

function duration(name: string, text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined && milliseconds > 0 && milliseconds <= DEADLINE_MS_MAX) {
    return milliseconds;
  }
  throw usage(`--${name} ${text} is no duration up to an hour; write 500ms, 30s or 5m.`);
}

function count(name: string, text: string | undefined, standard: number, max: number): number {
  if (text === undefined) return standard;
  const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw usage(`--${name} ${text} is not a whole number from 1 to ${max}.`);
}

function readPrometheus(text: string | undefined): PrometheusPlace | undefined {
  if (text === undefined) return undefined;
  if (text.startsWith(":")) {
    const port = /^:[0-9]{1,5}$/.test(text) ? Number(text.slice(1)) : Number.NaN;
    if (port <= PORT_MAX) return { kind: "port", port };
    throw usage(`--prometheus ${text} names no port from 0 to ${PORT_MAX}.`);
  }
  const [, port] = LIKE_A_PORT.exec(text) ?? [];
  if (port !== undefined) {
    throw usage(
      `--prometheus ${text} would be a file; write :${port} for a port of 127.0.0.1, ./${text} for a file.`,
    );
  }
  return { kind: "file", path: isAbsolute(text) ? text : resolve(text) };
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
