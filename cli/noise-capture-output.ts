import {
  accessSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import type { SeenLink } from "../lib/capture/report-input.ts";
import type { NoiseReport } from "../lib/capture/report-schema.ts";
import { Fault } from "../lib/runtime/fault.ts";
import type { NoiseCaptureOutputs } from "./noise-capture-settings.ts";
import { describeReport } from "./noise-capture-text.ts";
import { print } from "./peers-text.ts";
import { UsageError } from "./usage-error.ts";

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
 * Looks whether everything that is asked for can be written: a capture may take hours. Nothing is
 * made or changed.
 *
 * @param outputs which
 * @throws OutputError for the first that can't
 */
export function checkOutputs(outputs: NoiseCaptureOutputs): void {
  const { csv, html, svg } = outputs;
  for (const path of [csv, html]) if (path !== undefined) writing(path, () => checkFile(path));
  if (svg !== undefined) writing(svg, () => checkFolder(svg));
}

/**
 * Looks whether the file for payload can be made. It is never one that is there: that may be
 * precious, or open to others.
 *
 * @param path nothing is looked at where it is undefined
 * @throws UsageError where something is there, OutputError where no file can be made
 */
export function checkPayloadPlace(path: string | undefined): void {
  if (path === undefined) return;
  let isThere = false;
  writing(path, () => {
    isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    if (!isThere) checkParent(path);
  });
  if (isThere) throw payloadIsThere(path);
}

/**
 * What to say of a file for payload that is there already.
 *
 * @param path of the file
 */
export function payloadIsThere(path: string): UsageError {
  const message = `--keep-payload ${path} is there already and is not overwritten; name another file, or remove it.`;
  return new UsageError("bad-option", message);
}

function checkFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw new Error("it is a directory");
  if (found === undefined) checkParent(path);
  else accessSync(path, constants.W_OK);
}

function checkParent(path: string): void {
  const folder = dirname(resolve(path));
  if (!statSync(folder).isDirectory()) throw new Error(`${folder} is no directory`);
  accessSync(folder, constants.W_OK);
}

function checkFolder(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) checkFolder(dirname(resolve(path)));
  else if (!found.isDirectory()) throw new Error("it is no directory");
  else accessSync(path, constants.W_OK);
}

/**
 * Writes a report to all that was asked for. What can't be written keeps nothing else from it.
 *
 * @param outputs which
 * @param report made of a capture
 * @param links for every frame on a line
 * @throws OutputError for the first that could not be written
 */
export async function writeReport(
  outputs: NoiseCaptureOutputs,
  report: NoiseReport,
  links: readonly SeenLink[],
): Promise<void> {
  const { csv, html, svg, json } = outputs;
  await print(json ? `${JSON.stringify(report)}\n` : describeReport(report));
  const writes = [
    () => writeCsv(csv, links),
    () => writePage(html, [{ name: "Capture", report }]),
    () => writePictures(svg, report),
  ];
  const failures: unknown[] = [];
  for (const write of writes) await write().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

async function writeCsv(path: string | undefined, links: readonly SeenLink[]): Promise<void> {
  if (path === undefined) return;
  const { csvOf } = await import("./noise-capture-csv.ts");
  writing(path, () => {
    const file = openSync(path, "w");
    try {
      for (const part of csvOf(links)) writeSync(file, part);
    } finally {
      closeSync(file);
    }
  });
}

async function writePictures(folder: string | undefined, report: NoiseReport): Promise<void> {
  if (folder === undefined) return;
  const { writeSvgs } = await import("./noise-capture-svg.ts");
  writing(folder, () => void writeSvgs(folder, report));
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
