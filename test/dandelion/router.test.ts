import { describe, expect, test } from "bun:test";
import type { EmbargoSchedule } from "../../lib/dandelion/embargo.ts";
import type { DandelionEffect, DandelionEvent } from "../../lib/dandelion/event.ts";
import { FLUSH_QUEUE_MAX } from "../../lib/dandelion/flush.ts";
import { DandelionRouter } from "../../lib/dandelion/router.ts";
import {
  LOCAL_MAX,
  OPEN_MAX,
  PASSED_STEMS_LINK_MAX,
  PASSED_STEMS_MAX,
  SETTLED_MAX,
} from "../../lib/dandelion/transaction-table.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

interface Setting {
  readonly out?: readonly number[];
  readonly in?: readonly number[];
  readonly fluffPercent?: number;
  readonly embargo?: EmbargoSchedule;
}

function makeRouter(setting: Setting): DandelionRouter {
  const router = new DandelionRouter(
    {
      random: new SeededRandom(1),
      epoch: { baseMs: 600_000, spreadMs: 30_000, fluffPercent: setting.fluffPercent ?? 0 },
      ...(setting.embargo === undefined ? {} : { embargo: setting.embargo }),
    },
    0,
  );
  for (const link of setting.out ?? []) {
    router.handle({ kind: "joined", link, direction: "out", stems: true }, 0);
  }
  for (const link of setting.in ?? []) {
    router.handle({ kind: "joined", link, direction: "in", stems: false }, 0);
  }
  return router;
}

/** Everything until a time, with the wake-ups that the router asks for. */
function until(router: DandelionRouter, end: number): DandelionEffect[] {
  const effects: DandelionEffect[] = [];
  while (router.wakeAt <= end) effects.push(...router.wake(router.wakeAt));
  return effects;
}

const kinds = (effects: readonly DandelionEffect[]): string[] => effects.map((one) => one.kind);

const told = (effects: readonly DandelionEffect[], id: string): number[] =>
  effects.flatMap((one) => (one.kind === "fluff" && one.ids.includes(id) ? [one.link] : [])).sort();

describe("a local transaction", () => {
  test.each([0, 100])("leaves as a stem, also where %d % of epochs fluff", (fluffPercent) => {
    const router = makeRouter({ out: [1, 2, 3], in: [4], fluffPercent });
    const effects = router.handle({ kind: "local", id: "t" }, 5);
    expect(kinds(effects)).toEqual(["stem"]);
    expect(router.standing("t")?.kind).toBe("stem");
    // A second submission changes nothing.
    expect(router.handle({ kind: "local", id: "t" }, 6)).toEqual([]);
  });

  test("that is swallowed is fluffed to everybody when its embargo is over", () => {
    const router = makeRouter({ out: [1, 2, 3], in: [4] });
    const [stem] = router.handle({ kind: "local", id: "t" }, 0);
    if (stem?.kind !== "stem") throw new Error("No stem was sent.");
    expect(stem.embargoAt).toBeGreaterThan(10_000);
    expect(until(router, stem.embargoAt - 1)).toEqual([]);
    expect(until(router, stem.embargoAt)).toEqual([{ kind: "public", id: "t", cause: "embargo" }]);
    expect(told(until(router, stem.embargoAt + 30_000), "t")).toEqual([1, 2, 3, 4]);
    expect(router.standing("t")).toEqual({ kind: "public" });
    expect(router.status.open).toBe(0);
  });

  test("that comes back as a fluff has no embargo any more", () => {
    const router = makeRouter({ out: [1, 2, 3] });
    router.handle({ kind: "local", id: "t" }, 0);
    const effects = router.handle({ kind: "fluff", id: "t", link: 3 }, 2_000);
    expect(effects).toEqual([{ kind: "public", id: "t", cause: "heard" }]);
    expect(told(until(router, 500_000), "t")).toEqual([1, 2]);
  });

  test("that was seen otherwise has no embargo either, and nothing to send", () => {
    const router = makeRouter({ out: [1, 2, 3] });
    router.handle({ kind: "local", id: "t" }, 0);
    expect(router.handle({ kind: "seen", id: "t" }, 2_000)).toEqual([
      { kind: "public", id: "t", cause: "seen" },
    ]);
    expect(until(router, 500_000)).toEqual([]);
  });

  test("waits for an outbound link that may have stems, with a reason", () => {
    const router = makeRouter({ in: [1, 2] });
    const held = { kind: "held", reason: "no-stem" } as const;
    expect(router.handle({ kind: "local", id: "t" }, 0)).toEqual([{ id: "t", ...held }]);
    expect(until(router, 5_000_000)).toEqual([]);
    const low = { kind: "joined", link: 3, direction: "out", stems: false } as const;
    expect(router.handle(low, 5_000_001)).toEqual([]);
    expect(router.standing("t")).toEqual(held);
    const [stem] = router.handle({ ...low, stems: true }, 5_000_002);
    expect(stem).toMatchObject({ kind: "stem", id: "t", link: 3 });
  });

  test("whose stem did not leave takes the next, and waits where there is none", () => {
    const router = makeRouter({ out: [1, 2] });
    const [first] = router.handle({ kind: "local", id: "t" }, 0);
    if (first?.kind !== "stem") throw new Error("No stem was sent.");
    const [second] = router.handle({ kind: "unsent", id: "t", link: first.link }, 1);
    expect(second).toMatchObject({ kind: "stem", id: "t", link: 3 - first.link });
    expect(router.handle({ kind: "unsent", id: "t", link: 3 - first.link }, 2)).toEqual([
      { kind: "held", id: "t", reason: "no-stem" },
    ]);
    // Too late: it is not there any more.
    expect(router.handle({ kind: "unsent", id: "t", link: first.link }, 3)).toEqual([]);
  });

  test("of an earlier run keeps what is left of its embargo, and leaves no second time", () => {
    const router = makeRouter({ out: [1, 2] });
    expect(router.handle({ kind: "restored", id: "t", embargoLeftMs: 7_000 }, 100)).toEqual([]);
    expect(router.standing("t")).toEqual({ kind: "stem", embargoAt: 7_100 });
    expect(until(router, 7_099)).toEqual([]);
    expect(kinds(until(router, 7_100))).toEqual(["public"]);
    router.handle({ kind: "restored", id: "u", embargoLeftMs: -5 }, 8_000);
    expect(kinds(until(router, 8_000))).toContain("public");
  });

  test("is told again on demand, to everybody", () => {
    const router = makeRouter({ out: [1, 2] });
    router.handle({ kind: "fluff", id: "t", link: 1 }, 0);
    until(router, 60_000);
    expect(router.handle({ kind: "again", id: "t" }, 300_000)).toEqual([]);
    expect(told(until(router, 360_000), "t")).toEqual([1, 2]);
  });
});

