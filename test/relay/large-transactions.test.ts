import { describe, expect, test } from "bun:test";
import { readNoise } from "../../cli/node-noise.ts";
import { FRAGMENTS_MAX, FRAME_BYTES, framesOf, noiseFrame } from "../../lib/levin/frame.ts";
import { networks } from "../../lib/monero/network.ts";
import { ChannelGroup } from "../../lib/relay/channel-group.ts";
import { transactionBytesMax } from "../../lib/relay/core.ts";
import { transactionNotify } from "../../lib/relay/speech.ts";
import { ZoneForwarding } from "../../lib/relay/zone-forwarding.ts";
import { uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

function noiseOf(options: Record<string, string>) {
  const texts = new Map(Object.entries(options).map(([name, value]) => [name, [value]]));
  return readNoise(texts, networks.mainnet, []);
}

/** In how many of so many epochs the largest transaction leaves, with timed syncs of both sides. */
function left(options: Record<string, string>, epochs: number): number {
  const { schedule, epoch } = noiseOf(options);
  let count = 0;
  for (let seed = 1; seed <= epochs; seed++) {
    const random = new SeededRandom(seed);
    const group = new ChannelGroup({
      ...{ count: 1, schedule, epoch, noise: noiseFrame(FRAME_BYTES), isSilent: false },
      ...{ rotates: true, random, aside: new SeededRandom(~seed) },
    });
    group.settle([1], 0);
    const frames = framesOf(transactionNotify(new Uint8Array(transactionBytesMax())), FRAME_BYTES);
    expect(frames).toHaveLength(FRAGMENTS_MAX);
    const [control = new Uint8Array()] = framesOf(
      transactionNotify(new Uint8Array(9)),
      FRAME_BYTES,
    );
    let ours = uniform(random, 0, 60_000);
    let theirs = uniform(random, 0, 60_000);
    let isSent = false;
    for (let at = group.wakeAt; Number.isFinite(at); at = group.wakeAt) {
      for (; ours < at; ours += uniform(random, 30_000, 90_000)) say();
      for (; theirs < at; theirs += 60_000) say();
      if (group.tick(at).some(({ finished }) => finished?.tag === "largest")) count++;
      if (!isSent) isSent = group.sendLocal({ tag: "largest", lane: "payload", frames }, true) > 0;
      if (group.settle([1], at).retired.length > 0) break;
    }
    function say(): void {
      group.sendOn(1, { tag: "control", lane: "control", frames: [control] });
    }
  }
  return count;
}

describe("the largest transaction that is taken", () => {
  test.each([
    [{}],
    [{ "noise-channels": "all" }],
    [{ "noise-schedule": "uniform:20s..30s" }],
    [{ "noise-schedule": "poisson:12.5s" }],
  ])("leaves within an epoch, with %p", (options) => {
    expect(left(options as unknown as Record<string, string>, 200)).toBeGreaterThan(180);
  });
});

describe("forwarding in the zone", () => {
  const group = (): ChannelGroup => {
    const made = new ChannelGroup({
      ...{ count: 2, isSilent: false, rotates: true, noise: noiseFrame(FRAME_BYTES) },
      ...{ schedule: noiseOf({}).schedule, epoch: noiseOf({}).epoch },
      ...{ random: new SeededRandom(1), aside: new SeededRandom(2) },
    });
    made.settle([1, 2], 0);
    made.tick(16_000);
    return made;
  };

  test("leaves what fits into no message where it is", () => {
    const forwarding = new ZoneForwarding("tor");
    expect(forwarding.take(7, "long", new Uint8Array(transactionBytesMax() + 1), 0)).toBe(false);
    expect(forwarding.take(7, "longest", new Uint8Array(transactionBytesMax()), 0)).toBe(true);
    forwarding.offer(group());
    expect(forwarding.size).toBe(0);
  });

  test("serves one peer after another, however much one of them brings", () => {
    const forwarding = new ZoneForwarding("tor");
    for (let index = 0; index < 16; index++) {
      forwarding.take(7, `flood ${index}`, new Uint8Array(20_000), 0);
    }
    forwarding.take(8, "one", new Uint8Array(2_000), 0);
    forwarding.offer(group());
    const waiting = forwarding.size;
    expect(waiting).toBeGreaterThan(1);
    // The next stream is the other peer's.
    forwarding.offer(group());
    expect(forwarding.size).toBe(waiting - 1);
  });
});
