import { bytesOf, type SeenDirection, type SeenLink } from "./report-input.ts";
import type { NoiseReport } from "./report-schema.ts";
import { rateOf, rateOfSeen } from "./report-shape.ts";
import { BinBudget, Rate } from "./shape-rate.ts";

/**
 * Sums both sides of all connections: what somebody sees who can't tell them apart.
 *
 * @param links that were seen
 */
export function totalsOf(links: readonly SeenLink[]): NoiseReport["totals"] {
  return (["out", "in"] as const).map((side) => {
    const seen = links.flatMap((link) => link[side] ?? []);
    const sum = (value: (one: SeenDirection) => number): number =>
      seen.reduce((total, one) => total + value(one), 0);
    return {
      side,
      frames: sum((one) => one.shape?.segments ?? one.timesMs.length),
      bytes: sum(bytesOf),
      rate: rateOf(rateTogether(seen.map(rateOfSeen))),
    };
  });
}

/** Bins may differ in width: each counts at its beginning. */
function rateTogether(rates: readonly Rate[]): Rate {
  const all = new Rate(new BinBudget());
  const used = rates.filter((rate) => rate.used > 0);
  // What is before the first would count with it.
  if (used.length > 0) all.addOne(Math.min(...used.map((rate) => rate.originUs)), 0);
  for (const rate of used) {
    rate.bytes.forEach((bytes, i) => {
      if (bytes > 0) all.addOne(rate.originUs + i * rate.widthUs, bytes);
    });
  }
  return all;
}
