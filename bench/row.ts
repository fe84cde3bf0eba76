import type { Scratch } from "../lib/process/scratch.ts";
import type { Spread } from "./spread.ts";

/** What a row has to measure with. */
export interface BenchContext {
  /** A directory, and children that end with this process. */
  readonly scratch: Scratch;
  /** Tells on stderr what is being done. */
  readonly progress: (what: string) => void;
}

/** A bound that a figure is held against. */
export interface Bound {
  /** A target is promised, a goal is hoped for. */
  readonly word: "target" | "goal";
  /** The figure: our own value, or how it compares. */
  readonly of: "ours" | "comparison";
  readonly kind: "at-least" | "at-most";
  readonly value: number;
}

/** One line of the table. */
export interface Result {
  /** Names the line within its row, such as "concurrency-16". */
  readonly name: string;
  /** What is measured, in a few words. */
  readonly title: string;
  /** The unit of both sides. */
  readonly unit: string;
  readonly ours: Spread;
  readonly counterpart: { readonly name: string; readonly value: Spread };
  /** Ours divided by theirs, or less theirs, in each round. */
  readonly comparison: { readonly kind: "ratio" | "difference"; readonly value: Spread };
  readonly bounds: readonly Bound[];
  /** What a reader has to know: topology, what else was seen. */
  readonly note: string;
}

/** One subject of measurement. */
export interface Row {
  /** What `--only` takes. */
  readonly name: string;
  /**
   * Measures.
   *
   * @throws MissingProgram where this machine lacks something that the row needs
   */
  run(context: BenchContext): Promise<readonly Result[]>;
}

/** This machine lacks a program that a row needs; the row is skipped. */
export class MissingProgram extends Error {}

/** The value that a bound is about. */
export function boundedValue(result: Result, bound: Bound): number {
  return bound.of === "ours" ? result.ours.median : result.comparison.value.median;
}

/** Whether the median keeps to the bound. */
export function isMet(result: Result, bound: Bound): boolean {
  const value = boundedValue(result, bound);
  return bound.kind === "at-least" ? value >= bound.value : value <= bound.value;
}
