/** Where series and continued fractions stop: a double holds no more. */
const PRECISION = 2 ** -52;
/** A series that has not settled by then never will; those met here take fewer than 1,000 steps. */
const STEPS_MAX = 100_000;
/** Keeps a continued fraction from dividing by zero. */
const LEAST = 1e-300;

const LANCZOS: readonly number[] = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
];

/**
 * The logarithm of the gamma function, to 14 digits.
 *
 * Source: Lanczos 1964, with Godfrey's coefficients for g = 7.
 *
 * @param x above 0
 */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  let sum = LANCZOS[0] as number;
  for (let i = 1; i < LANCZOS.length; i++) sum += (LANCZOS[i] as number) / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/**
 * The regularized upper incomplete gamma function Q(a, x).
 *
 * Source: Abramowitz and Stegun 6.5.29 for the series, 6.5.31 for the continued fraction, by
 * Lentz's method.
 *
 * @param a above 0
 * @param x 0 or more
 * @returns from 0 to 1
 */
export function gammaTail(a: number, x: number): number {
  if (x <= 0) return 1;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let i = 1; i < STEPS_MAX && Math.abs(term) > Math.abs(sum) * PRECISION; i++) {
      term *= x / (a + i);
      sum += term;
    }
    return 1 - front * sum;
  }
  let b = x + 1 - a;
  let c = 1 / LEAST;
  let d = 1 / b;
  let fraction = d;
  for (let i = 1; i < STEPS_MAX; i++) {
    const factor = -i * (i - a);
    b += 2;
    d = 1 / (Math.abs(factor * d + b) < LEAST ? LEAST : factor * d + b);
    c = Math.abs(b + factor / c) < LEAST ? LEAST : b + factor / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < PRECISION) break;
  }
  return front * fraction;
}

/**
 * The chance that a standard normal value is at most `z`.
 *
 * @param z in standard deviations
 */
export function normalCdf(z: number): number {
  const tail = 0.5 * gammaTail(0.5, (z * z) / 2);
  return z > 0 ? 1 - tail : tail;
}

/**
 * The value that a standard normal one stays below with a given chance.
 *
 * Source: Abramowitz and Stegun 26.2.23 for the start, mended by Halley's method.
 *
 * @param share above 0 and below 1
 * @returns standard deviations
 */
export function normalQuantile(share: number): number {
  if (share > 0.5) return -normalQuantile(1 - share);
  const t = Math.sqrt(-2 * Math.log(share));
  let z = -(
    t -
    (2.515517 + t * (0.802853 + t * 0.010328)) /
      (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
  );
  for (let i = 0; i < 3; i++) {
    const error = (normalCdf(z) - share) * Math.sqrt(2 * Math.PI) * Math.exp((z * z) / 2);
    z -= error / (1 + (z * error) / 2);
  }
  return z;
}

/**
 * The chance that a chi-square value is greater than `x`.
 *
 * @param x 0 or more
 * @param degrees of freedom, above 0
 */
export function chiSquareTail(x: number, degrees: number): number {
  return gammaTail(degrees / 2, x / 2);
}

/**
 * The value that a chi-square one exceeds with a given chance.
 *
 * @param chance above 0 and below 1
 * @param degrees of freedom, above 0
 */
export function chiSquareCritical(chance: number, degrees: number): number {
  return falling((x) => chiSquareTail(x, degrees), chance, degrees + 1);
}

/**
 * The chance that a noncentral chi-square value is greater than `x`: the power of a chi-square test
 * where `x` is its critical value.
 *
 * Source: Johnson, Kotz and Balakrishnan 1995, 29.2: chi-square tails weighted by Poisson chances.
 *
 * @param x 0 or more
 * @param degrees of freedom, above 0
 * @param noncentrality 0 or more, at most some thousand
 */
export function noncentralChiSquareTail(x: number, degrees: number, noncentrality: number): number {
  const mean = noncentrality / 2;
  // Twelve deviations to each side leave out less than a double holds.
  const reach = 12 * Math.sqrt(mean) + 40;
  let sum = 0;
  for (let i = Math.max(0, Math.floor(mean - reach)); i <= mean + reach; i++) {
    const log = mean === 0 ? (i === 0 ? 0 : -Infinity) : i * Math.log(mean) - mean;
    sum += Math.exp(log - logGamma(i + 1)) * chiSquareTail(x, degrees + 2 * i);
  }
  return Math.min(1, sum);
}

/**
 * Where a falling function takes a value, by halving.
 *
 * @param f falls from above `value` at 0 to below it somewhere
 * @param value what it shall take
 * @param start a first guess of a place beyond, above 0
 * @returns the place, to 12 digits
 */
export function falling(f: (x: number) => number, value: number, start: number): number {
  let low = 0;
  let high = start;
  for (let i = 0; i < 100 && f(high) > value; i++) high *= 2;
  for (let i = 0; i < 60 && high - low > 1e-12 * high; i++) {
    const middle = (low + high) / 2;
    if (f(middle) > value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
