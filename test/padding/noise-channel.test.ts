import { describe, expect, test } from "bun:test";
import { FRAME_BYTES } from "../../lib/levin/frame.ts";
import {
  CONTROL_QUEUE_FRAMES_MAX,
  CONTROL_RUN_MAX,
  NoiseChannel,
  PAYLOAD_QUEUE_FRAMES_MAX,
} from "../../lib/padding/noise-channel.ts";
import { kolmogorovSmirnovRatio } from "../runtime/goodness-of-fit.ts";
import { channelOptions, messageOf, nameOf } from "./channel-message.ts";

/** The next frame's name, ticked exactly when it is due. */
function next(channel: NoiseChannel): string {
  const tick = channel.tick(channel.wakeAt ?? Number.NaN);
  if (tick === undefined) throw new Error("A tick that was due gave nothing.");
  return nameOf(tick.frame);
}

function seated(seed = 1, now = 0): NoiseChannel {
  const channel = new NoiseChannel(channelOptions(seed));
  channel.join(7, now);
  return channel;
}

describe("ticks", () => {
  test("a channel without a link wants nothing and says nothing", () => {
    const channel = new NoiseChannel(channelOptions(1));
    expect(channel.wakeAt).toBeUndefined();
    expect(channel.link).toBeUndefined();
    expect(channel.tick(1e9)).toBeUndefined();
    expect(channel.mayMove()).toBe(false);
    expect(channel.send(messageOf("a", "payload", 1))).toBe(false);
    expect(channel.queuedFrames).toBe(0);
    expect(channel.frameBytes).toBe(FRAME_BYTES);
  });

  test("joining never ticks at once, whatever is queued", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const channel = seated(seed, 1_000);
      channel.send(messageOf("a", "payload", 2));
      expect(channel.tick(1_000)).toBeUndefined();
      expect(channel.wakeAt).toBeGreaterThanOrEqual(11_000);
      expect(channel.wakeAt).toBeLessThan(16_000);
      expect(channel.tick(10_999)).toBeUndefined();
    }
  });

  test("every frame has the one size, idle or not, and names its link", () => {
    const channel = seated();
    channel.send(messageOf("big", "payload", 3));
    for (let count = 0; count < 10; count++) {
      const tick = channel.tick(channel.wakeAt ?? Number.NaN);
      expect(tick?.frame.length).toBe(FRAME_BYTES);
      expect(tick?.link).toBe(7);
    }
  });

  test("a tick before its time gives nothing and changes nothing", () => {
    const channel = seated();
    channel.send(messageOf("a", "payload", 1));
    const { wakeAt = Number.NaN } = channel;
    for (const early of [0, wakeAt / 2, wakeAt - 1e-3]) {
      expect(channel.tick(early)).toBeUndefined();
      expect(channel.wakeAt).toBe(wakeAt);
    }
    expect(next(channel)).toBe("a/0");
  });

  test("lateness of one tick does not shift the next", () => {
    const punctual = seated(5);
    const late = seated(5);
    for (let count = 0; count < 500; count++) {
      next(punctual);
      // Up to 9.9 s late, which is less than the shortest interval.
      late.tick((late.wakeAt ?? Number.NaN) + (count % 100) * 99);
      expect(late.wakeAt).toBe(punctual.wakeAt);
    }
  });

  test("after a long standstill one frame leaves, not a burst of what was missed", () => {
    const channel = seated();
    const woken = 8 * 3_600_000;
    expect(channel.tick(woken)?.frame.length).toBe(FRAME_BYTES);
    expect(channel.tick(woken)).toBeUndefined();
    expect(channel.wakeAt).toBeGreaterThanOrEqual(woken + 10_000);
    expect(channel.wakeAt).toBeLessThan(woken + 15_000);
  });

  test("the waits of a channel that carries payload are U(10 s, 15 s)", () => {
    const channel = seated(77);
    const waits: number[] = [];
    for (let before = 0, count = 0; count < 5_000; count++) {
      if (count % 7 === 0) channel.send(messageOf(`p${count}`, "payload", 1 + (count % 3)));
      if (count % 5 === 0) channel.send(messageOf(`c${count}`, "control", 1));
      const at = channel.wakeAt ?? Number.NaN;
      channel.tick(at);
      waits.push(at - before);
      before = at;
    }
    const cumulative = (wait: number): number => (wait - 10_000) / 5_000;
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(10_000);
    expect(kolmogorovSmirnovRatio(waits, cumulative)).toBeLessThan(1);
  });
});

