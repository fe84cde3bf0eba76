import { SUBJECTS, type Subject } from "../lib/capture/labels.ts";
import type {
  NoiseReport,
  ReportDirection,
  ReportFamily,
  ReportLink,
} from "../lib/capture/report-schema.ts";
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
    ...report.sources.map(sourceLine),
    `${seconds(report.elapsed_s)} from the first frame to the last${totalText(report)}.`,
    "",
    ...shown.flatMap(linkLines),
    ...(hidden > 0 ? [`${hidden} smaller connections are in the other outputs.`, ""] : []),
    ...fitLines(report),
    ...report.families.flatMap(familyLines),
    ...report.moments.flatMap(familyLines),
    ...costLines(report),
    ...verdictLines(report),
    ...report.assertions.map(
      ({ text, outcome, reason }) => `${outcome.padEnd(13)}${text}  ${reason}`,
    ),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function sourceLine(source: NoiseReport["sources"][number]): string {
  const { kind, place, flows, packets, outside_tcp, trouble } = source;
  const outside = outside_tcp === null ? 0 : outside_tcp.udp_packets + outside_tcp.other_packets;
  const parts = [
    `${kind} ${place}: ${flows} ${flows === 1 ? "connection" : "connections"}`,
    ...(packets === null ? [] : [`, ${packets} packets`]),
    ...(outside === 0 ? [] : [`, ${outside} of them outside TCP`]),
    ...(trouble === null ? [] : [`. ${trouble}`]),
  ];
  return parts.join("");
}

function totalText({ totals, elapsed_s }: NoiseReport): string {
  if (elapsed_s === 0) return "";
  const each = totals.map(({ side, bytes }) => `${(bytes / elapsed_s).toFixed(1)} B/s ${side}`);
  return `; in all ${each.join(", ")}`;
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
    ...SUBJECTS.map((subject): readonly [string, (report: NoiseReport) => string] => [
      SUBJECT_NAMES[subject],
      (report) => findingText(report, subject),
    ]),
    ["chance by accident", (report) => report.p_value.toPrecision(2)],
    ["noise", (report) => (report.costs === null ? "unknown" : `${report.costs.noise_bytes} B`)],
    ["overhead", (report) => percentText(report.costs?.overhead_percent)],
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

function findingText(report: NoiseReport, subject: Subject): string {
  const finding = report.findings.find((one) => one.subject === subject);
  if (finding === undefined) return "–";
  const { verdict, worst } = finding;
  return worst === null ? verdict : `${verdict}, ${worst.detector} ${aucText(worst)}`;
}

function percentText(percent: number | null | undefined): string {
  return percent === null || percent === undefined ? "unknown" : `${percent.toFixed(0)} %`;
}

function linkLines(link: ReportLink): string[] {
  const refused = link.refusal === null ? "" : `  refused: ${link.refusal}`;
  return [
    `${link.id}  ${link.from} → ${link.to}${refused}`,
    ...link.directions
      .filter(({ frames, dropped_frames }) => frames + dropped_frames > 0)
      .flatMap(directionLines),
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
    ...(one.dropped_frames === 0
      ? []
      : [`    not kept   ${one.dropped_frames} frames, which nothing could judge`]),
    ...tcpLines(one),
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
    ...(one.judgement === null
      ? []
      : [
          `    verdict    ${verdictText({ ...one.judgement, more_frames: null, more_labels: null }).replace(".", "")}`,
        ]),
  ];
}

/** Of one connection its own lines say it. */
function fitLines({
  fits: { interval_fit, size_fit },
  links,
  links_left_out,
}: NoiseReport): string[] {
  if (interval_fit === null || links.length + links_left_out < 2) return [];
  return [
    "All connections together:",
    `  schedule   ${interval_fit.outcome}: ${interval_fit.reason}`,
    ...(size_fit === null ? [] : [`  size       ${size_fit.outcome}: ${size_fit.reason}`]),
    "",
  ];
}

/** What detectors reach, over all connections. */
function familyLines(family: ReportFamily): string[] {
  return [
    `${titleOf(family)} (${family.positives} against ${family.negatives}):`,
    ...family.detectors.slice(0, 3).map((one) => `  ${detectorText(one)}`),
    "",
  ];
}

function titleOf({ name }: ReportFamily): string {
  if (name === "moments") return "Moments with payload, by packets alone";
  if (name === "moments of timed syncs") return "Moments with timed syncs, by packets alone";
  // Its name says over which spans.
  if (name.startsWith("labelled moments")) return `${capitalized(name)}, by all that is seen`;
  return capitalized(name);
}

function capitalized(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

function costLines({ costs }: NoiseReport): string[] {
  if (costs === null) return [];
  const { noise_bytes, overhead_percent, latency_ms } = costs;
  const percent = overhead_percent === null ? "" : `, ${overhead_percent.toFixed(0)} % overhead`;
  const wait =
    latency_ms === null
      ? ""
      : `; payload waited ${seconds(latency_ms.min / 1_000)} to ${seconds(latency_ms.max / 1_000)}, ${seconds(latency_ms.median / 1_000)} in the middle (${latency_ms.count})`;
  return [`Costs: ${noise_bytes} B of noise${percent}${wait}.`, ""];
}

/**
 * A verdict as a sentence that says what shows.
 *
 * @param report made of a capture
 */
export function verdictText(
  report: Pick<NoiseReport, "verdict" | "exposed_by" | "more_frames" | "more_labels">,
): string {
  const by = report.exposed_by.map((subject) => SUBJECT_NAMES[subject]).join(" and ");
  const more = [
    ...(report.more_frames === null ? [] : [`${report.more_frames} more frames`]),
    ...(report.more_labels === null ? [] : [`${report.more_labels} more labels`]),
  ];
  const told = more.length === 0 ? "" : ` About ${more.join(" and ")} would tell.`;
  return `${report.verdict}${by === "" ? "" : ` by ${by}`}.${told}`;
}

/** How people call what noise hides. */
export const SUBJECT_NAMES = { payload: "payload", "timed-sync": "timed syncs" } as const;

function tcpLines({ tcp }: ReportDirection): string[] {
  if (tcp === null) return [];
  const { retransmissions, retransmitted_bytes, overlaps, reordered, gaps, gap_bytes } = tcp;
  if (retransmissions + overlaps + reordered + gaps === 0) return [];
  return [
    `    tcp        ${retransmissions} retransmissions (${retransmitted_bytes} B), ${overlaps} overlaps, ${reordered} out of order, ${gaps} gaps (${gap_bytes} B)`,
  ];
}

function verdictLines(report: NoiseReport): string[] {
  return [
    `Verdict: ${verdictText(report)}`,
    ...report.findings.flatMap(({ subject, verdict, reasons }) => [
      `  ${SUBJECT_NAMES[subject]}: ${verdict}`,
      ...reasons.map((reason) => `    ${reason}`),
    ]),
  ];
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
