// An hour of a noise channel in a few milliseconds: the engine has no timer of its own, so a
// virtual clock can drive it. Two transactions are sent; the waits between frames don't show when.
// npx bun examples/noise_channel.ts [SCHEDULE], such as poisson:12.5s
import process from "node:process";
import {
  COMMAND,
  Fault,
  FRAME_BYTES,
  formatSchedule,
  framesOf,
  moneroNoiseEpoch,
  moneroSchedule,
  NoiseChannel,
  type NoiseSchedule,
  noiseFrame,
  parseSchedule,
  SeededRandom,
  VirtualClock,
} from "../mod.ts";

interface Sent {
  readonly at: number;
  /** Tag of the message that was whole with this frame. */
  readonly finished: string | undefined;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const BAR_MS = 500;

/** Runs a channel for an hour; a transaction of so many bytes is handed to it at each minute. */
function hourOf(schedule: NoiseSchedule, transactions: ReadonlyMap<number, number>): Sent[] {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const noise = noiseFrame(FRAME_BYTES);
  const channel = new NoiseChannel({ schedule, epoch: moneroNoiseEpoch, random, noise });
  const sent: Sent[] = [];
  const arm = (): void => {
    const { wakeAt } = channel;
    if (wakeAt !== undefined) clock.setTimer(wakeAt, tick);
  };
  const tick = (): void => {
    const ticked = channel.tick(clock.now());
    // Here a driver writes ticked.frame to the stream of ticked.link.
    if (ticked !== undefined) sent.push({ at: clock.now(), finished: ticked.finished?.tag });
    arm();
  };
  for (const [minute, bytes] of transactions) {
    const payload = new Uint8Array(bytes);
    const command = COMMAND.NEW_TRANSACTIONS;
    const frames = framesOf({ kind: "notify", command, returnCode: 0, payload }, FRAME_BYTES);
    const tag = `the ${bytes} bytes of minute ${minute}`;
    clock.setTimer(minute * MINUTE_MS, () => channel.send({ tag, lane: "payload", frames }));
  }
  channel.join(1, clock.now());
  arm();
  clock.advanceTo(HOUR_MS);
  return sent;
}

function histogram(waits: readonly number[]): string[] {
  const counts = new Map<number, number>();
  for (const wait of waits) {
    const bar = Math.floor(wait / BAR_MS) * BAR_MS;
    counts.set(bar, (counts.get(bar) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([bar, count]) => `  ${(bar / 1_000).toFixed(1).padStart(5)} s  ${"#".repeat(count)}`);
}

function main(text: string | undefined): void {
  const schedule = text === undefined ? moneroSchedule : parseSchedule(text);
  const sent = hourOf(
    schedule,
    new Map([
      [10, 2_000],
      [40, 9_000],
    ]),
  ); // minute, bytes
  const waits = sent.slice(1).map(({ at }, index) => at - (sent[index]?.at ?? at));
  const bytes = (sent.length * FRAME_BYTES).toLocaleString("en");
  console.log(`${formatSchedule(schedule)}, one hour: ${sent.length} frames, ${bytes} bytes.`);
  console.log("Waits between frames:");
  for (const line of histogram(waits)) console.log(line);
  for (const { at, finished } of sent) {
    if (finished === undefined) continue;
    console.log(`Minute ${(at / MINUTE_MS).toFixed(1)}: ${finished} have left whole.`);
  }
  const idle = hourOf(schedule, new Map());
  const same = idle.length === sent.length && idle.every(({ at }, i) => at === sent[i]?.at);
  console.log(`An hour with nothing to say, same seed: frames at the same moments: ${same}`);
}

try {
  main(process.argv[2]);
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
