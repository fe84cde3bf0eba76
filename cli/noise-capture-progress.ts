import process from "node:process";
import { realClock, type Timer } from "../lib/runtime/clock.ts";

const BARS = "▁▂▃▄▅▆▇█";
const SECONDS_SHOWN = 40;
const SECOND_MS = 1_000;

/**
 * Values as a line of bars.
 *
 * @param values 0 or more; the greatest has the highest bar
 */
export function sparkline(values: readonly number[]): string {
  const highest = Math.max(...values, 0);
  return values
    .map((value) => {
      if (value <= 0) return " ";
      return BARS[Math.min(BARS.length - 1, Math.floor((value / highest) * BARS.length))] ?? "█";
    })
    .join("");
}

/** What a capture has come to. */
export interface Sight {
  readonly flows: number;
  readonly frames: number;
  readonly bytes: number;
  readonly unit: "frames" | "packets";
}

/** A line on a terminal that changes every second; nothing where stderr is no terminal. */
export class ProgressLine {
  readonly #look: () => Sight;
  readonly #rates: number[] = [];
  readonly #startedAt = realClock.now();
  #bytes = 0;
  #timer: Timer | undefined;

  /** @param look says what there is now */
  constructor(look: () => Sight) {
    this.#look = look;
    if (process.stderr.isTTY === true) this.#arm();
  }

  /** Takes the line away. */
  end(): void {
    this.#timer?.cancel();
    if (this.#timer !== undefined) process.stderr.write("\r\u001b[K");
  }

  #arm(): void {
    this.#timer = realClock.setTimer(realClock.now() + SECOND_MS, () => {
      const { flows, frames, bytes, unit } = this.#look();
      this.#rates.push(bytes - this.#bytes);
      this.#bytes = bytes;
      if (this.#rates.length > SECONDS_SHOWN) this.#rates.shift();
      const seconds = Math.round((realClock.now() - this.#startedAt) / SECOND_MS);
      const text = `${seconds} s  ${flows} flows  ${frames} ${unit}  ${bytes} B  `;
      process.stderr.write(`\r\u001b[K${text}${sparkline(this.#rates)}`);
      this.#arm();
    });
  }
}
