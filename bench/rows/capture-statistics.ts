import { join } from "node:path";
import { findProgram } from "../../lib/process/program.ts";
import { type MadeTotals, writeCapture } from "../capture-file.ts";
import { type BenchContext, MissingProgram, type Result, type Row } from "../row.ts";
import { inTurns, ratios, spreadOf } from "../spread.ts";

const PACKETS = 2_000_000;
const FLOWS = 1_000;
/** The share of the capture that tshark is given: the whole takes it more than a minute. */
const TSHARK_SHARE = 0.1;
const SEED = 20_260_101;
const ROUNDS = 7;
const TSHARK_ROUNDS = 3;
const TCPDUMP_RATIO_MAX = 5;
const TSHARK_RATIO_MIN = 50;
const MEGABYTES_MAX = 300;
const OURS = join(import.meta.dir, "../programs/capture-measure.ts");

/** A whole process: how long it took, and the most memory it held. */
interface Run {
  readonly seconds: number;
  readonly megabytes: number;
  readonly output: string;
}

/** The statistics of every flow of a large capture, against tcpdump and tshark. */
export const captureStatistics: Row = {
  name: "capture-statistics",
  async run(context) {
    const [tcpdump, tshark] = await Promise.all([findProgram("tcpdump"), findProgram("tshark")]);
    if (tcpdump === undefined) throw new MissingProgram("tcpdump is not installed");
    context.progress(`writing a capture of ${PACKETS} packets`);
    const whole = context.scratch.path("whole.pcap");
    const made = writeCapture(whole, { packets: PACKETS, flows: FLOWS, seed: SEED });
    const results = await againstTcpdump(context, tcpdump, whole, made);
    if (tshark === undefined) return results;
    return [...results, await againstTshark(context, tshark, whole, made)];
  },
};

async function againstTcpdump(
  context: BenchContext,
  tcpdump: string,
  path: string,
  made: MadeTotals,
): Promise<readonly Result[]> {
  context.progress(`${ROUNDS} rounds against tcpdump`);
  const ourMegabytes: number[] = [];
  const theirMegabytes: number[] = [];
  const measured = await inTurns(ROUNDS, {
    ours: () => {
      const { seconds, megabytes } = measureOurs(path, made);
      ourMegabytes.push(megabytes);
      return seconds;
    },
    tcpdump: () => {
      const { seconds, megabytes } = runWhole([tcpdump, "-r", path, "-w", "/dev/null"]);
      theirMegabytes.push(megabytes);
      return seconds;
    },
  });
  const file = `${(made.fileBytes / 1e6).toFixed(0)} MB, ${PACKETS / 1e6} million packets of ${FLOWS} TCP flows`;
  return [
    {
      name: "whole",
      title: "Full statistics of a large capture",
      unit: "s",
      ours: spreadOf(measured.ours),
      counterpart: { name: "tcpdump -r -w /dev/null", value: spreadOf(measured.tcpdump) },
      comparison: { kind: "ratio", value: ratios(measured.ours, measured.tcpdump) },
      bounds: [{ word: "target", of: "comparison", kind: "at-most", value: TCPDUMP_RATIO_MAX }],
      note: `${file}, in the page cache; whole processes from start to end, ours under Bun without any compiled code kept; tcpdump copies packets and works nothing out`,
    },
    {
      name: "memory",
      title: "Memory for a large capture",
      unit: "MB",
      ours: spreadOf(ourMegabytes),
      counterpart: { name: "tcpdump -r -w /dev/null", value: spreadOf(theirMegabytes) },
      comparison: { kind: "ratio", value: ratios(ourMegabytes, theirMegabytes) },
      bounds: [{ word: "target", of: "ours", kind: "at-most", value: MEGABYTES_MAX }],
      note: "the most that each process held, in the same runs; tcpdump holds one packet at a time",
    },
  ];
}

async function againstTshark(
  context: BenchContext,
  tshark: string,
  path: string,
  made: MadeTotals,
): Promise<Result> {
  context.progress(`${TSHARK_ROUNDS} rounds against tshark`);
  const tenth = context.scratch.path("tenth.pcap");
  const packets = PACKETS * TSHARK_SHARE;
  writeCapture(tenth, { packets, flows: FLOWS, seed: SEED });
  const questions = ["-q", "-z", "io,stat,1", "-z", "conv,tcp"];
  const measured = await inTurns(
    TSHARK_ROUNDS,
    {
      ours: () => PACKETS / measureOurs(path, made).seconds,
      tshark: () => packets / runWhole([tshark, "-r", tenth, ...questions]).seconds,
    },
    0,
  );
  return {
    name: "tshark",
    title: "Packets of a capture measured",
    unit: "packets/s",
    ours: spreadOf(measured.ours),
    counterpart: { name: "tshark, a tenth of it", value: spreadOf(measured.tshark) },
    comparison: { kind: "ratio", value: ratios(measured.ours, measured.tshark) },
    bounds: [{ word: "target", of: "comparison", kind: "at-least", value: TSHARK_RATIO_MIN }],
    note: `whole processes; ours measures all ${PACKETS} packets, tshark ${questions.join(" ")} the first ${packets}, as it would take more than a minute for all`,
  };
}

function measureOurs(path: string, made: MadeTotals): Run {
  const run = runWhole([process.execPath, OURS, path]);
  const { packets, flows, newBytes, retransmittedBytes } = JSON.parse(run.output);
  const isRight =
    packets === PACKETS &&
    flows === FLOWS &&
    newBytes === made.newBytes &&
    retransmittedBytes === made.retransmittedBytes;
  if (!isRight) throw new Error(`Measured ${run.output}, which is not what was written.`);
  return run;
}

function runWhole(command: readonly string[]): Run {
  const start = performance.now();
  const child = Bun.spawnSync([...command], { stdin: "ignore", stderr: "ignore" });
  const seconds = (performance.now() - start) / 1e3;
  if (child.exitCode !== 0) throw new Error(`${command[0]} ended with ${child.exitCode}.`);
  const megabytes = child.resourceUsage.maxRSS / 1e6;
  return { seconds, megabytes, output: child.stdout.toString() };
}
