import process from "node:process";
import { Command } from "commander";
import { formatAddress } from "../lib/address/address.ts";
import type { Zone } from "../lib/address/zone.ts";
import type { PeerQuery, PeerSort } from "../lib/peers/query.ts";
import type { PeerRecord } from "../lib/peers/record.ts";
import type { PeerStore } from "../lib/peers/store.ts";
import { realClock } from "../lib/runtime/clock.ts";
import { parseDuration } from "../lib/runtime/duration.ts";
import {
  addBookOptions,
  type BookPlace,
  type BookValues,
  inBook,
  placeOf,
  readCount,
  readList,
  readPeerAddress,
  readZones,
  usage,
  withKeptStore,
} from "./peers-options.ts";
import {
  count,
  describePeer,
  isUnread,
  peerLine,
  peerTable,
  print,
  statsDocument,
  statsTable,
  warn,
} from "./peers-text.ts";
import { Exit } from "./run.ts";
import { type StopSignal, stopSignal, untilStopped } from "./stop-signal.ts";

/** Options that choose peers. */
export interface FilterValues extends BookValues {
  readonly list?: string;
  readonly search?: string;
  readonly source?: string;
  readonly reachable?: true;
  readonly unreachable?: true;
  readonly unknown?: true;
  readonly banned?: true;
}

interface WatchValues {
  readonly watch?: string;
  readonly rounds?: string;
}

interface ListValues extends FilterValues, WatchValues {
  readonly sort?: string;
  readonly reverse?: true;
  readonly limit?: string;
}

type StatsValues = BookValues & WatchValues;

const sorts: readonly PeerSort[] = [
  ...(["address", "list", "source", "added", "last-seen", "last-tried", "failures"] as const),
  "latency",
];
/** What is read best from the newest, or the greatest, down. */
const newestFirst: ReadonlySet<PeerSort> = new Set([
  "added",
  "last-seen",
  "last-tried",
  "failures",
]);
const WATCH_MS_MIN = 100;
const ROUNDS_MAX = 1_000_000;
const CLEAR_SCREEN = "\u001b[H\u001b[2J";

/**
 * Declares the options that choose peers.
 *
 * @param command changed in place
 */
export function addFilterOptions(command: Command): Command {
  return command
    .option("--list <LIST>", "of one list: anchor, white or gray")
    .option("--search <TEXT>", "whose host has this in it")
    .option("--source <NAME>", "from user, seed, import, or the peer that told of them")
    .option("--reachable", "that the last probe reached")
    .option("--unreachable", "that the last probe did not reach")
    .option("--unknown", "that no probe has seen")
    .option("--banned", "that are banned");
}

/**
 * The query that the options ask for.
 *
 * @param values parsed
 * @param now milliseconds since the Unix epoch
 * @throws UsageError
 */
export function readFilter(values: FilterValues, now: number): PeerQuery {
  const { list, search, source, banned } = values;
  const seen = ([true, false, "unknown"] as const).filter(
    (_, at) => [values.reachable, values.unreachable, values.unknown][at] === true,
  );
  const [reachable, other] = seen;
  if (other !== undefined) {
    throw usage("--reachable, --unreachable and --unknown exclude each other; give one.");
  }
  return {
    now,
    ...(list === undefined ? {} : { list: readList(list) }),
    ...(search === undefined ? {} : { search }),
    ...(source === undefined ? {} : { source }),
    ...(banned === true ? { banned } : {}),
    ...(reachable === undefined ? {} : { reachable }),
  };
}

/** `anonctl peers list`. */
export function listCommand(): Command {
  const command = addFilterOptions(
    new Command("list")
      .description("List the peers that are kept, each zone by itself.")
      .argument("[ZONE...]", "public, tor or i2p (default: all)"),
  )
    .option("--sort <BY>", `by ${sorts.join(", ")} (default: list)`)
    .option("--reverse", "the other way round")
    .option("--limit <N>", "at the most N peers a zone");
  addWatchOptions(command);
  return addBookOptions(command).action(async (texts: string[], values: ListValues) => {
    const place = placeOf(values);
    const chosen = readZones(texts);
    const query = readListQuery(values);
    await repeat(values, place, async (store) => {
      const now = realClock.unixMs();
      const records = chosen.flatMap((zone) => store.book(zone).list({ ...query, now }));
      if (values.json === true) await printLines(records, place);
      else await printTable(records, chosen, store, { ...query, now });
    });
  });
}

