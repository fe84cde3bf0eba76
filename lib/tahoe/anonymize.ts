import { checkTahoeCfg } from "./cfg.ts";
import type { CfgFinding } from "./cfg-reading.ts";
import { listensHere, parseListenEndpoint, quoted, throughTor } from "./endpoint.ts";
import { TahoeError } from "./error.ts";
import { parseFurl } from "./furl.ts";
import { type IniFile, parseIni } from "./ini.ts";
import { safeLocation } from "./location.ts";

/** A hidden service that leads to the node. */
export interface LocationService {
  /** What others dial, as `tor:NAME.onion:3457`. */
  readonly location: string;
  /** Where the service leads to, as `tcp:3457:interface=127.0.0.1`. */
  readonly port: string;
}

/** A setting of an anonymous node. */
export interface AnonymousSetting {
  readonly section: "node" | "connections" | "tor" | "i2p";
  readonly option: string;
  readonly value: string;
  /** What stood there before; undefined where nothing did. */
  readonly was: string | undefined;
  /** Where it stood. */
  readonly line: number | undefined;
}

/** A client endpoint of the file, and as what it is dialed from now on. */
export interface TransformedEndpoint {
  readonly line: number;
  readonly option: string;
  readonly from: string;
  readonly to: string;
}

/** What makes a tahoe.cfg anonymous. */
export interface Anonymized {
  /** All that has to stand in the file; what stays as it is too. */
  readonly settings: readonly AnonymousSetting[];
  /** Of the fURLs in the file, without their secrets. */
  readonly endpoints: readonly TransformedEndpoint[];
  /** Leaks and errors that only the file's owner can mend, as a proxy on another machine. */
  readonly remaining: readonly CfgFinding[];
}

/** Most endpoints told of: a fURL has a few. */
const ENDPOINTS_MAX = 64;
const dialed: readonly (readonly [section: string, option: string])[] = [
  ["client", "introducer.furl"],
  ["client", "helper.furl"],
  ["node", "log_gatherer.furl"],
];

/**
 * What `anonymize = true` of Tahoe-LAFS' proposal does, and `reveal-IP-address = false` only asks
 * for: every client endpoint that is not of Tor or I2P becomes one through Tor, and the announced
 * location is forced to a safe value.
 *
 * @param text the node's tahoe.cfg; empty for a new node
 * @param service the hidden service that leads to it; undefined for a client
 * @returns what to write in place of what stands there
 * @throws TahoeError `location-unsafe` where the file announces anything but UNREACHABLE, disabled,
 *   onion services and I2P destinations; `cfg-invalid` for what can't be mended without a choice
 */
export function anonymize(text: string, service: LocationService | undefined): Anonymized {
  const ini = parseIni(text);
  const location = locationOf(ini, service);
  const isOff = location === "disabled";
  const port = isOff ? "disabled" : portOf(ini, service);
  const handler = handlerOf(ini);
  const wanted: [AnonymousSetting["section"], string, string][] = [
    ["node", "reveal-IP-address", "false"],
    ["node", "tub.port", port],
    ["node", "tub.location", location],
    ["connections", "tcp", handler],
  ];
  if (handler !== "disabled" && ini.get(handler, "enabled") !== undefined) {
    wanted.push([handler, "enabled", "true"]);
  }
  const settings = wanted.map(([section, option, value]): AnonymousSetting => {
    const before = ini.get(section, option.toLowerCase());
    return { section, option, value, was: before?.value, line: before?.line };
  });
  // The last of several values counts, so this is the file with the settings in place.
  const mended = checkTahoeCfg([text, ...settingLines(settings)].join("\n"));
  return {
    settings,
    // Only Tor leads to places that are not of its own.
    endpoints: handler === "tor" ? endpointsOf(ini) : [],
    remaining: mended.findings.filter(({ level }) => level !== "note"),
  };
}

/**
 * The settings as lines for tahoe.cfg.
 *
 * @param settings as `anonymize` gives them
 */
export function settingLines(settings: readonly AnonymousSetting[]): string[] {
  const sections = [...new Set(settings.map(({ section }) => section))];
  return sections.flatMap((section) => [
    `[${section}]`,
    ...settings
      .filter((setting) => setting.section === section)
      .map(({ option, value }) => `${option} = ${value}`),
  ]);
}

function locationOf(ini: IniFile, service: LocationService | undefined): string {
  const written = ini.get("node", "tub.location");
  const text = written?.value.trim();
  if (text === undefined) return service?.location ?? "disabled";
  const location = located(written?.line, () => safeLocation(text));
  if (location === "disabled" || location === "UNREACHABLE") return service?.location ?? "disabled";
  if (service === undefined) return location;
  // The service's own directory, in the proposal's spelling, is told by its name today.
  const kept = location.split(",").filter((hint) => !hint.startsWith("onion:"));
  return kept.includes(service.location) ? kept.join(",") : [...kept, service.location].join(",");
}

function portOf(ini: IniFile, service: LocationService | undefined): string {
  if (service !== undefined) return service.port;
  const written = ini.get("node", "tub.port");
  const text = written?.value.trim();
  if (text === undefined || text === "disabled") {
    throw new TahoeError(
      "cfg-invalid",
      "tub.location announces a hidden service, and tub.port says nowhere to listen; write tub.port = tcp:PORT:interface=127.0.0.1.",
    );
  }
  return text
    .split(",")
    .map((part) => located(written?.line, () => listenerHere(part)))
    .join(",");
}

function listenerHere(text: string): string {
  const endpoint = parseListenEndpoint(text);
  if (endpoint.kind === "tcp" && endpoint.port === 0) {
    throw new TahoeError("cfg-invalid", `${quoted(text)} is another port at each start.`);
  }
  if (listensHere(endpoint) || endpoint.kind !== "tcp") return text;
  return `tcp:${endpoint.port}:interface=127.0.0.1`;
}

function handlerOf(ini: IniFile): "tor" | "i2p" | "disabled" {
  const written = ini.get("connections", "tcp");
  const handler = written?.value.toLowerCase() ?? "tcp";
  switch (handler) {
    case "tcp":
      return "tor";
    case "tor":
    case "i2p":
    case "disabled":
      return handler;
    default:
      throw new TahoeError(
        "cfg-invalid",
        `Line ${written?.line}: tcp = ${quoted(handler)} is none of tcp, tor, i2p and disabled.`,
      );
  }
}

function endpointsOf(ini: IniFile): TransformedEndpoint[] {
  return dialed
    .flatMap(([section, option]) => {
      const found = ini.get(section, option);
      if (found === undefined || found.value === "") return [];
      const { hints } = located(found.line, () => parseFurl(found.value));
      return hints.flatMap(({ kind, text }) => {
        const { line } = found;
        return kind === "tcp" ? [{ line, option, from: text, to: throughTor(text) }] : [];
      });
    })
    .slice(0, ENDPOINTS_MAX);
}

/** A fault of a value, with the line that it stands on. */
function located<T>(line: number | undefined, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TahoeError) || line === undefined) throw error;
    throw new TahoeError(error.code, `Line ${line}: ${error.message}`, { cause: error });
  }
}
