import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FLUSH_QUEUE_MAX, FlushQueues } from "../../lib/dandelion/flush.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

describe("batches", () => {
  test("what comes meanwhile leaves with the first, once, in no order of arrival", () => {
    const queues = new FlushQueues(new SeededRandom(1));
    queues.join(1, "in");
    expect(queues.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(queues.add(1, "c", 1_000)).toBe(true);
    const at = queues.wakeAt;
    expect(at).toBeGreaterThan(1_000);
    expect(queues.add(1, "a", at - 1)).toBe(true);
    expect(queues.add(1, "b", at - 1)).toBe(true);
    expect(queues.add(1, "a", at - 1)).toBe(false);
    expect(queues.wakeAt).toBe(at);
    expect(queues.due(at - 1)).toEqual([]);
    expect(queues.due(at)).toEqual([{ link: 1, ids: ["a", "b", "c"] }]);
    expect(queues.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(queues.due(at + 100_000)).toEqual([]);
  });

  test("every link has a time of its own", () => {
    const queues = new FlushQueues(new SeededRandom(2));
    for (let link = 1; link <= 50; link++) {
      queues.join(link, link % 2 === 0 ? "in" : "out");
      queues.add(link, "t", 0);
    }
    const times = new Map<number, number>();
    while (queues.wakeAt < Number.POSITIVE_INFINITY) {
      const at = queues.wakeAt;
      for (const { link } of queues.due(at)) times.set(link, at);
    }
    expect(times.size).toBe(50);
    expect(new Set(times.values()).size).toBeGreaterThan(10);
  });

  test("a full one leaves at once, and forgets nothing", () => {
    const queues = new FlushQueues(new SeededRandom(3));
    queues.join(1, "in");
    for (let index = 0; index < FLUSH_QUEUE_MAX - 1; index++) queues.add(1, `t${index}`, 0);
    expect(queues.due(0)).toEqual([]);
    queues.add(1, "last", 0);
    expect(queues.due(0)[0]?.ids).toHaveLength(FLUSH_QUEUE_MAX);
  });

  test("unknown links have none", () => {
    const queues = new FlushQueues(new SeededRandom(4));
    expect(queues.add(1, "t", 0)).toBe(false);
    expect(queues.remove(1, "t")).toBe(false);
    expect(queues.leave(1)).toEqual([]);
    expect(queues.waiting(1)).toBe(0);
  });

  test("what went in comes out exactly once: flushed, taken out or handed back", () => {
    const step = fc.record({
      kind: fc.constantFrom("join", "leave", "add", "add", "add", "remove", "wait"),
      link: fc.nat(4),
      id: fc.nat(9).map((id) => `t${id}`),
      ms: fc.nat(4_000),
    });
    fc.assert(
      fc.property(fc.integer(), fc.array(step, { maxLength: 40 }), (seed, steps) => {
        const queues = new FlushQueues(new SeededRandom(seed));
        const waiting = new Map<number, Set<string>>();
        let now = 0;
        for (const { kind, link, id, ms } of steps) {
          const ids = waiting.get(link);
          if (kind === "join") {
            queues.join(link, "in");
            if (ids === undefined) waiting.set(link, new Set());
          } else if (kind === "leave") {
            expect(queues.leave(link).sort()).toEqual([...(ids ?? [])].sort());
            waiting.delete(link);
          } else if (kind === "add") {
            expect(queues.add(link, id, now)).toBe(ids !== undefined && !ids.has(id));
            ids?.add(id);
          } else if (kind === "remove") {
            expect(queues.remove(link, id)).toBe(ids?.delete(id) ?? false);
          } else {
            now += ms;
            for (const flush of queues.due(now)) {
              const had = [...(waiting.get(flush.link) ?? [])].sort();
              expect([...flush.ids]).toEqual(had);
              waiting.get(flush.link)?.clear();
            }
          }
          const some = [...waiting.values()].some((set) => set.size > 0);
          expect(queues.wakeAt < Number.POSITIVE_INFINITY).toBe(some);
          if (kind === "wait") expect(queues.wakeAt).toBeGreaterThan(now);
        }
        const end = now + 60_000;
        let left = 0;
        for (const flush of queues.due(end)) left += flush.ids.length;
        expect(left).toBe([...waiting.values()].reduce((sum, set) => sum + set.size, 0));
      }),
      { numRuns: 10_000 },
    );
  }, 60_000);
});