/** `anonctl peers show`. */
export function showCommand(): Command {
  const command = new Command("show")
    .description("Show everything that is known of a peer.")
    .argument("<ADDRESS>", "HOST or HOST:PORT");
  return addBookOptions(command).action(async (text: string, values: BookValues) => {
    const place = placeOf(values);
    const address = readPeerAddress(text, place.network);
    const now = realClock.unixMs();
    const record = await withKeptStore(place, (store) =>
      inBook<PeerRecord | undefined>(store, address, (book, own) => book.find(own, now)),
    );
    if (record === undefined) {
      warn(`anonctl peers: ${formatAddress(address)} is not in the book of ${place.network.name}.`);
      throw new Exit(1);
    }
    if (values.json === true) await printLines([record], place);
    else await print(`${describePeer(record, now).join("\n")}\n`);
  });
}

/** `anonctl peers stats`. */
export function statsCommand(): Command {
  const command = new Command("stats").description(
    "Count the peers of each zone: lists, reachable share, age, latency.",
  );
  addWatchOptions(command);
  return addBookOptions(command).action(async (values: StatsValues) => {
    const place = placeOf(values);
    await repeat(values, place, async (store) => {
      const now = realClock.unixMs();
      const stats = readZones([]).map((zone) => store.book(zone).stats(now));
      const at = new Date(now).toISOString();
      const network = place.network.name;
      if (values.json === true) {
        const zones = Object.fromEntries(stats.map((one) => [one.zone, statsDocument(one)]));
        const document = { schema: "anonctl.peers.stats.v1", at, network, zones };
        await print(`${JSON.stringify(document)}\n`);
      } else await print(`Peers of ${network}, ${at}\n\n${statsTable(stats).join("\n")}\n`);
    });
  });
}

function addWatchOptions(command: Command): void {
  command
    .option("--watch <DURATION>", "again and again, so often")
    .option("--rounds <N>", "end --watch after N times (default: never)");
}

function readListQuery(values: ListValues): PeerQuery {
  const { sort = "list", reverse, limit } = values;
  const by = sorts.find((one) => one === sort);
  if (by === undefined) throw usage(`--sort ${sort} is none of ${sorts.join(", ")}.`);
  return {
    ...readFilter(values, 0),
    sort: by,
    descending: newestFirst.has(by) !== (reverse === true),
    ...(limit === undefined ? {} : { limit: readCount("limit", limit) }),
  };
}

async function printLines(records: readonly PeerRecord[], { network }: BookPlace): Promise<void> {
  for (const record of records) await print(`${JSON.stringify(peerLine(record, network.name))}\n`);
}

async function printTable(
  records: readonly PeerRecord[],
  zones: readonly Zone[],
  store: PeerStore,
  query: PeerQuery,
): Promise<void> {
  const all = zones.reduce((sum, zone) => sum + store.book(zone).count(query), 0);
  if (records.length > 0) await print(`${peerTable(records, query.now).join("\n")}\n`);
  const more = all > records.length ? ` of ${all}` : "";
  warn(`${records.length}${more} ${count(all, "peer").replace(/^\d+ /, "")}.`);
}

/** Once, or with `--watch` until the user has seen enough. */
async function repeat(
  values: WatchValues,
  place: BookPlace,
  show: (store: PeerStore) => Promise<void>,
): Promise<void> {
  const watchMs = readWatch(values.watch);
  if (watchMs === undefined) {
    if (values.rounds !== undefined) throw usage("--rounds ends --watch; give that too.");
    await withKeptStore(place, show);
    return;
  }
  const rounds = values.rounds === undefined ? ROUNDS_MAX : readCount("rounds", values.rounds);
  const stop = stopSignal();
  await untilStopped(stop, async () => {
    await withKeptStore(place, async (store) => {
      for (let round = 1; round <= rounds && !stop.signal.aborted; round++) {
        const next = realClock.now() + watchMs;
        if (process.stdout.isTTY === true) await print(CLEAR_SCREEN);
        await show(store);
        if (isUnread()) break;
        if (round < rounds) await waitUntil(next, stop);
      }
    });
  });
}

function readWatch(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= WATCH_MS_MIN) return ms;
  throw usage(`--watch ${text} is no duration of ${WATCH_MS_MIN}ms or more, as in 5s.`);
}

async function waitUntil(at: number, { signal }: StopSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = realClock.setTimer(at, resolve);
  const onAbort = (): void => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) resolve();
  await promise;
  timer.cancel();
  signal.removeEventListener("abort", onAbort);
}
