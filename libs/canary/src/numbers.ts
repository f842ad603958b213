/** ln(eᵃ + eᵇ) without overflow; −∞ stands for ln 0. */
export function logAddExp(a: number, b: number): number {
  const high = Math.max(a, b);
  return high === -Infinity ? high : high + Math.log1p(Math.exp(Math.min(a, b) - high));
}

/** ln Σ eˣ without overflow; −∞ of nothing. */
export function logSumExp(terms: readonly number[]): number {
  return terms.reduce(logAddExp, -Infinity);
}

/** k·ln(p/q), where 0·ln 0 is 0. */
export function logRatio(k: number, p: number, q: number): number {
  return k === 0 ? 0 : k * Math.log(p / q);
}

/** ln Γ(x) for x > 0 to 14 digits (Stirling's series after shifting x to 10 or more; Abramowitz, Stegun 6.1.40). */
function lnGamma(x: number): number {
  let shift = 1;
  let y = x;
  for (; y < 10; y++) shift *= y;
  const z = 1 / (y * y);
  const series = 1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188 - (z * 691) / 360_360))));
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series / y - Math.log(shift);
}

/** ln B(a, b) for a, b > 0. */
export function lnBeta(a: number, b: number): number {
  return lnGamma(a) + lnGamma(b) - lnGamma(a + b);
}

const lnDensity = (z: number): number => -0.5 * (z * z + Math.log(2 * Math.PI));

/** ln Φ(z), Φ the standard normal distribution: Marsaglia's series (2004), and far below 0 Laplace's continued fraction. */
export function lnPhi(z: number): number {
  if (z > 8) return -Math.exp(lnDensity(z)) / z;
  if (z < -3) {
    let fraction = -z;
    for (let term = 200; term > 0; term--) fraction = -z + term / fraction;
    return lnDensity(z) - Math.log(fraction);
  }
  let term = z;
  let sum = z;
  for (let odd = 3; Math.abs(term) > 1e-18 * Math.abs(sum); odd += 2) {
    term *= (z * z) / odd;
    sum += term;
  }
  return Math.log(0.5 + sum * Math.exp(lnDensity(z)));
}
