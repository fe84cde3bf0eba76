import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import type { SeenLink } from "../lib/capture/report-input.ts";
import type { NoiseReport } from "../lib/capture/report-schema.ts";
import { Fault } from "../lib/runtime/fault.ts";
import type { NoiseCaptureOutputs } from "./noise-capture-settings.ts";
import { describeReport } from "./noise-capture-text.ts";
import { print } from "./peers-text.ts";

/** What can keep a report from being kept. */
export type OutputErrorCode = "output-failed";

/** A report that can't be written. */
export class OutputError extends Fault<OutputErrorCode> {
  /**
   * @param path that can't be written
   * @param cause the system's error
   */
  constructor(path: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super("output-failed", "local", `"${path}" can't be written (${why}); choose another place.`, {
      cause,
    });
  }
}

/**
 * Writes a report to all that was asked for.
 *
 * @param outputs which
 * @param report made of a capture
 * @param links for every frame on a line
 * @throws OutputError
 */
export async function writeReport(
  outputs: NoiseCaptureOutputs,
  report: NoiseReport,
  links: readonly SeenLink[],
): Promise<void> {
  const { csv, html, svg, json } = outputs;
  if (csv !== undefined) {
    const { csvOf } = await import("./noise-capture-csv.ts");
    writing(csv, () => {
      const file = openSync(csv, "w");
      try {
        for (const part of csvOf(links)) writeSync(file, part);
      } finally {
        closeSync(file);
      }
    });
  }
  await writePage(html, [{ name: "Capture", report }]);
  if (svg !== undefined) {
    const { writeSvgs } = await import("./noise-capture-svg.ts");
    writing(svg, () => void writeSvgs(svg, report));
  }
  await print(json ? `${JSON.stringify(report)}\n` : describeReport(report));
}

/**
 * Writes a page of reports.
 *
 * @param path nothing is written where it is undefined
 * @param reports one, or several to compare
 * @throws OutputError
 */
export async function writePage(
  path: string | undefined,
  reports: readonly { readonly name: string; readonly report: NoiseReport }[],
): Promise<void> {
  if (path === undefined) return;
  const { htmlOf } = await import("./noise-capture-html.ts");
  writing(path, () => writeFileSync(path, htmlOf(reports)));
}

function writing(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new OutputError(path, error);
  }
}
