import { describe, expect, test } from "bun:test";
import { NoiseChannel } from "../../lib/padding/noise-channel.ts";
import { exponential, uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { channelOptions, messageOf, nameOf, noise } from "./channel-message.ts";

const TICKS = 60_000;
/** So often that one transaction often waits behind another. */
const PAYLOAD_EVERY_MS = 80_000;

/**
 * How much more often payload stands right after a timed sync than elsewhere, where the answers of
 * peers show which frames were timed syncs; 1 for no difference.
 */
function afterControl(seed: number, hasAside: boolean): number {
  const chance = new SeededRandom(seed + 1);
  const channel = new NoiseChannel({
    ...channelOptions(seed),
    carriesOver: true,
    ...(hasAside ? { aside: new SeededRandom(seed + 2) } : {}),
  });
  const seen = { after: { payload: 0, ticks: 0 }, elsewhere: { payload: 0, ticks: 0 } };
  let sendAt = 0;
  let syncAt = 0;
  let isAfter = false;
  channel.join(1, 0);
  for (let count = 0; count < TICKS; count++) {
    const at = channel.wakeAt ?? 0;
    for (; sendAt < at; sendAt += exponential(chance, PAYLOAD_EVERY_MS)) {
      channel.send(messageOf("pay", "payload", 1));
    }
    for (; syncAt < at; syncAt += uniform(chance, 15_000, 45_000)) {
      channel.send(messageOf("sync", "control", 1));
    }
    const name = nameOf(channel.tick(at)?.frame ?? noise);
    const isControl = name.startsWith("sync");
    const counts = isAfter ? seen.after : seen.elsewhere;
    if (!isControl) counts.ticks++;
    if (name.startsWith("pay")) counts.payload++;
    isAfter = isControl;
  }
  const { after, elsewhere } = seen;
  return after.payload / after.ticks / (elsewhere.payload / elsewhere.ticks);
}

describe("payload and timed syncs on one channel", () => {
  test("payload stands right after a timed sync as often as elsewhere", () => {
    for (const seed of [1, 2, 3]) {
      const ratio = afterControl(seed, true);
      expect({ seed, ratio, isEven: ratio > 0.88 && ratio < 1.12 }).toMatchObject({ isEven: true });
    }
  });

  test("it would stand there far more often if it took the next tick that is left", () => {
    for (const seed of [1, 2, 3]) expect(afterControl(seed, false)).toBeGreaterThan(1.5);
  });
});
