import { basename } from "node:path";
import { Command } from "commander";
import { type NoiseReport, noiseReportSchema } from "../lib/capture/report-schema.ts";
import { readBounded } from "./bounded-file.ts";
import { writePage } from "./noise-capture-output.ts";
import { describeComparison } from "./noise-capture-text.ts";
import { print } from "./peers-text.ts";
import { UsageError } from "./usage-error.ts";

/** A report of a hundred connections has some MB. */
const REPORT_BYTES_MAX = 64 * 1_048_576;

const NOTES = `
A and B are reports of anonctl noise-capture --json.

Examples:
  $ anonctl noise-capture compare ours.json monerod.json
  $ anonctl noise-capture compare ours.json monerod.json --html both.html`;

/** `anonctl noise-capture compare`. */
export function compareCommand(): Command {
  return new Command("compare")
    .description("Put two captures side by side.")
    .argument("<A>", "a report")
    .argument("<B>", "another")
    .option("--json", "one JSON object on stdout")
    .option("--html <FILE>", "one page with both")
    .addHelpText("after", NOTES)
    .action(async (a: string, b: string, own: Values, command: Command) => {
      // Options of the same name belong to the command above as well.
      const values: Values = { ...command.parent?.opts(), ...own };
      const reports = [readReport(a), readReport(b)] as const;
      await writePage(values.html, reports);
      const [first, second] = reports;
      await print(
        values.json === true
          ? `${JSON.stringify({ schema: "anonctl.noise-comparison.v1", a: first, b: second })}\n`
          : describeComparison(first, second),
      );
    });
}

interface Values {
  readonly json?: boolean;
  readonly html?: string;
}

function readReport(file: string): { name: string; report: NoiseReport } {
  let value: unknown;
  try {
    const bytes = readBounded(file, REPORT_BYTES_MAX);
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError("bad-option", `${file} can't be read as a report (${why}).`);
  }
  const parsed = noiseReportSchema.safeParse(value);
  if (!parsed.success) {
    const message = `${file} is no report; make one with anonctl noise-capture --json.`;
    throw new UsageError("bad-option", message);
  }
  return { name: basename(file), report: parsed.data };
}
