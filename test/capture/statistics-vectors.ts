import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import statistics from "../vectors/capture/statistics.json";

const row = z.array(z.number());

/** What NumPy and SciPy say; see test/vectors/capture/README.md. */
export const vectors = z
  .object({
    monerod: z.object({
      all: z.number(),
      outside: row,
      count: z.number(),
      min: z.number(),
      max: z.number(),
      mean: z.number(),
      deviation_sample: z.number(),
      deviation_population: z.number(),
      quantiles: row,
      histogram: row,
      entropy_bits: z.number(),
      kolmogorov: row,
      critical_5_percent: z.number(),
      chi_square_10_bins: row,
      autocorrelation: row,
    }),
    log_gamma: z.array(row),
    chi_square_tail: z.array(row),
    chi_square_critical: z.array(row),
    noncentral_tail: z.array(row),
    normal_cdf: z.array(row),
    normal_quantile: z.array(row),
    kolmogorov_tail: z.array(row),
    auc: z.array(
      z.object({
        scores: row,
        labels: row,
        midranks: row,
        auc: z.number(),
        u: z.number(),
        standard_error: z.number(),
      }),
    ),
    serial: z.object({
      values: row,
      autocorrelation: row,
      ljung_box_10: row,
      periodogram_256: row,
    }),
  })
  .parse(statistics);

/** Every interval that monerod was recorded with, in seconds, in the order of time. */
export function monerodIntervals(): number[] {
  const path = join(import.meta.dirname, "../vectors/capture/monerod-noise.csv");
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","))
    .map(([, time, , interval]) => ({ time: Number(time), interval }))
    .filter(({ interval }) => interval !== "")
    .sort((a, b) => a.time - b.time)
    .map(({ interval }) => Number(interval));
}

/** How far a number is from another, as a share of that. */
export function relativeError(value: number, expected: number): number {
  return expected === 0 ? Math.abs(value) : Math.abs(value / expected - 1);
}
