import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { clearShelves } from "./book-shelf.ts";
import { randomRun } from "./random-run.ts";
import type { Watcher } from "./virtual-network.ts";

/** Another first seed can be given, to search further than every day. */
const FIRST_SEED = Number(process.env["ANONCTL_TEST_SEED"] ?? 1);
const RUNS = 200;
/** Their books are on the disk, which takes longer. */
const BOOK_RUNS = 12;

afterEach(clearShelves);

/** A digest of every effect of every node, with its time. */
function digestOf(seed: number): string {
  const hash = createHash("sha256");
  const watcher: Watcher = {
    effect: (node, effect) => {
      hash.update(`${node.dials.length} ${node.ends.size} ${effect.kind} `);
      if (effect.kind !== "write") hash.update(Bun.inspect(effect));
      else hash.update(`${effect.link} ${effect.by}`).update(effect.bytes);
    },
  };
  randomRun(seed, undefined, watcher);
  return hash.digest("hex");
}

describe("hours with random faults", () => {
  test("break no invariant, lose no transaction, and end (200 seeds)", () => {
    const total = { writes: 0, ticks: 0, submitted: 0 };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
      const { writes, ticks, submitted } = randomRun(seed);
      total.writes += writes;
      total.ticks += ticks;
      total.submitted += submitted;
    }
    // What was tested is there: frames, control, and transactions.
    expect(total.ticks).toBeGreaterThan(RUNS * 300);
    expect(total.writes).toBeGreaterThan(total.ticks + RUNS * 50);
    expect(total.submitted).toBeGreaterThan(RUNS * 4);
  }, 240_000);

  test("break none where nodes find their peers themselves (12 seeds)", () => {
    let found = 0;
    const watcher: Watcher = {
      effect: (node, effect) => {
        if (effect.kind !== "dial") return;
        const targets = node.core.zones.flatMap((zone) => [...zone.targets]);
        if (targets.some(({ kind, address }) => kind === "book" && address === effect.address))
          found++;
      },
    };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + BOOK_RUNS; seed++) {
      randomRun(seed, undefined, watcher, true);
      clearShelves();
    }
    expect(found).toBeGreaterThan(BOOK_RUNS * 3);
  }, 120_000);

  test("replay exactly from their seed", () => {
    for (const seed of [3, 4]) expect(digestOf(seed)).toBe(digestOf(seed));
    expect(digestOf(3)).not.toBe(digestOf(4));
  }, 60_000);
});
