import { Command } from "commander";
import { parseAddressOf } from "../lib/address/address.ts";
import { ServiceError } from "../lib/hs/error.ts";
import { type WatchSight, watchI2p, watchOnion } from "../lib/hs/watch.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { parseDuration } from "../lib/runtime/duration.ts";
import {
  addCommonOptions,
  addSamOption,
  type CommonValues,
  dataDirOf,
  readSam,
  storeOf,
} from "./hs-options.ts";
import { printJson, printLines } from "./hs-text.ts";
import { type StopSignal, stopSignal, untilStopped } from "./stop-signal.ts";
import { addTorOptions, readTorRequest, type TorValues, withTor } from "./tor-access.ts";
import { UsageError } from "./usage-error.ts";

interface WatchValues extends CommonValues, TorValues {
  readonly timeout: string;
  readonly sam?: string;
}

interface Watched {
  /** Null for an address that is not kept here. */
  readonly name: string | null;
  readonly address: string;
}

const TIMEOUT_MS_MAX = 86_400_000;

const NOTES = `
It asks the tor that has the service up: for its introduction points, for the uploads of its
descriptor while they happen, and whether a directory gives the descriptor out, which shows an upload
made before. Exit code 0 when it is published; 1 when it is not in time.

Examples:
  $ anonctl hs watch web
  $ anonctl hs watch web --timeout 2m --json`;

/** `anonctl hs watch`. */
export function watchCommand(): Command {
  const command = new Command("watch")
    .description("Watch a service until others can find it.")
    .argument("<NAME>", "of a service, or its address")
    .addHelpText("after", NOTES)
    .option("--timeout <DURATION>", "how long to wait", "60s");
  addTorOptions(command);
  addSamOption(command);
  addCommonOptions(command);
  return command.action(async (name: string, values: WatchValues) => {
    const watched = resolve(name, values);
    const deadlineMs = readTimeout(values.timeout);
    const stop = stopSignal();
    const watch = watched.address.endsWith(".i2p") ? watchLeaseSet : watchDescriptor;
    await untilStopped(stop, async () => await watch(watched, deadlineMs, values, stop));
  });
}

function resolve(name: string, values: WatchValues): Watched {
  if (/\.(?:onion|i2p)$/.test(name)) {
    const zone = name.endsWith(".onion") ? "tor" : "i2p";
    return { name: null, address: parseAddressOf(`${name}:1`, zone).host };
  }
  const { record } = storeOf(values).get(name);
  return { name, address: record.address };
}

async function watchDescriptor(
  watched: Watched,
  deadlineMs: number,
  values: WatchValues,
  { signal }: StopSignal,
): Promise<void> {
  const tor = readTorRequest(values, dataDirOf(values));
  if (tor.launch !== undefined) {
    throw new UsageError(
      "bad-option",
      "hs watch asks the tor that has the service up, which a new one has not; leave --tor out.",
    );
  }
  const { name, address } = watched;
  const began = realClock.now();
  const onSight = (sight: WatchSight): void => {
    const elapsedMs = Math.round(realClock.now() - began);
    if (values.json === true) {
      printJson({
        schema: "anonctl.hs.watch.v1",
        name,
        address,
        elapsed_ms: elapsedMs,
        introduction_points: sight.introductionPoints,
        asked: sight.asked,
        took: sight.took,
        failures: sight.failures,
        fetched: sight.fetched,
        published: sight.published,
      });
    } else printLines([`${(elapsedMs / 1_000).toFixed(1).padStart(6)} s  ${describe(sight)}`]);
  };
  const options = { clock: realClock, deadlineMs, signal, onSight };
  const last = await withTor(tor, signal, (client) => watchOnion(client, address, options));
  if (last.published) return;
  const why =
    last.introductionPoints === 0 && last.asked === 0
      ? "this tor has no introduction point for it, so it has not the service up; run anonctl hs serve"
      : "it has introduction points, but no directory took or gave out its descriptor; look at tor's log and clock";
  throw new ServiceError(
    "not-published",
    "network",
    `${name ?? address} was not published within ${deadlineMs / 1_000} s: ${why}.`,
  );
}

async function watchLeaseSet(
  { name, address }: Watched,
  deadlineMs: number,
  values: WatchValues,
  { signal }: StopSignal,
): Promise<void> {
  const began = realClock.now();
  const place = readSam(values.sam);
  const found = await watchI2p(place, address, { clock: realClock, deadlineMs, signal });
  const elapsedMs = Math.round(realClock.now() - began);
  const published = found !== undefined;
  if (values.json === true) {
    printJson({ schema: "anonctl.hs.watch.v1", name, address, elapsed_ms: elapsedMs, published });
  } else if (published) {
    printLines([`${(elapsedMs / 1_000).toFixed(1).padStart(6)} s  published: the router finds it`]);
  }
  if (published) return;
  throw new ServiceError(
    "not-published",
    "network",
    `${name ?? address} was not found by the router within ${deadlineMs / 1_000} s; is anonctl hs serve running?`,
  );
}

function describe(sight: WatchSight): string {
  const { introductionPoints: points, asked, took, failures, fetched, published } = sight;
  const parts = [
    points === 0 ? "no introduction point" : `introduction points: ${points}`,
    asked === 0 ? "no upload seen" : `descriptor sent to ${asked}, taken by ${took}`,
    ...(failures.length > 0 ? [`refused: ${failures.at(-1)?.reason ?? ""}`] : []),
    ...(fetched ? ["a directory gives it out"] : []),
    ...(published ? ["published"] : []),
  ];
  return parts.join("; ");
}

function readTimeout(text: string): number {
  const duration = parseDuration(text);
  if (duration !== undefined && duration > 0 && duration <= TIMEOUT_MS_MAX) return duration;
  throw new UsageError("bad-option", `--timeout ${text} is not a duration up to 24h, as in 60s.`);
}
