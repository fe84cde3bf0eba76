import type { RandomSource } from "./random.ts";

/**
 * A uniform number in [0, 1) with all 53 bits of a double.
 *
 * @param random where the bits come from
 */
export function unit(random: RandomSource): number {
  const high = random.uint32() >>> 5;
  const low = random.uint32() >>> 6;
  return (high * 67_108_864 + low) / 9_007_199_254_740_992;
}

/**
 * A uniform number from low to high; `high` itself only by rounding.
 *
 * @param random where the bits come from
 * @param low the least value
 * @param high the bound above; not below `low`
 */
export function uniform(random: RandomSource, low: number, high: number): number {
  return low + (high - low) * unit(random);
}

/**
 * An integer in [0, below), every value equally likely: draws that would make the low values
 * likelier are thrown away.
 *
 * @param random where the bits come from
 * @param below 1 to 2^32
 * @throws RangeError when `below` is not an integer in that range
 */
export function integerBelow(random: RandomSource, below: number): number {
  if (!Number.isInteger(below) || below < 1 || below > 4_294_967_296) {
    throw new RangeError(`integerBelow needs an integer from 1 to 2^32, not ${below}.`);
  }
  const limit = 4_294_967_296 - (4_294_967_296 % below);
  for (;;) {
    const draw = random.uint32();
    if (draw < limit) return draw % below;
  }
}

/**
 * An exponentially distributed number: the wait for the next event of a memoryless process.
 *
 * @param random where the bits come from
 * @param mean the mean, in whatever unit the result is wanted in
 */
export function exponential(random: RandomSource, mean: number): number {
  return -mean * Math.log1p(-unit(random));
}

/** Above this mean a Poisson draw is split in two, so that `exp(-mean)` keeps its precision. */
const POISSON_MEAN_WHOLE = 500;

/**
 * A Poisson-distributed count.
 *
 * @param random where the bits come from
 * @param mean the mean count, 0 or more
 * @throws RangeError when `mean` is negative or above 10,000 (the draw takes time in proportion)
 */
export function poisson(random: RandomSource, mean: number): number {
  if (!(mean >= 0 && mean <= 10_000)) {
    throw new RangeError(`poisson needs a mean from 0 to 10,000, not ${mean}.`);
  }
  let total = 0;
  let left = mean;
  while (left > POISSON_MEAN_WHOLE) {
    total += poissonSmall(random, POISSON_MEAN_WHOLE);
    left -= POISSON_MEAN_WHOLE;
  }
  return total + poissonSmall(random, left);
}

function poissonSmall(random: RandomSource, mean: number): number {
  const bound = Math.exp(-mean);
  let product = unit(random);
  let count = 0;
  while (product > bound) {
    product *= unit(random);
    count++;
  }
  return count;
}

/**
 * The items in a uniformly random order; the argument stays as it was.
 *
 * Source: Fisher and Yates, in Durstenfeld's form.
 *
 * @param random where the bits come from
 * @param items what to shuffle
 */
export function shuffle<T>(random: RandomSource, items: readonly T[]): T[] {
  return sample(random, items, items.length);
}

/**
 * `count` different places of the list, in random order; all of them when the list is shorter.
 *
 * @param random where the bits come from
 * @param items what to draw from; stays as it was
 * @param count how many at the most
 */
export function sample<T>(random: RandomSource, items: readonly T[], count: number): T[] {
  const pool = [...items];
  const wanted = Math.min(count, pool.length);
  for (let i = 0; i < wanted; i++) {
    const j = i + integerBelow(random, pool.length - i);
    const a = pool[i] as T;
    pool[i] = pool[j] as T;
    pool[j] = a;
  }
  pool.length = wanted;
  return pool;
}
