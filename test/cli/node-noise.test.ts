import { describe, expect, test } from "bun:test";
import { noiseCost, readNoise } from "../../cli/node-noise.ts";
import { UsageError } from "../../cli/usage-error.ts";
import { networks } from "../../lib/monero/network.ts";
import { streamEpoch } from "../../lib/padding/epoch.ts";
import { moneroSchedule } from "../../lib/padding/schedule.ts";

function read(options: Record<string, string>, network = networks.mainnet) {
  const texts = new Map(Object.entries(options).map(([name, value]) => [name, [value]]));
  const warnings: string[] = [];
  return { ...readNoise(texts, network, warnings), warnings };
}

function refusal(options: Record<string, string>): string {
  try {
    read(options);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error("It was taken.");
}

describe("noise options", () => {
  test("by default: two channels, monerod's schedule, one transaction a stream", () => {
    expect(read({})).toEqual({
      ...{ schedule: moneroSchedule, epoch: streamEpoch, channels: 2 },
      ...{ streamReuse: "refuse", forwardsInZone: false, warnings: [] },
    });
  });

  test("a channel on every link is half as often, unless a schedule is given", () => {
    const all = read({ "noise-channels": "all" });
    expect(all.channels).toBe("all");
    expect(all.schedule).toEqual({ kind: "uniform", lowMs: 20_000, highMs: 30_000 });
    // Twenty frames, with a timed sync after nearly each of them, and what comes before.
    expect(all.epoch.baseMs).toBe(1_150_000);
    const given = read({ "noise-channels": "all", "noise-schedule": "uniform:10s..15s" });
    expect(given.schedule).toEqual(moneroSchedule);
  });

  test("reuse is allowed with a warning that says what it shows", () => {
    const { streamReuse, warnings } = read({ "stream-reuse": "allow" });
    expect(streamReuse).toBe("allow");
    expect(warnings.join()).toContain("one node sent both");
  });

  test.each([
    [{ "noise-channels": "0" }, "--noise-channels 0"],
    [{ "noise-channels": "every" }, "--noise-channels every is not all"],
    [{ "stream-reuse": "no" }, "--stream-reuse no is not refuse or allow"],
    [{ "forward-in-zone": "1", "stream-reuse": "allow" }, "leave --stream-reuse allow out"],
    [{ "forward-in-zone": "1", "noise-channels": "1" }, "give 2 or more"],
    [{ "noise-epoch": "4m..5m" }, "give at least 5m"],
    [{ "noise-schedule": "constant:10s" }, "on --regtest"],
  ])("%p is refused", (options, part) => {
    expect(refusal(options as unknown as Record<string, string>)).toContain(part);
  });

  test("an epoch in which the largest transaction may not leave is warned of", () => {
    expect(read({ "noise-epoch": "5m..5.5m" }).warnings.join()).toContain("470s is safe");
    expect(read({ "noise-epoch": "8m..9m" }).warnings).toEqual([]);
    const allowed = read({ "noise-epoch": "5m..5.5m", "stream-reuse": "allow" });
    expect(allowed.warnings.join()).not.toContain("is safe");
  });

  test("what they cost", () => {
    const two = { outboundMax: 12, noise: "on" } as const;
    expect(noiseCost(read({}), two)).toEqual({ channels: 2, bytesPerSecond: 492 });
    expect(noiseCost(read({ "noise-channels": "all" }), two)).toEqual({
      ...{ channels: 12, bytesPerSecond: 1_475 },
    });
    expect(noiseCost(read({}), { outboundMax: 1, noise: "on" }).channels).toBe(1);
    expect(noiseCost(read({}), { outboundMax: 12, noise: "silent" }).bytesPerSecond).toBe(0);
  });
});
