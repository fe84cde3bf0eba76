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
  return factor === undefined ? undefined : Number(digits) * factor;
}
