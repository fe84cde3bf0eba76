import type { NoiseReport, ReportDirection, ReportLink } from "../lib/capture/report-schema.ts";
import { sparkline } from "./noise-capture-progress.ts";

/** Connections that people are shown; the rest is in the other outputs. */
const LINKS_SHOWN = 4;
const BAR_CHARACTERS = 40;
const ROWS_MAX = 12;
const RATE_CHARACTERS = 60;

/**
 * A report for people at a terminal.
 *
 * @param report made of a capture
 */
export function describeReport(report: NoiseReport): string {
  const shown = report.links.slice(0, LINKS_SHOWN);
  const hidden = report.links.length - shown.length + report.links_left_out;
  const lines = [
    ...report.sources.map(
      ({ kind, place, flows, packets, trouble }) =>
        `${kind} ${place}: ${flows} connections${packets === null ? "" : `, ${packets} packets`}${trouble === null ? "" : `. ${trouble}`}`,
    ),
    `${seconds(report.elapsed_s)} from the first frame to the last.`,
    "",
    ...shown.flatMap(linkLines),
    ...(hidden > 0 ? [`${hidden} smaller connections are in the other outputs.`, ""] : []),
    ...report.moments.flatMap((family) => [
      `Moments with payload, by packets alone (${family.positives} against ${family.negatives}):`,
      ...family.detectors.slice(0, 3).map((one) => `  ${detectorText(one)}`),
      "",
    ]),
    ...verdictLines(report),
    ...report.assertions.map(
      ({ text, outcome, reason }) => `${outcome.padEnd(13)}${text}  ${reason}`,
    ),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

/**
 * Two reports side by side, for people.
 *
 * @param a one report and its name
 * @param b the other
 */
export function describeComparison(
  a: { readonly name: string; readonly report: NoiseReport },
  b: { readonly name: string; readonly report: NoiseReport },
): string {
  const rows: readonly (readonly [string, (report: NoiseReport) => string])[] = [
    ["verdict", (report) => report.verdict],
    ["chance by accident", (report) => report.p_value.toPrecision(2)],
    ["best detector of frames", (report) => worstText(report)],
    ["connections", (report) => String(report.links.length + report.links_left_out)],
    ["seconds", (report) => report.elapsed_s.toFixed(1)],
    ...(["out", "in"] as const).flatMap((side) => sideRows(side)),
  ];
  const cells = rows.map(([title, cell]) => [title, cell(a.report), cell(b.report)] as const);
  const all = [["", a.name, b.name] as const, ...cells];
  const width = (column: 0 | 1): number => Math.max(...all.map((row) => row[column].length)) + 2;
  const [first, second] = [width(0), width(1)];
  return `${all
    .map(([title, x, y]) => `${title.padEnd(first)}${x.padEnd(second)}${y}`.trimEnd())
    .join("\n")}\n`;
}

function sideRows(side: "out" | "in"): (readonly [string, (report: NoiseReport) => string])[] {
  const row = (
    title: string,
    cell: (direction: ReportDirection) => string,
  ): readonly [string, (report: NoiseReport) => string] => [
    `${title}, ${side}`,
    (report) => {
      const one = largest(report, side);
      return one === undefined ? "–" : cell(one);
    },
  ];
  return [
    row("frames", (one) => String(one.frames)),
    row("bytes a second", (one) => one.costs?.bytes_a_second.toFixed(1) ?? "–"),
    row("kinds", (one) => kindsText(one) ?? "unknown"),
    row("bytes outside frames", (one) => String(one.outside_bytes ?? "unknown")),
    row("sizes", (one) => rangeText(one.sizes.summary, " B", 0)),
    row("intervals", (one) => rangeText(one.intervals_ms.summary, " ms", 0)),
    row("periods", (one) => periodsText(one) ?? "none"),
  ];
}

/** The direction with most frames of a side: of many connections the one that says most. */
function largest(report: NoiseReport, side: "out" | "in"): ReportDirection | undefined {
  return report.links
    .flatMap(({ directions }) => directions.filter((one) => one.side === side))
    .sort((x, y) => y.frames - x.frames)[0];
}

function worstText(report: NoiseReport): string {
  const detectors = report.links.flatMap(({ directions }) =>
    directions
      .filter(({ side }) => report.judged_side === "both" || side === report.judged_side)
      .flatMap(({ families }) => families.filter(({ name }) => name === "frames"))
      .flatMap((family) => family.detectors),
  );
  const [worst] = detectors.sort((x, y) => y.auc - x.auc);
  return worst === undefined ? "–" : `${worst.name} ${aucText(worst)}`;
}

function linkLines(link: ReportLink): string[] {
  const refused = link.refusal === null ? "" : `  refused: ${link.refusal}`;
  return [
    `${link.id}  ${link.from} → ${link.to}${refused}`,
    ...link.directions.filter(({ frames }) => frames > 0).flatMap(directionLines),
    "",
  ];
}

function directionLines(one: ReportDirection): string[] {
  const kinds = kindsText(one);
  const outside = one.outside_bytes;
  const periods = periodsText(one);
  const [best] = one.families.find(({ name }) => name === "frames")?.detectors ?? [];
  return [
    `  ${one.side}: ${one.frames} frames, ${one.bytes} B${kinds === undefined ? "" : ` (${kinds})`}`,
    ...(outside === null
      ? []
      : [`    outside frames of ${one.frame_bytes} B after the handshake: ${outside} B`]),
    `    sizes      ${rangeText(one.sizes.summary, " B", 0)}`,
    `    intervals  ${rangeText(one.intervals_ms.summary, " ms", 1)}`,
    `    rate       ${sparkline(narrowed(one.rate.bytes, RATE_CHARACTERS))}`,
    ...histogramLines(one.intervals_ms.bins),
    ...(periods === undefined ? [] : [`    periods    ${periods}`]),
    ...(one.interval_fit === null
      ? []
      : [`    schedule   ${one.interval_fit.outcome}: ${one.interval_fit.reason}`]),
    ...(one.size_fit === null
      ? []
      : [`    size       ${one.size_fit.outcome}: ${one.size_fit.reason}`]),
    ...(best === undefined ? [] : [`    detectors  ${detectorText(best)}`]),
    ...(one.costs === null
      ? []
      : [
          `    costs      ${one.costs.noise_bytes} B of noise, ${one.costs.bytes_a_second.toFixed(1)} B/s`,
        ]),
    ...(one.judgement === null ? [] : [`    verdict    ${one.judgement.verdict}`]),
  ];
}

function verdictLines(report: NoiseReport): string[] {
  const more =
    report.more_frames === null ? "" : ` About ${report.more_frames} more frames would tell.`;
  return [`Verdict: ${report.verdict}.${more}`, ...report.reasons.map((reason) => `  ${reason}`)];
}

/** Intervals by length, a line a bin. */
function histogramLines(bins: ReportDirection["intervals_ms"]["bins"]): string[] {
  const rows = merged(bins, ROWS_MAX);
  if (rows.length < 2) return [];
  const highest = Math.max(...rows.map(({ count }) => count));
  return rows.map(({ low, high, count }) => {
    const bar = "█".repeat(Math.round((count / highest) * BAR_CHARACTERS));
    return `    ${low.toFixed(0).padStart(9)}–${high.toFixed(0).padEnd(8)} ${bar} ${count}`;
  });
}

function merged<B extends { low: number; high: number; count: number }>(
  bins: readonly B[],
  rows: number,
): { low: number; high: number; count: number }[] {
  const each = Math.max(1, Math.ceil(bins.length / rows));
  const result: { low: number; high: number; count: number }[] = [];
  for (let i = 0; i < bins.length; i += each) {
    const part = bins.slice(i, i + each);
    result.push({
      low: part[0]?.low ?? 0,
      high: part.at(-1)?.high ?? 0,
      count: part.reduce((sum, { count }) => sum + count, 0),
    });
  }
  return result;
}

function narrowed(values: readonly number[], width: number): number[] {
  const each = Math.max(1, Math.ceil(values.length / width));
  return Array.from({ length: Math.ceil(values.length / each) }, (_, i) =>
    values.slice(i * each, (i + 1) * each).reduce((sum, value) => sum + value, 0),
  );
}

function kindsText(one: ReportDirection): string | undefined {
  if (one.kinds === null) return undefined;
  return Object.entries(one.kinds)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ");
}

function periodsText(one: ReportDirection): string | undefined {
  if (one.periods.length === 0) return undefined;
  return one.periods
    .slice(0, 3)
    .map(({ period_s }) => seconds(period_s))
    .join(", ");
}

function rangeText(one: ReportDirection["sizes"]["summary"], unit: string, digits: number): string {
  if (one === null) return "–";
  const { min, mean, max, deviation } = one;
  if (min === max) return `${min.toFixed(digits)}${unit}`;
  return `${min.toFixed(digits)} to ${max.toFixed(digits)}${unit}, mean ${mean.toFixed(digits)}, sd ${deviation.toFixed(digits)}`;
}

function detectorText(one: ReportDirection["families"][number]["detectors"][number]): string {
  return `${one.name}: AUC ${aucText(one)}, p ${one.p_value.toPrecision(2)}`;
}

function aucText({ auc, low, high }: { auc: number; low: number; high: number }): string {
  return `${auc.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`;
}

function seconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} s`;
}
