import type { FitOutcome } from "./fit-report.ts";
import type { SeenDirection, SeenLink } from "./report-input.ts";
import type { NoiseReport, ReportFinding } from "./report-schema.ts";

/** A lesser step back is mended by sorting; after a greater one no interval can be believed. */
export const STEP_BACK_MS_MAX = 1_000;

/** What keeps a report from saying what it otherwise would, as sentences; none without doubt. */
export interface Doubt {
  /** Frames were not kept: nothing can be said to be fine, but what was found stands. */
  readonly unkept: string | undefined;
  /** The clock was set: nothing that rests on times can be said either way. */
  readonly clock: string | undefined;
}

type Judgement = Pick<
  NoiseReport,
  "verdict" | "exposed_by" | "reasons" | "p_value" | "more_frames" | "more_labels" | "findings"
>;

/**
 * Looks whether everything was kept, and seen by a clock that only rises.
 *
 * @param directions that something is to be said of
 * @param links that they belong to
 */
export function doubtOf(
  directions: readonly SeenDirection[],
  links: readonly Pick<SeenLink, "stepBackMs">[],
): Doubt {
  const dropped = directions.filter(({ droppedFrames }) => droppedFrames > 0);
  const frames = dropped.reduce((sum, { droppedFrames }) => sum + droppedFrames, 0);
  const stepBackMs = links.reduce((most, link) => Math.max(most, link.stepBackMs ?? 0), 0);
  return {
    unkept:
      frames === 0
        ? undefined
        : `${counted(frames, "frame")} in ${counted(dropped.length, "direction")} were not kept, so that nothing could judge them; capture fewer connections, or for a shorter time.`,
    clock:
      stepBackMs < STEP_BACK_MS_MAX
        ? undefined
        : `Times step back by up to ${stepText(stepBackMs)}, so that no interval can be believed; capture again, or sort what was merged.`,
  };
}

/**
 * A step back of a clock in words.
 *
 * @param stepMs how far, in milliseconds
 */
export function stepText(stepMs: number): string {
  return stepMs < 1_000 ? `${stepMs.toPrecision(3)} ms` : `${(stepMs / 1_000).toFixed(1)} s`;
}

/**
 * The sentences of a doubt, the weightiest first.
 *
 * @param doubt that something is said with
 */
export function doubtReasons({ clock, unkept }: Doubt): string[] {
  return [clock, unkept].filter((one) => one !== undefined);
}

/**
 * Takes back of a verdict what can't be said.
 *
 * @param judgement as detectors gave it
 * @param doubt about what they saw
 */
export function doubtedJudgement<J extends Judgement>(judgement: J, doubt: Doubt): J {
  const told = doubtReasons(doubt);
  if (told.length === 0) return judgement;
  const findings = judgement.findings.map((finding) => doubtedFinding(finding, doubt));
  const exposedBy = findings.flatMap(({ subject, verdict }) =>
    verdict === "exposed" ? [subject] : [],
  );
  return {
    ...judgement,
    verdict: exposedBy.length > 0 ? "exposed" : (findings[0]?.verdict ?? "inconclusive"),
    exposed_by: exposedBy,
    reasons: findings.flatMap(({ reasons }) => reasons),
    p_value: Math.min(1, ...findings.map((finding) => finding.p_value)),
    ...{ more_frames: null, more_labels: null },
    findings,
  };
}

function doubtedFinding(finding: ReportFinding, doubt: Doubt): ReportFinding {
  const told = doubtReasons(doubt);
  // More of the same would not do: what is missing are those frames, or a clock.
  const common = { subject: finding.subject, more_frames: null, more_labels: null };
  if (doubt.clock !== undefined) {
    // What detectors reach on such times is no news of the link.
    return { ...common, verdict: "inconclusive", reasons: told, p_value: 1, worst: null };
  }
  const { verdict, p_value, worst, reasons } = finding;
  return {
    ...common,
    verdict: verdict === "hidden" ? "inconclusive" : verdict,
    reasons: verdict === "exposed" ? [...reasons, ...told] : [...told, ...reasons],
    ...{ p_value, worst },
  };
}

/**
 * Takes back of a fit what can't be said.
 *
 * @param fit as what was kept gave it
 * @param doubt about what was not
 * @param restsOnTime whether a clock that was set can make it deviate
 */
export function doubtedFit<F extends { readonly outcome: FitOutcome; readonly reason: string }>(
  fit: F,
  doubt: Doubt,
  restsOnTime: boolean,
): F {
  const told = doubtReasons(doubt);
  const stands = fit.outcome === "deviates" && !(restsOnTime && doubt.clock !== undefined);
  if (told.length === 0 || stands) return fit;
  const reason = [...told, ...(fit.outcome === "inconclusive" ? [fit.reason] : [])].join(" ");
  return { ...fit, outcome: "inconclusive", reason };
}

/**
 * Adds to a fit of frame sizes what the bytes of directions show whose frames were not kept: where
 * they are no multiple of a frame, one at least is of another size, however packets split them.
 *
 * @param fit of the frames that were kept
 * @param directions that it is to speak of
 * @param frameBytes the declared size
 */
export function withUnkeptSizes<
  F extends { readonly outcome: FitOutcome; readonly reason: string; readonly other: number },
>(fit: F, directions: readonly SeenDirection[], frameBytes: number): F {
  const odd = directions.filter(({ shape }) => (shape?.bytes ?? 0) % frameBytes !== 0).length;
  if (odd === 0) return fit;
  const reason = `The bytes of ${counted(odd, "direction")} whose frames were not kept are no multiple of ${frameBytes}.`;
  return {
    ...fit,
    outcome: "deviates",
    reason: fit.outcome === "deviates" ? `${fit.reason} ${reason}` : reason,
    other: fit.other + odd,
  };
}

function counted(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
