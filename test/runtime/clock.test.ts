import { describe, expect, spyOn, test } from "bun:test";
import { realClock } from "../../lib/runtime/clock.ts";

/** Resolves with the reading at which a timer fired. */
function firing(at: number): Promise<number> {
  return new Promise((resolve) => realClock.setTimer(at, () => resolve(realClock.now())));
}

describe("the real clock", () => {
  test("is monotonic, and knows the date", () => {
    const readings = Array.from({ length: 1_000 }, () => realClock.now());
    expect(readings).toEqual([...readings].sort((a, b) => a - b));
    expect(Math.abs(realClock.unixMs() - Date.now())).toBeLessThan(1_000);
  });

  test("never fires early", async () => {
    const start = realClock.now();
    // Fractions are what a runtime's own timers cut off.
    const times = Array.from({ length: 60 }, (_, i) => start + 1 + i * 0.37);
    const fired = await Promise.all(times.map(firing));
    for (const [index, at] of times.entries()) {
      expect((fired[index] ?? 0) - at).toBeGreaterThanOrEqual(0);
    }
  });

  test("a timer for the past fires soon, but not while it is being set", async () => {
    let fired = false;
    const done = new Promise<void>((resolve) => {
      realClock.setTimer(realClock.now() - 1_000, () => {
        fired = true;
        resolve();
      });
    });
    expect(fired).toBe(false);
    await done;
    expect(fired).toBe(true);
  });

  test("a cancelled timer stays silent, also after it was armed again", async () => {
    const fired: string[] = [];
    const start = realClock.now();
    const cancelled = realClock.setTimer(start + 2.5, () => fired.push("cancelled"));
    const later = realClock.setTimer(start + 6, () => fired.push("later"));
    cancelled.cancel();
    await firing(start + 4);
    later.cancel();
    later.cancel();
    await firing(start + 9);
    expect(fired).toEqual([]);
  });

  test("does not fire early where the runtime's own timer does", async () => {
    const runtimeTimer = globalThis.setTimeout;
    const asked: number[] = [];
    const early = spyOn(globalThis, "setTimeout").mockImplementation(((
      fire: () => void,
      ms: number,
    ) => {
      asked.push(ms);
      // Only the first is early, by far more than a busy machine is late.
      return runtimeTimer(fire, asked.length === 1 ? 0 : ms);
    }) as typeof setTimeout);
    try {
      const at = realClock.now() + 250.5;
      expect(await firing(at)).toBeGreaterThanOrEqual(at);
      // The first wake-up came too soon, so another was asked for.
      expect(asked.length).toBeGreaterThan(1);
    } finally {
      early.mockRestore();
    }
  });

  test("a timer further away than the runtime can count does not fire at once", async () => {
    let fired = false;
    const asked = spyOn(globalThis, "setTimeout");
    const far = realClock.setTimer(realClock.now() + 2 ** 31 + 1_000, () => {
      fired = true;
    });
    expect(asked.mock.calls[0]?.[1]).toBe(2 ** 31 - 1);
    asked.mockRestore();
    await firing(realClock.now() + 5);
    expect(fired).toBe(false);
    far.cancel();
  });

  test("cancelling after it fired does nothing", async () => {
    let count = 0;
    const timer = realClock.setTimer(realClock.now() + 1, () => count++);
    await firing(realClock.now() + 4);
    timer.cancel();
    expect(count).toBe(1);
  });
});
