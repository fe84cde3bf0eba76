import { falling, logGamma } from "./statistics-special.ts";

/** Up to so many values the chance of a distance is computed exactly. */
const EXACT_MAX = 500;
/** Below this chance both sides never count at once, to nine digits. */
const ONE_SIDE_CHANCE = 1e-3;
/** Above so many values the limit alone is as good, and faster. */
const LIMIT_COUNT = 100_000;
const SCALE = 1e140;

/** How far values lie from a law. */
export interface KolmogorovTest {
  /** The greatest difference between the shares below a value, seen and expected. */
  readonly distance: number;
  /** The chance of a distance as great from values that follow the law. */
  readonly pValue: number;
}

/**
 * Tests whether values follow a law.
 *
 * Source: Kolmogorov 1933; Marsaglia, Tsang and Wang 2003 for the chance.
 *
 * @param rising values in rising order, at least one
 * @param cdf the law's chance of a value of at most x; continuous, without parameters taken from
 *   the values
 */
export function kolmogorovTest(
  rising: ArrayLike<number>,
  cdf: (x: number) => number,
): KolmogorovTest {
  const n = rising.length;
  let distance = 0;
  for (let i = 0; i < n; i++) {
    const expected = cdf(rising[i] as number);
    distance = Math.max(distance, (i + 1) / n - expected, expected - i / n);
  }
  return { distance, pValue: kolmogorovTail(n, distance) };
}

/**
 * The chance that values of a law lie at least so far from it.
 *
 * @param count how many values, 1 or more
 * @param distance from 0 to 1
 * @returns exact up to 500 values and for small chances; beyond to four digits below 0.5, to
 *   three above
 */
export function kolmogorovTail(count: number, distance: number): number {
  if (distance <= 0.5 / count) return 1;
  if (distance >= 1) return 0;
  const quick = quickTail(count, distance);
  return count > EXACT_MAX || quick < ONE_SIDE_CHANCE || distance >= 0.5
    ? quick
    : 1 - exactCdf(count, distance);
}

/**
 * The distance that values of a law exceed with a given chance.
 *
 * @param count how many values, 1 or more
 * @param chance above 0 and below 0.5
 */
export function kolmogorovCritical(count: number, chance: number): number {
  return Math.min(
    1,
    falling((distance) => quickTail(count, distance), chance, 1 / Math.sqrt(count)),
  );
}

/** Both sides by themselves exactly, their coincidence by the limit. */
function quickTail(count: number, distance: number): number {
  if (distance >= 1) return 0;
  // Shifted so, the limit is right to the order of 1 / count.
  const square = (Math.sqrt(count) * distance + 1 / (6 * Math.sqrt(count))) ** 2;
  let both = 0;
  for (let k = 2; k <= 20; k++) both += (k % 2 === 0 ? -2 : 2) * Math.exp(-2 * k * k * square);
  const one = count > LIMIT_COUNT ? Math.exp(-2 * square) : smirnovTail(count, distance);
  return Math.max(0, Math.min(1, 2 * one + (distance >= 0.5 ? 0 : both)));
}

/** Birnbaum and Tingey 1951: the chance of such a distance to one side. */
function smirnovTail(count: number, distance: number): number {
  let sum = 0;
  const logAll = logGamma(count + 1);
  for (let j = 0; j <= Math.floor(count * (1 - distance)); j++) {
    const up = distance + j / count;
    const down = 1 - up;
    const log = logAll - logGamma(j + 1) - logGamma(count - j + 1) + (j - 1) * Math.log(up);
    sum +=
      down > 0 ? Math.exp(log + (count - j) * Math.log(down)) : j === count ? Math.exp(log) : 0;
  }
  return distance * sum;
}

/** Marsaglia, Tsang and Wang 2003: a matrix to the power of the count. */
function exactCdf(count: number, distance: number): number {
  const k = Math.floor(count * distance) + 1;
  const size = 2 * k - 1;
  const h = k - count * distance;
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= Math.min(size - 1, i + 1); j++) matrix[i * size + j] = 1;
  }
  for (let i = 0; i < size; i++) {
    (matrix[i * size] as number) -= h ** (i + 1);
    (matrix[(size - 1) * size + i] as number) -= h ** (size - i);
  }
  (matrix[(size - 1) * size] as number) += 2 * h - 1 > 0 ? (2 * h - 1) ** size : 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i + 1; j++) {
      for (let g = 2; g <= i - j + 1; g++) (matrix[i * size + j] as number) /= g;
    }
  }
  const power = raised(matrix, size, count);
  let value = power.matrix[(k - 1) * size + k - 1] as number;
  let scales = power.scales;
  for (let i = 1; i <= count; i++) {
    value = (value * i) / count;
    if (value < 1 / SCALE) {
      value *= SCALE;
      scales--;
    }
  }
  return value * SCALE ** scales;
}

/** A matrix to a power; what outgrows a double is divided by the scale, as often as said. */
function raised(
  base: Float64Array,
  size: number,
  exponent: number,
): { matrix: Float64Array; scales: number } {
  if (exponent === 1) return { matrix: base, scales: 0 };
  const half = raised(base, size, Math.floor(exponent / 2));
  let matrix = product(half.matrix, half.matrix, size);
  let scales = 2 * half.scales;
  if (exponent % 2 === 1) matrix = product(base, matrix, size);
  const middle = Math.floor(size / 2);
  if ((matrix[middle * size + middle] as number) > SCALE) {
    matrix = matrix.map((value) => value / SCALE);
    scales++;
  }
  return { matrix, scales };
}

function product(a: Float64Array, b: Float64Array, size: number): Float64Array {
  const result = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < size; k++) {
      const factor = a[i * size + k] as number;
      if (factor === 0) continue;
      for (let j = 0; j < size; j++) {
        (result[i * size + j] as number) += factor * (b[k * size + j] as number);
      }
    }
  }
  return result;
}
