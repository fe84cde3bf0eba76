import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { FRAME_BYTES, noiseFrame } from "../../lib/levin/frame.ts";
import { startProgram, startTap } from "../programs.ts";
import type { BenchContext, Bound, Result, Row } from "../row.ts";
import { inTurns, type Rounds, ratios, spreadOf } from "../spread.ts";
import { listenSink, pourInto } from "../stream-ends.ts";

const RATIO_MIN = 0.7;
const MIB = 1_048_576;

/** What is sent: whole frames, as a node's link carries them, many a write. */
interface Load {
  readonly flows: number;
  readonly framesAWrite: number;
  readonly writes: number;
  readonly rounds: number;
}

const ONE_FLOW: Load = { flows: 1, framesAWrite: 171, writes: 128, rounds: 31 };
const MANY_FLOWS: Load = { flows: 1_000, framesAWrite: 22, writes: 1, rounds: 9 };

/** Frames through `anonctl noise-capture --tap`, against the same two ends joined directly. */
export const tapThroughput: Row = {
  name: "tap-throughput",
  async run(context) {
    const target: Bound = {
      ...{ word: "target", of: "comparison", kind: "at-least", value: RATIO_MIN },
    };
    return [
      await measureRow(context, "one-flow", ONE_FLOW, {
        ...{ title: "Tap, one flow, ends in one process", bounds: [target], isFar: false },
        topology: "sender and receiver are one thread, the tap is another process",
      }),
      await measureRow(context, "three-processes", ONE_FLOW, {
        ...{ title: "Tap, one flow, ends apart", bounds: [], isFar: true },
        topology:
          "sender, tap and receiver are three processes; a tap of one thread reads and writes every byte where directly two cores share that, so about half is its bound",
      }),
      await measureRow(context, "thousand-flows", MANY_FLOWS, {
        ...{ title: "Tap, 1,000 flows at once", bounds: [], isFar: false },
        topology:
          "all flows are open before the first byte and send at the same time; sender and receiver are one thread, the tap is another process",
      }),
    ];
  },
};

interface Setting {
  readonly title: string;
  readonly bounds: readonly Bound[];
  /** Whether the receiver is a process of its own. */
  readonly isFar: boolean;
  readonly topology: string;
}

async function measureRow(
  { scratch, progress }: BenchContext,
  name: string,
  load: Load,
  setting: Setting,
): Promise<Result> {
  progress(setting.title);
  const flowBytes = FRAME_BYTES * load.framesAWrite * load.writes;
  const far = setting.isFar
    ? await startProgram(scratch, "stream-sink", [String(flowBytes)])
    : undefined;
  const near = far === undefined ? await listenSink(flowBytes) : undefined;
  const port = far?.port ?? near?.port ?? 0;
  const tap = await startTap(scratch, port);
  try {
    const measured = await inTurns(load.rounds, {
      raw: () => megabytesPerSecond(port, load),
      ours: () => megabytesPerSecond(tap.port, load),
    });
    return resultOf(name, load, setting, measured);
  } finally {
    near?.close();
    await Promise.all([tap.child.destroy(), far?.child.destroy()]);
  }
}

function resultOf(
  name: string,
  load: Load,
  { title, bounds, topology }: Setting,
  measured: Rounds<"raw" | "ours">,
): Result {
  const mebibytes = (load.flows * FRAME_BYTES * load.framesAWrite * load.writes) / MIB;
  return {
    name,
    title,
    unit: "MB/s",
    ours: spreadOf(measured.ours),
    counterpart: { name: "raw loopback", value: spreadOf(measured.raw) },
    comparison: { kind: "ratio", value: ratios(measured.ours, measured.raw) },
    bounds,
    note: `${mebibytes.toFixed(0)} MiB of ${FRAME_BYTES}-byte frames one way over node:net, until the receiver has counted them; the tap logs each frame; ${topology}`,
  };
}

async function megabytesPerSecond(port: number, load: Load): Promise<number> {
  const block = new Uint8Array(FRAME_BYTES * load.framesAWrite);
  for (let i = 0; i < load.framesAWrite; i++) block.set(noiseFrame(), i * FRAME_BYTES);
  const flowBytes = block.length * load.writes;
  const streams = await Promise.all(Array.from({ length: load.flows }, () => opened(port)));
  const start = performance.now();
  await Promise.all(streams.map((stream) => pourInto(stream, block, flowBytes)));
  return (load.flows * flowBytes) / 1e3 / (performance.now() - start);
}

async function opened(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  return socket;
}
