import { describe, expect, test } from "bun:test";
import { type FramedMessage, NoiseChannel, type Tick } from "../../lib/padding/noise-channel.ts";
import { noise } from "./channel-message.ts";
import { giveaway, type MakeChannel } from "./channel-observer.ts";

/** What is sent leaves at once. */
class Impatient extends NoiseChannel {
  #hurry: FramedMessage | undefined;
  override send(message: FramedMessage): boolean {
    if (message.lane !== "payload") return super.send(message);
    this.#hurry = message;
    return true;
  }
  override get wakeAt(): number | undefined {
    return this.#hurry === undefined ? super.wakeAt : 0;
  }
  override tick(now: number): Tick | undefined {
    const [frame] = this.#hurry?.frames ?? [];
    this.#hurry = undefined;
    return frame === undefined ? super.tick(now) : { link: 1, frame };
  }
}

/** A frame with payload is a little longer. */
class Longer extends NoiseChannel {
  override tick(now: number): Tick | undefined {
    const tick = super.tick(now);
    if (tick === undefined || tick.frame === noise) return tick;
    return { ...tick, frame: new Uint8Array(tick.frame.length + 1) };
  }
}

/** Nothing to say, nothing sent. */
class Thrifty extends NoiseChannel {
  override tick(now: number): Tick | undefined {
    const tick = super.tick(now);
    return tick?.frame === noise && now % 3 < 1 ? undefined : tick;
  }
}

/** After payload the next frame comes sooner. */
class Hasty extends NoiseChannel {
  #sooner = 0;
  override get wakeAt(): number | undefined {
    const at = super.wakeAt;
    return at === undefined ? undefined : at - this.#sooner;
  }
  override tick(now: number): Tick | undefined {
    const tick = super.tick(now + this.#sooner);
    if (tick !== undefined) this.#sooner = tick.frame === noise ? 0 : 1_000;
    return tick;
  }
}

/** Every frame with payload takes 20 ms to make, after the tick and not before. */
class Slow extends NoiseChannel {
  #later = 0;
  override get wakeAt(): number | undefined {
    const at = super.wakeAt;
    return at === undefined ? undefined : at + this.#later;
  }
  override send(message: FramedMessage): boolean {
    this.#later = 20;
    return super.send(message);
  }
  override tick(now: number): Tick | undefined {
    const tick = super.tick(now);
    if (tick?.frame === noise) this.#later = 0;
    return tick;
  }
}

/** The first frame shows the moment at which the link became ready. */
class Eager extends NoiseChannel {
  #first = true;
  override get wakeAt(): number | undefined {
    return this.#first && super.wakeAt !== undefined ? 0 : super.wakeAt;
  }
  override tick(now: number): Tick | undefined {
    if (!this.#first) return super.tick(now);
    this.#first = false;
    return { link: 1, frame: noise };
  }
}

const mutants: readonly (readonly [string, MakeChannel, RegExp])[] = [
  ["sends payload at once", (options) => new Impatient(options), /a wait of/],
  ["makes a frame with payload longer", (options) => new Longer(options), /a frame of 3073 bytes/],
  ["skips ticks when it is idle", (options) => new Thrifty(options), /a wait of/],
  ["waits less after payload", (options) => new Hasty(options), /a wait of|another time/],
  ["is late with payload", (options) => new Slow(options), /a wait of|not uniform|another time/],
  ["ticks when it joins", (options) => new Eager(options), /a wait of 0 ms/],
  [
    "ticks every ten seconds",
    (options) => new NoiseChannel({ ...options, schedule: { kind: "constant", everyMs: 10_000 } }),
    /not uniform/,
  ],
];

describe("what the wire gives away", () => {
  test.each([1, 2, 3, 4, 5])("nothing, whatever the channel carries (seed %d)", (seed) => {
    expect(giveaway((options) => new NoiseChannel(options), seed)).toBeUndefined();
  });

  test.each(mutants)(
    "a channel that %s is caught",
    (_name, make, words) => {
      for (const seed of [1, 2, 3]) expect(giveaway(make, seed)).toMatch(words);
    },
    30_000,
  );
});
