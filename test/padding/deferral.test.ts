import { describe, expect, test } from "bun:test";
import { moneroSchedule, type NoiseSchedule } from "../../lib/padding/schedule.ts";
import { detectorAuc, placesOfWaiting } from "./interval-auc.ts";

const FRAMES = 40_000;
const poisson: NoiseSchedule = { kind: "poisson", meanMs: 12_500 };

describe("the interval before a frame", () => {
  test.each([
    ["monerod's schedule", moneroSchedule, 1],
    ["monerod's schedule, ten intervals", moneroSchedule, 10],
    ["a Poisson schedule", poisson, 1],
  ] as const)("does not tell payload from noise: %s", (_name, schedule, lags) => {
    for (const seed of [1, 2]) {
      expect(detectorAuc({ schedule, lags, frames: FRAMES, seed })).toBeWithin(0.485, 0.519);
    }
  });

  test("would, if payload took the next tick, as monerod's does", () => {
    const next = { lags: 1, frames: FRAMES, seed: 1, takesNext: true };
    expect(detectorAuc({ ...next, schedule: moneroSchedule })).toBeGreaterThan(0.525);
    expect(detectorAuc({ ...next, schedule: poisson })).toBeGreaterThan(0.7);
  });

  test("does not where timed syncs share the channel", () => {
    const control = { schedule: moneroSchedule, lags: 1, frames: FRAMES, control: true };
    expect(detectorAuc({ ...control, seed: 3 })).toBeWithin(0.485, 0.519);
  });
});

describe("a transaction that waited for its stream", () => {
  test("is at no place of the stream more often than at another", () => {
    const places = new Map<number, number>();
    const counts = placesOfWaiting(3_000);
    for (const place of counts) places.set(place, (places.get(place) ?? 0) + 1);
    const most = Math.max(...places.values());
    expect(places.size).toBeGreaterThan(20);
    expect(most / counts.length).toBeLessThan(0.06);
  });
});
