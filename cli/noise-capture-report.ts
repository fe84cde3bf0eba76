import { buildReport } from "../lib/capture/report.ts";
import type { SeenLink } from "../lib/capture/report-input.ts";
import { withTold } from "../lib/capture/report-labels.ts";
import { masked } from "../lib/capture/report-links.ts";
import type { NoiseReport } from "../lib/capture/report-schema.ts";
import { realClock } from "../lib/runtime/clock.ts";
import type { Seen } from "./noise-capture-run.ts";
import type { NoiseCaptureSettings } from "./noise-capture-settings.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Makes the report of what was seen.
 *
 * @param settings what was asked for, and told
 * @param seen on the way
 * @returns the report, and the connections with addresses masked where that is wished
 */
export function reportOf(
  settings: NoiseCaptureSettings,
  seen: Seen,
): { readonly report: NoiseReport; readonly links: readonly SeenLink[] } {
  const links = settings.isMasked ? masked(seen.links) : seen.links;
  const { labelsMs, ticks, schedule, assertions, side, isMasked } = settings;
  const report = buildReport({
    ...{ unixMs: realClock.unixMs(), sources: seen.sources, links },
    ...{ labelsMs, ticks, schedule, assertions, side, isMasked },
  });
  return { report, links };
}

/**
 * Looks whether labels that were told say which frames had payload, or when there was something to
 * send. Where they do neither, nothing was judged by them.
 *
 * @param settings what was told
 * @param links that were seen
 * @throws UsageError where the labels are of something else, or of another time
 */
export function checkLabels(settings: NoiseCaptureSettings, links: readonly SeenLink[]): void {
  const { trouble } = withTold(links, settings);
  if (trouble === undefined) return;
  const message = `--label was of no use: ${trouble}; name the times of payload frames of the judged side, or those of transactions, by the clock of the capture.`;
  throw new UsageError("bad-option", message);
}

/**
 * Looks whether the ticks that were told are those of what was seen. Where they are not, lateness was
 * not looked at, and a verdict without it must not pass for one with it.
 *
 * @param report that was made with ticks
 * @throws UsageError where there were frames, and none had a tick
 */
export function checkTicks({ links, judged_side }: NoiseReport): void {
  const judged = links
    .flatMap(({ directions }) => directions)
    .filter(({ side }) => judged_side === "both" || side === judged_side)
    .filter(({ frames, kinds }) => frames - (kinds?.handshake ?? 0) >= 2);
  if (judged.length === 0 || judged.some(({ ticks_known }) => ticks_known)) return;
  const message =
    "--ticks was of no use: of no connection have nine in ten frames a tick and is payload known; name the ticks of this link, by the same clock, or leave it out.";
  throw new UsageError("bad-option", message);
}
