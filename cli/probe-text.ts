import { styleText } from "node:util";
import type { ProbeResult } from "../lib/probe/result.ts";
import type { RunSummary } from "../lib/probe/run.ts";

/** How results are shown to people. */
export interface ProbeTextOptions {
  /** Whether colours are wanted. */
  readonly colours: boolean;
}

/**
 * A result in one to three lines.
 *
 * @param result of one target
 * @param options how
 */
export function describeResult(result: ProbeResult, options: ProbeTextOptions): string {
  const { target, ok, protocol, layer, where, advice, evidence, may_be, samples } = result;
  const paint = (format: "green" | "red" | "dim", text: string): string =>
    options.colours ? styleText(format, text, { validateStream: false }) : text;
  if (ok) {
    const times = [timing("open", samples.open_ms), timing("protocol", samples.protocol_ms)];
    const known = times.filter((text) => text !== "").join(", ");
    const count = samples.count > 1 ? ` (${samples.count} samples)` : "";
    return `${paint("green", "ok")}    ${target}  ${protocol ?? ""}${count}  ${paint("dim", known)}\n        ${evidence.map(safe).join(" ")}\n`;
  }
  const doubt = may_be.length === 0 ? "" : `, or ${may_be.join(", ")}`;
  return [
    `${paint("red", "FAIL")}  ${target}  ${protocol ?? ""}  at ${layer}${doubt} (${where ?? "bug"})`,
    `        ${evidence.map(safe).join(" ")}`,
    `        ${advice}`,
    "",
  ].join("\n");
}

function timing(name: string, spread: ProbeResult["samples"]["open_ms"]): string {
  if (spread === null) return "";
  const { min, median, p95 } = spread;
  return min === p95
    ? `${name} ${milliseconds(median)}`
    : `${name} ${milliseconds(median)} (${milliseconds(min)}–${milliseconds(p95)})`;
}

function milliseconds(value: number): string {
  return value >= 1_000 ? `${(value / 1_000).toFixed(1)} s` : `${Math.round(value)} ms`;
}

/** What a peer said must not steer a terminal. */
function safe(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "?");
}

/**
 * The last line.
 *
 * @param summary of a round
 */
export function describeSummary(summary: RunSummary): string {
  const { probed, failed, elapsedMs, where, stopped } = summary;
  const places = [...where].map(([place, number]) => `${place} ${number}`).join(", ");
  const broken = failed === 0 ? "all pass" : `${failed} fail (${places})`;
  const early = stopped ? "; stopped early" : "";
  return `${probed} probed in ${(elapsedMs / 1_000).toFixed(1)} s: ${broken}${early}.\n`;
}
