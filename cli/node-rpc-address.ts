import { networkInterfaces } from "node:os";
import type { Command } from "commander";
import { parseAddressOf } from "../lib/address/address.ts";
import { AddressError } from "../lib/address/error.ts";
import { isLoopback } from "../lib/address/loopback.ts";
import { networks } from "../lib/monero/network.ts";
import { NodeAskError } from "./node-ask.ts";
import { notedRpcPlace, type RpcPlace } from "./node-place.ts";
import { type BookValues, placeOf } from "./peers-options.ts";
import { UsageError } from "./usage-error.ts";

/** What says which node is meant. */
export interface RpcAddressValues extends BookValues {
  readonly rpcAddress?: string;
}

/**
 * Declares the options of a command that asks a running node.
 *
 * @param command changed in place
 */
export function addRpcAddressOptions(command: Command): void {
  command
    .option("--data-dir <DIR>", "the node's data directory (default: ~/.anonctl/NETWORK)")
    .option("--testnet", "the node of the test network")
    .option("--stagenet", "the node of the stage network")
    .option("--regtest", "the node of a private chain")
    .option("--rpc-address <IP:PORT>", "where the node's RPC is (default: as it noted)");
}

/**
 * Finds the node that the options mean. The note is read anew each time: a node that starts again
 * may have another port.
 *
 * @param values of {@link addRpcAddressOptions}
 * @returns what finds it, and throws NodeAskError `no-node` where none is noted
 * @throws UsageError
 */
export function placeFinder(values: RpcAddressValues): () => RpcPlace {
  const { rpcAddress } = values;
  const { directory, network } = placeOf(values);
  if (rpcAddress !== undefined) {
    const place = readRpcAddress(rpcAddress, networks[network.name].rpcPort);
    return () => place;
  }
  return () => {
    const noted = notedRpcPlace(directory);
    if (noted !== undefined) return { ...noted, host: reachable(noted.host) };
    throw new NodeAskError(
      "no-node",
      `No node runs with its state in ${directory}; start one with anonctl node, or name its --data-dir or --rpc-address.`,
    );
  };
}

/** An RPC that listens on all addresses is asked on loopback. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

function readRpcAddress(text: string, defaultPort: number): RpcPlace {
  try {
    const { host, port, kind } = parseAddressOf(text, "public", { defaultPort });
    const isIp = kind === "ipv4" || kind === "ipv6";
    if (isIp && (isLoopback(host) || isOwn(host))) return { host, port };
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  throw new UsageError(
    "bad-option",
    `--rpc-address ${text} is no address of this machine, as 127.0.0.1:${defaultPort} is; a node tells about itself to nobody else.`,
  );
}

function isOwn(host: string): boolean {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(({ address }) => address === host);
}
