import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  DeferredWrites,
  QUIET_BEHIND_MS,
  QUIET_MS,
  WRITE_DELAY_MS_MAX,
  WRITES_MAX,
} from "../../lib/relay/deferred-writes.ts";
import { RelayError } from "../../lib/relay/error.ts";

/** Writes that note themselves. */
function noting(): { writes: DeferredWrites; done: number[]; warnings: string[] } {
  const warnings: string[] = [];
  const writes = new DeferredWrites((text) => void warnings.push(text));
  return { writes, done: [], warnings };
}

describe("Writes that can wait", () => {
  test("wait while a tick is near, and are done in order where none is", () => {
    const { writes, done } = noting();
    for (const number of [1, 2, 3]) writes.later(() => done.push(number), 0);
    expect(writes.settle(QUIET_BEHIND_MS, QUIET_BEHIND_MS + QUIET_MS - 1)).toBe(WRITE_DELAY_MS_MAX);
    expect(done).toEqual([]);
    const at = QUIET_BEHIND_MS + 50;
    expect(writes.settle(at, at + QUIET_MS)).toBe(Number.POSITIVE_INFINITY);
    expect(done).toEqual([1, 2, 3]);
    writes.settle(at + 10, 1e9);
    expect(done).toEqual([1, 2, 3]);
  });

  test("are not done right behind frames, nor right when they are asked for", () => {
    const { writes, done } = noting();
    writes.ticked(0);
    writes.later(() => done.push(1), 10);
    expect(writes.settle(10, 1e9)).toBe(10 + QUIET_BEHIND_MS);
    writes.ticked(200);
    expect(writes.settle(10 + QUIET_BEHIND_MS, 1e9)).toBe(200 + QUIET_BEHIND_MS);
    expect(done).toEqual([]);
    writes.settle(200 + QUIET_BEHIND_MS, 1e9);
    expect(done).toEqual([1]);
  });

  test("wait no longer than a second, and no more of them than may", () => {
    const { writes, done } = noting();
    writes.later(() => done.push(1), 5);
    writes.settle(4 + WRITE_DELAY_MS_MAX, 0);
    expect(done).toEqual([]);
    writes.settle(5 + WRITE_DELAY_MS_MAX, 0);
    expect(done).toEqual([1]);
    for (let count = 0; count < WRITES_MAX; count++) writes.later(() => done.push(2), 0);
    expect(done).toHaveLength(1 + WRITES_MAX);
  });

  test("are each done once, in time and in quiet, whatever comes between", () => {
    const step = fc.record({
      ms: fc.nat(300),
      nextMs: fc.nat(300),
      what: fc.constantFrom("write", "tick", "nothing"),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const { writes, done } = noting();
        let now = 0;
        let count = 0;
        let since = 0;
        let tickedAt = Number.NEGATIVE_INFINITY;
        for (const { ms, nextMs, what } of steps) {
          now += ms;
          if (what === "tick") {
            tickedAt = now;
            writes.ticked(now);
          }
          const number = count;
          if (what === "write") {
            if (done.length === count) since = now;
            writes.later(() => done.push(number), now);
            count++;
          }
          const waits = done.length < count;
          const at = writes.settle(now, now + nextMs);
          const isLate = now - since >= WRITE_DELAY_MS_MAX;
          const isQuiet = now - Math.max(since, tickedAt) >= QUIET_BEHIND_MS && nextMs >= QUIET_MS;
          if (waits && (isLate || isQuiet)) expect(done).toHaveLength(count);
          if (waits && !isLate && !isQuiet) expect(done.length).toBeLessThan(count);
          expect(at).toBeGreaterThan(now);
        }
        writes.flush();
        expect(done).toEqual(Array.from({ length: count }, (_, index) => index));
      }),
    );
  });

  test("that fail are told of, and the others are done; a bug is no full disk", () => {
    const { writes, done, warnings } = noting();
    writes.later(() => {
      throw new RelayError("store-failed", "local", "The disk is full.");
    }, 0);
    writes.later(() => done.push(2), 0);
    writes.flush();
    expect(warnings).toEqual(["The disk is full."]);
    expect(done).toEqual([2]);
    writes.later(() => {
      throw new TypeError("a bug");
    }, 0);
    expect(() => writes.flush()).toThrow(TypeError);
  });

  test("that have to be done are tried again with the next ones", () => {
    const { writes, done, warnings } = noting();
    let isFull = true;
    const removal = (): void => {
      if (isFull) throw new RelayError("store-failed", "local", "The disk is full.");
      done.push(1);
    };
    writes.later(removal, 0, { isKept: true });
    writes.flush();
    writes.later(() => done.push(2), 0);
    writes.flush();
    expect([done, warnings.length]).toEqual([[2], 2]);
    isFull = false;
    writes.later(() => done.push(3), 0);
    writes.flush();
    writes.flush();
    expect(done).toEqual([2, 1, 3]);
  });

  test("are dropped by what they are about, those that failed too, and no others", () => {
    const { writes, done, warnings } = noting();
    let isFull = true;
    const removal = (number: number) => (): void => {
      if (isFull) throw new RelayError("store-failed", "local", "The disk is full.");
      done.push(number);
    };
    writes.later(removal(1), 0, { id: "a", isKept: true });
    writes.later(removal(2), 0, { id: "b", isKept: true });
    writes.flush();
    expect(warnings).toHaveLength(2);
    isFull = false;
    writes.later(removal(3), 0, { id: "a" });
    writes.later(removal(4), 0, { id: "b" });
    writes.later(removal(5), 0);
    writes.drop("a");
    writes.flush();
    expect(done).toEqual([2, 4, 5]);
    writes.later(removal(6), 0, { id: "a" });
    writes.flush();
    expect(done).toEqual([2, 4, 5, 6]);
  });
});
