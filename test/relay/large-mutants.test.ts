import { describe, expect, test } from "bun:test";
import { mutants } from "./large-mutants.ts";
import { type SmallOptions, smallRun } from "./small-run.ts";

/** Short worlds within which a mutant must be caught; most are in the first few. */
const SEEDS = 300;

/** What breaks, of the first world that breaks in these words; a mutant may break other rules too. */
function breachOf(words: RegExp, options: SmallOptions): string {
  let other = "Nothing broke.";
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      smallRun(seed, options);
    } catch (error) {
      const breach = String(error);
      if (words.test(breach)) return breach;
      other = breach;
    }
  }
  return other;
}

describe("short worlds catch a core that", () => {
  test.each(mutants)(
    "%s",
    (_name, make, words, zone = {}) => {
      const breach = breachOf(words, { make, zone });
      expect(breach).toMatch(words);
      expect(breach).toMatch(/Seed \d+: Rule "/);
    },
    240_000,
  );
});
