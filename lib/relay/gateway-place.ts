import type { Socket } from "node:net";
import { type Address, formatAddress, isOfZone, parseAddress } from "../address/address.ts";
import { AddressError } from "../address/error.ts";
import { isLoopback } from "../address/loopback.ts";
import type { Clock } from "../runtime/clock.ts";
import { connectThroughSocks } from "../socks/client.ts";
import type { StreamIsolation } from "../socks/isolation.ts";
import { DIAL_DEADLINE_MS, type Dialers } from "../zone/dial.ts";
import { type ConnectivityMode, peerAddressesOf } from "../zone/mode.ts";
import type { TxProxy } from "../zone/option.ts";
import { PeerDialer } from "../zone/peer-dialer.ts";
import { zoneProfiles } from "../zone/profile.ts";
import { GatewayError } from "./gateway-error.ts";
import { type DaemonOptionNames, walletDaemonNames } from "./gateway-option.ts";
import type { DaemonTrust } from "./gateway-tls.ts";

/** Whether a daemon is spoken to inside TLS. `autodetect` tries it, and goes without if it fails. */
export type DaemonSsl = "enabled" | "disabled" | "autodetect";

/** What the user says of the remote daemon. */
export interface DaemonTexts {
  /**
   * How the options below are called.
   * @default walletDaemonNames
   */
  readonly options?: DaemonOptionNames | undefined;
  /** `[http[s]://]HOST[:PORT]` */
  readonly url: string;
  /** Where no port is given: the network's RPC port. */
  readonly defaultPort: number;
  /** `--daemon-ssl`. */
  readonly ssl?: string | undefined;
  /** Of `--daemon-cert-file`, PEM. */
  readonly certificates?: readonly string[] | undefined;
  /** `--daemon-ssl-allow-any-cert`. */
  readonly anyCertificate?: boolean | undefined;
  /** `--trusted-daemon`, `--untrusted-daemon`; by default a daemon on this machine is trusted. */
  readonly trusted?: boolean | undefined;
}

/** A remote daemon, and how far it is believed. */
export interface DaemonPlace {
  readonly address: Address;
  readonly ssl: DaemonSsl;
  readonly trust: DaemonTrust;
  /** Whether it may learn which outputs a wallet asks about as its own. */
  readonly trusted: boolean;
  /** How its options are called. */
  readonly options: DaemonOptionNames;
}

/** A proxy for the daemon alone. */
export type DaemonProxy = Pick<TxProxy, "proxy" | "version" | "credentials">;

/** What decides on the way to a daemon. */
export interface DaemonRules {
  readonly mode: ConnectivityMode;
  /** The proxies of the anonymity zones. */
  readonly proxies: readonly TxProxy[];
  /** `--daemon-proxy`, which comes before the zones' own. */
  readonly daemonProxy: DaemonProxy | undefined;
  /** Whether a daemon of the public internet may be dialed without a proxy. */
  readonly direct: boolean;
}

/** The one way to a daemon. */
export type DaemonWay =
  /** Through the proxy of its own zone. */
  | { readonly kind: "zone" }
  /** Through the proxy that is given for it. */
  | { readonly kind: "proxy"; readonly proxy: DaemonProxy }
  /** Without a proxy. */
  | { readonly kind: "open"; readonly address: Address<"public"> };

/** What opens streams. */
export interface DaemonDialing {
  /** Of the anonymity zones. */
  readonly dialers: Dialers;
  readonly isolation: StreamIsolation;
  readonly clock: Clock;
}

/**
 * Opens a stream to the daemon, paused.
 *
 * @param label streams with different labels share no circuit
 * @param signal ends the attempt
 */
export type DialDaemon = (label: string, signal: AbortSignal) => Promise<Socket>;

