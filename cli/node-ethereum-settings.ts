import { homedir } from "node:os";
import { join } from "node:path";
import type { Address } from "../lib/address/address.ts";
import { formatAddress, isOfZone } from "../lib/address/address.ts";
import { AddressError } from "../lib/address/error.ts";
import { isLoopback } from "../lib/address/loopback.ts";
import { parseNode } from "../lib/ethereum/enode.ts";
import { DEFAULT_TCP_PORT } from "../lib/ethereum/enr.ts";
import { EthereumError } from "../lib/ethereum/error.ts";
import type { EthereumTarget } from "../lib/relay/ethereum-host.ts";
import { dialPlan, type PeerAddresses, peerAddressesOf, staysHidden } from "../lib/zone/mode.ts";
import { parseAnonymousInbound } from "../lib/zone/option.ts";
import { zoneProfiles } from "../lib/zone/profile.ts";
import { asksToHide } from "./anonymize-option.ts";
import {
  checkBeside,
  type ModeSettings,
  type ModeValues,
  readMode,
  readRotation,
} from "./mode-settings.ts";
import { launchedProxy } from "./node-tor.ts";
import { readTorRequest, type TorRequest, type TorValues } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

/** The options as commander reads them: texts, not yet looked at. */
export interface EthereumValues extends ModeValues, TorValues {
  readonly peer?: readonly string[];
  readonly anonymousInbound?: string;
  readonly p2pBindPort?: string;
  readonly torRotateCircuits?: string;
  readonly enrFile?: string;
  readonly dataDir?: string;
  readonly json?: true;
}

/** How the node can be met by its onion name. */
export interface EthereumInbound {
  /** The service's own port, which the record names. */
  readonly virtualPort: number;
  /** Where the node listens; port 0 has the system choose. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Inbound connections at the most. */
  readonly inboundMax: number;
  /** A service that somebody else keeps up; undefined for one that the node makes. */
  readonly address: Address<"tor"> | undefined;
}

/** An Ethereum node's settings, read and checked. */
export interface EthereumSettings {
  readonly modes: ModeSettings;
  readonly targets: readonly EthereumTarget[];
  /** Undefined for a node that only dials: it has no record and no key of its own. */
  readonly inbound: EthereumInbound | undefined;
  /** Which tor keeps up the service that the node makes, and one that is started for the node. */
  readonly tor: TorRequest;
  readonly enrFile: string | undefined;
  readonly dataDir: string;
  /** Mean time from one change of circuits to the next, in milliseconds. */
  readonly rotateMs: number | undefined;
}

const LOOPBACK = "127.0.0.1";
const PORT_MAX = 65_535;
const LINKS_MAX = 9_999;
/** `auto`, the service's port, and how many connections. */
const AUTO = /^auto(?::([^,]*))?(?:,(.*))?$/;

/**
 * Reads and checks an Ethereum node's settings. A peer that the mode forbids, or for which there is
 * no proxy, is refused here, before anything is dialed.
 *
 * @param values what the command line gave
 * @throws UsageError, ZoneError, EthereumError or TorError
 */
export function readEthereumSettings(values: EthereumValues): EthereumSettings {
  const dataDir = values.dataDir ?? join(homedir(), ".anonctl", "ethereum");
  const tor = readTorRequest(values, dataDir);
  checkHidden(values, tor);
  const modes = readMode({ ...values, launched: launchedProxy(tor.launch) });
  const inbound = readInbound(values, modes, tor);
  if (inbound === undefined && values.enrFile !== undefined) {
    throw usage("--enr-file is for the node's own record; add --anonymous-inbound auto.");
  }
  const targets = (values.peer ?? []).map((text) => readTarget(text, modes));
  if (targets.length === 0 && inbound === undefined) {
    throw usage("The node has nothing to do: give --peer RECORD, or --anonymous-inbound auto.");
  }
  const { enrFile, torRotateCircuits } = values;
  const rotateMs = readRotation(torRotateCircuits, modes);
  return { modes, targets, inbound, tor, enrFile, dataDir, rotateMs };
}

/** The words in which readMode refuses this name --tx-proxy, which this node does not take. */
function checkHidden(values: EthereumValues, { launch }: TorRequest): void {
  const { onlyOnion = false, torProxy, txProxy } = values;
  const hides = asksToHide(values) || onlyOnion;
  if (!hides || launch !== undefined || torProxy !== undefined || txProxy !== undefined) return;
  const mode = onlyOnion ? "only-onion" : "anonymize";
  throw usage(`--${mode} needs a proxy that you name: give --tor-proxy IP:PORT or --tor launch.`);
}

