/** Draws that are the same in every run. */
export type Random = {
  /** Uniform in [0, 1). */
  readonly uniform: () => number;
  readonly binomial: (n: number, p: number) => number;
  readonly normal: () => number;
  /** Beta with this mean and this intra-class correlation: a user's own rate of failures. */
  readonly beta: (mean: number, correlation: number) => number;
};

/** mulberry32: small, good enough for simulations, the same everywhere. */
function uniformOf(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Marsaglia, Tsang 2000, with the boost for shapes under 1. */
function gammaOf(uniform: () => number, normal: () => number, shape: number): number {
  if (shape < 1) return gammaOf(uniform, normal, shape + 1) * uniform() ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const z = normal();
    const v = (1 + z / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - uniform()) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v;
  }
}

export function randomOf(seed: number): Random {
  const uniform = uniformOf(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  /** By inversion, in pieces small enough that (1 − p)ⁿ does not vanish. */
  const binomial = (n: number, p: number): number => {
    if (p <= 0 || n <= 0) return 0;
    if (p >= 1) return n;
    if (p > 0.5) return n - binomial(n, 1 - p);
    if (n * p > 300) return binomial(n >> 1, p) + binomial(n - (n >> 1), p);
    const odds = p / (1 - p);
    let density = (1 - p) ** n;
    let left = uniform();
    let k = 0;
    for (; left > density && k < n; k++) {
      left -= density;
      density *= (odds * (n - k)) / (k + 1);
    }
    return k;
  };
  const beta = (mean: number, correlation: number): number => {
    const strength = (1 - correlation) / correlation;
    const one = gammaOf(uniform, normal, mean * strength);
    const other = gammaOf(uniform, normal, (1 - mean) * strength);
    return one + other > 0 ? one / (one + other) : mean;
  };
  return { uniform, binomial, normal, beta };
}
