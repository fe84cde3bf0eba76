import { chiSquareTail } from "./statistics-special.ts";
import { moments } from "./statistics-summary.ts";

/**
 * How values hang together with those some places later.
 *
 * Source: Box and Jenkins 1976, the estimate that NIST certifies its lag-1 values with.
 *
 * @param values numbers in their order
 * @param lags the greatest distance
 * @returns the correlation at distances 1, 2, …, `lags`, each from -1 to 1; 0 where all values are
 *   equal
 */
export function autocorrelation(values: ArrayLike<number>, lags: number): Float64Array {
  const { mean } = moments(values);
  const differences = Float64Array.from(values, (value) => value - mean);
  let squares = 0;
  for (const difference of differences) squares += difference * difference;
  const correlations = new Float64Array(Math.min(lags, Math.max(0, values.length - 1)));
  if (squares === 0) return correlations;
  for (let lag = 1; lag <= correlations.length; lag++) {
    let sum = 0;
    for (let i = lag; i < differences.length; i++) {
      sum += (differences[i] as number) * (differences[i - lag] as number);
    }
    correlations[lag - 1] = sum / squares;
  }
  return correlations;
}

/** Whether values that follow each other are independent. */
export interface IndependenceTest {
  readonly statistic: number;
  readonly lags: number;
  /** The chance of a statistic as great from independent values. */
  readonly pValue: number;
}

/**
 * Tests whether values are independent of those before them.
 *
 * Source: Ljung and Box 1978.
 *
 * @param values numbers in their order
 * @param lags distances looked at, fewer than there are values
 */
export function ljungBox(values: ArrayLike<number>, lags: number): IndependenceTest {
  const n = values.length;
  const correlations = autocorrelation(values, lags);
  let sum = 0;
  for (let i = 0; i < correlations.length; i++) {
    sum += (correlations[i] as number) ** 2 / (n - i - 1);
  }
  const statistic = n * (n + 2) * sum;
  return { statistic, lags, pValue: chiSquareTail(statistic, lags) };
}
