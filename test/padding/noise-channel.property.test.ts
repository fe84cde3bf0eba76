import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  CONTROL_QUEUE_FRAMES_MAX,
  CONTROL_RUN_MAX,
  type Lane,
  NoiseChannel,
  PAYLOAD_QUEUE_FRAMES_MAX,
} from "../../lib/padding/noise-channel.ts";
import { channelOptions, messageOf, nameOf } from "./channel-message.ts";

/** Random lives of a channel; fast-check prints the seed and the shortest life that fails. */
const LIVES = 3_000;

type Step =
  | { readonly kind: "send"; readonly lane: Lane; readonly frames: number }
  | { readonly kind: "tick"; readonly lateMs: number; readonly times: number }
  | { readonly kind: "early" }
  | { readonly kind: "move" }
  | { readonly kind: "stay" }
  | { readonly kind: "lose" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("send" as const),
    lane: fc.constantFrom<Lane>("control", "payload"),
    frames: fc.oneof(
      { weight: 4, arbitrary: fc.constant(1) },
      { weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 90 }) },
    ),
  }),
  fc.record({
    kind: fc.constant("tick" as const),
    lateMs: fc.oneof(fc.constant(0), fc.nat(9_000)),
    times: fc.integer({ min: 1, max: 12 }),
  }),
  fc.constantFrom<Step>({ kind: "early" }, { kind: "move" }, { kind: "stay" }, { kind: "lose" }),
);

interface Waiting {
  readonly tag: string;
  readonly lane: Lane;
  readonly count: number;
  left: number;
}

/** The channel beside a simple account of what it was given. */
class Account {
  readonly channel: NoiseChannel;
  now = 0;
  #link = 0;
  #tags = 0;
  #waiting: Waiting[] = [];
  #tickAt = Number.NaN;
  #controlRun = 0;

  constructor(seed: number) {
    this.channel = new NoiseChannel(channelOptions(seed));
    this.#join();
  }

  take(step: Step): void {
    switch (step.kind) {
      case "send":
        this.#send(step.lane, step.frames);
        break;
      case "tick":
        for (let count = 0; count < step.times; count++) this.#tick(step.lateMs);
        break;
      case "early":
        expect(this.channel.tick(this.#tickAt - 1)).toBeUndefined();
        break;
      case "stay":
        this.channel.stay(this.now);
        expect(this.channel.mayMove()).toBe(false);
        break;
      case "move":
        if (this.channel.mayMove()) this.#lose();
        break;
      case "lose":
        this.#lose();
        break;
    }
    expect(this.channel.wakeAt).toBe(this.#tickAt);
    expect(this.channel.queuedFrames).toBe(this.#frames("control") + this.#frames("payload"));
  }

  #join(): void {
    this.channel.join(++this.#link, this.now);
    const { wakeAt = Number.NaN } = this.channel;
    expect(wakeAt - this.now).toBeGreaterThanOrEqual(10_000);
    expect(wakeAt - this.now).toBeLessThan(15_000);
    this.#tickAt = wakeAt;
  }

  #frames(lane: Lane): number {
    const mine = this.#waiting.filter((message) => message.lane === lane);
    return mine.reduce((sum, { count, left }) => sum + count - left, 0);
  }

  #send(lane: Lane, count: number): void {
    const tag = `${lane}${++this.#tags}`;
    const bound = lane === "control" ? CONTROL_QUEUE_FRAMES_MAX : PAYLOAD_QUEUE_FRAMES_MAX;
    const fits = this.#frames(lane) + count <= bound;
    expect(this.channel.send(messageOf(tag, lane, count))).toBe(fits);
    if (fits) this.#waiting.push({ tag, lane, count, left: 0 });
  }

  #tick(lateMs: number): void {
    this.now = Math.max(this.now, this.#tickAt + lateMs);
    const tick = this.channel.tick(this.now);
    const due = this.#tickAt;
    const { wakeAt = Number.NaN } = this.channel;
    expect(wakeAt).toBeGreaterThan(this.now);
    // Whole intervals from when it was due, unless the wait would lie in the past.
    if (due + 15_000 > this.now && wakeAt - due < 15_000) expect(wakeAt - due).toBeGreaterThan(0);
    else expect(wakeAt - this.now).toBeLessThan(15_000);
    if (lateMs === 0 && this.now === due) {
      expect(wakeAt - due).toBeGreaterThanOrEqual(10_000);
      expect(wakeAt - due).toBeLessThan(15_000);
    }
    this.#tickAt = wakeAt;
    expect(tick?.link).toBe(this.#link);
    const expected = this.#expected();
    const isPassed = this.#waiting.some(({ lane }) => lane === "payload");
    this.#controlRun = expected?.lane === "control" && isPassed ? this.#controlRun + 1 : 0;
    if (expected === undefined) {
      expect(nameOf(tick?.frame ?? new Uint8Array())).toBe("noise");
      expect(tick?.finished).toBeUndefined();
      return;
    }
    expect(nameOf(tick?.frame ?? new Uint8Array())).toBe(`${expected.tag}/${expected.left}`);
    expected.left++;
    const { tag, lane } = expected;
    const whole = expected.left === expected.count;
    if (whole) this.#waiting = this.#waiting.filter((message) => message !== expected);
    if (whole) expect(tick?.finished).toEqual({ tag, lane });
    else expect(tick?.finished).toBeUndefined();
  }

  /** Whose frame is next, by the words of the documentation. */
  #expected(): Waiting | undefined {
    const control = this.#waiting.find(({ lane }) => lane === "control");
    const payload = this.#waiting.find(({ lane }) => lane === "payload");
    const cuts = (control?.count ?? 0) > 1 && (payload?.left ?? 0) > 0;
    const isHurried = (payload?.left ?? 0) > 0 || (payload?.count ?? 0) > 8;
    const runMax = isHurried ? 1 : CONTROL_RUN_MAX;
    const turn = this.#controlRun >= runMax && control?.left === 0;
    const isPayloads = payload !== undefined && (cuts || turn);
    return control === undefined || isPayloads ? payload : control;
  }

  #lose(): void {
    const inOrder = (["control", "payload"] as const).flatMap((wanted) =>
      this.#waiting.filter(({ lane }) => lane === wanted).map(({ tag }) => tag),
    );
    expect(this.channel.leave().map(({ tag }) => tag)).toEqual(inOrder);
    this.#waiting = [];
    this.#controlRun = 0;
    this.#join();
  }
}

test("in any life, frames leave whole, in order, on schedule, and none is lost or doubled", () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { maxLength: 60 }), (seed, steps) => {
      const account = new Account(seed);
      for (const one of steps) account.take(one);
    }),
    { numRuns: LIVES },
  );
}, 60_000);
