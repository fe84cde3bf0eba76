import type { CfgReading, UseCase } from "./cfg-reading.ts";
import { type ListenEndpoint, listensHere, parseListenEndpoint, quoted } from "./endpoint.ts";
import { TahoeError } from "./error.ts";
import { checkLocation, type HintVerdict, withoutQuotes } from "./location.ts";

/** Most listeners of one Tub. */
const LISTENERS_MAX = 64;

/**
 * Judges where the node listens and what it announces.
 *
 * @param reading the file; findings are added
 * @see Tahoe-LAFS `src/allmydata/node.py`, `_tub_portlocation`
 */
export function checkListening(reading: CfgReading): UseCase | undefined {
  checkOther(reading, "node", "web.port");
  if (reading.flag("sftpd", "enabled") === true) checkOther(reading, "sftpd", "port");
  const port = trimmed(reading, "tub.port");
  const location = trimmed(reading, "tub.location");
  const portOff = port === "disabled";
  const locationOff = location === "disabled";
  if (portOff !== locationOff && !(portOff && location === "UNREACHABLE")) {
    const [off, on] = portOff ? ["tub.port", "tub.location"] : ["tub.location", "tub.port"];
    reading.error(
      reading.line("node", off),
      "half-disabled",
      `${off} = disabled needs ${on} = disabled too, or Tahoe-LAFS does not start.`,
    );
  }
  if (!portOff) checkPort(reading, port);
  return checkAnnounced(reading, location, port);
}

/** As Tahoe-LAFS trims it; undefined where it is missing or can't be known. */
function trimmed(reading: CfgReading, option: string): string | undefined {
  return reading.text("node", option)?.trim();
}

function checkPort(reading: CfgReading, port: string | undefined): void {
  const line = reading.line("node", "tub.port");
  if (port === undefined) {
    if (line !== undefined) return;
    reading.leak(
      undefined,
      "listens-everywhere",
      "tub.port is missing, so the node listens on every interface; write tub.port = tcp:PORT:interface=127.0.0.1, or disabled.",
    );
    return;
  }
  if (port === "") {
    reading.error(line, "port-empty", "tub.port is empty; write disabled, or an endpoint.");
    return;
  }
  for (const text of port.split(",").slice(0, LISTENERS_MAX)) checkListener(reading, line, text);
  if (port.split(",").length > LISTENERS_MAX) {
    reading.error(line, "too-many", `tub.port has over ${LISTENERS_MAX} endpoints.`);
  }
}

function checkListener(reading: CfgReading, line: number | undefined, text: string): void {
  const endpoint = endpointOf(text);
  if (endpoint === undefined || endpoint.kind === "disabled") {
    reading.error(
      line,
      "port-invalid",
      `tub.port has ${quoted(text)}, which is no endpoint to listen on; write tcp:PORT:interface=127.0.0.1.`,
    );
    return;
  }
  // Tahoe-LAFS looks for four spellings of it; tcp:0:interface=::1 gets through.
  if (endpoint.kind === "tcp" && endpoint.port === 0) {
    reading.error(
      line,
      "port-zero",
      `tub.port has ${quoted(text)}, which is another port at each start; choose one.`,
    );
  }
  if (!listensHere(endpoint)) {
    reading.leak(
      line,
      "listens-everywhere",
      `tub.port has ${quoted(text)}, which listens beyond this machine, where others meet the node without Tor; add :interface=127.0.0.1.`,
    );
  }
  if (endpoint.kind === "provider") checkProvider(reading, line, endpoint.network);
}

function checkProvider(
  reading: CfgReading,
  line: number | undefined,
  network: "tor" | "i2p",
): void {
  const needed =
    network === "tor" ? ["onion.local_port"] : ["dest.private_key_file", "dest.port", "sam.port"];
  for (const name of needed) {
    if ((reading.text(network, name) ?? "") !== "") continue;
    reading.error(
      line,
      "listener-incomplete",
      `listen:${network} needs ${name} under [${network}].`,
    );
  }
}

function endpointOf(text: string): ListenEndpoint | undefined {
  try {
    return parseListenEndpoint(text);
  } catch (error) {
    if (error instanceof TahoeError) return undefined;
    throw error;
  }
}

function checkAnnounced(
  reading: CfgReading,
  location: string | undefined,
  port: string | undefined,
): UseCase | undefined {
  const line = reading.line("node", "tub.location");
  if (location === undefined) {
    // Not announced, whatever was meant: both are off, or Tahoe-LAFS does not start.
    if (line !== undefined || port === "disabled") return undefined;
    reading.leak(
      undefined,
      "location-auto",
      "tub.location is missing, which announces this machine's own addresses; write tub.location = disabled, or tor:NAME.onion:PORT.",
    );
    return 1;
  }
  checkAuto(reading, line, location, port);
  const { safe, fault, reason, hints, remarks } = checkLocation(location);
  if (!safe) {
    const level = fault === "empty" && location === "" ? "error" : "leak";
    reading[level](line, `location-${fault ?? "unsafe"}`, reason);
  }
  for (const remark of remarks) reading.note(line, "location-remark", remark);
  return useCaseOf(hints);
}

/** AUTO takes the number from `tcp:PORT`; Tahoe-LAFS ends with a Python error elsewhere. */
function checkAuto(
  reading: CfgReading,
  line: number | undefined,
  location: string,
  port: string | undefined,
): void {
  if (port === undefined || !withoutQuotes(location).split(",").includes("AUTO")) return;
  const number = /^[0-9]+$/.test(port) ? port : port.split(":")[1];
  if (/^[0-9]+$/.test(number ?? "")) return;
  reading.error(line, "auto-without-port", "AUTO needs tub.port = tcp:PORT.");
}

function useCaseOf(hints: readonly HintVerdict[]): UseCase | undefined {
  const kinds = hints.map(({ endpoint }) => endpoint.kind);
  if (kinds.every((kind) => kind === "unreachable")) return undefined;
  const isHidden = (kind: string): boolean =>
    kind === "onion" || kind === "onion-directory" || kind === "i2p";
  if (kinds.every(isHidden)) return 3;
  return kinds.some(isHidden) ? 2 : 1;
}

/** A listener that is for the user alone. */
function checkOther(reading: CfgReading, section: string, option: string): void {
  const text = reading.text(section, option)?.trim();
  const line = reading.line(section, option);
  if (text === undefined || text === "") {
    // sftpd listens on tcp:8022 where nothing is said; the web interface does not listen at all.
    if (section !== "sftpd" || line !== undefined) return;
    reading.leak(
      undefined,
      "other-listener",
      "sftpd without a port listens on every interface; write port = tcp:8022:interface=127.0.0.1.",
    );
    return;
  }
  const endpoint = endpointOf(text);
  if (endpoint !== undefined && listensHere(endpoint)) return;
  reading.leak(
    line,
    "other-listener",
    `${option} = ${quoted(text)} lets others than this machine in, who then use the node as theirs; add :interface=127.0.0.1.`,
  );
}
