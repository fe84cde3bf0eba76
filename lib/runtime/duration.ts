/** Digits behind the point that a duration is read with. */
const FRACTION_DIGITS_MAX = 6;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Reads a duration as people write it: `250ms`, `12.5s`, `5m`, `4h`.
 *
 * @param text digits with an optional fraction, and a unit
 * @returns milliseconds, or undefined where the text is not a duration
 */
export function parseDuration(text: string): number | undefined {
  const [, digits = "", unit = ""] =
    /^([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)$/.exec(text.trim()) ?? [];
  const factor = UNIT_MS[unit];
  return factor === undefined ? undefined : withoutCrumbs(Number(digits) * factor);
}

/**
 * A duration as people write it, in the largest unit that leaves no fraction.
 *
 * @param ms milliseconds, 0 or more
 * @returns text that `parseDuration` reads back
 */
export function formatDuration(ms: number): string {
  for (const unit of ["h", "m", "s"]) {
    const factor = UNIT_MS[unit] ?? 1;
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  // Seconds read better with a fraction than thousands of milliseconds do.
  const seconds = withoutCrumbs(ms / 1_000);
  return ms >= 1_000 && withoutCrumbs(seconds * 1_000) === ms ? `${seconds}s` : `${ms}ms`;
}

/** 0.891630 minutes are 53497.8 ms, and not 53497.799999999996: that could not be read back. */
function withoutCrumbs(value: number): number {
  return Number(value.toFixed(FRACTION_DIGITS_MAX));
}
