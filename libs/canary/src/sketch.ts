/**
 * A DDSketch (Masson, Rim, Lee 2019) of milliseconds with relative accuracy 0.01, as it is reported and kept: `c[i]`
 * values lie in bucket `o + i`. Bucket b holds the values above γ^(b−1) up to γ^b, γ = 1.01/0.99.
 */
export type Sketch = { readonly o: number; readonly c: readonly number[] };

/** The smallest and the greatest latency that counts, in milliseconds; nearer and farther ones are clamped. */
export const SHORTEST_MS = 0.01;
export const LONGEST_MS = 86_400_000;

const LN_GAMMA = Math.log(1.01 / 0.99);

/** The bucket of a number of milliseconds, clamped to what counts. */
export function sketchIndex(ms: number): number {
  return Math.ceil(Math.log(Math.min(Math.max(ms, SHORTEST_MS), LONGEST_MS)) / LN_GAMMA);
}

/** The first and the last bucket there is. */
export const FIRST_INDEX = sketchIndex(SHORTEST_MS);
export const LAST_INDEX = sketchIndex(LONGEST_MS);

/** The upper edge of a bucket in milliseconds, γ^index: every value of the bucket is at most that, and above the edge before. */
export function sketchEdge(index: number): number {
  return Math.exp(index * LN_GAMMA);
}

/** A sketch of nothing. */
export const EMPTY_SKETCH: Sketch = { o: 0, c: [] };

/** The sketch with one value more; it copies: whoever adds millions keeps an array of its own. */
export function addToSketch(sketch: Sketch, ms: number): Sketch {
  return mergeSketches(sketch, { o: sketchIndex(ms), c: [1] });
}

/** Both sketches' values: exactly the sketch that all of them would have made. */
export function mergeSketches(one: Sketch, other: Sketch): Sketch {
  if (one.c.length === 0) return other;
  if (other.c.length === 0) return one;
  const o = Math.min(one.o, other.o);
  const length = Math.max(one.o + one.c.length, other.o + other.c.length) - o;
  const counts = Array.from({ length }, () => 0);
  for (const { o: from, c } of [one, other])
    for (const [index, count] of c.entries()) counts[from - o + index] = (counts[from - o + index] ?? 0) + count;
  return { o, c: counts };
}

/** How many values a sketch holds. */
export function sketchCount({ c }: Sketch): number {
  return c.reduce((sum, count) => sum + count, 0);
}

/** The bucket that holds the q-quantile, the value of rank ⌈q·n⌉; undefined for a sketch of nothing. */
export function quantileIndex(sketch: Sketch, q: number): number | undefined {
  const rank = Math.max(1, Math.ceil(q * sketchCount(sketch)));
  let below = 0;
  for (const [index, count] of sketch.c.entries()) {
    below += count;
    if (below >= rank) return sketch.o + index;
  }
  return undefined;
}

/** The q-quantile in milliseconds, within 1 %; undefined for a sketch of nothing. */
export function quantile(sketch: Sketch, q: number): number | undefined {
  const index = quantileIndex(sketch, q);
  return index === undefined ? undefined : (2 * sketchEdge(index)) / (1 + Math.exp(LN_GAMMA));
}

/** How many values lie above a bucket. */
export function countAbove({ o, c }: Sketch, index: number): number {
  return c.slice(Math.max(0, index + 1 - o)).reduce((sum, count) => sum + count, 0);
}