describe("a transaction that was given up", () => {
  const event = { kind: "forgotten", id: "t" } as const;

  test("goes nowhere any more: not from its embargo, not from a batch, not from waiting", () => {
    const router = makeRouter({ out: [1, 2] });
    router.handle({ kind: "local", id: "t" }, 0);
    expect(router.handle(event, 1)).toEqual([]);
    expect(router.standing("t")).toBeUndefined();
    expect(until(router, 500_000)).toEqual([]);

    router.handle({ kind: "fluff", id: "t", link: 1 }, 500_000);
    router.handle(event, 500_000);
    expect(until(router, 590_000)).toEqual([]);

    const alone = makeRouter({});
    alone.handle({ kind: "local", id: "t" }, 0);
    alone.handle(event, 1);
    const join = { kind: "joined", link: 1, direction: "out", stems: true } as const;
    expect(alone.handle(join, 2)).toEqual([]);
    expect(alone.status).toMatchObject({ held: 0, open: 0 });
  });
});

describe("another's stem", () => {
  test("is passed on under an embargo, by one stem as long as the epoch lasts", () => {
    const router = makeRouter({ out: [1, 2, 3, 4, 5], in: [9] });
    const links = Array.from({ length: 50 }, (_, index) => {
      const [effect] = router.handle({ kind: "stem", id: `t${index}`, link: 9 }, index);
      return effect?.kind === "stem" ? effect.link : undefined;
    });
    expect(new Set(links).size).toBe(1);
    expect(router.status.stems).toContain(links[0] ?? 0);
    expect(router.status.passed).toBe(50);
  });

  test("is fluffed to everybody else in a fluff epoch, and told nobody before its delay", () => {
    const router = makeRouter({ out: [1, 2], in: [9, 10], fluffPercent: 100 });
    expect(router.handle({ kind: "stem", id: "t", link: 9 }, 0)).toEqual([
      { kind: "public", id: "t", cause: "fluff-epoch" },
    ]);
    expect(told(until(router, 60_000), "t")).toEqual([1, 10, 2].sort());
  });

  test("is fluffed when it comes a second time, but not to who brought it then", () => {
    const router = makeRouter({ out: [1, 2], in: [9, 10] });
    router.handle({ kind: "stem", id: "t", link: 9 }, 0);
    expect(router.handle({ kind: "stem", id: "t", link: 10 }, 500)).toEqual([
      { kind: "public", id: "t", cause: "loop" },
    ]);
    // Link 9 waits for this sighting: its embargo is under way.
    expect(told(until(router, 500_000), "t")).toEqual([1, 2, 9]);
  });

  test("is fluffed where there is no stem to take, and never sent back", () => {
    const router = makeRouter({ out: [1], in: [9] });
    expect(router.handle({ kind: "stem", id: "t", link: 1 }, 0)).toEqual([
      { kind: "public", id: "t", cause: "no-stem" },
    ]);
    expect(told(until(router, 500_000), "t")).toEqual([9]);
  });

  test("is held where there is nobody else, and not public until there is", () => {
    const router = makeRouter({ in: [9] });
    expect(router.handle({ kind: "stem", id: "t", link: 9 }, 0)).toEqual([
      { kind: "held", id: "t", reason: "no-link" },
    ]);
    expect(router.standing("t")).toEqual({ kind: "held", reason: "no-link" });
    const event = { kind: "joined", link: 10, direction: "in", stems: false } as const;
    expect(router.handle(event, 5)).toEqual([{ kind: "public", id: "t", cause: "no-stem" }]);
    expect(told(until(router, 60_000), "t")).toEqual([10]);
  });

  test("of a transaction that is public already is nothing new", () => {
    const router = makeRouter({ out: [1, 2], in: [9] });
    router.handle({ kind: "fluff", id: "t", link: 1 }, 0);
    expect(router.handle({ kind: "stem", id: "t", link: 9 }, 1)).toEqual([]);
    expect(told(until(router, 60_000), "t")).toEqual([2, 9]);
  });
});

