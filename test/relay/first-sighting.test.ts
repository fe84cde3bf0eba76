import { describe, expect, test } from "bun:test";
import type { Zone } from "../../lib/address/zone.ts";
import { RelayCore } from "../../lib/relay/core.ts";
import { World, type WorldOptions } from "./large-world.ts";
import type { Party } from "./stream.ts";

/** Another first seed can be given, to look at a failure or to search further. */
const FIRST_SEED = Number(process.env["ANONCTL_TEST_SEED"] ?? 1);
const RUNS = 50;
const RELAYS = 6;
const FULL_NODES = 4;
const MIXED: readonly Zone[] = ["tor", "public"];
/** Until streams are there and have carried a frame. */
const WARM_MS = 60_000;
/** Longer than the first waits for sending again, and then all delays in public. */
const LATEST_MS = 40 * 60_000;
const LOOK_EVERY_MS = 10_000;

/** What became of a transaction. */
interface Sighting {
  /** Who first said it in public. */
  readonly by: "submitter" | "another" | "nobody";
  /** Full nodes that have it in their pools. */
  readonly pools: number;
  readonly seconds: number;
}

/** A relay in tor and public is given a transaction by a wallet. Who is the first to say it in public? */
function sightingOf(seed: number, more: Partial<WorldOptions> = {}): Sighting {
  let first: Party | undefined;
  const world = new World({
    ...{ seed, relays: RELAYS, fullNodes: FULL_NODES, zonesOf: () => MIXED },
    onOpen: (_, by) => {
      first ??= by;
    },
    ...more,
  });
  const { clock } = world.network;
  clock.advance(WARM_MS);
  const submitter = seed % RELAYS;
  const { mark } = world.submit(submitter);
  const pools = (): number => world.fullNodes.filter(({ pool }) => pool.has(mark)).length;
  const from = clock.now();
  while (clock.now() < from + LATEST_MS && pools() < FULL_NODES) clock.advance(LOOK_EVERY_MS);
  const isSubmitter = first !== undefined && first === world.relays[submitter];
  const by = first === undefined ? "nobody" : isSubmitter ? "submitter" : "another";
  return { by, pools: pools(), seconds: (clock.now() - from) / 1_000 };
}

/** Seeds from the first, one a run. */
const seeds = Array.from({ length: RUNS }, (_, run) => FIRST_SEED + run);

describe("a transaction submitted at a relay in tor and public", () => {
  test("reaches every full node's pool, and is first seen in public elsewhere, in 50 of 50 runs", () => {
    const wrong = seeds.flatMap((seed) => {
      const { by, pools } = sightingOf(seed);
      return by === "another" && pools === FULL_NODES ? [] : [{ seed, by, pools }];
    });
    expect(wrong).toEqual([]);
  }, 400_000);

  test("is first seen at the submitter where its anonymity zone is taken away", () => {
    // It counts as a relay of the public zone alone, which may send a wallet's there.
    const found = sightingOf(FIRST_SEED, {
      make: (options, now) => new RelayCore({ ...options, zones: [] }, now),
      setting: { zones: ["public"] },
    });
    expect(found).toMatchObject({ by: "submitter", pools: FULL_NODES });
  }, 240_000);
});
