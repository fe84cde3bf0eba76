import type { Destination } from "../i2p/destination.ts";
import { I2pError } from "../i2p/error.ts";
import { namingLookup } from "../i2p/sam-client.ts";
import type { SamPlace } from "../i2p/sam-connection.ts";
import { pause } from "../process/deadline.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ControlClient } from "../tor/control-client.ts";
import { keywordsOf, wordsOf } from "../tor/control-text.ts";
import { TorError } from "../tor/error.ts";
import type { TorEvent } from "../tor/event.ts";
import { Publication, type UploadFailure } from "../tor/publication.ts";

/** How far a service has come with being found. */
export interface WatchSight {
  /** Introduction points that are ready, seen in the tor that hosts it. */
  readonly introductionPoints: number;
  /** Directories that were sent the descriptor since the watch began. */
  readonly asked: number;
  /** Directories that took it since. */
  readonly took: number;
  /** Those that did not, since. */
  readonly failures: readonly UploadFailure[];
  /** Whether a directory gave the descriptor out when it was asked for it. */
  readonly fetched: boolean;
  /** Whether others can find it. */
  readonly published: boolean;
}

/** How to watch. */
export interface WatchOptions {
  readonly clock: Clock;
  /** Longest wait, in milliseconds. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Told of every change; it must not throw. */
  readonly onSight: (sight: WatchSight) => void;
}

/** How often tor is asked for its circuits. */
const LOOK_EVERY_MS = 500;
/** How often a directory is asked for the descriptor: tor asks each one once in a while only. */
const FETCH_EVERY_MS = 5_000;
/** Tor uploads a second after it took a service on; asking before would only use directories up. */
const FIRST_FETCH_MS = 2_500;
/** How often the router is asked for a lease set; a look-up itself takes up to 5 s. */
const LOOK_UP_EVERY_MS = 2_000;

/**
 * Watches an onion service until it can be found: by tor's events where the same tor uploads the
 * descriptor meanwhile, and by asking the directories for it, which shows one uploaded before.
 *
 * @param client a connection to the tor that hosts it
 * @param address with ".onion"
 * @param options how long
 * @returns the last sight; not published where the deadline came first
 * @throws TorError where the connection fails; ProcessError `aborted`
 */
export async function watchOnion(
  client: ControlClient,
  address: string,
  options: WatchOptions,
): Promise<WatchSight> {
  const { clock, deadlineMs, signal } = options;
  const until = clock.now() + deadlineMs;
  const publication = new Publication(address);
  let introductionPoints = 0;
  let fetched = false;
  let shown = "";
  const sight = (): WatchSight => ({
    introductionPoints,
    asked: publication.asked,
    took: publication.took,
    failures: publication.failures,
    fetched,
    published: publication.published || fetched,
  });
  const show = (): void => {
    const now = sight();
    const form = JSON.stringify(now);
    if (form !== shown) options.onSight(now);
    shown = form;
  };
  const stop = await client.events(["HS_DESC"], (event) => {
    if (!isFetchFailure(event)) publication.handle(event);
    if (event.type === "HS_DESC" && event.address === address && event.action === "RECEIVED") {
      fetched = true;
    }
    show();
  });
  try {
    let fetchAt = clock.now() + FIRST_FETCH_MS;
    for (;;) {
      introductionPoints = await readyIntroductions(client, address);
      show();
      if (sight().published || clock.now() >= until) return sight();
      if (clock.now() >= fetchAt) {
        fetchAt = clock.now() + FETCH_EVERY_MS;
        await client.hsFetch(address);
      }
      await pause(Math.min(LOOK_EVERY_MS, Math.max(1, until - clock.now())), { clock, signal });
    }
  } finally {
    await stop().catch(ignoreTor);
  }
}

/**
 * Watches an I2P service until a router finds its lease set.
 *
 * @param place the router's SAM port; one other than the service's own tells more
 * @param address `<52 characters>.b32.i2p`
 * @param options how long
 * @returns the destination; undefined where the deadline came first
 * @throws I2pError where the router is broken; ProcessError `aborted`
 */
export async function watchI2p(
  place: SamPlace,
  address: string,
  options: Omit<WatchOptions, "onSight">,
): Promise<Destination | undefined> {
  const { clock, deadlineMs, signal } = options;
  const until = clock.now() + deadlineMs;
  for (;;) {
    const left = until - clock.now();
    if (left <= 0) return undefined;
    try {
      return await namingLookup(address, { place, clock, signal, deadlineMs: left });
    } catch (error) {
      const notYet = error instanceof I2pError && ["peer-unreachable"].includes(error.code);
      if (!notYet) throw error;
    }
    const wait = Math.min(LOOK_UP_EVERY_MS, Math.max(1, until - clock.now()));
    await pause(wait, { clock, signal });
  }
}

/**
 * How many introduction points a service has in the tor that is asked.
 *
 * @param client a connection to it
 * @param address with ".onion"
 * @see control-spec, section 4.1.1: PURPOSE, HS_STATE and REND_QUERY of a circuit
 */
export async function readyIntroductions(client: ControlClient, address: string): Promise<number> {
  const key = "circuit-status";
  const text = (await client.getInfo([key])).get(key) ?? "";
  return text.split("\n").filter((line) => {
    const words = keywordsOf(wordsOf(line).slice(2));
    return (
      words.get("PURPOSE") === "HS_SERVICE_INTRO" &&
      words.get("HS_STATE") === "HSSI_ESTABLISHED" &&
      `${words.get("REND_QUERY")}.onion` === address
    );
  }).length;
}

/** The reasons why a descriptor was not fetched, none of which an upload has. */
const fetchReasons: ReadonlySet<string | undefined> = new Set([
  "NOT_FOUND",
  "BAD_DESC",
  "QUERY_REJECTED",
  "QUERY_NO_HSDIR",
  "QUERY_RATE_LIMITED",
]);

function isFetchFailure(event: TorEvent): boolean {
  return event.type === "HS_DESC" && event.action === "FAILED" && fetchReasons.has(event.reason);
}

function ignoreTor(error: unknown): void {
  if (!(error instanceof TorError)) throw error;
}