describe("a transaction of an anonymity zone", () => {
  test("takes the stem of own ones, so that it can't be told from them", () => {
    const router = makeRouter({ out: [1, 2, 3] });
    const [own] = router.handle({ kind: "local", id: "t" }, 0);
    const [forwarded] = router.handle({ kind: "forward", id: "u" }, 0);
    if (own?.kind !== "stem" || forwarded?.kind !== "stem") throw new Error("No stem was sent.");
    expect(forwarded.link).toBe(own.link);
  });

  test("is fluffed in a fluff epoch, and when its sender asked for that", () => {
    const fluffing = makeRouter({ out: [1, 2], fluffPercent: 100 });
    const [effect] = fluffing.handle({ kind: "forward", id: "t" }, 0);
    expect(effect).toEqual({ kind: "public", id: "t", cause: "fluff-epoch" });
    const router = makeRouter({ out: [1, 2] });
    const event: DandelionEvent = { kind: "fluff", id: "t" };
    expect(router.handle(event, 0)).toEqual([{ kind: "public", id: "t", cause: "heard" }]);
    expect(router.handle(event, 1)).toEqual([]);
    expect(told(until(router, 60_000), "t")).toEqual([1, 2]);
  });
});

describe("what waited for a link that is gone", () => {
  test("is told to others, also to some that came later, or waits for them", () => {
    const router = makeRouter({ in: [9, 10] });
    router.handle({ kind: "stem", id: "t", link: 9 }, 0);
    expect(router.handle({ kind: "left", link: 10 }, 0)).toEqual([
      { kind: "held", id: "t", reason: "no-link" },
    ]);
    // It was said to be public, and what is public stays so.
    expect(router.standing("t")).toEqual({ kind: "public" });
    router.handle({ kind: "joined", link: 11, direction: "in", stems: false }, 1);
    expect(told(until(router, 60_000), "t")).toEqual([11]);
  });
});

describe("an epoch's end", () => {
  test("draws the stems anew, and whether to fluff", () => {
    const router = makeRouter({ out: [1, 2, 3, 4, 5, 6, 7, 8], fluffPercent: 50 });
    const stems = new Set<string>();
    const fluff = new Set<boolean>();
    for (let epoch = 0; epoch < 20; epoch++) {
      stems.add([...router.status.stems].sort().join());
      fluff.add(router.status.epoch.fluff);
      const { endsAt } = router.status.epoch;
      expect(router.wakeAt).toBe(endsAt);
      expect(router.wake(endsAt - 1)).toEqual([]);
      expect(router.status.epoch.endsAt).toBe(endsAt);
      router.wake(endsAt);
      expect(router.status.epoch.endsAt).toBeGreaterThanOrEqual(endsAt + 600_000);
    }
    expect(stems.size).toBeGreaterThan(10);
    expect(fluff.size).toBe(2);
  });

  test("does not touch what is under way", () => {
    const endless: EmbargoSchedule = { kind: "exponential", meanMs: 1e12 };
    const router = makeRouter({ out: [1, 2, 3, 4], embargo: endless });
    router.handle({ kind: "local", id: "t" }, 0);
    const before = router.standing("t");
    expect(until(router, 5_000_000)).toEqual([]);
    expect(router.standing("t")).toEqual(before);
  });
});

