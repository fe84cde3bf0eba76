import { networkInterfaces } from "node:os";
import process from "node:process";
import { Command } from "commander";
import { parseAddressOf } from "../lib/address/address.ts";
import { AddressError } from "../lib/address/error.ts";
import { isLoopback } from "../lib/address/loopback.ts";
import { networks } from "../lib/monero/network.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { parseDuration } from "../lib/runtime/duration.ts";
import { notedRpcPlace, type RpcPlace } from "./node-place.ts";
import { askStatus, NodeStatusError } from "./node-status-ask.ts";
import { describeStatus } from "./node-status-text.ts";
import { type BookValues, placeOf } from "./peers-options.ts";
import { print, warn } from "./peers-text.ts";
import { type StopSignal, stopSignal, untilStopped } from "./stop-signal.ts";
import { UsageError, withNamedErrors } from "./usage-error.ts";

interface StatusValues extends BookValues {
  readonly rpcAddress?: string;
  readonly watch?: string | true;
}

const WATCH_MS_DEFAULT = 2_000;
const WATCH_MS_MIN = 100;
const WATCH_MS_MAX = 86_400_000;
/** Home, and erase what follows: the screen does not flicker as it would if it were emptied first. */
const HOME = "\u001b[H";
const TO_LINE_END = "\u001b[K";
const TO_SCREEN_END = "\u001b[J";

const NOTES = `
It asks the RPC of a node on this machine; the node notes in its data directory where that is. The
answer names your peers and your transactions, and tells when the next frames leave: keep it to
yourself. Exit code 3 where no node answers.

Examples:
  $ anonctl node status
  $ anonctl node status --data-dir DIR --watch
  $ anonctl node status --rpc-address 127.0.0.1:18081 --json | jq '.zones[].channels'`;

/** `anonctl node status`. */
export function nodeStatusCommand(): Command {
  const command = new Command("anonctl node status")
    .description("Tell how a running node does: zones, peers, channels, transactions, bytes.")
    .exitOverride()
    .allowExcessArguments(false)
    .addHelpText("after", NOTES)
    .option("--data-dir <DIR>", "the node's data directory (default: ~/.anonctl/NETWORK)")
    .option("--testnet", "the node of the test network")
    .option("--stagenet", "the node of the stage network")
    .option("--regtest", "the node of a private chain")
    .option("--rpc-address <IP:PORT>", "where the node's RPC is (default: as it noted)")
    .option("--watch [INTERVAL]", "show it again and again (default: every 2s)")
    .option("--json", "print JSON on stdout; with --watch one object a line");
  return withNamedErrors(command).action(async (values: StatusValues) => {
    const find = placeFinder(values);
    const everyMs = readWatch(values.watch);
    const stop = stopSignal();
    await untilStopped(stop, async () => {
      if (everyMs === undefined) await show(find(), values.json === true, stop);
      else await watch(find, everyMs, values.json === true, stop);
    });
  });
}

async function show(place: RpcPlace, json: boolean, { signal }: StopSignal): Promise<void> {
  const status = await askStatus(place, signal);
  const text = json
    ? JSON.stringify(status)
    : describeStatus(status, realClock.unixMs()).join("\n");
  await print(`${text}\n`);
}

/** Goes on while the node is away: it may be starting again. */
async function watch(
  find: () => RpcPlace,
  everyMs: number,
  json: boolean,
  stop: StopSignal,
): Promise<void> {
  const isScreen = process.stdout.isTTY === true && !json;
  let readerGone = false;
  process.stdout.once("error", () => {
    readerGone = true;
  });
  for (let round = 0; !stop.signal.aborted && !readerGone; round++) {
    const dueAt = realClock.now() + everyMs;
    const lines = await roundOf(find, json, stop, round === 0);
    if (isScreen) {
      const screen = lines.map((line) => `${line}${TO_LINE_END}\n`).join("");
      await print(`${HOME}${screen}${TO_SCREEN_END}`);
    } else if (lines.length > 0) await print(`${lines.join("\n")}\n${json ? "" : "\n"}`);
    await pause(dueAt, stop.signal);
  }
}

async function roundOf(
  find: () => RpcPlace,
  json: boolean,
  { signal }: StopSignal,
  isFirst: boolean,
): Promise<string[]> {
  const now = realClock.unixMs();
  try {
    const status = await askStatus(find(), signal);
    if (json) return [JSON.stringify(status)];
    return [new Date(now).toISOString(), ...describeStatus(status, now)];
  } catch (error) {
    if (isFirst || signal.aborted || !(error instanceof NodeStatusError)) throw error;
    if (!json) return [new Date(now).toISOString(), error.message];
    warn(`anonctl node status: ${error.message}`);
    return [];
  }
}

function pause(dueAt: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = realClock.setTimer(dueAt, resolve);
  const end = (): void => {
    timer.cancel();
    resolve();
  };
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  return promise.finally(() => signal.removeEventListener("abort", end));
}

/** Reads the note anew each time: a node that starts again may have another port. */
function placeFinder(values: StatusValues): () => RpcPlace {
  const { rpcAddress } = values;
  const { directory, network } = placeOf(values);
  if (rpcAddress !== undefined) {
    const place = readRpcAddress(rpcAddress, networks[network.name].rpcPort);
    return () => place;
  }
  return () => {
    const noted = notedRpcPlace(directory);
    if (noted !== undefined) return { ...noted, host: reachable(noted.host) };
    throw new NodeStatusError(
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
  throw usage(
    `--rpc-address ${text} is no address of this machine, as 127.0.0.1:${defaultPort} is; a node tells its status to nobody else.`,
  );
}

function isOwn(host: string): boolean {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(({ address }) => address === host);
}

function readWatch(given: string | true | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (given === true) return WATCH_MS_DEFAULT;
  const ms = parseDuration(given) ?? 0;
  if (ms >= WATCH_MS_MIN && ms <= WATCH_MS_MAX) return ms;
  throw usage(`--watch ${given} is not a duration from ${WATCH_MS_MIN}ms to 24h, as in 2s.`);
}

function usage(message: string): UsageError {
  return new UsageError("bad-option", message);
}
