import type { ZoneOptions } from "../../lib/relay/zone-core.ts";
import { integerBelow } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import type { WorldRules } from "./large-rules.ts";
import { Weather } from "./large-weather.ts";
import { World } from "./large-world.ts";
import type { VirtualNetwork, Watcher } from "./virtual-network.ts";
import type { MakeCore } from "./virtual-node.ts";

/** A world's time is short, so everything in it goes faster than monerod's settings have it. */
const WAIT_MS = { min: 3_000, max: 4_500 } as const;
const SCHEDULE = { kind: "uniform", lowMs: WAIT_MS.min, highMs: WAIT_MS.max } as const;
const EPOCH = { baseMs: 24_000, spreadMs: 4_000 } as const;
const RETRY = { firstMs: 20_000, maxMs: 80_000 } as const;
const EVENT_EVERY_MS = 2_500;
const CHAOS_MS = 60_000;
/** Longer than the longest back-off that so short a trouble leaves behind, and then some ticks. */
const CALM_MS = 300_000;
/** One world in so many has a calm at its end. */
const CALM_EVERY = 20;

/** Makes somebody who looks on. */
export type WatcherOf = (network: VirtualNetwork) => Watcher;

/** How a world differs from the usual. */
export interface SmallOptions {
  /** The core, or a mutant of it. */
  readonly make?: MakeCore;
  /** What is the same in the anonymity zones of every world. */
  readonly zone?: Partial<ZoneOptions>;
  readonly watcher?: WatcherOf;
}

/** What a world came to. */
export interface SmallRun {
  readonly seen: WorldRules["seen"];
  readonly submitted: number;
}

/**
 * A short life of two to four relays and a full node, in which anything may happen. Every rule is
 * checked after every event; at the end of some worlds is a calm in which all that waits has to leave.
 *
 * @param seed of everything
 * @param options what differs from the usual
 * @throws Error with the seed when a rule is broken
 */
export function smallRun(seed: number, { make, zone, watcher }: SmallOptions = {}): SmallRun {
  const random = new SeededRandom(seed);
  const world = new World({
    ...{ seed, relays: 2 + integerBelow(random, 3), fullNodes: 1 },
    ...{ zone: { ...zoneOf(random), ...zone }, tellsOwn: integerBelow(random, 2) === 0 },
    relay: { epoch: EPOCH, retry: RETRY, schedule: SCHEDULE },
    setting: { waitMs: WAIT_MS },
    ...(make === undefined ? {} : { make }),
  });
  if (watcher !== undefined) world.network.watchers.push(watcher(world.network));
  try {
    const weather = new Weather(world, EVENT_EVERY_MS);
    weather.blow(CHAOS_MS);
    if (seed % CALM_EVERY === 0) {
      weather.calm();
      world.network.clock.advance(CALM_MS);
      checkAllLeft(world);
    }
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new Error(`Seed ${seed}: ${words}`, { cause: error });
  }
  return { seen: world.rules.seen, submitted: world.submitted.length };
}

/** How the relays' anonymity zones are set up: mostly as usual. */
function zoneOf(random: SeededRandom): Partial<ZoneOptions> {
  const counts: readonly ZoneOptions["channels"][] = [2, 2, 1, 3, "all"];
  return {
    channels: counts[integerBelow(random, counts.length)] ?? 2,
    streamReuse: integerBelow(random, 4) === 0 ? "allow" : "refuse",
    noise: integerBelow(random, 6) === 0 ? "silent" : "on",
    forwardsInZone: integerBelow(random, 3) === 0,
    timedSyncMs: 20_000,
  };
}

/** Of what was submitted, nothing is still waiting for its first departure. */
function checkAllLeft(world: World): void {
  for (const { relay, id } of world.submitted) {
    if (world.relays[relay]?.stored.get(id)?.sends === 0)
      throw new Error(`A transaction of node ${relay} never left, though all is well.`);
  }
}
