import type { Command } from "commander";
import { type Address, formatAddress, isOfZone, parseAddress } from "../lib/address/address.ts";
import { isLoopback } from "../lib/address/loopback.ts";
import type { Network } from "../lib/monero/network.ts";
import { ImportError } from "../lib/peers/import-error.ts";
import { askMonerod } from "../lib/peers/import-rpc.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { systemRandom } from "../lib/runtime/random.ts";
import { StreamIsolation } from "../lib/socks/isolation.ts";
import { Dialer, type Dialers } from "../lib/zone/dial.ts";
import { peerAddressesOf } from "../lib/zone/mode.ts";
import { openDirectly } from "../lib/zone/open-stream.ts";
import { PeerDialer } from "../lib/zone/peer-dialer.ts";
import { collect } from "./hs-options.ts";
import { type ModeValues, modeOptions, readMode } from "./mode-settings.ts";
import { usage } from "./peers-options.ts";
import { readProxyPlace } from "./probe-settings.ts";

/** Options that say which monerod is asked, and how it is reached. */
export interface RpcValues extends ModeValues {
  readonly rpc?: string;
  readonly publicNodes?: true;
  readonly proxy?: string;
}

/** Dialing, asking and answering together; over Tor the lists of a monerod take some seconds. */
const RPC_MS_MAX = 120_000;

/**
 * Declares `--rpc` and what belongs to it.
 *
 * @param command changed in place
 */
export function addRpcOptions(command: Command): void {
  command
    .option("--rpc <HOST:PORT>", "ask the RPC of a monerod: here, or through a proxy")
    .option("--public-nodes", "ask it for the nodes whose RPC is public, in place of all")
    .option("--tx-proxy <ZONE,IP:PORT>", "the SOCKS proxy of tor or i2p, for --rpc", collect)
    .option("--proxy <IP:PORT>", "the SOCKS proxy for another address of --rpc");
  for (const { name, argument, about } of modeOptions) {
    command.option(argument === "" ? `--${name}` : `--${name} <${argument}>`, about);
  }
}

/**
 * Refuses what says which question is asked, or how it travels, where nobody is asked: of a file all
 * would be taken, and `--public-nodes` or `--only-onion` look as if they chose.
 *
 * @param values parsed, without `--rpc`
 * @throws UsageError
 */
export function refuseRpcOptions(values: RpcValues): void {
  const { publicNodes, txProxy, proxy, torProxy, preferTor } = values;
  const { onlyOnion, anonymize, revealIPAddress } = values;
  const given = Object.entries({
    ...{ "public-nodes": publicNodes, "tx-proxy": txProxy, proxy, "tor-proxy": torProxy },
    ...{ "prefer-tor": preferTor, "only-onion": onlyOnion, anonymize },
    "reveal-IP-address": revealIPAddress,
  }).find(([, value]) => value !== undefined);
  if (given === undefined) return;
  throw usage(`--${given[0]} is about asking a monerod; give --rpc HOST:PORT, or leave it out.`);
}

/**
 * Asks a monerod for its peers: directly when it is on this machine, else through a proxy, and
 * never otherwise.
 *
 * @param values parsed
 * @param network whose RPC port is usual
 * @param signal ends it
 * @returns JSON
 * @throws UsageError, AddressError or ZoneError for what can't be dialed; ImportError `rpc-failed`
 */
export async function fetchPeerList(
  values: RpcValues,
  network: Network,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const address = parseAddress(values.rpc ?? "", { defaultPort: network.rpcPort });
  const late = new AbortController();
  const timer = realClock.setTimer(realClock.now() + RPC_MS_MAX, () => late.abort());
  const both = AbortSignal.any([signal, late.signal]);
  try {
    const stream = await dial(address, values, both);
    return await askMonerod(stream, {
      host: formatAddress(address),
      question: values.publicNodes === true ? "public-nodes" : "peer-list",
      signal: both,
    });
  } finally {
    timer.cancel();
  }
}

async function dial(address: Address, values: RpcValues, signal: AbortSignal) {
  const { mode, proxies } = readMode(values);
  if (isOfZone(address, "public") && isLoopback(address.host)) {
    try {
      return await openDirectly(address, signal);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const message = `Nothing answers at ${formatAddress(address)} (${why}); start monerod, or correct --rpc.`;
      throw new ImportError("rpc-failed", message, { cause });
    }
  }
  if (address.host === "localhost") throw usage("--rpc localhost is a name; write 127.0.0.1.");
  const isolation = new StreamIsolation(systemRandom);
  let dialers: Dialers = {};
  for (const proxy of proxies) {
    dialers = { ...dialers, [proxy.zone]: new Dialer(proxy, isolation, realClock) };
  }
  const { proxy } = values;
  if (mode === "anonymize" && proxy !== undefined) {
    throw usage(
      "--anonymize reaches the public internet through the tor zone's proxy alone, and --proxy names another; leave one of them out.",
    );
  }
  const clearnet =
    proxy === undefined
      ? ({ kind: "none" } as const)
      : ({ kind: "proxy", place: readProxyPlace(proxy) } as const);
  const dialer = new PeerDialer({ mode, dialers, clearnet, clock: realClock });
  const options = { label: "peers-rpc", signal, deadlineMs: RPC_MS_MAX };
  return (await dialer.dial(peerAddressesOf([address]), options)).socket;
}
