import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Arrival } from "../../lib/relay/arrival.ts";
import { InboundBudget, type Room } from "../../lib/relay/inbound-budget.ts";
import { INBOUND_LIMITS, type InboundLimits } from "../../lib/relay/inbound-limits.ts";
import { UnfinishedBytes } from "../../lib/relay/unfinished-bytes.ts";
import { moves, PLACES, play, SMALL_LIMITS } from "./inbound-play.ts";

const frame = (link: number, bytes = 3_072): Arrival => ({ kind: "heard", link, bytes });

/** A budget with guests that shook hands, numbered from 1. */
function withGuests(count: number, places = count): InboundBudget {
  const budget = new InboundBudget(places, 0);
  for (let link = 1; link <= count; link++) {
    budget.enter(link, 0);
    budget.shakeHands(link, 0);
  }
  return budget;
}

describe("What guests of an anonymity zone may cost", () => {
  test("no play of guests breaks a bound, and whoever is modest is always served", () => {
    fc.assert(
      fc.property(moves, (script) => {
        expect(play(new InboundBudget(PLACES, 0, SMALL_LIMITS), script)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test("a guest with noise, timed syncs and a stem is served for a day beside floods", () => {
    const budget = withGuests(64);
    const honest = 1;
    for (let second = 0; second < 86_400; second += 10) {
      const now = second * 1_000;
      for (let flooder = 2; flooder <= 64; flooder++) {
        if (budget.hear(frame(flooder, 65_536), now) === undefined) continue;
        budget.leave(flooder);
        budget.enter(flooder, now);
        budget.shakeHands(flooder, now);
      }
      expect(budget.hear(frame(honest), now)).toBeUndefined();
      if (second % 60 > 0) continue;
      const payload = new Uint8Array(200);
      const message = { kind: "request", command: 1_002, returnCode: 0, payload } as const;
      expect(budget.hear({ kind: "message", link: honest, message }, now)).toBeUndefined();
      expect(budget.bring(honest, 1, now)).toBeUndefined();
    }
  });

  test("the same holds where 2,500 guests are let in", () => {
    const budget = withGuests(1, 2_500);
    const guests = Array.from({ length: 2_499 }, (_, index) => index + 2);
    for (const link of guests) {
      budget.enter(link, 0);
      budget.shakeHands(link, 0);
    }
    const left = guests.filter((link) => budget.hear(frame(link, 2_097_152), 0) === undefined);
    // Four of the longest messages are all that the pool has.
    expect(left).toHaveLength(4);
    for (let now = 0; now < 3_600_000; now += 10_000) {
      expect(budget.hear(frame(1), now)).toBeUndefined();
    }
  });

  test("a message of the longest kind may come, a second at once may too, a third not", () => {
    const budget = withGuests(1, 64);
    expect([1, 2, 3].map(() => budget.hear(frame(1, 2_097_152), 0))).toEqual([
      undefined,
      undefined,
      "it sends more bytes than a peer may",
    ]);
  });

  test("a peer that was dialed needs no place, and has bounds of its own only", () => {
    const budget = withGuests(1);
    budget.dial(9, 0);
    expect(budget.counts).toMatchObject({ guests: 1, strangers: 0 });
    const { burst } = INBOUND_LIMITS.work.messages.link;
    for (let count = 0; count < burst; count++) {
      expect(budget.hear(frame(9, 33), 0)).toBeUndefined();
    }
    expect(budget.hear(frame(9, 33), 0)).toBe("it sends more messages than a peer may");
    expect(budget.hear(frame(1), 0)).toBeUndefined();
  });
});

describe("A stranger", () => {
  test("leaves its place to another after five seconds, the oldest first", () => {
    const budget = new InboundBudget(3, 0);
    for (const [link, at] of [
      [1, 0],
      [2, 1_000],
      [3, 2_000],
    ] as const)
      budget.enter(link, at);
    budget.shakeHands(1, 2_500);
    expect(budget.room(5_999)).toBeUndefined();
    expect(budget.room(6_000)).toEqual({ insteadOf: 2 });
    budget.leave(2);
    budget.enter(4, 6_000);
    expect(budget.room(6_999)).toBeUndefined();
    expect(budget.room(7_000)).toEqual({ insteadOf: 3 });
    expect(budget.counts).toMatchObject({ guests: 3, strangers: 2, refused: 2, displaced: 2 });
  });

  test("never takes the place of guests that shook hands", () => {
    const budget = withGuests(3);
    expect(budget.room(1e9)).toBeUndefined();
    expect(budget.overdue(1e9)).toEqual([]);
    expect(budget.wakeAt).toBe(Number.POSITIVE_INFINITY);
  });

  test("has thirty seconds where nobody wants its place", () => {
    const budget = new InboundBudget(3, 0);
    budget.enter(1, 1_000);
    budget.enter(2, 2_000);
    expect(budget.wakeAt).toBe(31_000);
    expect(budget.overdue(30_999)).toEqual([]);
    expect(budget.overdue(32_000)).toEqual([1, 2]);
  });
});

describe("Mutants of the budget are caught", () => {
  const mutants: Record<string, () => InboundBudget> = {
    "no bound of the zone": () => new InboundBudget(PLACES, 0, withoutPool()),
    "no share of one's own": () => new InboundBudget(PLACES, 0, withoutShares()),
    "no bound of a link": () => new InboundBudget(PLACES, 0, withoutLinkBounds()),
    "handshakes without bound": () =>
      new InboundBudget(PLACES, 0, { ...SMALL_LIMITS, handshakes: { burst: 1e9, perSecond: 1 } }),
    "whoever comes again has a new burst": () =>
      new InboundBudget(PLACES, 0, { ...SMALL_LIMITS, welcomes: { burst: 1e9, perSecond: 1 } }),
    "a newcomer displaces a guest that shook hands": () => new DisplacesGuests(),
    "a stranger is displaced at once": () =>
      new InboundBudget(PLACES, 0, { ...SMALL_LIMITS, strangerPatienceMs: 0 }),
    "no stranger has a deadline": () => new NoDeadline(),
    "bytes are not counted": () => new CountsNoBytes(),
    "what never ends is not counted": () => new CountsWholeMessagesOnly(),
    "requests are not counted": () => new CountsNoRequests(),
    "transactions are not counted": () => new CountsNoTransactions(),
    "strangers have no place": () => new CountsNoStrangers(),
    "a stranger may send anything": () =>
      new InboundBudget(PLACES, 0, { ...SMALL_LIMITS, strangerBytesMax: 1e9 }),
    "a guest that left keeps its place": () => new NeverLeaves(),
  };

  test.each(Object.entries(mutants))("%s", (_name, make) => {
    const plays = fc.sample(moves, { seed: 20_260_101, numRuns: 150 });
    const broken = plays.map((script) => play(make(), script)).find((found) => found);
    expect(broken).toBeString();
  });
});

describe("Unfinished messages", () => {
  const operations = fc.array(
    fc.record({
      link: fc.integer({ min: 1, max: 8 }),
      kind: fc.constantFrom("set", "set", "set", "shake", "leave"),
      bytes: fc.integer({ min: 0, max: 500 }),
    }),
    { maxLength: 200, size: "max" },
  );

  /** @returns what was broken, where whoever is named is closed */
  function hold(memory: UnfinishedBytes, script: ReturnType<typeof sampleOf>): string | undefined {
    const held = new Map<number, { bytes: number; isStranger: boolean }>();
    const sum = (strangers: boolean): number =>
      [...held.values()].reduce(
        (total, { bytes, isStranger }) => total + (strangers && !isStranger ? 0 : bytes),
        0,
      );
    for (const { link, kind, bytes } of script) {
      const known = held.get(link);
      if (kind === "leave") {
        memory.leave(link);
        held.delete(link);
      } else if (kind === "shake") {
        memory.shakeHands(link);
        held.set(link, { bytes: known?.bytes ?? 0, isStranger: false });
      } else {
        held.set(link, { bytes, isStranger: known?.isStranger ?? true });
        const out = memory.set(link, bytes);
        if (out !== undefined) {
          const most = Math.max(
            ...[...held.values()]
              .filter(({ isStranger }) => isStranger || sum(true) <= 600)
              .map((one) => one.bytes),
          );
          if (held.get(out)?.bytes !== most) return "not the largest was closed";
          memory.leave(out);
          held.delete(out);
        }
      }
      if (sum(false) > 1_000) return "too much is held";
      if (sum(true) > 600) return "too much is held for strangers";
      if (memory.bytes !== sum(false)) return "miscounted";
    }
    return undefined;
  }
  const sampleOf = () => fc.sample(operations, { seed: 7, numRuns: 1 })[0] ?? [];

  test("stay in their bounds, and whoever holds most has to go", () => {
    fc.assert(
      fc.property(operations, (script) => {
        expect(hold(new UnfinishedBytes(1_000, 600), script)).toBeUndefined();
      }),
    );
  });

  test.each([
    ["no bound of all", () => new UnfinishedBytes(1e9, 600)],
    ["no bound of strangers", () => new UnfinishedBytes(1_000, 1e9)],
    ["the newest has to go", () => new ClosesNewest(1_000, 600)],
  ])("a mutant is caught: %s", (_name, make) => {
    const scripts = fc.sample(operations, { seed: 20_260_102, numRuns: 100 });
    expect(scripts.map((script) => hold(make(), script)).find((found) => found)).toBeString();
  });
});

class DisplacesGuests extends InboundBudget {
  #first: number | undefined;

  constructor() {
    super(PLACES, 0, SMALL_LIMITS);
  }

  override shakeHands(link: number, now: number): void {
    this.#first ??= link;
    super.shakeHands(link, now);
  }

  override room(now: number): Room | undefined {
    const room = super.room(now);
    return room === undefined && this.#first !== undefined ? { insteadOf: this.#first } : room;
  }
}

class NoDeadline extends InboundBudget {
  constructor() {
    super(PLACES, 0, SMALL_LIMITS);
  }

  override overdue(): number[] {
    return [];
  }
}

class CountsNoBytes extends InboundBudget {
  constructor() {
    super(PLACES, 0, SMALL_LIMITS);
  }

  override hear(arrival: Arrival, now: number): string | undefined {
    return super.hear({ ...arrival, bytes: 0 }, now);
  }
}

class CountsNoRequests extends InboundBudget {
  constructor() {
    super(PLACES, 0, SMALL_LIMITS);
  }

  override hear(arrival: Arrival, now: number): string | undefined {
    if (arrival.kind !== "message") return super.hear(arrival, now);
    const message = { ...arrival.message, kind: "notify" as const };
    return super.hear({ ...arrival, message }, now);
  }
}

class CountsWholeMessagesOnly extends InboundBudget {
  constructor() {
    super(PLACES, 0, SMALL_LIMITS);
  }

  override hear(arrival: Arrival, now: number): string | undefined {
    return arrival.kind === "arriving" ? undefined : super.hear(arrival, now);
  }
}

class CountsNoTransactions extends InboundBudget {
  constructor() {
    super(PLACES, 0, SMALL_LIMITS);
  }

  override bring(): string | undefined {
    return undefined;
  }
}

class CountsNoStrangers extends InboundBudget {
  constructor() {
    super(PLACES, 0, SMALL_LIMITS);
  }

  override room(now: number): Room | undefined {
    const { guests, strangers } = this.counts;
    return guests - strangers < PLACES ? { insteadOf: undefined } : super.room(now);
  }
}

class NeverLeaves extends InboundBudget {
  constructor() {
    super(PLACES, 0, SMALL_LIMITS);
  }

  override leave(): void {
    // The mutant's fault.
  }
}

class ClosesNewest extends UnfinishedBytes {
  override set(link: number, bytes: number): number | undefined {
    return super.set(link, bytes) === undefined ? undefined : link;
  }
}

function withoutPool(): InboundLimits {
  return changed((work) => ({ ...work, pool: { burst: 1e9, perSecond: 1 } }));
}

function withoutShares(): InboundLimits {
  return changed((work) => ({ ...work, share: { burst: 0, perSecond: 0, perSecondMin: 0 } }));
}

function withoutLinkBounds(): InboundLimits {
  return changed((work) => ({ ...work, link: { burst: 1e9, perSecond: 1 } }));
}

function changed(
  change: (work: InboundLimits["work"]["bytes"]) => InboundLimits["work"]["bytes"],
): InboundLimits {
  const { bytes, messages, requests, transactions } = SMALL_LIMITS.work;
  return {
    ...SMALL_LIMITS,
    work: {
      bytes: change(bytes),
      messages: change(messages),
      requests: change(requests),
      transactions: change(transactions),
    },
  };
}
