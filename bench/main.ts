// Measures anonctl against named counterparts, both in the same run and by turns.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { Scratch } from "../lib/process/scratch.ts";
import { thisMachine } from "./machine.ts";
import { documentOf, type Outcome, tableOf } from "./report.ts";
import { type BenchContext, MissingProgram, type Row } from "./row.ts";
import { captureStatistics } from "./rows/capture-statistics.ts";
import { firstFrame } from "./rows/first-frame.ts";
import { idleMemory } from "./rows/idle-memory.ts";
import { inboundHandshakes } from "./rows/inbound-handshakes.ts";
import { levinCodec } from "./rows/levin-codec.ts";
import { linkMemory } from "./rows/link-memory.ts";
import { nodeRelay } from "./rows/node-relay.ts";
import { noiseChannels } from "./rows/noise-channels.ts";
import { peerBook } from "./rows/peer-book.ts";
import { probeMany } from "./rows/probe-many.ts";
import { probeOnionprobe } from "./rows/probe-onionprobe.ts";
import { socksConnects } from "./rows/socks-connects.ts";
import { streamRelay } from "./rows/stream-relay.ts";
import { tapLatency } from "./rows/tap-latency.ts";
import { tapThroughput } from "./rows/tap-throughput.ts";
import { versionStart } from "./rows/version-start.ts";

const rows: readonly Row[] = [
  levinCodec,
  socksConnects,
  inboundHandshakes,
  nodeRelay,
  firstFrame,
  versionStart,
  streamRelay,
  idleMemory,
  linkMemory,
  noiseChannels,
  probeMany,
  probeOnionprobe,
  captureStatistics,
  tapThroughput,
  tapLatency,
  peerBook,
];

const USAGE = `Usage: npm run bench -- [--json] [--only NAME]...

Names: ${rows.map(({ name }) => name).join(", ")}
`;

const RESULTS = join(import.meta.dir, "results/latest.json");

interface Choice {
  readonly json: boolean;
  readonly chosen: readonly Row[];
}

function readChoice(argv: readonly string[]): Choice | undefined {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { json: { type: "boolean" }, only: { type: "string", multiple: true } },
    });
    const names = values.only ?? rows.map(({ name }) => name);
    const chosen = rows.filter(({ name }) => names.includes(name));
    const unknown = names.find((name) => !rows.some((row) => row.name === name));
    if (unknown === undefined) return { json: values.json === true, chosen };
    process.stderr.write(`"${unknown}" is not the name of a benchmark.\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
  return undefined;
}

async function runRow(row: Row, context: BenchContext): Promise<Outcome> {
  try {
    return { row: row.name, kind: "measured", results: await row.run(context) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { row: row.name, kind: error instanceof MissingProgram ? "skipped" : "failed", reason };
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const choice = readChoice(argv);
  if (choice === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const machine = thisMachine();
  const at = new Date().toISOString();
  const start = performance.now();
  const scratch = await Scratch.create();
  const outcomes: Outcome[] = [];
  try {
    for (const row of choice.chosen) {
      const progress = (what: string): void => void process.stderr.write(`${row.name}: ${what}\n`);
      outcomes.push(await runRow(row, { scratch, progress }));
    }
  } finally {
    await scratch.close();
  }
  const seconds = Math.round((performance.now() - start) / 1_000);
  const report = { at, seconds, machine, outcomes };
  const document = `${JSON.stringify(documentOf(report), undefined, 2)}\n`;
  if (choice.chosen.length === rows.length) {
    mkdirSync(dirname(RESULTS), { recursive: true });
    writeFileSync(RESULTS, document);
  }
  process.stdout.write(choice.json ? document : tableOf(report));
  return outcomes.some(({ kind }) => kind === "failed") ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
