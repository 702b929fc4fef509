/** Least squares by the normal equations and their Cholesky factor, over columns of numbers. Pure. */

/** Columns of a table, each with one number a row. */
export type Columns = readonly Float64Array[];

export interface LeastSquares {
  readonly coefficients: Float64Array;
  /** Lower triangle L of Z'Z = L L', row by row. */
  readonly factor: readonly Float64Array[];
  readonly residuals: Float64Array;
  /** Sum of the squared residuals. */
  readonly squares: number;
  /** log of the determinant of Z'Z. */
  readonly logDeterminant: number;
}

/** Undefined where the columns say the same twice. */
export function leastSquares(columns: Columns, wanted: Float64Array): LeastSquares | undefined {
  const size = columns.length;
  const factor = columns.map((_, row) => new Float64Array(row + 1));
  let logDeterminant = 0;
  for (const [row, column] of columns.entries()) {
    const own = factor[row] as Float64Array;
    for (let at = 0; at <= row; at += 1) {
      const other = factor[at] as Float64Array;
      let sum = product(column, columns[at] as Float64Array);
      const whole = sum;
      for (let k = 0; k < at; k += 1) sum -= num(own, k) * num(other, k);
      if (at < row) own[at] = sum / num(other, at);
      else if (sum <= whole * 1e-9 || sum <= 0) return undefined;
      else own[at] = Math.sqrt(sum);
    }
    logDeterminant += 2 * Math.log(num(own, row));
  }
  const right = Float64Array.from(columns, (column) => product(column, wanted));
  const coefficients = solveUpper(factor, solveLower(factor, right));
  const residuals = Float64Array.from(wanted);
  for (let at = 0; at < size; at += 1) addTimes(residuals, columns[at] as Float64Array, -num(coefficients, at));
  return { coefficients, factor, residuals, squares: product(residuals, residuals), logDeterminant };
}

/** x of L' x = right: with normal numbers on the right, a draw with the covariance of the coefficients. */
export function solveUpper(factor: readonly Float64Array[], right: Float64Array): Float64Array {
  const solved = Float64Array.from(right);
  for (let row = solved.length - 1; row >= 0; row -= 1) {
    const own = factor[row] as Float64Array;
    solved[row] = num(solved, row) / num(own, row);
    for (let k = 0; k < row; k += 1) solved[k] = num(solved, k) - num(own, k) * num(solved, row);
  }
  return solved;
}

function solveLower(factor: readonly Float64Array[], right: Float64Array): Float64Array {
  const solved = Float64Array.from(right);
  for (let row = 0; row < solved.length; row += 1) {
    const own = factor[row] as Float64Array;
    for (let k = 0; k < row; k += 1) solved[row] = num(solved, row) - num(own, k) * num(solved, k);
    solved[row] = num(solved, row) / num(own, row);
  }
  return solved;
}

export function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += num(a, i) * num(b, i);
  return sum;
}

/** Adds `times` the second to the first, in place. */
export function addTimes(to: Float64Array, from: Float64Array, times: number): void {
  for (let i = 0; i < to.length; i += 1) to[i] = num(to, i) + times * num(from, i);
}

/** Indices here are within bounds by construction. */
function num(values: Float64Array, index: number): number {
  return values[index] as number;
}