describe("bounds", () => {
  test("links that come and go leave no trace in the map", () => {
    const router = makeRouter({ out: [1, 2] });
    for (let link = 10; link < 500; link++) {
      router.handle({ kind: "joined", link, direction: "in", stems: false }, link);
      router.handle({ kind: "stem", id: `t${link}`, link }, link);
      router.handle({ kind: "left", link }, link);
    }
    expect(router.status.sources).toBe(0);
  });

  const endless: EmbargoSchedule = { kind: "exponential", meanMs: 1e12 };

  test("one link's stems beyond its share are fluffed, and take no one else's", () => {
    const router = makeRouter({ out: [1, 2], in: [8, 9], embargo: endless });
    for (let index = 0; index < PASSED_STEMS_LINK_MAX; index++) {
      router.handle({ kind: "stem", id: `a${index}`, link: 8 }, 0);
    }
    const [effect] = router.handle({ kind: "stem", id: "one more", link: 8 }, 0);
    expect(effect).toEqual({ kind: "public", id: "one more", cause: "full" });
    expect(kinds(router.handle({ kind: "stem", id: "b", link: 9 }, 0))).toEqual(["stem"]);
    expect(kinds(router.handle({ kind: "local", id: "c" }, 0))).toEqual(["stem"]);
    expect(router.status.passed).toBe(PASSED_STEMS_LINK_MAX + 1);
  });

  test("all links' stems together, and still a local one finds room", () => {
    const router = makeRouter({ out: [1, 2], embargo: endless });
    for (let index = 0; index < PASSED_STEMS_MAX + 500; index++) {
      router.handle({ kind: "stem", id: `a${index}`, link: 100 + (index % 100) }, 0);
    }
    expect(router.status.passed).toBe(PASSED_STEMS_MAX);
    expect(kinds(router.handle({ kind: "local", id: "c" }, 0))).toEqual(["stem"]);
  });

  test("local ones beyond the bound are refused, not forgotten in silence", () => {
    const router = makeRouter({});
    for (let index = 0; index < LOCAL_MAX; index++) {
      router.handle({ kind: "local", id: `a${index}` }, 0);
    }
    expect(router.handle({ kind: "local", id: "b" }, 0)).toEqual([{ kind: "refused", id: "b" }]);
    expect(kinds(router.handle({ kind: "restored", id: "c", embargoLeftMs: 1 }, 0))).toEqual([
      "refused",
    ]);
    expect(router.standing("b")).toBeUndefined();
    expect(router.status.held).toBe(LOCAL_MAX);
  });

  test("what can't be told to anyone is held to a bound, then refused", () => {
    const router = makeRouter({ in: [9] });
    const effects: DandelionEffect[] = [];
    for (let index = 0; index < OPEN_MAX + 10; index++) {
      effects.push(...router.handle({ kind: "stem", id: `a${index}`, link: 9 }, 0));
    }
    expect(router.status.open).toBe(OPEN_MAX);
    expect(effects.filter((one) => one.kind === "refused")).toHaveLength(10);
    // All of it goes to the first that comes, in batches that are in their bound.
    const join = { kind: "joined", link: 10, direction: "in", stems: false } as const;
    const flushes = [...router.handle(join, 0), ...until(router, 60_000)].filter(
      (one) => one.kind === "fluff",
    );
    expect(Math.max(...flushes.map((one) => one.ids.length))).toBe(FLUSH_QUEUE_MAX);
    expect(new Set(flushes.flatMap((one) => one.ids)).size).toBe(OPEN_MAX);
    expect(router.status.open).toBe(0);
  });

  test("public ones are forgotten, oldest first", () => {
    const router = makeRouter({ in: [9] });
    for (let index = 0; index <= SETTLED_MAX; index++) {
      router.handle({ kind: "fluff", id: `a${index}`, link: 9 }, index);
    }
    expect(router.standing("a0")).toBeUndefined();
    expect(router.standing("a1")).toEqual({ kind: "public" });
    expect(router.standing(`a${SETTLED_MAX}`)).toEqual({ kind: "public" });
  });
});