function readTarget(text: string, modes: ModeSettings): EthereumTarget {
  const { mode, proxies } = modes;
  const { publicKey, addresses } = named("--peer", () => parseNode(text));
  const name = addresses.find(({ kind }) => kind === "dns");
  if (name !== undefined) {
    throw usage(
      `--peer: "${name.host}" is a name, which this node looks up nowhere; give the node's IP address or onion name.`,
    );
  }
  const peer = peerAddressesOf(addresses);
  const has = (zone: "tor" | "i2p"): boolean => proxies.some((proxy) => proxy.zone === zone);
  checkNames(peer, modes);
  // The dialer asks again before it dials; a peer that it never may should not look like one that
  // does not answer.
  dialPlan(mode, peer, { tor: has("tor"), i2p: has("i2p"), clearnet: !staysHidden(mode) });
  return { publicKey, addresses: peer };
}

/**
 * A peer's open address takes the place of a name that was tried. Without a proxy the name never is,
 * and the peer would be dialed openly at once by who meant to reach it through Tor.
 */
function checkNames(
  { onion, i2p, clearnet }: PeerAddresses,
  { mode, proxies }: ModeSettings,
): void {
  if (i2p !== undefined && !proxies.some(({ zone }) => zone === "i2p")) {
    throw usage(
      `--peer: "${i2p.host}" is of I2P, to which this node has no way; give the node's onion name or IP address.`,
    );
  }
  if (onion === undefined || proxies.some(({ zone }) => zone === "tor")) return;
  const [open] = staysHidden(mode) ? [] : clearnet;
  const openly =
    open === undefined
      ? ""
      : `, or a record without the onion name to dial ${formatAddress(open)} openly`;
  throw usage(
    `--peer: "${onion.host}" is of the tor zone, which has no proxy; give --tor-proxy IP:PORT or --tor launch${openly}.`,
  );
}

function readInbound(
  values: EthereumValues,
  modes: ModeSettings,
  tor: TorRequest,
): EthereumInbound | undefined {
  const { anonymousInbound: text, p2pBindPort } = values;
  const auto = text === undefined ? null : AUTO.exec(text);
  const isControlGiven = tor.given && tor.launch === undefined;
  if (auto === null && (isControlGiven || p2pBindPort !== undefined)) {
    const option = isControlGiven ? "--control and the like are" : "--p2p-bind-port is";
    throw usage(`${option} for a service that the node makes; add --anonymous-inbound auto.`);
  }
  if (text === undefined) return undefined;
  if (auto === null) return readGiven(text);
  if (tor.place !== undefined) checkBeside(modes, tor.place, "--control");
  const [, port = String(DEFAULT_TCP_PORT), max = String(zoneProfiles.tor.inboundMaxDefault)] =
    auto;
  return {
    virtualPort: readNumber("--anonymous-inbound auto:PORT", port, 1, PORT_MAX),
    listen: {
      host: LOOPBACK,
      port: readNumber("--p2p-bind-port", p2pBindPort ?? "0", 0, PORT_MAX),
    },
    inboundMax: readNumber("--anonymous-inbound auto,MAX", max, 1, LINKS_MAX),
    address: undefined,
  };
}

function readGiven(text: string): EthereumInbound {
  const { address, listen, inboundMax } = parseAnonymousInbound(text, DEFAULT_TCP_PORT);
  if (!isOfZone(address, "tor")) {
    throw usage(
      `--anonymous-inbound ${text} is no onion name, and a node record has room for no other.`,
    );
  }
  if (!isLoopback(listen.host)) {
    throw usage(
      `--anonymous-inbound ${text} listens beyond this machine; listen on 127.0.0.1, where tor forwards to.`,
    );
  }
  return { virtualPort: address.port, listen, inboundMax, address };
}

function readNumber(option: string, text: string, low: number, high: number): number {
  const number = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= low && number <= high) return number;
  const zero = low === 0 ? "; 0 picks a free one" : "";
  throw usage(`${option}: ${text === "" ? "nothing" : text} is not from ${low} to ${high}${zero}.`);
}

function named<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof EthereumError || error instanceof AddressError) {
      throw usage(`${option}: ${error.message}`);
    }
    throw error;
  }
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
