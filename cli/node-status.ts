import process from "node:process";
import { Command } from "commander";
import { realClock } from "../lib/runtime/clock.ts";
import { parseDuration } from "../lib/runtime/duration.ts";
import { NodeAskError } from "./node-ask.ts";
import type { RpcPlace } from "./node-place.ts";
import { addRpcAddressOptions, placeFinder, type RpcAddressValues } from "./node-rpc-address.ts";
import { askStatus } from "./node-status-ask.ts";
import { describeStatus } from "./node-status-text.ts";
import { print, warn } from "./peers-text.ts";
import { type StopSignal, stopSignal, untilStopped } from "./stop-signal.ts";
import { UsageError, withNamedErrors } from "./usage-error.ts";

interface StatusValues extends RpcAddressValues {
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
    .option("--watch [INTERVAL]", "show it again and again (default: every 2s)")
    .option("--json", "print JSON on stdout; with --watch one object a line");
  addRpcAddressOptions(command);
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
    if (isFirst || signal.aborted || !(error instanceof NodeAskError)) throw error;
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