describe("lanes", () => {
  test("control goes between the fragments of a payload", () => {
    const channel = seated();
    channel.send(messageOf("pay", "payload", 3));
    expect(next(channel)).toBe("pay/0");
    channel.send(messageOf("sync", "control", 1));
    const names = Array.from({ length: 4 }, () => next(channel));
    expect(names).toEqual(["sync/0", "pay/1", "pay/2", "noise"]);
  });

  test("payload does not change when a few control messages leave", () => {
    const channel = seated();
    channel.send(messageOf("pay", "payload", 1));
    for (const tag of ["a", "b", "c"]) channel.send(messageOf(tag, "control", 1));
    expect(Array.from({ length: 4 }, () => next(channel))).toEqual(["a/0", "b/0", "c/0", "pay/0"]);
  });

  test("control that never ends does not hold a payload back", () => {
    const channel = seated();
    channel.send(messageOf("pay", "payload", 2));
    const names = Array.from({ length: CONTROL_RUN_MAX + 4 }, (_, index) => {
      channel.send(messageOf(`c${index}`, "control", 1));
      return next(channel);
    });
    expect(names[CONTROL_RUN_MAX]).toBe("pay/0");
    // Once it has begun every second frame is its own.
    expect(names[CONTROL_RUN_MAX + 2]).toBe("pay/1");
    expect(names.filter((name) => name.startsWith("pay"))).toHaveLength(2);
  });

  test("control goes out without a gap where no payload waits", () => {
    const channel = seated();
    for (const tag of ["a", "b", "c"]) channel.send(messageOf(tag, "control", 1));
    expect(Array.from({ length: 4 }, () => next(channel))).toEqual(["a/0", "b/0", "c/0", "noise"]);
  });

  test("control that is itself in fragments waits for the payload's end: a receiver has one buffer", () => {
    const channel = seated();
    channel.send(messageOf("pay", "payload", 3));
    expect(next(channel)).toBe("pay/0");
    channel.send(messageOf("list", "control", 2));
    channel.send(messageOf("sync", "control", 1));
    const names = Array.from({ length: 6 }, () => next(channel));
    expect(names).toEqual(["pay/1", "pay/2", "list/0", "list/1", "sync/0", "noise"]);
  });

  test("control in fragments is not cut by a payload", () => {
    const channel = seated();
    channel.send(messageOf("list", "control", 2));
    expect(next(channel)).toBe("list/0");
    channel.send(messageOf("pay", "payload", 2));
    const names = Array.from({ length: 4 }, () => next(channel));
    expect(names).toEqual(["list/1", "pay/0", "pay/1", "noise"]);
  });

  test("a tick tells of a message when its last frame leaves, and only then", () => {
    const channel = seated();
    channel.send(messageOf("pay", "payload", 2));
    channel.send(messageOf("sync", "control", 1));
    const ends = Array.from({ length: 4 }, () => channel.tick(channel.wakeAt ?? 0)?.finished);
    expect(ends).toEqual([
      { tag: "sync", lane: "control" },
      undefined,
      { tag: "pay", lane: "payload" },
      undefined,
    ]);
  });

  test("queues are bounded, each by itself, and refuse a message whole", () => {
    const channel = seated();
    for (let count = 0; count < CONTROL_QUEUE_FRAMES_MAX; count++) {
      expect(channel.send(messageOf(`c${count}`, "control", 1))).toBe(true);
    }
    expect(channel.send(messageOf("more", "control", 1))).toBe(false);
    expect(channel.send(messageOf("most", "payload", PAYLOAD_QUEUE_FRAMES_MAX - 1))).toBe(true);
    expect(channel.send(messageOf("two", "payload", 2))).toBe(false);
    expect(channel.send(messageOf("one", "payload", 1))).toBe(true);
    expect(channel.queuedFrames).toBe(CONTROL_QUEUE_FRAMES_MAX + PAYLOAD_QUEUE_FRAMES_MAX);
    next(channel);
    expect(channel.send(messageOf("room", "control", 1))).toBe(true);
    expect(channel.leave().map(({ tag }) => tag)).not.toContain("two");
  });

  test("frames of another size, and messages without any, are refused loudly", () => {
    const channel = seated();
    const [frame = new Uint8Array()] = messageOf("x", "payload", 1).frames;
    for (const frames of [[], [frame.subarray(1)], [frame, new Uint8Array(FRAME_BYTES + 1)]]) {
      expect(() => channel.send({ tag: "x", lane: "payload", frames })).toThrow(RangeError);
    }
    expect(channel.queuedFrames).toBe(0);
    expect(next(channel)).toBe("noise");
  });
});

