import { describe, expect, test } from "bun:test";
import { moneroNoiseEpoch } from "../../lib/padding/noise-channel.ts";
import { moneroSchedule } from "../../lib/padding/schedule.ts";
import { ChannelGroup } from "../../lib/relay/channel-group.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { messageOf, noise } from "../padding/channel-message.ts";

/** Of one channel and two links: it moves from one to the other at the end of every epoch. */
const LINKS = [1, 2];

function groupOf(rotates: boolean, count = 1): ChannelGroup {
  return new ChannelGroup({
    ...{ count, schedule: moneroSchedule, epoch: moneroNoiseEpoch, noise, rotates },
    ...{ random: new SeededRandom(1), aside: new SeededRandom(2), isSilent: false },
  });
}

/** Ticks until the epoch is over, and keeps what was queued just before. */
function moved(group: ChannelGroup, queue: (link: number) => void) {
  group.settle(LINKS, 0);
  const [channel] = group.channels;
  if (channel === undefined) throw new Error("There is no channel.");
  const from = channel.link ?? 0;
  let now = 0;
  while (!channel.mayMove()) {
    now = group.wakeAt;
    if (now + 15_000 >= (channel.epochEndsAt ?? 0)) queue(from);
    group.tick(now);
  }
  const { returned, retired } = group.settle(LINKS, now);
  return { channel, from, retired, tags: returned.map(({ tag }) => tag) };
}

/** As many as can't leave in an epoch's last ticks. */
const FRAMES = 40;

describe("a channel that moves", () => {
  test("takes a wallet's transaction along where streams are reused, and marks the next one", () => {
    const group = groupOf(false);
    const { channel, from, retired, tags } = moved(group, () => {
      if (group.channels[0]?.queuedFrames === 0)
        group.sendLocal(messageOf("tx", "payload", FRAMES), false);
    });
    expect(channel.link).not.toBe(from);
    expect([retired, tags, channel.queuedFrames]).toEqual([[], [], FRAMES]);
    expect(group.streamState(channel)).toBe("used");
  });

  test("gives a message for its link back", () => {
    const group = groupOf(false);
    const { tags } = moved(group, (link) => {
      for (let count = 0; count < 8; count++) {
        group.sendOn(link, messageOf("sync", "control", 1));
      }
    });
    expect(tags).toContain("sync");
  });

  test("gives a peer's transactions back: the next stream may be somebody else's", () => {
    const group = groupOf(false, 2);
    const links = [1, 2, 3];
    group.settle(links, 0);
    const channel = group.channels.at(-1);
    let isQueued = false;
    const returned: string[] = [];
    while (returned.length === 0 && group.wakeAt < 600_000) {
      const now = group.wakeAt;
      group.tick(now);
      isQueued ||= group.sendFor(99, messageOf("tx", "payload", FRAMES));
      returned.push(...group.settle(links, now).returned.map(({ tag }) => tag));
    }
    expect([isQueued, returned, channel?.queuedFrames]).toEqual([true, ["tx"], 0]);
  });

  test("gives up the stream, and what waits comes back, where each carries one transaction", () => {
    const group = groupOf(true);
    let isQueued = false;
    const { channel, from, retired, tags } = moved(group, (link) => {
      if (!isQueued) group.sendOn(link, messageOf("tx", "payload", FRAMES));
      isQueued = true;
    });
    expect([retired, tags]).toEqual([[from], ["tx"]]);
    expect([channel.link === from, channel.queuedFrames]).toEqual([false, 0]);
  });
});
