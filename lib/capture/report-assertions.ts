import type { FamilyResult } from "./detect-family.ts";
import { fitIntervals, fitSizes } from "./fit-report.ts";
import type { Schedule } from "./fit-schedule.ts";
import type { JudgedDirection } from "./report-direction.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import type { NoiseReport } from "./report-schema.ts";
import type { DetectorBounds, Measured } from "./verdict-assertion.ts";
import { type Doubt, doubtedFit, doubtOf, withUnkeptSizes } from "./verdict-doubt.ts";

/** Frames that what is declared speaks of. */
export interface Framed {
  readonly intervalsMs: readonly number[];
  readonly sizes: readonly number[];
  readonly seen: readonly SeenDirection[];
  readonly doubt: Doubt;
}

/**
 * Takes the frames that what is declared speaks of: those at taps where there are any, since what is
 * declared of a node's frames is not to be asked of what others make of them on the way.
 *
 * @param all connections
 * @param side that is judged
 */
export function framedOf(
  all: readonly {
    readonly seen: SeenLink;
    readonly out: JudgedDirection | undefined;
    readonly in: JudgedDirection | undefined;
  }[],
  side: NoiseReport["judged_side"],
): Framed {
  const tapped = all.filter(({ seen }) => seen.view !== "capture");
  const links = tapped.length > 0 ? tapped : all;
  const judged = links.flatMap((one) => sidesOf(one, side));
  const seen = links.flatMap((one) => sidesOf(one.seen, side));
  return {
    intervalsMs: judged.flatMap((one) => [...one.intervalsMs]),
    sizes: judged.flatMap((one) => [...one.sizes]),
    seen,
    doubt: doubtOf(
      seen,
      links.map((one) => one.seen),
    ),
  };
}

/**
 * Takes back of fits what can't be said.
 *
 * @param fits of the frames that were kept
 * @param framed `seen`: the directions that they speak of; `doubt`: about those
 * @param frameBytes the declared size, where one is
 */
export function doubtedFits(
  fits: NoiseReport["fits"],
  framed: Pick<Framed, "seen" | "doubt">,
  frameBytes: number | undefined,
): NoiseReport["fits"] {
  const { interval_fit, size_fit } = fits;
  const { seen, doubt } = framed;
  return {
    interval_fit: interval_fit && doubtedFit(interval_fit, doubt, true),
    size_fit:
      size_fit && doubtedFit(withUnkeptSizes(size_fit, seen, frameBytes ?? 1), doubt, false),
  };
}

/**
 * What `frame=…` and `interval~…` are held against.
 *
 * @param framed frames that they speak of
 * @param schedule what was declared besides
 */
export function fitsToAssert(
  framed: Framed,
  schedule: Schedule | undefined,
): Pick<Measured, "sizes" | "intervals"> {
  const { intervalsMs, sizes, seen, doubt } = framed;
  return {
    sizes: (frameBytes) => {
      const fit = withUnkeptSizes(fitSizes(sizes, frameBytes), seen, frameBytes);
      return doubtedFit(fit, doubt, false);
    },
    intervals: (law) => {
      const toleranceMs = schedule?.toleranceMs ?? 10;
      const fit = fitIntervals(intervalsMs, { law, frameBytes: undefined, toleranceMs });
      return doubtedFit(fit, doubt, true);
    },
  };
}

/**
 * What `auc<…` is held against: all that may tell payload at one frame or moment.
 *
 * @param together of all connections
 * @param loud of single connections that show by themselves; of others little payload says little
 * @returns undefined where there are no such detectors
 */
export function boundsOf(
  together: readonly FamilyResult[],
  loud: readonly FamilyResult[],
): DetectorBounds | undefined {
  const all = together.filter(isAssertable);
  const single = loud.filter(isAssertable);
  const detectors = [...all, ...single].flatMap((family) => family.detectors);
  if (detectors.length === 0) return undefined;
  return {
    // With so many detectors, some single lower bound is too high by accident.
    low: Math.max(...detectors.map(({ jointLow }) => jointLow)),
    high: Math.max(...detectors.map(({ high }) => high)),
    of: [
      ...all.map(({ name }) => name),
      ...(single.length > 1
        ? [`${single.length} connections that show by themselves`]
        : single.map(({ name }) => name)),
    ],
  };
}

/** Windows of frames have a limit of their own. */
function isAssertable({ framesEach, subject }: FamilyResult): boolean {
  return framesEach <= 1 && subject === "payload";
}

/**
 * The sides of a link that are asked for, as far as anything was seen of them.
 *
 * @param link with both
 * @param side which
 */
export function sidesOf<D>(
  link: Readonly<Record<"out" | "in", D | undefined>>,
  side: NoiseReport["judged_side"],
): D[] {
  const sides = side === "both" ? [link.out, link.in] : [link[side]];
  return sides.filter((one) => one !== undefined);
}
