import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { z } from "zod";
import { startProgram } from "../programs.ts";
import type { BenchContext, Result, Row } from "../row.ts";
import { inTurns, ratios, spreadOf } from "../spread.ts";

const CHANNELS = 10_000;
const SECONDS = 20;
const ROUNDS = 2;
/** Opening the connections, the first frames, and a machine under load. */
const RUN_MS_MAX = 180_000;
const P99_MS_MAX = 5;
const PROGRAM = join(import.meta.dir, "../programs/noise-channels.ts");
/**
 * One core, and that at once when it is wanted, where this user may ask for it: what is measured is
 * how the channels are kept, not who else is on the machine.
 */
const ON_ONE_CORE = ["taskset", "-c", "0", "chrt", "-f", "20"] as const;

const runAnswer = z.object({
  frames: z.number(),
  medianMs: z.number(),
  p99Ms: z.number(),
  maxMs: z.number(),
  coreShare: z.number(),
});
type Run = z.infer<typeof runAnswer>;

/** How late the frames of 10,000 noise channels leave, against a timer for each connection. */
export const noiseChannels: Row = {
  name: "noise-channels",
  async run(context) {
    const acceptor = await startProgram(context.scratch, "acceptor");
    const prefix = mayPrefer() ? ON_ONE_CORE : [];
    try {
      const runs: Record<"group" | "timers", Run[]> = { group: [], timers: [] };
      const measure = async (keeper: "group" | "timers"): Promise<number> => {
        context.progress(`${CHANNELS} channels, ${keeper}, ${SECONDS} s`);
        const run = await runOnce(
          context,
          [...prefix, process.execPath, PROGRAM, keeper],
          acceptor.port,
        );
        runs[keeper].push(run);
        return run.p99Ms;
      };
      const measured = await inTurns(
        ROUNDS,
        { ours: () => measure("group"), timers: () => measure("timers") },
        0,
      );
      return [resultOf(measured.ours, measured.timers, runs, prefix)];
    } finally {
      await acceptor.child.destroy();
    }
  },
};

function resultOf(
  ours: readonly number[],
  theirs: readonly number[],
  runs: Record<"group" | "timers", readonly Run[]>,
  prefix: readonly string[],
): Result {
  const middle = (keeper: "group" | "timers", of: (run: Run) => number): number =>
    spreadOf(runs[keeper].map(of)).median;
  const percent = (keeper: "group" | "timers"): string =>
    (100 * middle(keeper, ({ coreShare }) => coreShare)).toFixed(0);
  const frames = middle("group", (run) => run.frames) / SECONDS;
  return {
    name: "ten-thousand",
    title: "Lateness of frames, 10,000 noise channels, p99",
    unit: "ms",
    ours: spreadOf(ours),
    counterpart: { name: "a timer each", value: spreadOf(theirs) },
    comparison: { kind: "ratio", value: ratios(ours, theirs) },
    bounds: [{ word: "target", of: "ours", kind: "at-most", value: P99_MS_MAX }],
    note: `monerod's schedule, ${frames.toFixed(0)} frames a second on as many loopback connections, from a frame's due time until its write has returned, ${SECONDS} s; both run ${prefix.length > 0 ? `under ${prefix.join(" ")}` : "at ordinary priority"}; one thread, which takes ${percent("group")} % of a core (a timer each: ${percent("timers")} %); the median is ${middle("group", (run) => run.medianMs).toFixed(1)} ms, since the runtime's timers count whole milliseconds; greatest ${middle("group", (run) => run.maxMs).toFixed(0)} ms`,
  };
}

/** Whether this machine has the programs, and this user the right. */
function mayPrefer(): boolean {
  return spawnSync(ON_ONE_CORE[0], [...ON_ONE_CORE.slice(1), "true"]).status === 0;
}

async function runOnce(
  { scratch }: BenchContext,
  command: readonly string[],
  port: number,
): Promise<Run> {
  const [program = "", ...words] = command;
  const child = scratch.spawn({
    name: "noise-channels",
    program,
    arguments: [...words, String(port), String(CHANNELS), String(SECONDS)],
    directory: scratch.directory,
  });
  const [line = ""] = await child.line(/^\{"frames".*\}$/, { deadlineMs: RUN_MS_MAX });
  await child.exited;
  return runAnswer.parse(JSON.parse(line));
}