/** What a message shows of a URL. */
const URL_CHARACTERS_SHOWN = 300;
const URL_FORM = /^(?:(https?):\/\/)?([^/?#]*)\/?$/i;

/**
 * Reads where the remote daemon is, and what TLS it is to have.
 *
 * @param texts what the user gave
 * @throws GatewayError `bad-daemon`, naming the option
 * @see monero `ANONYMITY_NETWORKS.md`, "Connect to remote daemon"
 */
export function readDaemonPlace(texts: DaemonTexts): DaemonPlace {
  const { url, certificates, anyCertificate = false, options = walletDaemonNames } = texts;
  if (url.includes("@")) {
    // What stands before an @ may be a password, so nothing of the text is shown.
    throw badDaemon(`${options.url} has an @; give name and password with ${options.loginFile}.`);
  }
  const form = URL_FORM.exec(url);
  if (form === null) {
    throw badDaemon(
      `${options.url} ${url.slice(0, URL_CHARACTERS_SHOWN)}: only http:// or https:// can stand before the host, and no path after it; ${formOf(options)}.`,
    );
  }
  const [, scheme, place = ""] = form;
  const address = readAddress(url, place, texts.defaultPort, options);
  const ssl = readSsl(texts, scheme?.toLowerCase(), options);
  if (certificates !== undefined && anyCertificate) {
    throw badDaemon(
      `${options.certFile} and --daemon-ssl-allow-any-cert exclude each other; give one.`,
    );
  }
  const trusted = texts.trusted ?? isHere(address);
  return { address, ssl, trust: trustOf(texts, ssl), trusted, options };
}

function readAddress(
  url: string,
  place: string,
  defaultPort: number,
  options: DaemonOptionNames,
): Address {
  try {
    return parseAddress(place, { defaultPort });
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    const why = error.message.replace(/\.$/, "");
    throw badDaemon(
      `${options.url} ${url.slice(0, URL_CHARACTERS_SHOWN)}: ${why}; ${formOf(options)}.`,
    );
  }
}

function formOf({ url }: DaemonOptionNames): string {
  return `write ${url} [http://|https://]HOST[:PORT]`;
}

function readSsl(
  texts: DaemonTexts,
  scheme: string | undefined,
  options: DaemonOptionNames,
): DaemonSsl {
  const { ssl } = texts;
  if (ssl !== undefined && ssl !== "enabled" && ssl !== "disabled" && ssl !== "autodetect") {
    throw badDaemon(`--daemon-ssl ${ssl} is not enabled, disabled or autodetect.`);
  }
  const named = scheme === undefined ? undefined : scheme === "https" ? "enabled" : "disabled";
  if (ssl !== undefined && named !== undefined && ssl !== named) {
    throw badDaemon(
      `--daemon-ssl ${ssl} contradicts ${scheme}:// in ${options.url}; leave one out.`,
    );
  }
  const needsIt = texts.certificates !== undefined || texts.anyCertificate === true;
  if (needsIt && (ssl ?? named) === "disabled") {
    throw badDaemon(`A daemon without TLS shows no certificate; write https:// in ${options.url}.`);
  }
  // Who names a certificate wants it checked, which going without TLS would not do.
  const standard = texts.certificates === undefined ? "autodetect" : "enabled";
  if (texts.certificates !== undefined && ssl === "autodetect") return "enabled";
  return ssl ?? named ?? standard;
}

function trustOf({ certificates, anyCertificate }: DaemonTexts, ssl: DaemonSsl): DaemonTrust {
  if (certificates !== undefined) return { kind: "pinned", certificates };
  // Where TLS may be left out altogether, a check of the certificate would protect nothing.
  return anyCertificate === true || ssl !== "enabled" ? { kind: "any" } : { kind: "authorities" };
}

function isHere(address: Address): boolean {
  return isLoopback(address.host);
}

/**
 * Chooses the one way to a daemon: an onion through the tor zone's proxy, an I2P name through that of
 * i2p, any of them through a proxy of its own. Nothing is dialed past a proxy but a program on this
 * machine, and an IP address for which the user has asked for just that.
 *
 * @param place the daemon
 * @param rules what there is, and what is allowed
 * @throws GatewayError `no-way`, or `daemon-in-clear` where a proxy's exit could read or change all
 */
export function chooseDaemonWay(place: DaemonPlace, rules: DaemonRules): DaemonWay {
  const { address, options } = place;
  if (isOfZone(address, "public")) return publicWay(place, address, rules);
  const { zone, host } = address;
  if (rules.daemonProxy !== undefined) return { kind: "proxy", proxy: rules.daemonProxy };
  const proxy = rules.proxies.find((one) => one.zone === zone);
  if (proxy === undefined) {
    throw noWay(
      `${options.url} ${host} is of the ${zone} zone, which has no proxy; add --tx-proxy ${zone},IP:PORT.`,
    );
  }
  const isApart = proxy.version === "5" && proxy.credentials === undefined;
  if (zoneProfiles[proxy.zone].isolatesStreams && !isApart) {
    throw noWay(
      `${options.url} ${host} would share circuits with your transactions, since --tx-proxy ${zone} is not SOCKS5 with credentials that anonctl chooses; give a ${options.proxy} of its own.`,
    );
  }
  return { kind: "zone" };
}

function publicWay(
  place: DaemonPlace,
  address: Address<"public">,
  { mode, daemonProxy, direct }: DaemonRules,
): DaemonWay {
  const { options } = place;
  const name = `${options.url} ${formatAddress(address)}`;
  if (isHere(address)) return { kind: "open", address };
  if (mode === "only-onion") {
    throw noWay(
      `${name} is of the public internet, which --only-onion never dials; name a daemon's .onion.`,
    );
  }
  if (daemonProxy !== undefined) {
    if (direct) throw noWay(`${options.direct} goes past ${options.proxy}; leave one out.`);
    if (place.ssl === "enabled" && place.trust.kind !== "any") {
      return { kind: "proxy", proxy: daemonProxy };
    }
    throw new GatewayError(
      "daemon-in-clear",
      "config",
      `Behind the proxy, anybody between it and ${name} could read and change all; write https://, and ${options.certFile} for a certificate of the daemon's own.`,
    );
  }
  if (!direct) {
    throw noWay(
      `${name} is of the public internet, and no proxy for it is given; add ${options.proxy} IP:PORT, or ${options.direct} to show the daemon this machine's address.`,
    );
  }
  if (address.kind !== "dns") return { kind: "open", address };
  throw noWay(
    `${name} is a name, and names are resolved only by a proxy; write its IP address, or give ${options.proxy}.`,
  );
}

/**
 * What is worth telling where a daemon may be dialed openly and is not, or needs no leave for it.
 *
 * @param place the daemon
 * @param way as {@link chooseDaemonWay} has it
 * @returns a sentence; undefined where the leave is what opens the way
 */
export function needlessDirect(
  { address, options }: DaemonPlace,
  way: DaemonWay,
): string | undefined {
  const { host } = address;
  if (way.kind === "open" && !isHere(address)) return undefined;
  const how = way.kind === "open" ? "is on this machine" : "is reached through a proxy";
  return `${options.direct} changes nothing: the daemon at ${host} ${how}.`;
}

/**
 * Makes the opener of streams to a daemon. It can take the chosen way, and no other.
 *
 * @param place the daemon
 * @param way as {@link chooseDaemonWay} has it
 * @param dialing what opens streams
 */
export function daemonDial(
  { address }: DaemonPlace,
  way: DaemonWay,
  { dialers, isolation, clock }: DaemonDialing,
): DialDaemon {
  switch (way.kind) {
    case "open": {
      const dialer = new PeerDialer({
        ...{ mode: "default", dialers: {}, clearnet: { kind: "direct" }, clock },
      });
      return async (label, signal) =>
        (await dialer.dial({ clearnet: [way.address] }, { label, signal })).socket;
    }
    case "zone": {
      const peer = peerAddressesOf([address]);
      const dialer = new PeerDialer({
        ...{ mode: "only-onion", dialers, clearnet: { kind: "none" }, clock },
      });
      return async (label, signal) => (await dialer.dial(peer, { label, signal })).socket;
    }
    case "proxy": {
      const { proxy, version, credentials } = way.proxy;
      const { host, port } = address;
      return async (label, signal) => {
        const auth = credentials ?? (version === "5" ? isolation.credentials(label) : undefined);
        const request = { version, command: "connect", host, port } as const;
        return await connectThroughSocks({
          proxy,
          request: auth === undefined ? request : { ...request, auth },
          ...{ deadlineMs: DIAL_DEADLINE_MS, clock, signal },
        });
      };
    }
  }
}

function badDaemon(message: string): GatewayError {
  return new GatewayError("bad-daemon", "config", message);
}

function noWay(message: string): GatewayError {
  return new GatewayError("no-way", "config", message);
}
