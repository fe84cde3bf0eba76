import { afterEach, describe, expect, test } from "bun:test";
import type { PeerBook } from "../../lib/peers/book.ts";
import { GRAY_PEERS_MAX, type PeerLimits, SOURCE_SHARE } from "../../lib/peers/limits.ts";
import { Stores } from "./books.ts";
import { EclipseSimulation, type Entrance, OUTBOUND, type Scenario } from "./eclipse.ts";

/** Two of three links: what an attacker who knows of one entrance must stay below. */
const HOSTILE_MAX = (OUTBOUND * 2) / 3;
const SEEDS = [1, 2, 3, 4, 5, 6];
const MUTANT_SEEDS = [1, 2, 3];
const TIMES = { calm: 180, siege: 540 };
/** A book without its shares falls slowly, where the honest peers are many. */
const MUTANT_TIMES = { calm: 240, siege: 720 };

const stores = new Stores();

afterEach(() => stores.end());

interface Verdict {
  /** What the attacker achieved that it must not; empty when the book held. */
  readonly breaches: readonly string[];
  /** The most links that were hostile at once. */
  readonly most: number;
}

function verdictOf(scenario: Scenario, limits: Partial<PeerLimits> = {}): Verdict {
  const store = stores.open(undefined, limits);
  const { honest, hostile } = new EclipseSimulation(store, scenario).run();
  const breaches: string[] = [];
  const where = `${scenario.entrance}, seed ${scenario.seed}`;
  const alone = honest.findIndex((count, minute) => count === 0 && (hostile[minute] ?? 0) > 0);
  if (alone >= 0) breaches.push(`${where}: only hostile links in minute ${alone}`);
  const most = Math.max(...hostile);
  if (most > HOSTILE_MAX) breaches.push(`${where}: ${most} links of ${OUTBOUND} were hostile`);
  const share = largestShare(store.book("tor"));
  if (share > SOURCE_SHARE) breaches.push(`${where}: one source filled ${share} of the gray list`);
  stores.close(store);
  return { breaches, most };
}

function largestShare(book: PeerBook<"tor">): number {
  const counts = new Map<string, number>();
  for (const { source } of book.list({ now: 0, list: "gray" })) {
    counts.set(source, (counts.get(source) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values()) / GRAY_PEERS_MAX;
}

describe("an attacker who hands out 5,000 names of its own, all of which answer", () => {
  test.each<[Entrance]>([["seed"], ["hearsay"]])(
    "does not take the links of a node that knew honest peers (%s)",
    (entrance) => {
      const verdicts = SEEDS.map((seed) => verdictOf({ seed, entrance, ...TIMES }));
      expect(verdicts.flatMap(({ breaches }) => breaches)).toEqual([]);
      // Where the attacker is told of by hearsay it may take long until it is dialed at all.
      expect(verdicts.filter(({ most }) => most > 0).length).toBeGreaterThan(SEEDS.length / 2);
    },
    120_000,
  );

  test.each<[string, Partial<PeerLimits>, RegExp]>([
    ["without the shares", { sourceShare: 1, lineageLinkShare: 1 }, /links of 12 were hostile/],
    ["without the share of a source", { sourceShare: 1 }, /of the gray list/],
    ["without the share of a lineage", { lineageLinkShare: 1 }, /links of 12 were hostile/],
  ])(
    "is seen to take them from a book %s",
    (_name, limits, breach) => {
      const scenarios = MUTANT_SEEDS.flatMap((seed) =>
        (["seed", "hearsay"] as const).map((entrance) => ({ seed, entrance, ...MUTANT_TIMES })),
      );
      const found = scenarios.some((scenario) =>
        verdictOf(scenario, limits).breaches.some((text) => breach.test(text)),
      );
      expect(found).toBe(true);
    },
    120_000,
  );
});
