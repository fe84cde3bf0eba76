import { describe, expect, test } from "bun:test";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import { ZoneError } from "../../lib/zone/error.ts";
import { CircuitRotation, parseRotation } from "../../lib/zone/rotation.ts";

const MINUTE = 60_000;
const INTERVAL = 10 * MINUTE;

/** Times of the rotations in a number of intervals. */
function rotations(
  seed: number,
  intervals: number,
  during?: (clock: VirtualClock) => void,
): number[] {
  const clock = new VirtualClock();
  const times: number[] = [];
  const rotation = CircuitRotation.start({
    ...{ intervalMs: INTERVAL, random: new SeededRandom(seed), clock },
    rotate: () => times.push(clock.now()),
  });
  during?.(clock);
  clock.advanceTo(intervals * INTERVAL);
  rotation.stop();
  clock.advanceTo((intervals + 10) * INTERVAL);
  return times;
}

describe("rotation of circuits", () => {
  test("comes at random times around the interval, and as often on the whole", () => {
    const times = rotations(1, 2_000);
    const gaps = times.map((time, index) => time - (times[index - 1] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(INTERVAL / 2);
    expect(Math.max(...gaps)).toBeLessThan(1.5 * INTERVAL);
    expect(times.length).toBeGreaterThan(1_950);
    expect(times.length).toBeLessThan(2_050);
    // Ten equal drawers between half and one and a half; a fixed interval would fill one of them.
    const drawers = Array.from({ length: 10 }, (_, drawer) => {
      const low = INTERVAL * (0.5 + drawer / 10);
      return gaps.filter((gap) => gap >= low && gap < low + INTERVAL / 10).length;
    });
    for (const count of drawers) expect(Math.abs(count - times.length / 10)).toBeLessThan(60);
    expect(rotations(2, 20)).not.toEqual(rotations(1, 20));
  });

  test("comes at the same times whatever the program does meanwhile", () => {
    const quiet = rotations(3, 50);
    const busy = rotations(3, 50, (clock) => {
      for (let at = 0; at < 50 * INTERVAL; at += 7_777) clock.setTimer(at, () => undefined);
    });
    expect(busy).toEqual(quiet);
    expect(quiet.length).toBeGreaterThan(30);
  });

  test("ends when it is stopped", () => {
    const clock = new VirtualClock();
    let count = 0;
    const rotation = CircuitRotation.start({
      ...{ intervalMs: INTERVAL, random: new SeededRandom(4), clock },
      rotate: () => {
        count++;
        rotation.stop();
      },
    });
    clock.advanceTo(100 * INTERVAL);
    expect(count).toBe(1);
  });

  test("gives new streams other credentials, under the same label too", () => {
    const isolation = new StreamIsolation(new SeededRandom(5));
    const before = isolation.credentials("link-1");
    expect(isolation.credentials("link-1")).toEqual(before);
    isolation.renew();
    const after = isolation.credentials("link-1");
    expect(after.user).not.toBe(before.user);
    expect(after.user).toMatch(/^[0-9a-f]{32}$/);
    expect(after.password).toBe("link-1");
  });
});

describe("--tor-rotate-circuits", () => {
  test("takes durations from half a minute to a day", () => {
    expect(["30s", "10m", "24h"].map(parseRotation)).toEqual([30_000, 600_000, 86_400_000]);
    for (const text of ["29s", "25h", "10", "", "-1m", "often"]) {
      expect(() => parseRotation(text)).toThrow(ZoneError);
      expect(() => parseRotation(text)).toThrow("from 30s to 24h");
    }
  });
});
