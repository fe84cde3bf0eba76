import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Timer } from "../../lib/runtime/clock.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";

describe("a virtual clock", () => {
  test("stands still until it is told to move, and never goes back", () => {
    const clock = new VirtualClock(100, 5_000);
    expect([clock.now(), clock.unixMs()]).toEqual([100, 5_000]);
    clock.advance(0.5);
    expect([clock.now(), clock.unixMs()]).toEqual([100.5, 5_000.5]);
    clock.advanceTo(50);
    expect(clock.now()).toBe(100.5);
    clock.advanceTo(200);
    expect([clock.now(), clock.unixMs()]).toEqual([200, 5_100]);
  });

  test("two made alike read alike", () => {
    expect(new VirtualClock().unixMs()).toBe(new VirtualClock().unixMs());
  });

  test("fires in order of time, and in order of setting at the same time", () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    const set = (name: string, at: number): Timer => clock.setTimer(at, () => fired.push(name));
    set("c", 30);
    set("a", 10);
    set("b1", 20);
    set("b2", 20);
    set("b3", 20);
    clock.advanceTo(9.999);
    expect(fired).toEqual([]);
    clock.advanceTo(10);
    expect(fired).toEqual(["a"]);
    clock.advanceTo(1_000);
    expect(fired).toEqual(["a", "b1", "b2", "b3", "c"]);
  });

  test("shows a timer the time it was set for", () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    for (const at of [70, 20, 50]) clock.setTimer(at, () => times.push(clock.now()));
    clock.advanceTo(60);
    expect(times).toEqual([20, 50]);
    expect(clock.now()).toBe(60);
  });

  test("a timer for the past fires at the next move, not at once", () => {
    const clock = new VirtualClock(100);
    let firedAt = 0;
    clock.setTimer(10, () => {
      firedAt = clock.now();
    });
    expect(firedAt).toBe(0);
    expect(clock.nextTimerAt()).toBe(100);
    clock.advance(0);
    expect(firedAt).toBe(100);
  });

  test("timers that timers set fire on the way, if they fall due", () => {
    const clock = new VirtualClock();
    const ticks: number[] = [];
    const tick = (): void => {
      ticks.push(clock.now());
      clock.setTimer(clock.now() + 10, tick);
    };
    clock.setTimer(10, tick);
    clock.advanceTo(45);
    expect(ticks).toEqual([10, 20, 30, 40]);
    expect(clock.nextTimerAt()).toBe(50);
  });

  test("a cancelled timer never fires, also when another cancels it at the same instant", () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    const early = clock.setTimer(10, () => fired.push("early"));
    clock.setTimer(20, () => {
      fired.push("cancels");
      same.cancel();
      early.cancel();
    });
    const same = clock.setTimer(20, () => fired.push("same"));
    const first = clock.setTimer(5, () => fired.push("first"));
    first.cancel();
    first.cancel();
    expect(clock.nextTimerAt()).toBe(10);
    clock.advanceTo(100);
    expect(fired).toEqual(["early", "cancels"]);
    expect(clock.nextTimerAt()).toBeUndefined();
    same.cancel();
  });

  test("agrees with a sorted list for any timers, cancellations and moves", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("set" as const), after: fc.nat(50) }),
      fc.record({ kind: fc.constant("cancel" as const), which: fc.nat(40) }),
      fc.record({ kind: fc.constant("move" as const), by: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new VirtualClock();
        const fired: number[] = [];
        const timers: Timer[] = [];
        const want: number[] = [];
        let list: { id: number; at: number }[] = [];
        let now = 0;
        for (const action of steps) {
          if (action.kind === "set") {
            const id = timers.length;
            timers.push(clock.setTimer(now + action.after, () => fired.push(id)));
            list.push({ id, at: now + action.after });
          } else if (action.kind === "cancel") {
            timers[action.which]?.cancel();
            list = list.filter(({ id }) => id !== action.which);
          } else {
            now += action.by;
            clock.advance(action.by);
            const due = list.filter(({ at }) => at <= now);
            due.sort((a, b) => a.at - b.at || a.id - b.id);
            want.push(...due.map(({ id }) => id));
            list = list.filter(({ at }) => at > now);
          }
          expect(fired).toEqual(want);
          const next = list.reduce(
            (least, { at }) => Math.min(least, at),
            Number.POSITIVE_INFINITY,
          );
          expect(clock.nextTimerAt() ?? Number.POSITIVE_INFINITY).toBe(next);
        }
      }),
      { numRuns: 2_000, seed: 1 },
    );
  });

  test("many timers are quick", () => {
    const clock = new VirtualClock();
    let fired = 0;
    for (let i = 0; i < 100_000; i++) clock.setTimer((i * 7_919) % 100_003, () => fired++);
    clock.advance(200_000);
    expect(fired).toBe(100_000);
  });
});
