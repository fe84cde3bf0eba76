import { type Machine, machineLine, wasBusy } from "./machine.ts";
import { type Bound, isMet, type Result } from "./row.ts";
import type { Spread } from "./spread.ts";

/** How a row ended. */
export type Outcome =
  | { readonly row: string; readonly kind: "measured"; readonly results: readonly Result[] }
  | { readonly row: string; readonly kind: "skipped" | "failed"; readonly reason: string };

/** A whole run. */
export interface Report {
  readonly at: string;
  readonly seconds: number;
  readonly machine: Machine;
  readonly outcomes: readonly Outcome[];
}

const HEADINGS = ["what", "ours", "counterpart", "compared", "bounds"] as const;

/**
 * The run as a table for people.
 *
 * @param report a whole run
 */
export function tableOf(report: Report): string {
  const cells = report.outcomes.flatMap(rowsOf);
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const notes = report.outcomes.flatMap((outcome) =>
    outcome.kind === "measured"
      ? outcome.results.map((result) => `  ${result.title}: ${result.note}`)
      : [`  ${outcome.row}: ${outcome.kind}, ${outcome.reason}`],
  );
  return [
    machineLine(report.machine),
    "Medians, and from the least to the greatest of all rounds; both sides took turns.",
    ...(wasBusy(report.machine)
      ? ["The machine was busy before: a verdict near its bound means little; run it again."]
      : []),
    "",
    line(HEADINGS),
    line(widths.map((width) => "-".repeat(width))),
    ...cells.map(line),
    "",
    "How it was measured:",
    ...notes,
    "",
  ].join("\n");
}

/**
 * The run for programs.
 *
 * @param report a whole run
 * @returns a document of schema `anonctl.bench.v1`
 */
export function documentOf(report: Report): object {
  return {
    schema: "anonctl.bench.v1",
    at: report.at,
    seconds: report.seconds,
    machine: report.machine,
    rows: Object.fromEntries(report.outcomes.map((outcome) => [outcome.row, rowDocument(outcome)])),
  };
}

function rowDocument(outcome: Outcome): object {
  if (outcome.kind !== "measured") return { state: outcome.kind, reason: outcome.reason };
  return {
    state: outcome.kind,
    results: Object.fromEntries(outcome.results.map((result) => [result.name, document(result)])),
  };
}

function document(result: Result): object {
  const { title, unit, ours, counterpart, comparison, bounds, note } = result;
  const judged = bounds.map((bound) => [
    `${bound.word}_${bound.of}`,
    { kind: bound.kind, value: bound.value, met: isMet(result, bound) },
  ]);
  return {
    title,
    unit,
    ours: rounded(ours),
    counterpart: { name: counterpart.name, ...rounded(counterpart.value) },
    comparison: { kind: comparison.kind, ...rounded(comparison.value) },
    bounds: Object.fromEntries(judged),
    note,
  };
}

function rounded(spread: Spread): Spread {
  const round = (value: number): number => Number(value.toPrecision(4));
  const { median, min, max, rounds } = spread;
  return { median: round(median), min: round(min), max: round(max), rounds };
}

function rowsOf(outcome: Outcome): string[][] {
  if (outcome.kind !== "measured") return [[outcome.row, outcome.kind]];
  return outcome.results.map((result) => {
    const { comparison, counterpart, unit } = result;
    return [
      result.title,
      `${quantity(result.ours.median)} ${unit}`,
      `${counterpart.name}: ${quantity(counterpart.value.median)} ${unit}`,
      comparison.kind === "ratio"
        ? `× ${span(comparison.value, 2)}`
        : `${comparison.value.median < 0 ? "" : "+"}${span(comparison.value, Math.abs(comparison.value.median) < 1 ? 2 : 1)} ${unit}`,
      result.bounds.map((bound) => boundText(result, bound)).join("; "),
    ];
  });
}

function boundText(result: Result, bound: Bound): string {
  const sign = bound.kind === "at-least" ? "≥" : "≤";
  const unit = bound.of === "ours" || result.comparison.kind === "difference" ? result.unit : "";
  const verdict = isMet(result, bound) ? "met" : "NOT MET";
  return `${bound.word} ${sign} ${`${quantity(bound.value)} ${unit}`.trim()}: ${verdict}`;
}

function span(spread: Spread, digits: number): string {
  const { median, min, max } = spread;
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}

function quantity(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}
