import type { ProbeResult } from "./result.ts";

/** What the head of a report counts. */
export interface JunitTotals {
  readonly tests: number;
  readonly failures: number;
  /** Faults of this machine or of what was asked for, which say nothing of the target. */
  readonly errors: number;
  readonly seconds: number;
}

/**
 * Bytes of every head, padded with spaces inside its tag, so that it can be written first, with
 * zeros, and again over itself when the counts are known: no result has to be kept until then.
 */
export const JUNIT_HEAD_BYTES = 256;

/**
 * The head of a report.
 *
 * @param totals what it counts
 * @returns always {@link JUNIT_HEAD_BYTES} long
 */
export function junitHead(totals: JunitTotals): string {
  const { tests, failures, errors, seconds } = totals;
  const start = `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n<testsuite name="anonctl probe" tests="${tests}" failures="${failures}" errors="${errors}" time="${seconds.toFixed(3)}"`;
  return `${start.padEnd(JUNIT_HEAD_BYTES - 2, " ")}>\n`;
}

/** The end of a report. */
export const JUNIT_TAIL = "</testsuite>\n</testsuites>\n";

/**
 * One test case, with the layer as its class.
 *
 * @param result of one target
 */
export function junitCase(result: ProbeResult): string {
  const { target, protocol, ok, layer, where, code, advice, evidence, timings } = result;
  const seconds = ((timings.total_ms ?? 0) / 1_000).toFixed(3);
  const open = `<testcase name="${escaped(target)}" classname="anonctl.probe.${protocol ?? "none"}" time="${seconds}"`;
  if (ok) return `${open}/>\n`;
  const tag = isError(result) ? "error" : "failure";
  const text = [...evidence, advice].map(escaped).join("\n");
  return `${open}>\n<${tag} type="${escaped(`${layer}/${code}`)}" message="${escaped(`${layer} (${where ?? "bug"}): ${advice}`)}">${text}</${tag}>\n</testcase>\n`;
}

/** Whether a result speaks of this side and not of the target. */
export function isError({ where }: ProbeResult): boolean {
  return where === "local" || where === "config" || where === "bug";
}

/** What XML 1.0 has no room for is left out, even as a reference. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD]/g, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
