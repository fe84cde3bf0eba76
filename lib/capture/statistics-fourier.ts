/**
 * The discrete Fourier transform, in place.
 *
 * Source: Cooley and Tukey 1965, radix 2.
 *
 * @param real parts, a power of two of them
 * @param imaginary parts, as many
 */
export function fourier(real: Float64Array, imaginary: Float64Array): void {
  const n = real.length;
  swapReversed(real, imaginary);
  const cosines = Float64Array.from({ length: n / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / n));
  const sines = Float64Array.from({ length: n / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / n));
  for (let half = 1; half < n; half *= 2) {
    const step = n / (2 * half);
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0, turn = 0; k < half; k++, turn += step) {
        const a = start + k;
        const b = a + half;
        const cosine = cosines[turn] as number;
        const sine = sines[turn] as number;
        const re = (real[b] as number) * cosine - (imaginary[b] as number) * sine;
        const im = (real[b] as number) * sine + (imaginary[b] as number) * cosine;
        real[b] = (real[a] as number) - re;
        imaginary[b] = (imaginary[a] as number) - im;
        (real[a] as number) += re;
        (imaginary[a] as number) += im;
      }
    }
  }
}

function swapReversed(real: Float64Array, imaginary: Float64Array): void {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    const re = real[i] as number;
    real[i] = real[j] as number;
    real[j] = re;
    const im = imaginary[i] as number;
    imaginary[i] = imaginary[j] as number;
    imaginary[j] = im;
  }
}

/**
 * How much of a series' variation each frequency makes: squared amplitudes of the transform of the
 * values less their mean, zeros behind them, divided by the number of values.
 *
 * @param values the series, evenly spaced in time
 * @param points how many the transform has: a power of two, not fewer than values
 * @returns powers at frequencies 0, 1 / points, 2 / points, … up to one half, in cycles a value
 */
export function periodogram(values: ArrayLike<number>, points: number): Float64Array {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  const mean = sum / values.length;
  const real = new Float64Array(points);
  for (let i = 0; i < values.length; i++) real[i] = (values[i] as number) - mean;
  const imaginary = new Float64Array(points);
  fourier(real, imaginary);
  return Float64Array.from(
    { length: points / 2 + 1 },
    (_, i) => ((real[i] as number) ** 2 + (imaginary[i] as number) ** 2) / values.length,
  );
}
