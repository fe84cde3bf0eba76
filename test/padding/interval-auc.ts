import { streamEpoch } from "../../lib/padding/epoch.ts";
import { NoiseChannel } from "../../lib/padding/noise-channel.ts";
import { moneroSchedule, type NoiseSchedule } from "../../lib/padding/schedule.ts";
import { uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { messageOf, nameOf, noise } from "./channel-message.ts";

/** What is watched, and how. */
export interface Watching {
  readonly schedule: NoiseSchedule;
  /** Intervals before a frame whose mean is looked at. */
  readonly lags: number;
  readonly frames: number;
  readonly seed: number;
  /** Whether payload takes the next tick. */
  readonly takesNext?: boolean;
  /** Whether timed syncs leave on the channel too, every minute or so. */
  readonly control?: boolean;
}

/** An epoch that ends after the watching: none of it is about epochs. */
const long = { baseMs: 1e12, spreadMs: 1 };

interface Sample {
  readonly value: number;
  readonly isPayload: boolean;
}

/**
 * How well the intervals before a frame tell payload from noise.
 *
 * @param watching the channel, and how long
 * @returns the area under the curve, from 0.5 for not at all to 1
 */
export function detectorAuc(watching: Watching): number {
  const samples = watch(watching).sort((a, b) => a.value - b.value);
  let below = 0;
  let sum = 0;
  let payload = 0;
  for (const { isPayload } of samples) {
    if (isPayload) {
      sum += below;
      payload++;
    } else below++;
  }
  const auc = sum / (payload * below);
  return Math.max(auc, 1 - auc);
}

function watch({ schedule, lags, frames, seed, takesNext, control }: Watching): Sample[] {
  const random = new SeededRandom(seed);
  const arrivals = new SeededRandom(seed + 1_000);
  const aside = takesNext === true ? {} : { aside: new SeededRandom(seed + 2_000) };
  const channel = new NoiseChannel({ schedule, epoch: long, random, noise, ...aside });
  channel.join(1, 0);
  const samples: Sample[] = [];
  const intervals: number[] = [];
  let last = 0;
  let sendAt = uniform(arrivals, 0, 400_000);
  let syncAt = uniform(arrivals, 0, 60_000);
  for (let count = 0; count < frames; count++) {
    const at = channel.wakeAt ?? 0;
    while (sendAt < at) {
      channel.send(messageOf("pay", "payload", 1));
      sendAt += uniform(arrivals, 150_000, 400_000);
    }
    while (control === true && syncAt < at) {
      channel.send(messageOf("sync", "control", 1));
      syncAt += uniform(arrivals, 30_000, 90_000);
    }
    const name = nameOf(channel.tick(at)?.frame ?? noise);
    intervals.push(at - last);
    last = at;
    if (intervals.length < lags || name.startsWith("sync")) continue;
    const value = intervals.slice(-lags).reduce((sum, one) => sum + one, 0);
    samples.push({ value, isPayload: name !== "noise" });
  }
  return samples;
}

/**
 * At which tick of a stream a transaction leaves that waited for the stream.
 *
 * @param streams how many
 */
export function placesOfWaiting(streams: number): number[] {
  const counts: number[] = [];
  for (let seed = 1; seed <= streams; seed++) {
    const channel = new NoiseChannel({
      ...{ schedule: moneroSchedule, epoch: streamEpoch, noise },
      ...{ random: new SeededRandom(seed), aside: new SeededRandom(~seed) },
    });
    channel.join(1, 0);
    channel.tick(channel.wakeAt ?? 0);
    channel.send(messageOf("pay", "payload", 1), "spread");
    for (let place = 1; place < 60; place++) {
      if (nameOf(channel.tick(channel.wakeAt ?? 0)?.frame ?? noise) === "pay/0") counts.push(place);
    }
  }
  return counts;
}
