/** What a quantity came to over the rounds of one run. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many rounds. */
  readonly rounds: number;
}

/**
 * The median and the extremes of some values. The median is quoted rather than the mean: one round
 * that shared the machine with something else moves a mean, and tells nothing about the code.
 *
 * @param values at least one
 * @throws RangeError when there is none
 */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const min = sorted[0];
  const max = sorted.at(-1);
  const low = sorted[(sorted.length - 1) >> 1];
  const high = sorted[sorted.length >> 1];
  if (min === undefined || max === undefined || low === undefined || high === undefined) {
    throw new RangeError("A spread needs at least one value.");
  }
  return { median: (low + high) / 2, min, max, rounds: sorted.length };
}

/**
 * What several contestants reached round by round, where every round ran all of them one after the
 * other: the same index is the same moment.
 */
export type Rounds<Names extends string> = { readonly [N in Names]: readonly number[] };

/**
 * Runs contestants in turns, A B A B and so on, so that a machine that is slow for a while is slow
 * for all of them. The first rounds warm up and do not count.
 *
 * @param rounds how many count
 * @param contestants each measures itself once and gives its value
 * @param warmUps how many rounds come before those; 1 by default
 */
export async function inTurns<Names extends string>(
  rounds: number,
  contestants: { readonly [N in Names]: () => number | Promise<number> },
  warmUps = 1,
): Promise<Rounds<Names>> {
  const entries = Object.entries<() => number | Promise<number>>(contestants);
  const values = new Map<string, number[]>(entries.map(([name]) => [name, []]));
  for (let round = -warmUps; round < rounds; round++) {
    for (const [name, measure] of entries) {
      const value = await measure();
      if (round >= 0) values.get(name)?.push(value);
    }
  }
  return Object.fromEntries(values) as Record<Names, number[]>;
}

/**
 * The ratio of two contestants, round by round.
 *
 * @param ours the dividends
 * @param theirs the divisors, as many
 */
export function ratios(ours: readonly number[], theirs: readonly number[]): Spread {
  return spreadOf(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)));
}

/**
 * The difference of two contestants, round by round.
 *
 * @param ours what is subtracted from
 * @param theirs what is subtracted, as many
 */
export function differences(ours: readonly number[], theirs: readonly number[]): Spread {
  return spreadOf(ours.map((value, round) => value - (theirs[round] ?? Number.NaN)));
}
