// Ten thousand noise channels on as many connections: how late their frames leave. Takes who keeps
// the time (group or timers), the port that the connections lead to, how many, and for how long.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { noiseFrame } from "../../lib/levin/frame.ts";
import { moneroNoiseEpoch } from "../../lib/padding/epoch.ts";
import {
  drawInterval,
  longestInterval,
  meanInterval,
  moneroSchedule,
} from "../../lib/padding/schedule.ts";
import { ChannelGroup, type ChannelView } from "../../lib/relay/channel-group.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";

/** Connections that are opened at once: what a listener's queue takes. */
const OPENED_AT_ONCE = 100;
/** Channels that come to their links together. */
const SEATED_AT_ONCE = 100;
const SECOND_MS = 1_000;
const SEED = 1;

const [keeper = "group", port = "0", channels = "0", seconds = "0"] = process.argv.slice(2);
const count = Number(channels);
const frame = noiseFrame();
const latenessMs: number[] = [];
let measures = false;

/** A frame that was due at some moment leaves. */
function leave(socket: Socket | undefined, bytes: Uint8Array, dueAt: number): void {
  socket?.write(bytes);
  if (measures) latenessMs.push(realClock.now() - dueAt);
}

/** The channels of a node, on one timer. */
function keepByGroup(sockets: readonly Socket[]): void {
  const group = new ChannelGroup({
    ...{ count: sockets.length, schedule: moneroSchedule, epoch: moneroNoiseEpoch },
    ...{ random: new SeededRandom(SEED), aside: new SeededRandom(SEED + 1), noise: frame },
    ...{ isSilent: false, rotates: false },
  });
  // A frame's due time is read before its tick, when the channel still knows it.
  const dueAt = new Float64Array(count);
  const on = new Map<number, ChannelView>();
  const links = sockets.map((_, link) => link);
  for (let seated = 0; seated < count; seated += SEATED_AT_ONCE) {
    group.settle(links.slice(0, seated + SEATED_AT_ONCE), beginOf(seated));
  }
  for (const channel of group.channels) {
    const { link, wakeAt } = channel;
    if (link === undefined || wakeAt === undefined) throw new Error("A channel has no link.");
    on.set(link, channel);
    dueAt[link] = wakeAt;
  }
  const wake = (): void => {
    for (const tick of group.tick(realClock.now())) {
      leave(sockets[tick.link], tick.frame, dueAt[tick.link] ?? Number.NaN);
      dueAt[tick.link] = on.get(tick.link)?.wakeAt ?? Number.NaN;
    }
    realClock.setTimer(group.wakeAt, wake);
  };
  realClock.setTimer(group.wakeAt, wake);
}

/** The same frames on the same schedule, a timer of the runtime for each connection. */
function keepByTimers(sockets: readonly Socket[]): void {
  const random = new SeededRandom(SEED);
  sockets.forEach((socket, link) => {
    let dueAt = beginOf(link) + drawInterval(moneroSchedule, random);
    const fire = (): void => {
      leave(socket, frame, dueAt);
      dueAt += drawInterval(moneroSchedule, random);
      setTimeout(fire, Math.ceil(dueAt - realClock.now()));
    };
    setTimeout(fire, Math.ceil(dueAt - realClock.now()));
  });
}

/** When a channel begins: one after the other over an interval, as in a node that runs for long. */
function beginOf(link: number): number {
  return startAt + (link / count) * meanInterval(moneroSchedule);
}

const sockets: Socket[] = [];
while (sockets.length < count) {
  const opening = Array.from({ length: OPENED_AT_ONCE }, () =>
    connect({ host: "127.0.0.1", port: Number(port), noDelay: true }),
  );
  await Promise.all(opening.map((socket) => once(socket, "connect")));
  sockets.push(...opening);
}
const startAt = realClock.now();
if (keeper === "group") keepByGroup(sockets);
else keepByTimers(sockets);
await Bun.sleep(meanInterval(moneroSchedule) + longestInterval(moneroSchedule));
measures = true;
const before = process.cpuUsage();
await Bun.sleep(Number(seconds) * SECOND_MS);
measures = false;
const { user, system } = process.cpuUsage(before);
const sorted = Float64Array.from(latenessMs).sort();
const quantile = (share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
const result = {
  frames: sorted.length,
  medianMs: quantile(0.5),
  p99Ms: quantile(0.99),
  maxMs: quantile(1),
  coreShare: (user + system) / 1e6 / Number(seconds),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
