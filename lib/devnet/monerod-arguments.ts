import { isIP } from "node:net";
import type { AnonymityZone } from "../address/zone.ts";
import { DevnetError } from "./error.ts";

/**
 * How a regtest daemon is kept from the real network. In regtest mode monerod 0.18.0.0 takes its
 * public zone for the main network's: without one of these it dials the main network's seeds.
 */
export type Confinement =
  /** No peers at all: neither in nor out. */
  | { readonly kind: "offline" }
  /**
   * Only these peers, each `host:port`. At least one is a loopback address; the others may also be
   * onion or I2P names, which only a proxy on this machine can resolve.
   */
  | { readonly kind: "exclusive"; readonly nodes: readonly [string, ...string[]] };

/** A proxy through which monerod reaches one anonymity network. */
export interface TxProxy {
  readonly zone: AnonymityZone;
  /** Port on 127.0.0.1. */
  readonly port: number;
  /**
   * Most outbound connections.
   * @default 12, monerod's own
   */
  readonly connectionsMax?: number;
  /**
   * Whether links carry noise.
   * @default true
   */
  readonly noise?: boolean;
}

/** Where monerod takes what a hidden service forwards. */
export interface AnonymousInbound {
  /** Its own name in that network, `host:port`. */
  readonly address: string;
  /** Port on 127.0.0.1. */
  readonly port: number;
}

/** What a daemon's command line is made from; everything listens on 127.0.0.1. */
export interface MonerodConfig {
  readonly dataDirectory: string;
  readonly confinement: Confinement;
  readonly p2pPort: number;
  /** Unrestricted RPC. */
  readonly rpcPort: number;
  /** What a public node would offer to wallets. */
  readonly restrictedRpcPort: number;
  readonly txProxies: readonly TxProxy[];
  readonly anonymousInbounds: readonly AnonymousInbound[];
  /** monerod's `--log-level`, 0 to 4 or categories. */
  readonly logLevel: string;
}

/** Many clients of a test come from one address; monerod's own limit there is 1. */
const CONNECTIONS_PER_ADDRESS = 100;

/** Options that name a peer to dial; every one of them is checked. */
const peerOptions: readonly string[] = [
  "--add-exclusive-node",
  "--add-priority-node",
  "--add-peer",
  "--seed-node",
];

/** Options that take settings from elsewhere, where nobody has checked them. */
const unchecked: readonly string[] = ["--config-file", "--proxy", "--bootstrap-daemon-address"];

/**
 * The command line of a regtest daemon that cannot reach beyond this machine.
 *
 * @param config what it is made from
 * @returns its arguments, without the program's name
 * @throws DevnetError `would-dial-out` when the result would not be confined to this machine
 */
export function monerodArguments(config: MonerodConfig): string[] {
  const { dataDirectory, logLevel, anonymousInbounds } = config;
  for (const value of [
    dataDirectory,
    logLevel,
    ...anonymousInbounds.map(({ address }) => address),
  ]) {
    if (value.startsWith("-")) throw wouldDialOut(`"${value}" would be read as an option`);
  }
  const arguments_ = [
    ...["--regtest", "--keep-fakechain", "--fixed-difficulty", "1"],
    ...["--data-dir", dataDirectory, "--non-interactive", "--no-igd", "--no-zmq"],
    ...["--check-updates", "disabled", "--disable-dns-checkpoints", "--disable-rpc-ban"],
    ...["--rpc-ssl", "disabled", "--log-level", logLevel],
    ...["--p2p-bind-ip", "127.0.0.1", "--p2p-bind-port", String(config.p2pPort)],
    ...["--rpc-bind-ip", "127.0.0.1", "--rpc-bind-port", String(config.rpcPort)],
    ...["--rpc-restricted-bind-ip", "127.0.0.1"],
    ...["--rpc-restricted-bind-port", String(config.restrictedRpcPort)],
    ...["--max-concurrency", "1", "--prep-blocks-threads", "1", "--allow-local-ip"],
    ...["--max-connections-per-ip", String(CONNECTIONS_PER_ADDRESS)],
    ...config.txProxies.flatMap((proxy) => ["--tx-proxy", txProxyValue(proxy)]),
    ...anonymousInbounds.flatMap(({ address, port }) => [
      "--anonymous-inbound",
      `${address},127.0.0.1:${port}`,
    ]),
    ...confinementArguments(config.confinement),
  ];
  assertConfined(arguments_);
  return arguments_;
}

function txProxyValue({ zone, port, connectionsMax, noise = true }: TxProxy): string {
  const parts = [zone, `127.0.0.1:${port}`];
  if (connectionsMax !== undefined) parts.push(String(connectionsMax));
  if (!noise) parts.push("disable_noise");
  return parts.join(",");
}

function confinementArguments(confinement: Confinement): string[] {
  switch (confinement.kind) {
    case "offline":
      return ["--offline"];
    case "exclusive":
      return confinement.nodes.flatMap((node) => ["--add-exclusive-node", node]);
  }
}

/**
 * Refuses a command line of monerod that could make it dial another machine. Everything that
 * starts a monerod passes here last.
 *
 * @param arguments_ the command line, without the program's name; values stand apart from options
 * @throws DevnetError `would-dial-out` with the reason
 */
export function assertConfined(arguments_: readonly string[]): void {
  let confined = false;
  for (const [index, argument] of arguments_.entries()) {
    const [option = ""] = argument.split("=");
    if (option === "--offline") confined = true;
    if (unchecked.includes(option)) throw wouldDialOut(`"${argument}" is not checked`);
    if (argument !== option && argument.startsWith("--")) {
      throw wouldDialOut(`"${argument}" joins option and value`);
    }
    const value = arguments_[index + 1] ?? "";
    if (option === "--tx-proxy") assertProxyHere(value);
    if (!peerOptions.includes(option)) continue;
    const host = hostOf(value);
    if (isLoopback(host)) confined ||= option === "--add-exclusive-node";
    else if (!isHidden(host)) throw wouldDialOut(`"${value}" is not on this machine`);
  }
  if (!confined) {
    throw wouldDialOut("neither --offline nor an --add-exclusive-node on this machine is given");
  }
}

function assertProxyHere(value: string): void {
  const [, proxy = ""] = value.split(",");
  const address = proxy.replace(/^socks[45a]*:\/\/(?:[^@]*@)?/, "");
  if (!isLoopback(hostOf(address))) throw wouldDialOut(`the proxy of "${value}" is elsewhere`);
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

function isLoopback(host: string): boolean {
  return (isIP(host) === 4 && host.startsWith("127.")) || host === "::1";
}

function isHidden(host: string): boolean {
  return /^[a-z2-7]{56}\.onion$/.test(host) || /^[a-z2-7]{52}\.b32\.i2p$/.test(host);
}

function wouldDialOut(reason: string): DevnetError {
  return new DevnetError(
    "would-dial-out",
    `A regtest monerod was not started, because it could dial the real network: ${reason}.`,
  );
}
