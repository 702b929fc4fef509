/**
 * What a surprise leaves behind. A series is taken as (trend, season) + m, where m remembers surprises:
 * m(t) = keeps * m(t-1) + takes * surprise(t). With keeps = 1 that is exponential smoothing: the share `takes` of each surprise stays
 * for ever: 1 is a random walk, and above 1 a surprise announces more of its kind. With keeps = takes below 1 it fades (an autoregression of order one).
 *
 * Given the two numbers, surprises are linear in the series, so trend and season follow by least squares with honest
 * standard errors. Source: Hyndman, Koehler, Ord, Snyder, "Forecasting with Exponential Smoothing" (2008), chapters 2, 5 and 9;
 * smoothing with drift is the Theta method (Hyndman and Billah, International Journal of Forecasting 19, 2003).
 */

export interface Memory {
  readonly keeps: number;
  readonly takes: number;
}

/** From none at all to more than a random walk, and five that fade. */
export const MEMORIES: readonly Memory[] = [
  ...[0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1, 1.2, 1.4].map((takes) => ({ keeps: 1, takes })),
  ...[0.3, 0.6, 0.8, 0.9, 0.96].map((keeps) => ({ keeps, takes: keeps })),
];

export interface Filtered {
  /** One for each bucket that was seen. */
  readonly surprises: Float64Array;
  /** m at the end. */
  readonly last: number;
}

/** Through a gap what is remembered goes on, and nothing is learnt. `seen` holds 1 for each bucket with a value. */
export function filtered(series: Float64Array, seen: Uint8Array, count: number, { keeps, takes }: Memory): Filtered {
  const surprises = new Float64Array(count);
  // The first of a fading memory comes from its long run, which is wider than a surprise.
  let scale = keeps < 1 ? Math.sqrt(1 - keeps * keeps) : 1;
  let [m, row] = [0, 0];
  for (let t = 0; t < series.length; t += 1) {
    if (seen[t] === 0) {
      m *= keeps;
      continue;
    }
    const surprise = (series[t] as number) - m;
    surprises[row] = surprise * scale;
    row += 1;
    m = keeps * m + takes * surprise;
    scale = 1;
  }
  return { surprises, last: m };
}
