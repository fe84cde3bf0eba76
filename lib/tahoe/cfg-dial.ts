import { isLoopback } from "../address/loopback.ts";
import type { CfgReading, UseCase } from "./cfg-reading.ts";
import { type EndpointString, parseEndpointString, quoted } from "./endpoint.ts";
import { TahoeError } from "./error.ts";

/** How a node reaches others, from `[connections]`, `[tor]` and `[i2p]`. */
interface Ways {
  readonly tor: boolean;
  readonly i2p: boolean;
}

/**
 * Judges how the node dials.
 *
 * @param reading the file; findings are added
 * @param hides whether it asks to hide
 * @see Tahoe-LAFS `src/allmydata/node.py`, `create_default_connection_handlers`;
 *   `util/tor_provider.py`, `util/i2p_provider.py`
 */
export function checkDialing(reading: CfgReading, hides: boolean): UseCase {
  const ways = {
    tor: reading.flag("tor", "enabled") ?? true,
    i2p: reading.flag("i2p", "enabled") ?? true,
  };
  checkTor(reading);
  checkI2p(reading);
  checkLogs(reading);
  const isHidden = checkTcp(reading, ways, hides);
  if (isHidden) return 3;
  return ways.tor || ways.i2p ? 2 : 1;
}

/** Whether `[connections] tcp` leads through Tor or I2P, or nowhere. */
function checkTcp(reading: CfgReading, ways: Ways, hides: boolean): boolean {
  const line = reading.line("connections", "tcp");
  const isUnknown = line !== undefined && reading.text("connections", "tcp") === undefined;
  if (isUnknown) return false;
  const handler = (reading.text("connections", "tcp") ?? "tcp").toLowerCase();
  switch (handler) {
    case "disabled":
      return true;
    case "tor":
    case "i2p":
      if (ways[handler]) return true;
      reading.error(
        line,
        "handler-disabled",
        `tcp = ${handler}, and [${handler}] enabled = false takes that way away; enable it.`,
      );
      return false;
    case "tcp":
      reading.leak(
        line,
        "dials-in-the-open",
        line === undefined
          ? `[connections] tcp is missing, so servers are dialed in the open${refused(hides)}; write tcp = tor.`
          : `tcp = tcp dials servers in the open${refused(hides)}; write tcp = tor.`,
      );
      return false;
    default:
      reading.error(
        line,
        "handler-unknown",
        `tcp = ${quoted(handler)} is none of tcp, tor, i2p and disabled, and Tahoe-LAFS does not start with it; write tcp = tor.`,
      );
      return false;
  }
}

function refused(hides: boolean): string {
  return hides ? ", and Tahoe-LAFS refuses to start" : "";
}

function checkTor(reading: CfgReading): void {
  checkProxy(reading, "tor", "socks.port");
  checkProxy(reading, "tor", "control.port");
  const launches = reading.flag("tor", "launch") ?? false;
  if (reading.flag("tor", "onion") !== true) return;
  const line = reading.line("tor", "onion");
  if (!launches && reading.line("tor", "control.port") === undefined) {
    reading.error(
      line,
      "onion-without-control",
      "onion = true needs control.port, or launch = true.",
    );
  }
  for (const name of ["onion.local_port", "onion.external_port", "onion.private_key_file"]) {
    if ((reading.text("tor", name) ?? "") !== "") continue;
    reading.error(line, "onion-incomplete", `onion = true needs ${name}.`);
  }
}

function checkI2p(reading: CfgReading): void {
  checkProxy(reading, "i2p", "sam.port");
  const sam = reading.line("i2p", "sam.port");
  if (sam !== undefined && reading.flag("i2p", "launch") === true) {
    reading.error(sam, "sam-and-launch", "sam.port and launch exclude each other; keep sam.port.");
  }
  if (reading.flag("i2p", "dest") !== true) return;
  const line = reading.line("i2p", "dest");
  if (sam === undefined) {
    reading.error(line, "dest-without-sam", "dest = true needs sam.port.");
  }
  for (const name of ["dest.port", "dest.private_key_file"]) {
    if ((reading.text("i2p", name) ?? "") !== "") continue;
    reading.error(line, "dest-incomplete", `dest = true needs ${name}.`);
  }
}

/** A proxy elsewhere is told everything in clear, and a name asks DNS for the way to it. */
function checkProxy(reading: CfgReading, section: "tor" | "i2p", option: string): void {
  const text = reading.text(section, option);
  if (text === undefined || text === "") return;
  const line = reading.line(section, option);
  const host = proxyHost(text);
  if (host === undefined) {
    reading.error(
      line,
      "proxy-invalid",
      `${option} = ${quoted(text)} is no endpoint; write tcp:127.0.0.1:PORT or unix:PATH.`,
    );
  } else if (host !== "here") {
    reading.leak(
      line,
      "proxy-elsewhere",
      `${option} = ${quoted(text)} is not on this machine by number, so the way to it shows what goes in; write tcp:127.0.0.1:PORT.`,
    );
  }
}

function proxyHost(text: string): "here" | "elsewhere" | undefined {
  let endpoint: EndpointString;
  try {
    endpoint = parseEndpointString(text);
  } catch (error) {
    if (error instanceof TahoeError) return undefined;
    throw error;
  }
  const { positional, named } = endpoint;
  const type = endpoint.type.toLowerCase();
  if (type === "unix") return "here";
  const host = named.get("host") ?? positional[0] ?? "";
  const port = named.get("port") ?? positional[named.has("host") ? 0 : 1] ?? "";
  if (type !== "tcp" || host === "" || !/^[0-9]{1,5}$/.test(port)) return undefined;
  return isLoopback(host) ? "here" : "elsewhere";
}

function checkLogs(reading: CfgReading): void {
  const line = reading.line("node", "log_gatherer.furl");
  if (line === undefined) return;
  reading.note(
    line,
    "logs-leave",
    "log_gatherer.furl sends the node's log, with all that it dials, to whoever runs the gatherer.",
  );
}
