import { formatDuration } from "../runtime/duration.ts";

/** How long a declared schedule waits from a frame to the next; all times in milliseconds. */
export type IntervalLaw =
  | { readonly kind: "uniform"; readonly lowMs: number; readonly highMs: number }
  | { readonly kind: "poisson"; readonly meanMs: number }
  | { readonly kind: "constant"; readonly everyMs: number };

/**
 * The chance of an interval of at most so long.
 *
 * @param law what was declared
 * @param intervalMs any number
 */
export function lawCdf(law: IntervalLaw, intervalMs: number): number {
  switch (law.kind) {
    case "uniform":
      return Math.max(0, Math.min(1, (intervalMs - law.lowMs) / (law.highMs - law.lowMs)));
    case "poisson":
      return intervalMs <= 0 ? 0 : -Math.expm1(-intervalMs / law.meanMs);
    case "constant":
      return intervalMs < law.everyMs ? 0 : 1;
  }
}

/**
 * The shortest and the longest interval that a law allows.
 *
 * @param law what was declared
 */
export function lawBounds(law: IntervalLaw): { lowMs: number; highMs: number } {
  switch (law.kind) {
    case "uniform":
      return { lowMs: law.lowMs, highMs: law.highMs };
    case "poisson":
      return { lowMs: 0, highMs: Number.POSITIVE_INFINITY };
    case "constant":
      return { lowMs: law.everyMs, highMs: law.everyMs };
  }
}

/**
 * How much later all intervals would have to be for a given distance from the law.
 *
 * @param law what was declared; not a constant one
 * @param distance between the shares below a value, above 0 and below 1
 * @returns milliseconds
 */
export function shiftOf(law: IntervalLaw, distance: number): number {
  switch (law.kind) {
    case "uniform":
      return distance * (law.highMs - law.lowMs);
    case "poisson":
      return -law.meanMs * Math.log1p(-distance);
    case "constant":
      return 0;
  }
}

/**
 * A law as it is written in `--expect`.
 *
 * @param law what was declared
 */
export function formatLaw(law: IntervalLaw): string {
  switch (law.kind) {
    case "uniform":
      return `uniform ${formatDuration(law.lowMs)}..${formatDuration(law.highMs)}`;
    case "poisson":
      return `poisson ${formatDuration(law.meanMs)}`;
    case "constant":
      return `constant ${formatDuration(law.everyMs)}`;
  }
}
