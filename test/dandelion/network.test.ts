import { describe, expect, test } from "bun:test";
import { moneroEmbargo, paperEmbargo } from "../../lib/dandelion/embargo.ts";
import { type Course, DandelionNetwork, type NetworkOptions } from "./network.ts";

const NODES = 300;
const TRANSACTIONS = 60;
/** From one wallet to the next: the whole run is an hour, six epochs. */
const EVERY_MS = 60_000;
const RUN_MS_MAX = 120_000;

function run(options: Omit<NetworkOptions, "nodes" | "outbound">): Course[] {
  const network = new DandelionNetwork({ nodes: NODES, outbound: 8, ...options });
  for (let index = 0; index < TRANSACTIONS; index++) {
    network.submit(`t${index}`);
    network.clock.advance(EVERY_MS);
  }
  network.clock.advance(10 * 60_000);
  return [...network.courses.values()];
}

const share = (courses: readonly Course[], holds: (course: Course) => boolean): number =>
  courses.filter(holds).length / courses.length;

const atSource = (course: Course): boolean => course.first?.node === course.source;

function quantile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}

/** When the last node had it, since its submission, in milliseconds. */
const lastAt = (course: Course): number => Math.max(...course.publicAt.values()) - course.from;

/** How often watchers at a share of the nodes who name the first neighbour that told them are right. */
function caught(courses: readonly Course[], watchers: number): number {
  return share(courses, (course) => {
    for (const [node, from] of course.heardFrom) if (node < watchers) return from === course.source;
    return false;
  });
}

describe("three hundred nodes, an hour", () => {
  const seeds = [1, 2];

  test.each(seeds)(
    "all have every transaction, and few first at its source (seed %d)",
    (seed) => {
      const courses = run({ seed });
      expect(courses.every((course) => course.publicAt.size === NODES)).toBe(true);
      expect(share(courses, atSource)).toBeLessThan(0.05);
      expect(quantile(courses.map(lastAt), 0.5)).toBeLessThan(30_000);
      // Watchers at a tenth of the nodes: without stems they name half of the sources and more.
      const plain = run({ seed, diffusion: true });
      expect(share(plain, atSource)).toBe(1);
      expect(caught(courses, NODES / 10)).toBeLessThan(caught(plain, NODES / 10));
    },
    RUN_MS_MAX,
  );

  test.each([
    ["monerod's", moneroEmbargo],
    ["the paper's", paperEmbargo],
  ])(
    "with one node in ten swallowing stems nothing is lost under %s embargo",
    (_name, embargo) => {
      const courses = run({ seed: 4, blackHoles: 0.1, embargo });
      expect(courses.every((course) => course.publicAt.size === NODES)).toBe(true);
      expect(share(courses, (course) => course.first?.cause === "embargo")).toBeGreaterThan(0.15);
      expect(share(courses, atSource)).toBeLessThan(0.35);
    },
    RUN_MS_MAX,
  );

  test(
    "without an embargo the same network loses transactions",
    () => {
      const courses = run({
        seed: 4,
        blackHoles: 0.1,
        embargo: { kind: "exponential", meanMs: 1e15 },
      });
      expect(share(courses, (course) => course.publicAt.size === 0)).toBeGreaterThan(0.15);
    },
    RUN_MS_MAX,
  );

  test(
    "the same seed is the same hour",
    () => {
      const [one, other] = [5, 5].map((seed) =>
        JSON.stringify(run({ seed }).map((course) => [course.first, [...course.publicAt]])),
      );
      expect(one).toBe(other ?? "");
    },
    RUN_MS_MAX,
  );
});
