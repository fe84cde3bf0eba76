import { poisson, uniform } from "../runtime/distribution.ts";
import { formatDuration, parseDuration } from "../runtime/duration.ts";
import type { RandomSource } from "../runtime/random.ts";
import { RelayError } from "./error.ts";

/**
 * How long a transaction that came over Tor or I2P waits before it goes to the public zone.
 *
 * - `poisson`: whole seconds, as monerod draws them;
 * - `uniform`: as the proposal has it, 0 to 30 s.
 */
export type ForwardDelay =
  | { readonly kind: "poisson"; readonly meanMs: number }
  | { readonly kind: "uniform"; readonly lowMs: number; readonly highMs: number };

/** monerod's: Poisson, 22 s. @see monero `src/cryptonote_config.h`, `CRYPTONOTE_FORWARD_DELAY_AVERAGE` */
export const moneroForwardDelay: ForwardDelay = { kind: "poisson", meanMs: 22_000 };
/** The proposal's: "randomly delayed (0-30 seconds)". */
export const proposalForwardDelay: ForwardDelay = { kind: "uniform", lowMs: 0, highMs: 30_000 };

/** Below it the delay hides nothing: who sees both zones sees one thing lead to the other. */
const MEAN_MS_MIN = 1_000;
/** Above it a transaction's wallet sends it again before it is out. */
const DELAY_MS_MAX = 300_000;
const SECOND_MS = 1_000;

/**
 * Draws one delay.
 *
 * @param delay its distribution
 * @param random where chance comes from
 * @returns milliseconds, 0 or more
 */
export function drawForwardDelay(delay: ForwardDelay, random: RandomSource): number {
  return delay.kind === "poisson"
    ? poisson(random, delay.meanMs / SECOND_MS) * SECOND_MS
    : uniform(random, delay.lowMs, delay.highMs);
}

/**
 * Reads `poisson:22s` or `uniform:0s..30s`.
 *
 * @param text what the user wrote
 * @throws RelayError `bad-forward-delay`
 */
export function parseForwardDelay(text: string): ForwardDelay {
  const [, kind, range = ""] = /^(poisson|uniform):(.*)$/.exec(text.trim()) ?? [];
  const [first, second, ...more] = range.split("..").map(parseDuration);
  if (kind === "poisson" && first !== undefined && second === undefined && !range.includes("..")) {
    if (first >= MEAN_MS_MIN && first <= DELAY_MS_MAX) return { kind, meanMs: first };
    throw bad(`The mean in "${text}" is not from 1s to 5m.`);
  }
  if (kind === "uniform" && first !== undefined && second !== undefined && more.length === 0) {
    const isFit = first <= second && (first + second) / 2 >= MEAN_MS_MIN && second <= DELAY_MS_MAX;
    if (isFit) return { kind, lowMs: first, highMs: second };
    throw bad(`The range in "${text}" is not within 5m, or its mean is below 1s.`);
  }
  throw bad(`Forward delay "${text}" is not known; write poisson:22s or uniform:0s..30s.`);
}

/**
 * The one text form of a delay, as `parseForwardDelay` reads it back.
 *
 * @param delay any
 */
export function formatForwardDelay(delay: ForwardDelay): string {
  return delay.kind === "poisson"
    ? `poisson:${formatDuration(delay.meanMs)}`
    : `uniform:${formatDuration(delay.lowMs)}..${formatDuration(delay.highMs)}`;
}

function bad(message: string): RelayError {
  return new RelayError("bad-forward-delay", "config", message);
}
