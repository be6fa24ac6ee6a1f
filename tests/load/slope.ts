/** A straight line through measurements: does memory grow with what has happened, and how sure is that. */

export interface Slope {
  /** Change of y for each 1 of x, by least squares. */
  perUnit: number;
  /** Half the width of its 95 % confidence interval. Infinity for fewer than three points. */
  plusMinus: number;
}

/** 97.5 % point of the normal distribution. */
const Z = 1.959964;

export function slopeOf(points: readonly { x: number; y: number }[]): Slope {
  const count = points.length;
  const mean = (of: "x" | "y") => points.reduce((sum, point) => sum + point[of], 0) / count;
  const [meanX, meanY] = [mean("x"), mean("y")];
  const sxx = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const perUnit = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / sxx;
  const freedom = count - 2;
  if (freedom < 1) return { perUnit, plusMinus: Infinity };
  const residual = points.reduce((sum, { x, y }) => sum + (y - meanY - perUnit * (x - meanX)) ** 2, 0);
  return { perUnit, plusMinus: studentT(freedom) * Math.sqrt(residual / freedom / sxx) };
}

/** 97.5 % point of Student's t; exact for 1 and 2, else Cornish-Fisher to the third term, within 1 %. */
export function studentT(freedom: number): number {
  if (freedom === 1) return 12.706;
  if (freedom === 2) return 4.303;
  return Z + (Z ** 3 + Z) / (4 * freedom) +
    (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * freedom ** 2) +
    (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / (384 * freedom ** 3);
}
