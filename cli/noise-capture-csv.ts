import type { SeenLink } from "../lib/capture/report-input.ts";

const HEAD = "link,from,to,side,unix_s,bytes,kind,interval_ms";

/**
 * Every frame on a line.
 *
 * @param links that were seen, addresses masked where that is wished
 * @returns pieces of the file, a direction each
 */
export function* csvOf(links: readonly SeenLink[]): Generator<string> {
  yield `${HEAD}\n`;
  for (const link of links) {
    for (const side of ["out", "in"] as const) {
      const seen = link[side];
      if (seen === undefined) continue;
      const lines: string[] = [];
      let beforeMs: number | undefined;
      seen.timesMs.forEach((ms, i) => {
        const interval = beforeMs === undefined ? "" : (ms - beforeMs).toFixed(3);
        beforeMs = ms;
        const place = `${link.id},${quoted(link.from)},${quoted(link.to)},${side}`;
        const unix = (ms / 1_000).toFixed(6);
        lines.push(`${place},${unix},${seen.bytes[i]},${seen.kinds?.[i] ?? ""},${interval}\n`);
      });
      yield lines.join("");
    }
  }
}

/** A program may ask its proxy for any name. */
function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
