import { Buffer } from "node:buffer";
import { closeSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import { Command } from "commander";
import { type NoiseReport, noiseReportSchema } from "../lib/capture/report-schema.ts";
import { Fault } from "../lib/runtime/fault.ts";
import { readBounded } from "./bounded-file.ts";
import type { NamedReport } from "./noise-capture-html.ts";
import { checkOutputs, writePage } from "./noise-capture-output.ts";
import { checkPlaces } from "./noise-capture-places.ts";
import { reportOf } from "./noise-capture-report.ts";
import { look } from "./noise-capture-run.ts";
import { readNoiseCaptureSettings, readOutputs } from "./noise-capture-settings.ts";
import { describeComparison } from "./noise-capture-text.ts";
import { print } from "./peers-text.ts";
import { UsageError } from "./usage-error.ts";

/** A report of a hundred connections has some MB. */
const REPORT_BYTES_MAX = 64 * 1_048_576;
/** How captures begin: pcap of both byte orders and resolutions, and pcapng. */
const CAPTURE_MAGICS = ["a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a"];
const MAGIC_BYTES = 4;

const NOTES = `
A and B are captures, pcap or pcapng, or reports of anonctl noise-capture --json: those know what a
tap knew, and what --label, --ticks and --expect told them. --expect and --mask are for captures.
No other option of anonctl noise-capture is taken: assertions are about one capture, and fail there.

Examples:
  $ anonctl noise-capture compare ours.json monerod.json
  $ anonctl noise-capture compare ours.pcap monerod.pcap --expect 'uniform 10s..15s, 3072 B'
  $ anonctl noise-capture compare ours.json monerod.json --html both.html`;

/** `anonctl noise-capture compare`. */
export function compareCommand(): Command {
  return new Command("compare")
    .description("Put two captures side by side.")
    .argument("<A>", "a capture or a report")
    .argument("<B>", "another")
    .option("--expect <SCHEDULE>", "compare captures with a schedule: 'uniform 10s..15s, 3072 B'")
    .option("--mask", "replace addresses of captures by names")
    .option("--json", "one JSON object on stdout")
    .option("--html <FILE>", "one page with both")
    .addHelpText("after", NOTES)
    .action(async (a: string, b: string, own: Values, command: Command) => {
      // Options of the same name belong to the command above as well.
      const values: Values = { ...command.parent?.opts(), ...own };
      refuseOthers(command);
      checkPlaces({
        reads: [
          { option: "compare", path: a },
          { option: "compare", path: b },
        ],
        writes: [{ option: "--html", path: values.html }],
      });
      checkOutputs(readOutputs(values));
      refuseForReports([a, b], values);
      const [first, second] = [await readSide(a, values), await readSide(b, values)];
      await print(
        values.json === true
          ? `${JSON.stringify({ schema: "anonctl.noise-comparison.v1", a: first, b: second })}\n`
          : describeComparison(first, second),
      );
      await writePage(values.html, [first, second]);
    });
}

interface Values {
  readonly expect?: string;
  readonly mask?: boolean;
  readonly json?: boolean;
  readonly html?: string;
}

/** The command above reads its options wherever they stand, and would keep them to itself. */
function refuseOthers(command: Command): void {
  const own = new Set(command.options.map((option) => option.attributeName()));
  const above = command.parent;
  const other = above?.options.find((option) => {
    const name = option.attributeName();
    return !own.has(name) && above.getOptionValue(name) !== undefined;
  });
  if (other?.long === undefined || other.long === null) return;
  const message = `compare takes no ${other.long}, which is about one capture; give it to anonctl noise-capture --json, and compare what that wrote.`;
  throw new UsageError("bad-option", message);
}

/** A report is shown as it was made: who asks for --mask must not believe that it is masked now. */
function refuseForReports(files: readonly string[], { expect, mask }: Values): void {
  if (expect === undefined && mask !== true) return;
  const reports = files.filter((file) => !isCapture(file));
  const open = mask === true ? reports.find((file) => !readReport(file).masked) : undefined;
  if (open !== undefined) {
    const message = `--mask masks captures, and ${open} is a report with addresses; make that with --mask.`;
    throw new UsageError("bad-option", message);
  }
  if (expect === undefined || reports.length < files.length) return;
  const message = "--expect is for captures, and both files are reports; make those with --expect.";
  throw new UsageError("bad-option", message);
}

async function readSide(file: string, values: Values): Promise<NamedReport> {
  const name = basename(file);
  if (!isCapture(file)) return { name, report: readReport(file) };
  const settings = readNoiseCaptureSettings({
    pcap: file,
    ...(values.expect === undefined ? {} : { expect: values.expect }),
    mask: values.mask === true,
  });
  const seen = await look(settings, new AbortController().signal);
  if (seen.failure instanceof Fault) {
    throw new UsageError("bad-option", `${file}: ${seen.failure.message}`);
  }
  if (seen.failure !== undefined) throw unreadable(file, seen.failure);
  return { name, report: reportOf(settings, seen).report };
}

function isCapture(file: string): boolean {
  const start = Buffer.alloc(MAGIC_BYTES);
  try {
    const opened = openSync(file, "r");
    try {
      readSync(opened, start, 0, MAGIC_BYTES, 0);
    } finally {
      closeSync(opened);
    }
  } catch (error) {
    throw unreadable(file, error);
  }
  return CAPTURE_MAGICS.includes(start.toString("hex"));
}

function readReport(file: string): NoiseReport {
  let value: unknown;
  try {
    const bytes = readBounded(file, REPORT_BYTES_MAX);
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw unreadable(file, error);
  }
  const parsed = noiseReportSchema.safeParse(value);
  if (!parsed.success) {
    const message = `${file} is neither a capture nor a report; make one with anonctl noise-capture --json.`;
    throw new UsageError("bad-option", message);
  }
  return parsed.data;
}

function unreadable(file: string, error: unknown): UsageError {
  const why = error instanceof Error ? error.message : String(error);
  const message = `${file} can't be read as a capture or a report (${why}); name a pcap file, or what --json wrote.`;
  return new UsageError("bad-option", message);
}
