import { EffectDigest } from "./large-digest.ts";
import { Weather } from "./large-weather.ts";
import { World } from "./large-world.ts";

const RELAYS = 210;
const FULL_NODES = 20;
/** To one of them, so that an hour has some of every kind. */
const EVENT_EVERY_MS = 15_000;
/** Twice monerod's wait, as where every link has a channel. */
const WAIT_MS = { min: 20_000, max: 30_000 } as const;
const SCHEDULE = { kind: "uniform", lowMs: WAIT_MS.min, highMs: WAIT_MS.max } as const;
const SYNC = { timedSyncMs: 120_000 } as const;
/** Longer than the longest back-off and the first waits for sending again. */
const CALM_MS = 45 * 60_000;

/** What a long run came to. */
export interface LargeRun {
  /** Of every effect of every relay with its time, one at the end of every ten minutes. */
  readonly digests: readonly string[];
  readonly hours: number;
  readonly submitted: number;
  /** Transactions of wallets that some full node does not have in its pool. */
  readonly missing: readonly string[];
  readonly seen: World["rules"]["seen"];
  /** Events that the relays' cores were told. */
  readonly events: number;
}

/**
 * Hours of 210 relays and 20 full nodes in three zones, with faults, and a calm at the end in which
 * everything that was submitted has to reach every full node's pool.
 *
 * @param seed of everything
 * @param chaosMs how long faults happen
 * @param isCalm whether there is a calm
 * @throws Error with the seed when a rule is broken
 */
export function largeRun(seed: number, chaosMs: number, isCalm: boolean): LargeRun {
  const world = new World({
    ...{ seed, relays: RELAYS, fullNodes: FULL_NODES, zone: SYNC, open: SYNC },
    ...{ relay: { schedule: SCHEDULE }, setting: { waitMs: WAIT_MS } },
  });
  const digest = new EffectDigest(world.network);
  world.network.watchers.push(digest);
  const digests: string[] = [];
  const everyMs = 600_000;
  try {
    const weather = new Weather(world, EVENT_EVERY_MS);
    for (let ms = 0; ms < chaosMs; ms += everyMs) {
      weather.blow(Math.min(everyMs, chaosMs - ms));
      digests.push(digest.text);
    }
    if (isCalm) {
      weather.calm();
      world.network.clock.advance(CALM_MS);
      digests.push(digest.text);
    }
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new Error(`Seed ${seed}: ${words}`, { cause: error });
  }
  const missing = world.submitted.filter(({ mark }) =>
    world.fullNodes.some(({ pool }) => !pool.has(mark)),
  );
  return {
    ...{ digests, hours: world.network.clock.now() / 3_600_000, events: digest.events },
    ...{ submitted: world.submitted.length, seen: world.rules.seen },
    missing: missing.map(({ id, relay }) => `${id} of node ${relay}`),
  };
}
