import { describe, expect, test } from "bun:test";
import { largeRun } from "./large-run.ts";

/** Another seed can be given, to look at a failure or to search further. */
const SEED = Number(process.env["ANONCTL_TEST_SEED"] ?? 1);
const CHAOS_MS = 75 * 60_000;
/** How much of it is run again, every effect of which has to be the same. */
const AGAIN_MS = 20 * 60_000;

describe("210 relays and 20 full nodes in three zones, with faults", () => {
  const digests = new Map<number, readonly string[]>();

  test("two hours break no rule, and every transaction reaches every full node", () => {
    const run = largeRun(SEED, CHAOS_MS, true);
    digests.set(SEED, run.digests);
    expect({ seed: SEED, missing: run.missing }).toEqual({ seed: SEED, missing: [] });
    // What was tested is there.
    expect(run.hours).toBeGreaterThanOrEqual(2);
    expect(run.submitted).toBeGreaterThan(15);
    expect(run.events).toBeGreaterThan(200_000);
    expect(run.seen.ticks).toBeGreaterThan(50_000);
    expect(run.seen.payload).toBeGreaterThan(run.submitted);
  }, 600_000);

  test("replay byte for byte from their seed", () => {
    const whole = digests.get(SEED) ?? largeRun(SEED, AGAIN_MS, false).digests;
    const again = largeRun(SEED, AGAIN_MS, false).digests;
    expect(again).toEqual(whole.slice(0, again.length));
    expect(largeRun(SEED + 1, AGAIN_MS / 2, false).digests[0]).not.toBe(again[0]);
  }, 600_000);
});