describe("links and epochs", () => {
  test("leaving gives back what had not left whole, and forgets it", () => {
    const channel = seated();
    for (const [tag, lane, count] of [
      ["gone", "payload", 1],
      ["half", "payload", 2],
      ["whole", "payload", 1],
    ] as const) {
      channel.send(messageOf(tag, lane, count));
    }
    expect([next(channel), next(channel)]).toEqual(["gone/0", "half/0"]);
    channel.send(messageOf("sync", "control", 1));
    const left = channel.leave();
    expect(left.map(({ tag }) => tag)).toEqual(["sync", "half", "whole"]);
    expect(left[1]?.frames).toHaveLength(2);
    expect([channel.link, channel.wakeAt, channel.queuedFrames]).toEqual([undefined, undefined, 0]);
    channel.join(8, 100_000);
    expect(next(channel)).toBe("noise");
    expect(channel.leave()).toEqual([]);
  });

  test("a message that is sent again after leaving begins at its first fragment", () => {
    const channel = seated();
    channel.send(messageOf("half", "payload", 3));
    next(channel);
    const [half] = channel.leave();
    channel.join(8, 50_000);
    expect(half !== undefined && channel.send(half)).toBe(true);
    expect([next(channel), next(channel), next(channel)]).toEqual(["half/0", "half/1", "half/2"]);
  });

  test("a channel is on one link at a time", () => {
    expect(() => seated().join(8, 0)).toThrow(RangeError);
  });

  /** Ticks until the channel may move; tells when that was. */
  function untilMove(channel: NoiseChannel): number {
    for (;;) {
      const at = channel.wakeAt ?? Number.NaN;
      channel.tick(at);
      if (channel.mayMove()) return at;
    }
  }

  test("an epoch lasts 5 min to 5 min 30 s, and ends at a tick", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const channel = seated(seed, 1_000);
      const first = untilMove(channel);
      expect(first).toBeWithin(301_000, 346_001);
      channel.stay(first);
      expect(channel.mayMove()).toBe(false);
      expect(untilMove(channel) - first).toBeWithin(300_000, 345_001);
    }
  });

  test("what a channel carries does not change when it may move", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const idle = seated(seed, 0);
      const busy = seated(seed, 0);
      // It begins late enough that it can't be through at the end of the epoch.
      for (let tick = 0; tick < 18; tick++)
        for (const one of [idle, busy]) one.tick(one.wakeAt ?? 0);
      busy.send(messageOf("pay", "payload", 20));
      expect(untilMove(busy)).toBe(untilMove(idle));
      expect(busy.leave().map(({ tag }) => tag)).toEqual(["pay"]);
    }
  });
});
