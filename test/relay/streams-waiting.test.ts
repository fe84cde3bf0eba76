import { expect, test } from "bun:test";
import { streamEpoch } from "../../lib/padding/epoch.ts";
import { uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { ScriptedPeer, tupleOf } from "./scripted-peer.ts";
import { blobOf } from "./transactions.ts";
import { VirtualNetwork } from "./virtual-network.ts";

const RUNS = 120;
/** Two epochs, and a third in which what waits for its stream leaves. */
const BEGIN_MS = { low: 1_200_000, high: 1_800_000 } as const;
const AFTER_MS = 700_000;
/** Of about forty ticks, the first of which is no transaction's. */
const SHARE_MAX = 0.055;

/** At which ticks of their streams a transaction left that came at a random moment. */
function ticksOf(seed: number): number[] {
  const network = new VirtualNetwork();
  const tuple = tupleOf(1, 141);
  const peer = new ScriptedPeer(network, { tuple });
  const targets = [{ address: peer.address, kind: "exclusive" as const }];
  const node = network.add({
    zone: { targets, remembered: tuple, streamReuse: "refuse" },
    relay: { epoch: streamEpoch },
    seed,
  });
  network.clock.advance(uniform(new SeededRandom(~seed), BEGIN_MS.low, BEGIN_MS.high));
  const blob = Buffer.from(blobOf(0));
  node.submit(blob);
  network.clock.advance(AFTER_MS);
  const ticks = new Map<number, number>();
  return node.sent.flatMap(({ link, by, bytes }) => {
    if (by !== "tick") return [];
    const tick = (ticks.get(link) ?? 0) + 1;
    ticks.set(link, tick);
    return Buffer.from(bytes).includes(blob.subarray(0, 100)) ? [tick] : [];
  });
}

test("what comes between two streams leaves at no tick of the next more often than at others", () => {
  const ticks = Array.from({ length: RUNS }, (_, seed) => ticksOf(seed)).flat();
  expect(ticks.length).toBeGreaterThan(RUNS);
  expect(ticks).not.toContain(1);
  const second = ticks.filter((tick) => tick === 2).length;
  expect(second / ticks.length, `${second} of ${ticks.length} at the second`).toBeLessThan(
    SHARE_MAX,
  );
});
