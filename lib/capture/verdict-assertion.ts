import { ExpectationError } from "./fit-error.ts";
import { formatLaw, type IntervalLaw } from "./fit-law.ts";
import type { IntervalFit, SizeFit } from "./fit-report.ts";
import { parseFrameBytes, parseLaw } from "./fit-schedule.ts";
import { type Doubt, doubtReasons } from "./verdict-doubt.ts";

/** One thing that a capture has to show. */
export type Assertion =
  | { readonly kind: "frame"; readonly bytes: number }
  | { readonly kind: "interval"; readonly law: IntervalLaw }
  | { readonly kind: "auc"; readonly below: number };

/** Whether a capture shows it; inconclusive where there is too little of it to say. */
export type AssertionOutcome = "holds" | "fails" | "inconclusive";

/** An assertion and what became of it. */
export interface AssertionResult {
  /** As `parseAssertions` reads it. */
  readonly text: string;
  readonly outcome: AssertionOutcome;
  readonly reason: string;
}

/** What assertions are checked against; what was not measured is undefined. */
export interface Measured {
  readonly sizes: (frameBytes: number) => SizeFit;
  readonly intervals: (law: IntervalLaw) => IntervalFit;
  /** Over all detectors that tell payload at a frame, or at a moment. */
  readonly detectors: DetectorBounds | undefined;
  /** About what those detectors saw. */
  readonly doubt: Doubt;
}

/** How well the best of several detectors may work. */
export interface DetectorBounds {
  /** The greatest of their lower bounds. */
  readonly low: number;
  /** The greatest of their upper bounds. */
  readonly high: number;
  /** What they look at: "frames", "moments". */
  readonly of: readonly string[];
}

const FORM = "'frame=3072 interval~uniform(10s,15s) auc<0.55'";

/**
 * Reads what `--assert` was given.
 *
 * @param text assertions with spaces between: `frame=BYTES`, `interval~LAW(…)`, `auc<NUMBER`
 * @throws ExpectationError "assertion" for anything else, for none, and for one of a kind twice
 */
export function parseAssertions(text: string): Assertion[] {
  // A space inside parentheses belongs to the law.
  const parts = text.trim().split(/\s+(?![^(]*\))/);
  const assertions = parts.map((part) => {
    const assertion = parseAssertion(part);
    if (assertion !== undefined) return assertion;
    throw new ExpectationError("assertion", `"${part}" is no assertion; write ${FORM}.`);
  });
  const twice = assertions.find((one, i) => assertions.findIndex((o) => o.kind === one.kind) < i);
  if (twice !== undefined) {
    throw new ExpectationError("assertion", `"${twice.kind}" is asserted twice; keep one.`);
  }
  return assertions;
}

function parseAssertion(part: string): Assertion | undefined {
  const [, name, sign, value = ""] = /^(frame|interval|auc)([=~<])(.+)$/.exec(part) ?? [];
  if (name === "frame" && sign === "=") {
    const bytes = parseFrameBytes(value);
    return bytes === undefined ? undefined : { kind: "frame", bytes };
  }
  if (name === "interval" && sign === "~") {
    const law = parseLaw(value);
    return law === undefined ? undefined : { kind: "interval", law };
  }
  const below = /^(?:0?\.[0-9]{1,6}|1(?:\.0{1,6})?)$/.test(value) ? Number(value) : 0;
  return name === "auc" && sign === "<" && below > 0.5 ? { kind: "auc", below } : undefined;
}

/**
 * Checks what a capture shows against what was asserted.
 *
 * @param assertions from `parseAssertions`
 * @param measured what was measured
 */
export function checkAssertions(
  assertions: readonly Assertion[],
  measured: Measured,
): AssertionResult[] {
  return assertions.map((assertion) => checkOne(assertion, measured));
}

function checkOne(assertion: Assertion, measured: Measured): AssertionResult {
  switch (assertion.kind) {
    case "frame": {
      const { outcome, reason } = measured.sizes(assertion.bytes);
      return { text: `frame=${assertion.bytes}`, outcome: outcomeOf[outcome], reason };
    }
    case "interval": {
      const { outcome, reason } = measured.intervals(assertion.law);
      const law = formatLaw(assertion.law).replace(" ", "(").replace("..", ",");
      return { text: `interval~${law})`, outcome: outcomeOf[outcome], reason };
    }
    case "auc":
      return checkAuc(assertion.below, measured);
  }
}

/** The whole interval has to lie on one side: an estimate alone proves nothing. */
function checkAuc(below: number, { detectors, doubt }: Measured): AssertionResult {
  const text = `auc<${below}`;
  const told = doubtReasons(doubt);
  if (detectors === undefined) {
    const reason = "There are no labels, or too few frames with or without payload.";
    return { text, outcome: "inconclusive", reason: [...told, reason].join(" ") };
  }
  const { low, high, of } = detectors;
  const bounds = `${low.toFixed(3)} to ${high.toFixed(3)}`;
  const reason = `Bounds over all detectors of ${of.join(" and of ")}: ${bounds}.`;
  if (low >= below && doubt.clock === undefined) return { text, outcome: "fails", reason };
  const isShown = high < below && told.length === 0;
  return { text, outcome: isShown ? "holds" : "inconclusive", reason: [...told, reason].join(" ") };
}

const outcomeOf = {
  fits: "holds",
  deviates: "fails",
  inconclusive: "inconclusive",
} as const satisfies Record<SizeFit["outcome"], AssertionOutcome>;

/** Exit codes of `--assert`. */
export const ASSERTION_EXIT = { holds: 0, fails: 1, inconclusive: 4 } as const;

/**
 * The exit code of assertions together: what fails outweighs what is inconclusive.
 *
 * @param results from `checkAssertions`
 */
export function assertionExit(results: readonly AssertionResult[]): 0 | 1 | 4 {
  const outcomes = results.map((result) => result.outcome);
  if (outcomes.includes("fails")) return ASSERTION_EXIT.fails;
  return outcomes.includes("inconclusive") ? ASSERTION_EXIT.inconclusive : ASSERTION_EXIT.holds;
}
