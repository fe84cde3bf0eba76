import { describe, expect, test } from "bun:test";
import { NoiseChannel } from "../../lib/padding/noise-channel.ts";
import { uniform } from "../../lib/runtime/distribution.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { channelOptions, messageOf, nameOf, noise } from "./channel-message.ts";

/** Ticks before a move that are held against all others. */
const LAST = 3;
const MOVES = 600;

function channelOf(seed: number, carriesOver: boolean): NoiseChannel {
  const aside = new SeededRandom(~seed);
  return new NoiseChannel({ ...channelOptions(seed), aside, carriesOver });
}

function tickOf(channel: NoiseChannel): string {
  return nameOf(channel.tick(channel.wakeAt ?? 0)?.frame ?? noise);
}

/**
 * How often the last ticks before a move are payload's, as a multiple of what all ticks are. Timed
 * syncs take their share of the ticks, as on a real link.
 */
function crowding(carriesOver: boolean, seed: number): number {
  const channel = channelOf(seed, carriesOver);
  const arrivals = new SeededRandom(seed + 7);
  const [last, all] = [
    { payload: 0, ticks: 0 },
    { payload: 0, ticks: 0 },
  ];
  let sendAt = 0;
  let syncAt = 0;
  let seat: string[] = [];
  channel.join(1, 0);
  for (let moves = 0; moves < MOVES; ) {
    const at = channel.wakeAt ?? 0;
    for (; sendAt < at; sendAt += uniform(arrivals, 0, 160_000)) {
      channel.send(messageOf("pay", "payload", 1));
    }
    for (; syncAt < at; syncAt += uniform(arrivals, 15_000, 45_000)) {
      channel.send(messageOf("sync", "control", 1));
    }
    seat.push(tickOf(channel));
    if (!channel.mayMove()) continue;
    moves++;
    for (const [names, counts] of [[seat.slice(-LAST), last] as const, [seat, all] as const]) {
      const own = names.filter((name) => !name.startsWith("sync"));
      counts.ticks += own.length;
      counts.payload += own.filter((name) => name.startsWith("pay")).length;
    }
    seat = [];
    const left = channel.leave(carriesOver ? "payload" : "nothing");
    channel.join(moves, at);
    for (const message of left) channel.send(message);
  }
  return last.payload / last.ticks / (all.payload / all.ticks);
}

describe("payload at the end of an epoch", () => {
  test("goes along; control comes back; what had left in part begins anew", () => {
    const channel = new NoiseChannel({ ...channelOptions(3), carriesOver: true });
    channel.join(1, 0);
    channel.send(messageOf("tx", "payload", 3));
    expect(tickOf(channel)).toBe("tx/0");
    channel.send(messageOf("sync", "control", 1));
    expect(channel.leave("payload").map(({ tag }) => tag)).toEqual(["sync"]);
    expect([channel.link, channel.queuedFrames]).toEqual([undefined, 3]);
    channel.join(2, 100_000);
    expect([tickOf(channel), tickOf(channel), tickOf(channel)]).toEqual(["tx/0", "tx/1", "tx/2"]);
    expect(tickOf(channel)).toBe("noise");
  });

  test("comes back where its link is gone", () => {
    const channel = channelOf(3, true);
    channel.join(1, 0);
    channel.send(messageOf("tx", "payload", 2));
    channel.send(messageOf("sync", "control", 1));
    expect(channel.leave().map(({ tag }) => tag)).toEqual(["sync", "tx"]);
    expect(channel.queuedFrames).toBe(0);
  });

  test("does not leave in the last ticks more often than in others", () => {
    for (const seed of [1, 2, 3]) {
      expect({ seed, isCrowded: crowding(true, seed) > 1.25 }).toEqual({ seed, isCrowded: false });
    }
  });

  test("would crowd there if the epoch's end pushed it out", () => {
    for (const seed of [1, 2, 3]) {
      expect({ seed, isCrowded: crowding(false, seed) > 1.25 }).toEqual({ seed, isCrowded: true });
    }
  });
});
